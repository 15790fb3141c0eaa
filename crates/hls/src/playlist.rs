//! What a player reads: the multivariant playlist and one media playlist per rendition (RFC 8216),
//! as functions of the job alone. Segments need not exist yet: a player may be given the whole
//! film's playlist before the first segment is made. Start at [`multivariant`].
//!
//! EXT-X-VERSION: RFC 8216 section 7 asks for 3 (decimal EXTINF) in transport streams and 6
//! (EXT-X-MAP outside of I-frame playlists) in fMP4; EXT-X-INDEPENDENT-SEGMENTS needs none. We
//! write 6 and 7, as ffmpeg does for independent segments and for fMP4: what players meet most.

use std::fmt::Write;

use segue_model::{AudioSettings, FrameRate, Job, Packaging, Recipe, Rendition, Time, VideoFacts};

use crate::bandwidth::{self, Bandwidth};
use crate::{keys, language};

/// The group of sound renditions that pictures without sound of their own refer to.
const AUDIO_GROUP: &str = "audio";

/// The multivariant playlist: every rendition, with what a player needs to choose.
///
/// Pictures are variants. Sound alone is a group that they refer to (fMP4), or, where there is no
/// picture that needs it, a variant of its own. Variants come highest bandwidth first: players that
/// adapt sort for themselves, and one that does not takes the first, which should be the best.
pub fn multivariant(job: &Job) -> String {
    let mut out = header(job);
    let renditions = &job.recipe.renditions;
    let lacks_sound =
        |rendition: &&Rendition| rendition.video.is_some() && rendition.audio.is_none();
    let grouped = renditions.iter().any(|rendition| lacks_sound(&rendition));
    let (group, variants): (Vec<_>, Vec<_>) =
        renditions.iter().partition(|rendition| grouped && rendition.video.is_none());

    for (index, rendition) in group.iter().enumerate() {
        if let Some(audio) = &rendition.audio {
            write_audio(&mut out, job, rendition, audio, index == 0);
        }
    }
    // What sound adds to a picture that refers to the group: its largest member.
    let sound = group
        .iter()
        .map(|rendition| bandwidth::of(job, rendition))
        .max_by_key(|bandwidth| bandwidth.peak)
        .unwrap_or_default();
    let sound_codec = group.first().and_then(|rendition| rendition.audio.as_ref());

    let mut variants: Vec<(Bandwidth, &Rendition, Option<&AudioSettings>)> = variants
        .into_iter()
        .map(|rendition| {
            let own = bandwidth::of(job, rendition);
            match sound_codec.filter(|_| lacks_sound(&rendition)) {
                Some(audio) => (own.plus(sound), rendition, Some(audio)),
                None => (own, rendition, None),
            }
        })
        .collect();
    // Stable: equals stay in the recipe's order.
    variants.sort_by_key(|(bandwidth, ..)| std::cmp::Reverse(bandwidth.peak));
    for (bandwidth, rendition, from_group) in variants {
        write_variant(&mut out, job, rendition, bandwidth, from_group);
    }
    out
}

/// The media playlist of `job.recipe.renditions[rendition]`: every segment of the film.
///
/// # Panics
/// If there is no such rendition.
pub fn media(job: &Job, rendition: usize) -> String {
    let renditions = job.recipe.renditions.len();
    assert!(rendition < renditions, "rendition {rendition} of a recipe of {renditions}");
    let durations = printed_durations(job.timeline.boundaries());

    let mut out = header(job);
    line(&mut out, format_args!("#EXT-X-TARGETDURATION:{}", target_secs(&durations)));
    line(&mut out, format_args!("#EXT-X-MEDIA-SEQUENCE:0"));
    line(&mut out, format_args!("#EXT-X-PLAYLIST-TYPE:VOD"));
    if job.recipe.packaging == Packaging::Fmp4 {
        line(&mut out, format_args!("#EXT-X-MAP:URI=\"{}\"", keys::INIT_NAME));
    }
    for (index, micros) in (0..).zip(durations) {
        line(&mut out, format_args!("#EXTINF:{}.{:06},", micros / MICROS, micros % MICROS));
        line(&mut out, format_args!("{}", keys::segment_name(job.recipe.packaging, index)));
    }
    line(&mut out, format_args!("#EXT-X-ENDLIST"));
    out
}

