//! Files that are not, or no longer, what their names say.

use std::fs;
use std::path::PathBuf;

use crate::cache::kept;
use crate::source;

/// A bad input.
#[derive(Clone, Debug)]
pub struct BadSpec {
    /// What tests call it.
    pub name: &'static str,
    /// What is wrong with it.
    pub wrong: &'static str,
    /// Whether some of it decodes: such a source is kept as far as it goes and the loss told, or
    /// refused in words. The others are refused.
    pub salvageable: bool,
    extension: &'static str,
    make: Spoil,
}

#[derive(Clone, Debug)]
enum Spoil {
    Text(&'static str),
    /// The front of a good source, in hundredths of its length.
    Front {
        of: &'static str,
        percent: usize,
    },
}

/// All bad inputs that are files.
pub fn bad() -> &'static [BadSpec] {
    &[
        BadSpec {
            name: "text-named-mp4",
            wrong: "a text whose name says it is a film",
            salvageable: false,
            extension: "mp4",
            make: Spoil::Text("This is not a film.\nIt only has the name of one.\n"),
        },
        BadSpec {
            name: "zero-bytes",
            wrong: "nothing in it",
            salvageable: false,
            extension: "mkv",
            make: Spoil::Text(""),
        },
        BadSpec {
            name: "mp4-without-moov",
            wrong: "cut off before the moov at its end: samples that nothing describes",
            salvageable: false,
            extension: "mp4",
            make: Spoil::Front { of: "h264-aac-mp4", percent: 80 },
        },
        BadSpec {
            name: "truncated-mp4",
            wrong: "cut off in the middle, the moov in front still promising the whole",
            salvageable: true,
            extension: "mp4",
            make: Spoil::Front { of: "faststart-mp4", percent: 60 },
        },
        BadSpec {
            name: "truncated-mkv",
            wrong: "cut off in the middle, without the cues at its end",
            salvageable: true,
            extension: "mkv",
            make: Spoil::Front { of: "h264-aac-mkv", percent: 60 },
        },
        BadSpec {
            name: "truncated-ts",
            wrong: "cut off in the middle of a packet",
            salvageable: true,
            extension: "ts",
            make: Spoil::Front { of: "h264-ac3-ts", percent: 60 },
        },
    ]
}

/// The file of a bad input, made now if no test asked for it before.
///
/// # Panics
/// When no bad input has that name, or ffmpeg is missing or refuses.
pub fn bad_source(name: &str) -> PathBuf {
    let spec = bad()
        .iter()
        .find(|spec| spec.name == name)
        .unwrap_or_else(|| panic!("no bad input is called {name:?}; see segue_lab::bad()"));
    match &spec.make {
        Spoil::Text(content) => kept(spec.name, spec.extension, content, |part| {
            fs::write(part, content).expect("the laboratory is writable");
        }),
        Spoil::Front { of, percent } => {
            let whole = source(of);
            let recipe = format!("{percent} % of {}", whole.file_name().expect("a file").display());
            kept(spec.name, spec.extension, &recipe, |part| {
                let bytes = fs::read(&whole).expect("the source was just made");
                // An odd length: no packet of 188 bytes and no block ends there.
                let length = (bytes.len() * percent / 100) | 1;
                fs::write(part, &bytes[..length]).expect("the laboratory is writable");
            })
        }
    }
}
