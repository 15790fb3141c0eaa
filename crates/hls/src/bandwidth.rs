//! How many bits per second a playlist declares for a rendition: what its encoders may spend plus
//! what the container adds. The whole overhead model is here. In whole numbers throughout, so that
//! every replica declares the same. Start at [`of`].

use std::ops::RangeInclusive;

use segue_model::{
    AudioCodec, AudioSettings, Job, Packaging, Recipe, Rendition, Time, VideoFacts, VideoSettings,
};

use crate::playlist::{self, MICROS};

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bandwidth {
    /// What no stretch of segments that players measure is above: BANDWIDTH.
    pub peak: u64,
    /// Over the whole film, as an estimate that is rather high than low: AVERAGE-BANDWIDTH.
    pub average: u64,
}

impl Bandwidth {
    /// Of two renditions played at once.
    pub fn plus(self, other: Bandwidth) -> Bandwidth {
        Bandwidth {
            peak: self.peak.saturating_add(other.peak),
            average: self.average.saturating_add(other.average),
        }
    }
}

/// What `rendition` of `job` takes.
pub(crate) fn of(job: &Job, rendition: &Rendition) -> Bandwidth {
    let durations = playlist::printed_durations(job.timeline.boundaries());
    let average = bits(job, rendition, Case::Average, Stretch::whole(&durations));
    let peak = bits(job, rendition, Case::Peak, Stretch::busiest(&durations));
    Bandwidth { peak: peak.max(average), average }
}

/// Which of the two numbers is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Peak,
    Average,
}

/// Segments in a row. What each brings with it weighs more the shorter they are.
#[derive(Clone, Copy)]
struct Stretch {
    segments: u64,
    micros: u64,
}

impl Stretch {
    fn whole(durations: &[u64]) -> Stretch {
        Stretch { segments: durations.len() as u64, micros: durations.iter().sum::<u64>().max(1) }
    }

    /// The one with the most segments a second of those that a peak is measured over (RFC 8216
    /// 4.3.4.2): from half to one and a half target durations long.
    fn busiest(durations: &[u64]) -> Stretch {
        let target = playlist::target_secs(durations) * MICROS;
        let measured = (target / 2).max(1)..=target + target / 2;
        let mut busiest: Option<Stretch> = None;
        for begin in 0..durations.len() {
            let mut stretch = Stretch { segments: 0, micros: 0 };
            for duration in &durations[begin..] {
                stretch = Stretch {
                    segments: stretch.segments + 1,
                    micros: stretch.micros.saturating_add(*duration),
                };
                if stretch.micros > *measured.end() {
                    break;
                }
                if measured.contains(&stretch.micros)
                    && busiest.is_none_or(|busiest| stretch.is_busier(busiest))
                {
                    busiest = Some(stretch);
                }
            }
        }
        // A film too short for one.
        busiest.unwrap_or(Stretch::whole(durations))
    }

    fn is_busier(self, other: Stretch) -> bool {
        u128::from(self.segments) * u128::from(other.micros)
            > u128::from(other.segments) * u128::from(self.micros)
    }

    /// What comes once a segment, as a rate; rounded up.
    fn per_second(self, per_segment: u64) -> u64 {
        let sum = u128::from(per_segment) * u128::from(self.segments) * u128::from(MICROS);
        u64::try_from(sum.div_ceil(u128::from(self.micros))).unwrap_or(u64::MAX)
    }
}

/// Encoded data of one track, before packaging.
#[derive(Clone, Copy)]
struct Track {
    /// Bytes per second.
    bytes: u64,
    /// Packets per second, rounded up.
    packets: u64,
}

fn bits(job: &Job, rendition: &Rendition, case: Case, stretch: Stretch) -> u64 {
    let video = rendition.video.as_ref().map(|video| video_track(job, video, case, stretch));
    let audio = rendition.audio.as_ref().map(|audio| audio_track(audio, case, stretch));
    let bytes = match job.recipe.packaging {
        Packaging::MpegTs => transport_stream(video, audio, stretch, case),
        Packaging::Fmp4 => fragmented_mp4(video, audio, stretch),
    };
    bytes.saturating_mul(8)
}

