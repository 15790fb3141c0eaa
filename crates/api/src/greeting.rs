//! What a worker says of itself when it opens a stream.

use segue_model::pool::{Capabilities, DeviceCapabilities, Hello, WorkerId};

use crate::invalid::Invalid;
use crate::v1;

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
}

impl From<Greeting> for v1::Hello {
    fn from(greeting: Greeting) -> v1::Hello {
        let Greeting { hello, address, version, store } = greeting;
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
        }
    }
}

impl TryFrom<v1::Hello> for Greeting {
    type Error = Invalid;

    fn try_from(wire: v1::Hello) -> Result<Greeting, Invalid> {
        let v1::Hello { worker, incarnation, stream, name, devices, address, version, store } =
            wire;
        if stream == 0 {
            return Err(Invalid::new("stream", "is 0: streams are counted from 1"));
        }
        let devices = devices.into_iter().enumerate().map(|(at, device)| {
            let device = DeviceCapabilities::try_from(device);
            device.map_err(|error| error.within(&format!("devices[{at}]")))
        });
        let capabilities = Capabilities { name, devices: devices.collect::<Result<_, _>>()? };
        let hello = Hello { worker: WorkerId(worker), incarnation, stream, capabilities };
        Ok(Greeting { hello, address, version, store })
    }
}
