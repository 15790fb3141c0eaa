//! How many bits per second a playlist declares for a rendition: what its encoders may spend plus
//! what the container adds. The whole overhead model is here. In whole numbers throughout, so that
//! every replica declares the same. Start at [`of`].

use segue_model::{AudioSettings, Job, Packaging, Rendition, Time};

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bandwidth {
    /// What no second is above: BANDWIDTH.
    pub peak: u64,
    /// Over the whole film: AVERAGE-BANDWIDTH.
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
    Bandwidth {
        peak: bits(job, rendition, Case::Peak),
        average: bits(job, rendition, Case::Average),
    }
}

/// Which of the two numbers is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Peak,
    Average,
}

/// Encoded data of one track, before packaging.
#[derive(Clone, Copy)]
struct Track {
    /// Bytes per second.
    bytes: u64,
    /// Packets per second, rounded up.
    packets: u64,
}

fn bits(job: &Job, rendition: &Rendition, case: Case) -> u64 {
    let video = rendition.video.as_ref().map(|video| {
        let bits = match case {
            Case::Peak => video.rate_control.peak(),
            Case::Average => video.rate_control.average(),
        };
        let rate = job.facts.video.as_ref().map(|facts| facts.frame_rate.nominal());
        // Of the two, only a damaged job lacks the rate.
        let packets = rate.unwrap_or(Time::from_secs(60)).ceil().clamp(1, 1000) as u64;
        Track { bytes: bits / 8, packets }
    });
    let audio = rendition.audio.as_ref().map(|audio| audio_track(audio, case));
    let segment_ms = mean_segment_ms(job);
    let bytes = match job.recipe.packaging {
        Packaging::MpegTs => transport_stream(video, audio, segment_ms, case),
        Packaging::Fmp4 => fragmented_mp4(video, audio, segment_ms),
    };
    bytes.saturating_mul(8)
}

/// AAC's bit reservoir lets a second take a little more than the nominal rate: a tenth is left
/// for it.
fn audio_track(audio: &AudioSettings, case: Case) -> Track {
    let nominal = u64::from(audio.bitrate) / 8;
    let bytes = if case == Case::Peak { nominal * 11 / 10 } else { nominal };
    let packets = u64::from(audio.sample_rate).div_ceil(u64::from(audio.codec.frame_size()));
    Track { bytes, packets: packets.max(1) }
}

fn mean_segment_ms(job: &Job) -> u64 {
    let mean = job.timeline.end() / Time::from_secs(i64::from(job.timeline.segments()));
    mean.to_ticks(1000).max(1) as u64
}

/// A transport stream packet, its header included (ISO/IEC 13818-1, 2.4.3.2).
const TS_PACKET: u64 = 188;
/// What a packet carries behind its four header bytes.
const TS_PAYLOAD: u64 = 184;
/// PES header with PTS and DTS (9 + 10 bytes), access unit delimiter with start code (6), and the
/// adaptation field with the clock reference (8).
const TS_PER_PICTURE: u64 = 19 + 6 + 8;
/// Sequence and picture parameter sets repeated at each IDR; x264's take about 50 bytes.
const TS_PARAMETER_SETS: u64 = 64;
/// PES header with a PTS: 9 + 5 bytes.
const TS_PER_AUDIO_PES: u64 = 14;
/// ADTS header in front of each AAC packet.
const ADTS_HEADER: u64 = 7;
/// PAT and PMT every 100 ms, but only in front of a PES packet.
const PAT_PMT_REPEATS: u64 = 10;
/// SDT every 500 ms.
const SDT_REPEATS: u64 = 2;
/// The same three once more at the start of each segment.
const TABLE_PACKETS_PER_SEGMENT: u64 = 3;
/// PIDs of the three tables.
const TABLE_PIDS: u64 = 3;

/// Bytes per second of tracks muxed into a transport stream.
///
/// Each PES packet starts in a new TS packet and its last one is filled up: by 183 bytes at worst,
/// half of that on average. Each segment ends with each PID's packets filled up to a multiple of
/// 16, so that continuity counters join: 15 more at worst, half of that on average.
fn transport_stream(
    video: Option<Track>,
    audio: Option<Track>,
    segment_ms: u64,
    case: Case,
) -> u64 {
    let worst_or_mean = |worst: u64| {
        if case == Case::Peak { worst } else { worst.div_ceil(2) }
    };
    let packed = |payload: u64| payload.saturating_mul(TS_PACKET) / TS_PAYLOAD;
    let stuffing = worst_or_mean(TS_PAYLOAD - 1);

    let video_bytes = video.map_or(0, |video| {
        let payload = video.bytes.saturating_add(video.packets * TS_PER_PICTURE);
        packed(payload).saturating_add(video.packets * stuffing)
    });
    // Each audio packet is a PES packet of its own, so that each has its timestamp.
    let audio_bytes = audio.map_or(0, |audio| {
        let payload = audio.bytes + audio.packets * (ADTS_HEADER + TS_PER_AUDIO_PES);
        packed(payload) + audio.packets * stuffing
    });
    let packets = [video, audio].into_iter().flatten().map(|track| track.packets).sum();
    let pat_pmt = PAT_PMT_REPEATS.min(packets);
    let tables = (2 * pat_pmt + SDT_REPEATS) * TS_PACKET;
    let pids = TABLE_PIDS + u64::from(video.is_some()) + u64::from(audio.is_some());
    let padding = pids * worst_or_mean(15);
    let parameter_sets = if video.is_some() { TS_PARAMETER_SETS } else { 0 };
    let per_segment = (padding + TABLE_PACKETS_PER_SEGMENT) * TS_PACKET + parameter_sets;

    video_bytes
        .saturating_add(audio_bytes)
        .saturating_add(tables)
        .saturating_add(per_second(per_segment, segment_ms))
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
fn fragmented_mp4(video: Option<Track>, audio: Option<Track>, segment_ms: u64) -> u64 {
    let tracks = [video, audio].into_iter().flatten();
    tracks.fold(per_second(SEGMENT_BOXES, segment_ms), |bytes, track| {
        bytes
            .saturating_add(track.bytes)
            .saturating_add(track.packets * TRUN_ENTRY)
            .saturating_add(per_second(TRACK_BOXES, segment_ms))
    })
}

/// What comes once a segment, as a rate; rounded up.
fn per_second(per_segment: u64, segment_ms: u64) -> u64 {
    (per_segment * 1000).div_ceil(segment_ms)
}
