//! What a worker's ffmpeg has, asked once, in the sandbox that commands run in: so that a machine on
//! which that cannot be set up says so at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use segue_api::CommandOffer;

use super::Settings;
use super::child::{Group, Started, Starter};
use super::conduct::is_plain;
use super::exec::{NOT_STARTED, Order};
use super::scratch::{self, Scratch};

/// Why no commands can be run.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// There is no such program.
    #[error("--{what} {path}: {error}; name the program that is to run commands", path = .path.display())]
    Program {
        /// Which flag names it.
        what: &'static str,
        /// What it names.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The scratch directory is no good.
    #[error("--command-scratch {path}: {reason}", path = .path.display())]
    Scratch {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It does not run in the sandbox.
    #[error("{program} does not run in the sandbox of commands: {said}", program = .program.display())]
    Sandbox {
        /// Which.
        program: PathBuf,
        /// What it said.
        said: String,
    },
}

/// What a worker offers, and what it has found out on the way.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What is said of it.
    pub offer: CommandOffer,
    /// What the kernel does not enforce.
    pub unenforced: Vec<String>,
    /// Starts commands.
    pub(super) starter: Starter,
}

/// Looks for the programs, and asks them what they have. Paths in `settings` become absolute.
pub async fn offer(settings: &mut Settings) -> Result<Offer, OfferError> {
    settings.ffmpeg = find("ffmpeg", &settings.ffmpeg)?;
    settings.ffprobe = find("ffprobe", &settings.ffprobe)?;
    let path = settings.scratch.clone();
    let unusable = |reason: String| OfferError::Scratch { path: path.clone(), reason };
    scratch::clean(&path).map_err(|error| unusable(format!("it cannot be used: {error}")))?;
    let whole = fs::canonicalize(&path).map_err(|error| unusable(error.to_string()))?;
    if !is_plain(&whole) {
        let reason = "its path may have letters, digits and /._- alone, as it stands in patterns";
        return Err(unusable(reason.to_owned()));
    }
    settings.scratch = whole;
    let scratch = Scratch::make(&settings.scratch, 0).map_err(|e| unusable(e.to_string()))?;
    let starter = Starter::new().map_err(|error| unusable(error.to_string()))?;
    let ask = Ask { starter: &starter, scratch: &scratch };

    let mut abilities = BTreeSet::new();
    for (list, kind) in [
        ("-encoders", "encoder"),
        ("-decoders", "decoder"),
        ("-filters", "filter"),
        ("-muxers", "muxer"),
        ("-demuxers", "demuxer"),
        ("-hwaccels", "hwaccel"),
    ] {
        let said = ask.program(&settings.ffmpeg, list).await?;
        abilities.extend(names(&said).map(|name| format!("{kind}:{name}")));
    }
    // Encoders and decoders may be named by their codec, too.
    abilities.extend(codecs(&ask.program(&settings.ffmpeg, "-codecs").await?));
    abilities.extend(GROUPS.iter().map(|always| (*always).to_owned()));
    ask.program(&settings.ffprobe, "-version").await?;
    abilities.insert("program:ffprobe".to_owned());
    if settings.device.is_some() {
        abilities.insert("device:dri".to_owned());
    }
    if settings.network {
        abilities.insert("network".to_owned());
    }
    let unenforced = scratch.reported();
    let unenforced = unenforced.lines().map(str::to_owned).collect();
    Ok(Offer { offer: CommandOffer { places: settings.places, abilities }, unenforced, starter })
}

/// What every ffmpeg knows that its lists do not hold.
const GROUPS: &[&str] = &["demuxer:lavfi", "hwaccel:drm"];

struct Ask<'a> {
    starter: &'a Starter,
    scratch: &'a Scratch,
}

