//! How much of a source a segment depends on.
//!
//! Pure. A window is fixed by the job alone, so whoever makes a segment reads and decodes the same
//! packets for it.

use segue_model::{AudioCodec, AudioFacts, AudioSettings, Job, Span, Time};

/// Sound that is decoded and thrown away before what is needed: decoders carry state from packet to
/// packet (MP3's bit reservoir, Opus' 80 ms of convergence).
const DECODER_WARM_UP: Time = Time::HALF;
/// Fields before a boundary that the deinterlacer looks at, and some.
const DEINTERLACER_FRAMES: i64 = 6;

/// Pictures an encoder is given before the first it keeps. An encoder that begins with the segment
/// knows nothing of what it will have to predict, and spends its buffer badly: the first pictures
/// were up to 2.5 dB worse on real footage. These mend most of that where nobody waits (see
/// benches/README.md); half of them has to do where somebody does.
pub(super) fn encoder_frames(urgent: bool) -> usize {
    if urgent { ENCODER_FRAMES_MAX / 2 } else { ENCODER_FRAMES_MAX }
}

/// The most that encoders settle on.
pub(super) const ENCODER_FRAMES_MAX: usize = 25;

/// How much picture before a span encoders settle on. None under the exact recipe, whose encoders
/// begin with each segment, and none before the film.
pub(super) fn encoder_pre_roll(job: &Job, span: Span, urgent: bool) -> Time {
    match &job.facts.video {
        Some(video) if !job.recipe.exact && span.first > 0 => {
            Time::from_secs(encoder_frames(urgent) as i64) / job.recipe.frame_rate(video)
        }
        _ => Time::ZERO,
    }
}

/// What picture a span needs decoded: from here on, in the source's time.
pub(super) fn picture_from(job: &Job, span: Span, urgent: bool) -> Time {
    let shown = job.timeline.start_of(span.first) - encoder_pre_roll(job, span, urgent);
    let start = shown - job.recipe.picture_delay();
    let mut pictures = job.recipe.renditions.iter().flat_map(|rendition| &rendition.video);
    let deinterlaced = pictures.any(|video| video.deinterlace.is_some());
    match &job.facts.video {
        Some(video) if deinterlaced => {
            start - Time::from_secs(DEINTERLACER_FRAMES) / video.frame_rate.nominal()
        }
        _ => start,
    }
}

/// How much film must be decoded and thrown away before segment `index` can be made first of a span
/// that nobody waits for.
pub fn lead_in(job: &Job, index: u32) -> Time {
    let Some(video) = &job.facts.video else { return Time::ZERO };
    let from = picture_from(job, Span { first: index, end: index + 1 }, false);
    let tick = ((from + job.facts.start) / video.time_base).floor();
    let keyframes = &video.keyframes;
    let entry = keyframes.at_or_before(tick).and_then(|at| keyframes.ticks.get(at));
    let entry = entry.map(|tick| Time::from_ticks(*tick, video.time_base) - job.facts.start);
    job.timeline.start_of(index) - entry.unwrap_or(Time::ZERO)
}

/// The sound that one segment of one track depends on. Packets and frames are numbered from job
/// time 0; `rate` is the encoder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoundWindow {
    /// Packets the segment holds: `packets.0..packets.1`, those that begin in it. (The film's very
    /// first 21 ms fade in: the packet before them, which would prime a decoder, begins before it.)
    pub(super) packets: (i64, i64),
    /// Frames the encoder is fed.
    pub(super) frames: (i64, i64),
    /// Samples at the source's rate that are resampled; aligned so that every window's resampler
    /// is in step with every other's.
    pub(super) source: (i64, i64),
    /// The encoder-rate sample that `source.0` falls on.
    pub(super) resampled_from: i64,
    /// Packets of the source from here on are decoded.
    pub(super) decode_from: Time,
    /// Up to here.
    pub(super) decode_to: Time,
}

impl SoundWindow {
    /// The window of segment `index`.
    pub(super) fn of(job: &Job, index: u32, facts: &AudioFacts, settings: &AudioSettings) -> Self {
        let rate = i64::from(settings.sample_rate);
        let source_rate = i64::from(facts.sample_rate.max(1));
        let size = i64::from(settings.codec.frame_size());
        if let AudioCodec::Copied(_) = settings.codec {
            return SoundWindow::of_copied(job, index, source_rate);
        }
        let first_packet_at = |boundary: Time| (boundary * Time::new(rate, size)).ceil();
        let first = first_packet_at(job.timeline.start_of(index));
        let end = first_packet_at(job.timeline.start_of(index + 1));
        let frame_first = (first - i64::from(settings.codec.pre_roll())).max(0);
        // A packet comes out one frame after its own went in, and its window reaches one further.
        let frame_end = end + 3;
        let (unit_in, unit_out) = units(source_rate, rate);
        let unit = (frame_first * size / unit_out - RESAMPLER_UNITS).max(0);
        let source_end = (frame_end * size / unit_out + RESAMPLER_UNITS) * unit_in;
        let source = (unit * unit_in, source_end);
        SoundWindow {
            packets: (first, end),
            frames: (frame_first, frame_end),
            source,
            resampled_from: unit * unit_out,
            decode_from: Time::new(source.0, source_rate) - DECODER_WARM_UP,
            decode_to: Time::new(source.1, source_rate),
        }
    }

    /// Of a track that is copied: the packets that begin in the segment.
    fn of_copied(job: &Job, index: u32, rate: i64) -> SoundWindow {
        let first_at = |boundary: Time| (boundary * rate).ceil();
        let (start, end) = (job.timeline.start_of(index), job.timeline.start_of(index + 1));
        SoundWindow {
            packets: (0, 0),
            frames: (0, 0),
            source: (first_at(start), first_at(end)),
            resampled_from: 0,
            // A container's rounding moves no packet by more.
            decode_from: start - DECODER_WARM_UP,
            decode_to: end + DECODER_WARM_UP,
        }
    }
}

/// Units the resampler is given before and after what is needed: more than its filter's length.
const RESAMPLER_UNITS: i64 = 16;

/// The smallest numbers of samples that take the same time at both rates.
fn units(from: i64, to: i64) -> (i64, i64) {
    let ratio = Time::new(from, to);
    (ratio.num(), ratio.den())
}
