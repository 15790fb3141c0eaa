//! Facts about a media file that came out. Pure.

use crate::judge::Track;
use crate::record::{ScenarioRecord, Value};
use crate::rule::Rule;
use crate::tolerance::{
    PICTURE_SECONDS, SOUND_PACKETS, SOUND_SECONDS, START_SHIFT_PICTURES,
    START_SHIFT_PRIMING_SECONDS, STEP_SECONDS, TIMESTAMP_SECONDS,
};

/// From where a file's times are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// Whether it came from a run into transport streams from the film's start, which
    /// [`START_SHIFT_PICTURES`] tells of.
    pub shifted: bool,
    /// When the first picture (or sound) of its run was shown, if it is one of several.
    pub run: Option<f64>,
}

/// When its first picture is shown, or its first sound.
pub fn first(tracks: &[Track]) -> Option<f64> {
    let picture = tracks.iter().find(|track| track.kind == "video");
    Some(picture.or(tracks.first())?.packets.first()?.shown)
}

/// Notes how pictures and sound follow each other over segments of one run that follow each other.
pub fn note_steps(record: &mut ScenarioRecord, subject: &str, segments: &[Vec<Track>]) {
    for kind in ["video", "audio"] {
        let of_kind = segments.iter().flatten().filter(|track| track.kind == kind);
        let mut times: Vec<f64> =
            of_kind.flat_map(|track| &track.packets).map(|packet| packet.shown).collect();
        times.sort_by(f64::total_cmp);
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let range = steps.fold(None, |range: Option<(f64, f64)>, step| {
            Some(range.map_or((step, step), |(least, most)| (least.min(step), most.max(step))))
        });
        if let Some((least, most)) = range {
            let subject = format!("{subject}, {kind}");
            record.fact(Rule::Steps, format!("{subject}, least"), Value::near(least, STEP_SECONDS));
            record.fact(Rule::Steps, format!("{subject}, most"), Value::near(most, STEP_SECONDS));
        }
    }
}

/// Notes what is in a file.
pub fn note(record: &mut ScenarioRecord, subject: &str, tracks: Option<&[Track]>, view: View) {
    let Some(tracks) = tracks else {
        record.fact(Rule::Streams, subject, "cannot be read");
        return;
    };
    let words = tracks
        .iter()
        .map(|track| format!("{} {}", track.kind, track.parameters))
        .collect::<Vec<_>>();
    record.fact(Rule::Streams, subject, words);
    let shift = if view.shifted { start_shift(tracks) } else { 0.0 };
    for (at, track) in tracks.iter().enumerate() {
        note_track(record, &format!("{subject}, {} {at}", track.kind), track, view.run, shift);
    }
}

/// How much later ffmpeg may show all of a film's first run.
fn start_shift(tracks: &[Track]) -> f64 {
    let Some(picture) = tracks.iter().find(|track| track.kind == "video") else {
        return START_SHIFT_PRIMING_SECONDS;
    };
    let length = match picture.packets.as_slice() {
        [first, .., last] => (last.shown - first.shown).abs() / (picture.packets.len() - 1) as f64,
        _ => PICTURE_SECONDS,
    };
    START_SHIFT_PICTURES * length + START_SHIFT_PRIMING_SECONDS
}

fn note_track(
    record: &mut ScenarioRecord,
    subject: &str,
    track: &Track,
    run: Option<f64>,
    shift: f64,
) {
    let (Some(first), Some(last)) = (track.packets.first(), track.packets.last()) else {
        record.fact(Rule::Pictures, subject, 0usize);
        return;
    };
    let picture = track.kind == "video";
    let exact = if picture { TIMESTAMP_SECONDS } else { SOUND_SECONDS };
    let shown = exact + shift;
    record.fact(Rule::FirstTimestamp, subject, Value::near(first.shown, shown));
    record.fact(Rule::LastTimestamp, subject, Value::near(last.shown, shown));
    if let Some(run) = run {
        // What shifts a run shifts pictures and sound alike, but not by the same.
        let tolerance = if picture { exact } else { exact + shift };
        record.fact(Rule::Boundary, subject, Value::near(first.shown - run, tolerance));
    }
    if let Some(level) = track.level {
        // Who can play a level can play those below.
        record.fact(Rule::Streams, format!("{subject}, level"), Value::AtMost(level));
    }
    if picture {
        record.fact(Rule::Pictures, subject, track.packets.len());
        let keys = track.packets.iter().enumerate().filter(|(_, packet)| packet.key);
        record.fact(
            Rule::Keyframes,
            subject,
            keys.map(|(at, _)| at.to_string()).collect::<Vec<_>>(),
        );
    } else {
        record.fact(
            Rule::Pictures,
            subject,
            Value::near(track.packets.len() as f64, SOUND_PACKETS),
        );
    }
}