impl Ask<'_> {
    async fn program(&self, program: &Path, argument: &str) -> Result<String, OfferError> {
        let order = Order {
            parent: std::process::id(),
            program: program.to_owned(),
            arguments: ["-hide_banner", argument].map(str::to_owned).to_vec(),
            directory: self.scratch.tree(),
            home: self.scratch.home(),
            readable: Vec::new(),
            writable: vec![self.scratch.tree(), self.scratch.home()],
            port: None,
            network: false,
            file_max: 1 << 20,
            report: self.scratch.report(),
        };
        let failed = |said: String| OfferError::Sandbox { program: program.to_owned(), said };
        let child = self.starter.start(&order).await;
        let child = child.map_err(|error| failed(error.to_string()))?;
        let heard = tokio::task::spawn_blocking(move || hear(child)).await;
        let heard = heard.map_err(|error| failed(error.to_string()))?;
        let (status, out, errors) = heard.map_err(|error| failed(error.to_string()))?;
        match status.code() {
            Some(0) => Ok(out),
            Some(code) if code == i32::from(NOT_STARTED) => Err(failed(self.scratch.reported())),
            _ => Err(failed(errors.trim().to_owned())),
        }
    }
}

fn hear(mut child: Started) -> io::Result<(ExitStatus, String, String)> {
    let group = Group::of(&child);
    let (stdin, stdout, stderr) = child.streams();
    drop(stdin);
    let (mut out, mut errors) = (String::new(), String::new());
    // Short enough for its pipe: the other one is read to its end first.
    if let Some(mut stdout) = stdout {
        stdout.read_to_string(&mut out)?;
    }
    if let Some(mut stderr) = stderr {
        stderr.read_to_string(&mut errors)?;
    }
    let waited = group.wait(child)?;
    let status = waited.blocking_recv().map_err(io::Error::other)??;
    Ok((status, out, errors))
}

/// The names in a list of ffmpeg's: the second word of each line behind the legend, the only one where
/// there are no columns. Some formats have several names.
fn names(list: &str) -> impl Iterator<Item = &str> {
    let columns = list.contains(" = ");
    list.lines().skip(1).flat_map(move |line| {
        let mut words = line.split_whitespace();
        let name = if columns { words.nth(1) } else { words.next() };
        name.into_iter().flat_map(|name| name.split(','))
    })
}

/// ` DEV.LS h264 ...`: what can be decoded and encoded.
fn codecs(list: &str) -> Vec<String> {
    let mut abilities = Vec::new();
    for line in list.lines() {
        let mut words = line.split_whitespace();
        let (Some(flags), Some(name)) = (words.next(), words.next()) else { continue };
        if flags.len() != 6 || name == "=" {
            continue;
        }
        if flags.starts_with('D') {
            abilities.push(format!("decoder:{name}"));
        }
        if flags[1..].starts_with('E') {
            abilities.push(format!("encoder:{name}"));
        }
    }
    abilities
}

/// The program that a name means, as a shell would find it; scripts are not among them.
fn find(what: &'static str, named: &Path) -> Result<PathBuf, OfferError> {
    let failed = |error| OfferError::Program { what, path: named.to_owned(), error };
    let candidates: Vec<PathBuf> = match named.components().count() {
        1 => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).map(|directory| directory.join(named)).collect()
        }
        _ => vec![named.to_owned()],
    };
    let found = candidates.iter().find(|path| path.is_file());
    let found = found.ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotFound)))?;
    let found = fs::canonicalize(found).map_err(failed)?;
    let mut magic = [0; 4];
    let read = fs::File::open(&found).and_then(|mut file| file.read_exact(&mut magic));
    read.map_err(failed)?;
    if magic != *b"\x7fELF" {
        return Err(failed(io::Error::other("it is a script, and commands run one program alone")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_ffmpegs_columns() {
        let encoders = "Encoders:\n V..... = Video\n ------\n V....D libx264   libx264 H.264\n";
        assert!(names(encoders).any(|name| name == "libx264"));
        let muxers = "File formats:\n D. = Demuxing supported\n --\n  E mov,mp4 QuickTime\n";
        assert!(names(muxers).any(|name| name == "mp4"));
        assert_eq!(
            names("Hardware acceleration methods:\nvaapi\nqsv\n").collect::<Vec<_>>(),
            ["vaapi", "qsv"]
        );
        let codecs = codecs("Codecs:\n D..... = Decoding\n DEV.LS h264   H.264\n D.A.L. x  X\n");
        assert_eq!(codecs, ["decoder:h264", "encoder:h264", "decoder:x"]);
    }
}
