//! Playback: films and music in segments.

use std::path::Path;

use crate::error::ContractError;
use crate::jellyfin::lines::{Container, Hls, Picture};
use crate::play::stage::Stage;
use crate::play::stream::{Stop, Stream};

/// Pictures encoded by libx264, sound by aac.
pub(super) fn encoded(film: &Path, container: Container) -> Hls<'_> {
    Hls { film, container, picture: Picture::X264, sound: 1, sound_copied: false, live: false }
}

/// From a segment to the film's end; nothing depends on when anything was asked for.
fn whole(
    stage: &mut Stage<'_>,
    hls: Hls<'_>,
    from: i32,
    segments: i32,
) -> Result<(), ContractError> {
    let mut stream = Stream::new(stage, hls.clone(), 0)?;
    let played = play_whole(stage, &mut stream, &hls, from, segments);
    stream.end(stage)?;
    stream.judge(stage)?;
    stream.judge_names(stage);
    played?;
    stream.judge_whole(stage)
}

fn play_whole(
    stage: &mut Stage<'_>,
    stream: &mut Stream<'_>,
    hls: &Hls<'_>,
    from: i32,
    segments: i32,
) -> Result<(), ContractError> {
    // A header asked for first would start a process at the film's start.
    if hls.container == Container::Fmp4 && from == 0 {
        stream.segment(stage, -1)?;
    }
    for segment in from..segments {
        stream.segment(stage, segment)?;
    }
    if hls.container == Container::Fmp4 { stream.segment(stage, -1) } else { Ok(()) }
}

/// Seeks as viewers do. Where a process must be started again does not depend on how fast it is:
/// two minutes take any encoder longer than the two polls in between.
fn seeks(stage: &mut Stage<'_>, container: Container) -> Result<(), ContractError> {
    let film = stage.films.long();
    let mut stream = Stream::new(stage, encoded(&film, container), 0)?;
    let played = play_seeks(stage, &mut stream, container);
    stream.stop(stage, Stop::Quit)?;
    stream.judge(stage)?;
    played
}

fn play_seeks(
    stage: &mut Stage<'_>,
    stream: &mut Stream<'_>,
    container: Container,
) -> Result<(), ContractError> {
    if container == Container::Fmp4 {
        stream.segment(stage, -1)?;
    }
    // From the start; far ahead; behind what was made, to what never was; and back to what is there.
    for segment in [0, 1, 2, 150, 151, 152, 100, 101, 1, 150, 102] {
        stream.segment(stage, segment)?;
    }
    Ok(())
}

macro_rules! scenarios {
    ($($(#[doc = $doc:literal])* $name:ident($stage:ident) $body:block)*) => {
        $($(#[doc = $doc])* pub fn $name($stage: &mut Stage<'_>) -> Result<(), ContractError> $body)*
    };
}

scenarios! {
    /// From start to end in transport streams.
    ts(stage) { whole(stage, encoded(&stage.films.film(), Container::Ts), 0, 10) }
    /// From start to end in fragmented MP4.
    fmp4(stage) { whole(stage, encoded(&stage.films.film(), Container::Fmp4), 0, 10) }
    /// Begun in the middle.
    ts_resume(stage) { whole(stage, encoded(&stage.films.film(), Container::Ts), 4, 10) }
    /// Begun in the middle.
    fmp4_resume(stage) { whole(stage, encoded(&stage.films.film(), Container::Fmp4), 4, 10) }
    /// Seeks.
    ts_seeks(stage) { seeks(stage, Container::Ts) }
    /// Seeks.
    fmp4_seeks(stage) { seeks(stage, Container::Fmp4) }
    /// The second sound track.
    second_sound(stage) {
        whole(stage, Hls { sound: 2, ..encoded(&stage.films.film(), Container::Ts) }, 0, 10)
    }
    /// Copied sound.
    sound_copied(stage) {
        whole(stage, Hls { sound_copied: true, ..encoded(&stage.films.film(), Container::Ts) }, 0, 10)
    }
    /// For Intel's encoder.
    qsv(stage) { hardware(stage, Picture::Qsv) }
    /// For NVIDIA's encoder.
    nvenc(stage) { hardware(stage, Picture::Nvenc) }
    /// For VA-API.
    vaapi(stage) { hardware(stage, Picture::Vaapi) }
    /// Copies.
    remux_ts(stage) { whole(stage, copied(&stage.films.film(), Container::Ts), 0, 5) }
    /// Copies.
    remux_fmp4(stage) { whole(stage, copied(&stage.films.film(), Container::Fmp4), 0, 5) }
    /// A copy begun in the middle.
    remux_resume(stage) { whole(stage, copied(&stage.films.film(), Container::Ts), 2, 5) }
    /// Music.
    music_ts(stage) { whole(stage, music(&stage.films.music(), Container::Ts), 0, 7) }
    /// Music.
    music_fmp4(stage) { whole(stage, music(&stage.films.music(), Container::Fmp4), 0, 7) }
}

fn hardware(stage: &mut Stage<'_>, picture: Picture) -> Result<(), ContractError> {
    let picture = if stage.settings.stand_in { picture.stand_in() } else { picture };
    whole(stage, Hls { picture, ..encoded(&stage.films.film(), Container::Ts) }, 0, 10)
}

fn copied(film: &Path, container: Container) -> Hls<'_> {
    Hls { picture: Picture::Copy, sound_copied: true, ..encoded(film, container) }
}

fn music(film: &Path, container: Container) -> Hls<'_> {
    Hls { picture: Picture::None, ..encoded(film, container) }
}

/// Thirty segments of the long film, then `q`.
pub fn long(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let film = stage.films.long();
    let mut stream = Stream::new(stage, encoded(&film, Container::Ts), 0)?;
    let played = (0..30).try_for_each(|segment| stream.segment(stage, segment));
    stream.stop(stage, Stop::Quit)?;
    stream.judge(stage)?;
    played
}
