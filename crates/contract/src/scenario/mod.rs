//! The scenarios: what Jellyfin does with an ffmpeg, one kind of work each.

mod control;
mod files;
mod live;
mod paths;
mod questions;
mod refusals;
mod replicas;
mod tracks;
mod video;

use crate::error::ContractError;
use crate::play::stage::Stage;

/// One kind of work.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line and in records.
    pub name: &'static str,
    /// What is done, in words.
    pub about: &'static str,
    /// Whether the short form has it.
    pub short: bool,
    /// Plays it.
    pub play: fn(&mut Stage<'_>) -> Result<(), ContractError>,
}

const fn short(
    name: &'static str,
    about: &'static str,
    play: fn(&mut Stage<'_>) -> Result<(), ContractError>,
) -> Scenario {
    Scenario { name, about, short: true, play }
}

const fn long(
    name: &'static str,
    about: &'static str,
    play: fn(&mut Stage<'_>) -> Result<(), ContractError>,
) -> Scenario {
    Scenario { name, about, short: false, play }
}

/// All of them, in the order in which they are played.
pub const ALL: &[Scenario] = &[
    short(
        "questions",
        "version, codecs, filters, help texts and devices, as asked at start-up",
        questions::questions,
    ),
    short("probe", "ffprobe's JSON of a film, and its keyframes", questions::probe),
    short("vod-ts", "a film from its start to its end, in transport streams", video::ts),
    short("vod-fmp4", "the same in fragmented MP4, its header first", video::fmp4),
    short("vod-ts-seeks", "seeks far forward, back, near, and to what is there", video::ts_seeks),
    long("vod-fmp4-seeks", "the same in fragmented MP4", video::fmp4_seeks),
    short(
        "vod-ts-resume",
        "playback that begins in the middle and goes on to the end",
        video::ts_resume,
    ),
    long("vod-fmp4-resume", "the same in fragmented MP4", video::fmp4_resume),
    long(
        "vod-long",
        "thirty segments of a long film: where a caller may cause faults",
        video::long,
    ),
    long("vod-second-sound", "the film's second sound track", video::second_sound),
    long("vod-sound-copied", "encoded pictures beside copied sound", video::sound_copied),
    long("vod-qsv", "a line for h264_qsv", video::qsv),
    long("vod-nvenc", "a line for h264_nvenc", video::nvenc),
    long("vod-vaapi", "a line for h264_vaapi", video::vaapi),
    short("remux-ts", "pictures and sound copied, in transport streams", video::remux_ts),
    long("remux-fmp4", "the same in fragmented MP4", video::remux_fmp4),
    long("remux-ts-resume", "a copy that begins in the middle", video::remux_resume),
    short("music-ts", "sound alone", video::music_ts),
    long("music-fmp4", "sound alone, in fragmented MP4", video::music_fmp4),
    short("stop-quit", "playback stopped by q", control::stop_quit),
    short("stop-terminate", "playback stopped by SIGTERM", control::stop_terminate),
    short("stop-kill", "the process killed: nothing may outlive it", control::stop_kill),
    short(
        "throttle",
        "held back when far ahead, let go when the viewer comes near",
        control::throttle,
    ),
    long("idle", "nobody asks any more: stopped, and its files deleted", control::idle),
    long("live-ts", "an event playlist from a source at its own speed", live::ts),
    long("live-fmp4", "the same in fragmented MP4", live::fmp4),
    long("live-copy", "the same, copied", live::copy),
    long("recording", "a copy of a live source, stopped by q", live::recording),
    short("progressive-mp4", "one growing file", files::progressive_mp4),
    long("progressive-mkv", "one growing file", files::progressive_mkv),
    long("progressive-ts", "one growing file", files::progressive_ts),
    short("progressive-mp3", "one growing file of music", files::progressive_mp3),
    short(
        "trickplay",
        "a picture for every five seconds, watched for signs of life",
        files::trickplay,
    ),
    short("images", "a poster, and a chapter's picture", files::images),
    short("subtitles", "all subtitles of a film in one pass, and a conversion", tracks::subtitles),
    short("attachments", "fonts written into the working directory", tracks::attachments),
    short("loudness", "read from standard error", tracks::loudness),
    short("stdout", "samples on standard output, as plugins read them", tracks::stdout),
    long("concat", "a list of files as one film", tracks::concat),
    short(
        "paths",
        "blanks, quotes, brackets, letters of all kinds and line breaks in paths",
        paths::paths,
    ),
    short("refusals", "what ffmpeg refuses, with which code and words", refusals::refusals),
    long(
        "two-replicas",
        "two media servers play one film; one restarts and wipes its directory",
        replicas::two,
    ),
];

/// Those with these names; without any, all or the short form.
///
/// # Errors
/// When a name is unknown.
pub fn chosen(names: &[String], short: bool) -> Result<Vec<Scenario>, ContractError> {
    if names.is_empty() {
        return Ok(ALL.iter().filter(|scenario| scenario.short || !short).copied().collect());
    }
    let find = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found.copied().ok_or_else(|| ContractError::NoScenario { name: name.clone() })
    };
    names.iter().map(find).collect()
}