/// The declared cap leaves room for one decoder buffer a second. An encoder that begins with a
/// segment may spend a buffer on it, and any segment may be the first of its span: where they are
/// shorter than a second, that is more (measured: 1.08 times what the cap alone would declare).
fn video_track(job: &Job, video: &VideoSettings, case: Case, stretch: Stretch) -> Track {
    let cap = video.declared_cap();
    let facts = job.facts.video.as_ref();
    // Of the two, only a damaged job lacks the rate.
    let rate = |of: fn(&Recipe, &VideoFacts) -> Time| {
        let pictures = facts.map_or(Time::from_secs(60), |facts| of(&job.recipe, facts));
        pictures.ceil().clamp(1, 1000) as u64
    };
    match case {
        Case::Peak => {
            let bursts = stretch.per_second(cap.buffer_bits);
            let bits = cap.peak().max(cap.bitrate_max.saturating_add(bursts));
            let packets = rate(Recipe::frame_rate_max) + stretch.per_second(1);
            Track { bytes: bits / 8, packets }
        }
        Case::Average => {
            // Where each segment has an encoder, each spends some of a full buffer (measured on noise:
            // 0.5 of one of a second, in segments of 2 and of 6 s).
            let exact = job.recipe.exact;
            let bursts =
                if exact { stretch.per_second(cap.buffer_bits.saturating_mul(3) / 5) } else { 0 };
            Track {
                bytes: video.average().saturating_add(bursts) / 8,
                packets: rate(Recipe::frame_rate),
            }
        }
    }
}

/// No AAC packet holds more bits for each channel (ISO/IEC 14496-3, 4.5.3: a decoder's buffer).
const AAC_CHANNEL_BITS: u64 = 6144;
/// Bits per second for each channel below which libav's AAC encoder cannot keep sound that is full of
/// clicks, whatever it is asked for (measured: 16,400).
const AAC_CHANNEL_FLOOR: u64 = 18_000;

/// Sound keeps to its bit rate only roughly. libav's AAC encoder lets packets take half more before it
/// tries again, for as long as there are clicks in the sound (measured: 1.5 times the bit rate over
/// half a second). After digital silence a single channel takes the largest packets there can be for
/// as long (measured: 5 times 32 kb/s over a second), and film sound may fall silent at any time. A
/// segment holds the packets that begin in it: up to one more than it lasts.
fn audio_track(audio: &AudioSettings, case: Case, stretch: Stretch) -> Track {
    let channels = u64::from(audio.channels);
    let packets = u64::from(audio.sample_rate).div_ceil(u64::from(audio.codec.frame_size())).max(1);
    if let AudioCodec::Copied(_) = audio.codec {
        // What it takes at most is all that is known of it.
        let bytes = u64::from(audio.bitrate) / 8;
        return match case {
            Case::Peak => Track {
                bytes: bytes + stretch.per_second(bytes.div_ceil(packets)),
                packets: packets + stretch.per_second(1),
            },
            Case::Average => Track { bytes, packets },
        };
    }
    let limit = packets * channels * AAC_CHANNEL_BITS / 8;
    let nominal = limit.min(u64::from(audio.bitrate) / 8);
    match case {
        Case::Peak => {
            let loose = (nominal * 3 / 2).max(channels * AAC_CHANNEL_FLOOR / 8);
            let bytes = if channels == 1 { limit } else { loose.min(limit) };
            let more = stretch.per_second(bytes.div_ceil(packets));
            Track { bytes: bytes + more, packets: packets + stretch.per_second(1) }
        }
        Case::Average => Track { bytes: nominal, packets },
    }
}

/// A transport stream packet, its header included (ISO/IEC 13818-1, 2.4.3.2).
const TS_PACKET: u64 = 188;
/// What a packet carries behind its four header bytes.
const TS_PAYLOAD: u64 = 184;
/// Sequence and picture parameter sets repeated at each IDR; x264's take about 50 bytes.
const TS_PARAMETER_SETS: u64 = 64;
/// PAT, PMT and SDT, each in a packet at the start of a segment.
const TABLES: u64 = 3;
/// Each stream's packets in a segment are filled up to a multiple, so that continuity counters join.
const TS_COUNT: u64 = 16;

/// What a track's packets are like as PES packets.
#[derive(Clone, Copy)]
struct Pes {
    /// Bytes in front of each.
    header: u64,
    /// By how many hundredths their lengths differ from the mean.
    spread: u64,
}

