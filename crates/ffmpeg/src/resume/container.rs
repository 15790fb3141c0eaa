//! What a line's segments are.

use segue_model::Time;

use super::fragments::Clock;
use super::{Obstacle, put, set};
use crate::files::{absolute, parted};
use crate::line::{Group, Opt};
use crate::number;

/// What segments are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Container {
    /// Transport streams, and what their muxer adds to all time stamps.
    Transport { delay: Time },
    /// Fragmented MP4.
    Fragments {
        /// The path of their init section.
        init: String,
        clock: Clock,
        /// What the line says of their muxer's flags.
        flags: String,
    },
}

/// What ffmpeg's muxer of segments is given its own muxer's options by; the second is its older name.
const SEGMENT_OPTIONS: [&str; 2] = ["hls_segment_options", "hls_ts_options"];
/// With this flag fragments count time as the source does.
const SOURCE_CLOCK: &str = "frag_discont";

impl Container {
    /// Of what a line writes whose playlist is this.
    pub(super) fn of(output: &Group, playlist: &str) -> Result<Container, Obstacle> {
        let text = |name: &str| set(output, name).map(Opt::text);
        let value = |name: &str| Obstacle::Value(name.to_owned());
        match text("hls_segment_type") {
            None | Some("mpegts") => {
                // Some of the muxer's options move time stamps, such as mpegts_copyts.
                if let Some(option) = segment_options(output) {
                    return Err(value(&option.name));
                }
                let delay = match (text("max_delay"), text("muxdelay")) {
                    (Some(micros), _) => micros.parse().ok().map(|n| Time::new(n, 1_000_000)),
                    (None, Some(seconds)) => number::time(seconds),
                    (None, None) => Some(Time::from_millis(700)),
                };
                // The muxer adds it twice.
                let delay = delay.ok_or_else(|| value("max_delay"))? * 2;
                Ok(Container::Transport { delay })
            }
            Some("fmp4") => {
                let flags = match segment_options(output) {
                    Some(o) => known_flags(o.text()).ok_or_else(|| value(&o.name))?,
                    None => String::new(),
                };
                let said = flags.split('+').any(|flag| flag == SOURCE_CLOCK);
                let clock = if said { Clock::Source } else { Clock::Run };
                let (beside, _) = parted(playlist);
                let init = text("hls_fmp4_init_filename").unwrap_or("init.mp4");
                let init = absolute(&beside, init);
                Ok(Container::Fragments { init, clock, flags })
            }
            Some(_) => Err(value("hls_segment_type")),
        }
    }

    /// Has fragments count time as the source does.
    pub(super) fn count_as_the_source(&self, output: &mut Group) {
        let Container::Fragments { clock: Clock::Run, flags, .. } = self else { return };
        let name = segment_options(output).map(|option| option.name.clone());
        let name = name.as_deref().unwrap_or(SEGMENT_OPTIONS[0]);
        put(output, name, &format!("movflags={flags}+{SOURCE_CLOCK}"));
    }
}

fn segment_options(output: &Group) -> Option<&Opt> {
    output.options.iter().rev().find(|option| SEGMENT_OPTIONS.contains(&option.name.as_str()))
}

/// The muxer's flags in options for segments that say nothing else, and none but those that leave time
/// alone or are [`SOURCE_CLOCK`].
fn known_flags(options: &str) -> Option<String> {
    let flags = options.strip_prefix("movflags=")?;
    let known = |flag: &str| matches!(flag, "" | SOURCE_CLOCK | "skip_sidx");
    flags.split('+').all(known).then(|| flags.to_owned())
}
