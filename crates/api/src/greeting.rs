//! What a worker says of itself when it opens a stream.

use std::collections::BTreeSet;

use segue_model::pool::{Capabilities, DeviceCapabilities, Hello, WorkerId};

use crate::invalid::Invalid;
use crate::v1;

/// Most that a worker may have to offer: names of everything that an ffmpeg has are some 2,000.
const ABILITIES_MAX: usize = 20_000;

/// What a worker offers to commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOffer {
    /// How many it runs at once; never 0.
    pub places: u32,
    /// What it has: `encoder:libx264`, `network`.
    pub abilities: BTreeSet<String>,
}

impl CommandOffer {
    /// What of `needs` it lacks.
    pub fn missing<'a>(&self, needs: &'a [String]) -> Vec<&'a str> {
        needs.iter().map(String::as_str).filter(|need| !self.abilities.contains(*need)).collect()
    }
}

impl From<CommandOffer> for v1::CommandOffer {
    fn from(offer: CommandOffer) -> v1::CommandOffer {
        let CommandOffer { places, abilities } = offer;
        v1::CommandOffer { places, abilities: abilities.into_iter().collect() }
    }
}

impl TryFrom<v1::CommandOffer> for CommandOffer {
    type Error = Invalid;

    fn try_from(wire: v1::CommandOffer) -> Result<CommandOffer, Invalid> {
        let v1::CommandOffer { places, abilities } = wire;
        if places == 0 {
            return Err(Invalid::new("places", "is 0: who runs no commands offers nothing"));
        }
        if abilities.len() > ABILITIES_MAX {
            let reason = format!("are {}, and {ABILITIES_MAX} at most", abilities.len());
            return Err(Invalid::new("abilities", reason));
        }
        Ok(CommandOffer { places, abilities: abilities.into_iter().collect() })
    }
}

/// A worker's first word: what the planner goes by, and what only the two processes need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Who it is, and what it can do.
    pub hello: Hello,
    /// Where its `Segments` service listens: `host:port`.
    pub address: String,
    /// Segue's version there.
    pub version: String,
    /// The identity of the store that it keeps segments in.
    pub store: String,
    /// What it offers to commands, if it runs any.
    pub commands: Option<CommandOffer>,
}

impl From<Greeting> for v1::Hello {
    fn from(greeting: Greeting) -> v1::Hello {
        let Greeting { hello, address, version, store, commands } = greeting;
        let Hello { worker, incarnation, stream, capabilities } = hello;
        let Capabilities { name, devices } = capabilities;
        v1::Hello {
            worker: worker.0,
            incarnation,
            stream,
            name,
            devices: devices.into_iter().map(Into::into).collect(),
            address,
            version,
            store,
            commands: commands.map(Into::into),
        }
    }
}

impl TryFrom<v1::Hello> for Greeting {
    type Error = Invalid;

    fn try_from(wire: v1::Hello) -> Result<Greeting, Invalid> {
        let v1::Hello {
            worker,
            incarnation,
            stream,
            name,
            devices,
            address,
            version,
            store,
            commands,
        } = wire;
        if stream == 0 {
            return Err(Invalid::new("stream", "is 0: streams are counted from 1"));
        }
        let devices = devices.into_iter().enumerate().map(|(at, device)| {
            let device = DeviceCapabilities::try_from(device);
            device.map_err(|error| error.within(&format!("devices[{at}]")))
        });
        let capabilities = Capabilities { name, devices: devices.collect::<Result<_, _>>()? };
        let hello = Hello { worker: WorkerId(worker), incarnation, stream, capabilities };
        let commands = commands.map(CommandOffer::try_from).transpose();
        let commands = commands.map_err(|error| error.within("commands"))?;
        Ok(Greeting { hello, address, version, store, commands })
    }
}