/// PES header with PTS and DTS (9 + 10 bytes), access unit delimiter with start code (6), and the
/// adaptation field with the clock reference (8). From almost nothing to twice the mean.
const PICTURES: Pes = Pes { header: 19 + 6 + 8, spread: 100 };
/// PES header with a PTS (9 + 5 bytes), the adaptation field (marked as an entry point, 2; with the
/// clock reference where there is no picture, 8), and the ADTS header (7). They are alike: all may be
/// just too large for a TS packet, or none.
const SOUNDS: Pes = Pes { header: 14 + 8 + 7, spread: 10 };

/// Bytes per second of tracks muxed into a transport stream.
///
/// Each packet of a track, also of sound, is a PES packet, so that it has its timestamp.
fn transport_stream(
    video: Option<Track>,
    audio: Option<Track>,
    stretch: Stretch,
    case: Case,
) -> u64 {
    let pictures = video.map(|video| (video, PICTURES));
    let sounds = audio.map(|audio| (audio, SOUNDS));
    let tracks = || [pictures, sounds].into_iter().flatten();
    let streams = tracks().map(|(track, pes)| pes_bytes(track, pes, case));
    let streams = streams.fold(0, u64::saturating_add);

    // Segments of sound are all alike: all may lack the most there can be.
    let padding = tracks().count() as u64 * (TS_COUNT - 1);
    let packets = stretch.per_second(TABLES + padding);
    let parameter_sets = if video.is_some() { stretch.per_second(TS_PARAMETER_SETS) } else { 0 };

    streams.saturating_add(packets.saturating_mul(TS_PACKET)).saturating_add(parameter_sets)
}

/// Bytes per second of a track in PES packets. Each starts a new TS packet, and its last one is
/// filled up: by all but a byte at worst.
fn pes_bytes(track: Track, Pes { header, spread }: Pes, case: Case) -> u64 {
    match case {
        Case::Peak => {
            let payload = track.packets * (header + TS_PAYLOAD - 1);
            let payload = track.bytes.saturating_add(payload);
            payload.saturating_mul(TS_PACKET).div_ceil(TS_PAYLOAD)
        }
        Case::Average => {
            let mean = track.bytes / track.packets;
            let spread = mean / 100 * spread + mean % 100 * spread / 100;
            let lengths = mean - spread + header..=mean + spread + header;
            let bytes = ts_packets(lengths.clone()) * u128::from(track.packets * TS_PACKET);
            let bytes = bytes.div_ceil(u128::from(lengths.end() - lengths.start() + 1));
            u64::try_from(bytes).unwrap_or(u64::MAX)
        }
    }
}

/// How many TS packets it takes to send one payload of each length, none of them zero.
fn ts_packets(lengths: RangeInclusive<u64>) -> u128 {
    let up_to = |length: u64| {
        let (full, rest) = (u128::from(length / TS_PAYLOAD), u128::from(length % TS_PAYLOAD));
        // 184 payloads of one packet, as many of two, and so on.
        full * (full + 1) / 2 * u128::from(TS_PAYLOAD) + rest * (full + 1)
    };
    up_to(*lengths.end()) - up_to(lengths.start() - 1)
}

/// A sample's entry in `trun`: duration, size, flags, composition offset (ISO/IEC 14496-12, 8.8.8).
const TRUN_ENTRY: u64 = 16;
/// Per segment: `styp` 24, `sidx` 52, `moof` and `mfhd` 24, `mdat` 8.
const SEGMENT_BOXES: u64 = 24 + 52 + 24 + 8;
/// Per segment and track: `traf` 8, `tfhd` at most 40, `tfdt` 20, `trun` 20.
const TRACK_BOXES: u64 = 8 + 40 + 20 + 20;

/// Bytes per second of tracks muxed into fragmented MP4, one fragment per segment.
///
/// NAL units have a four-byte length for the start code that the encoder's cap already counts.
fn fragmented_mp4(video: Option<Track>, audio: Option<Track>, stretch: Stretch) -> u64 {
    let tracks = [video, audio].into_iter().flatten();
    tracks.fold(stretch.per_second(SEGMENT_BOXES), |bytes, track| {
        bytes
            .saturating_add(track.bytes)
            .saturating_add(track.packets * TRUN_ENTRY)
            .saturating_add(stretch.per_second(TRACK_BOXES))
    })
}