pub(crate) const MICROS: u64 = 1_000_000;

/// Segment durations in microseconds, as differences of rounded *boundaries*: were the durations
/// rounded, a player that adds them up would drift away from the timestamps (by 0.6 ms an hour with
/// segments of 7/3 s).
pub(crate) fn printed_durations(boundaries: &[Time]) -> Vec<u64> {
    let micros: Vec<i64> =
        boundaries.iter().map(|boundary| boundary.to_ticks(MICROS as i64)).collect();
    micros.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect()
}

/// EXT-X-TARGETDURATION for segments of so many microseconds. Rounded up, not to the nearest as RFC
/// 8216 allows: GStreamer warns of 4.004 s above a target of 4.
pub(crate) fn target_secs(durations: &[u64]) -> u64 {
    durations.iter().copied().max().unwrap_or(0).div_ceil(MICROS)
}

fn header(job: &Job) -> String {
    let version = match job.recipe.packaging {
        Packaging::MpegTs => 6,
        Packaging::Fmp4 => 7,
    };
    format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n")
}

fn write_audio(
    out: &mut String,
    job: &Job,
    rendition: &Rendition,
    audio: &AudioSettings,
    first: bool,
) {
    let facts = job.facts.audio.iter().find(|track| track.stream == audio.stream);
    let language = facts.and_then(|track| language::tag(track.language.as_deref()?));
    // Names are unique in a recipe, as NAME must be in a group.
    let mut tag =
        format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{AUDIO_GROUP}\",NAME=\"{}\"", rendition.name);
    if let Some(language) = language {
        add(&mut tag, format_args!(",LANGUAGE=\"{language}\""));
    }
    let default = if first { "YES" } else { "NO" };
    add(&mut tag, format_args!(",DEFAULT={default},AUTOSELECT=YES"));
    add(&mut tag, format_args!(",CHANNELS=\"{}\"", audio.channels));
    add(&mut tag, format_args!(",URI=\"{}\"", keys::media_playlist(rendition)));
    line(out, format_args!("{tag}"));
}

fn write_variant(
    out: &mut String,
    job: &Job,
    rendition: &Rendition,
    bandwidth: Bandwidth,
    from_group: Option<&AudioSettings>,
) {
    let video = rendition.video.as_ref();
    let audio = rendition.audio.as_ref().or(from_group);
    let codecs: Vec<String> = video
        .map(|video| video.contract.codec_string())
        .into_iter()
        .chain(audio.map(|audio| audio.codec.codec_string().to_owned()))
        .collect();
    let Bandwidth { peak, average } = bandwidth;
    let mut tag = format!(
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}\"",
        codecs.join(",")
    );
    if let Some(video) = video {
        add(&mut tag, format_args!(",RESOLUTION={}x{}", video.width, video.height));
        if let Some(most) = job.facts.video.as_ref().and_then(|it| most_frames(&job.recipe, it)) {
            let thousandths = most.to_ticks(1000).max(0);
            let (whole, rest) = (thousandths / 1000, thousandths % 1000);
            add(&mut tag, format_args!(",FRAME-RATE={whole}.{rest:03}"));
        }
    }
    if from_group.is_some() {
        add(&mut tag, format_args!(",AUDIO=\"{AUDIO_GROUP}\""));
    }
    line(out, format_args!("{tag}"));
    line(out, format_args!("{}", keys::media_playlist(rendition)));
}

/// FRAME-RATE: the maximum (RFC 8216 4.3.4.2), not the average.
///
/// `None` where nobody counted and a bound was assumed. Levels must hold, so they are made for the
/// bound; but players skip variants that are too fast for them, and the attribute is optional. The
/// facts do not tell a film that was counted and has just this rate, so it goes without as well.
fn most_frames(recipe: &Recipe, facts: &VideoFacts) -> Option<Time> {
    let assumed = matches!(facts.frame_rate, FrameRate::Variable(_))
        && facts.frame_rate_max == FrameRate::UNCOUNTED;
    (!assumed).then_some(recipe.frame_rate_max(facts))
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    add(out, text);
    out.push('\n');
}

fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
