//! One segment's tracks into one file, by a muxer of its own.
//!
//! A muxer that lives for one segment carries nothing over, so a file depends on its packets alone.
//! What a long-lived muxer would have counted on is restored here: the sequence number and decode
//! times of fragments, the continuity counters of a transport stream.

use segue_model::{Job, Packaging, Time};

use super::continuity;
use super::edit_list;
use super::part::{SoundPart, VideoPart};
use super::slots::first_slot;
use crate::Error;
use crate::av::{AvError, EncodedPacket, Muxer, Track};
use crate::error::Blame;

/// Ticks per second of video in either packaging; transport streams have no other.
const VIDEO_TIMESCALE: u32 = 90_000;

/// A segment as files.
pub(super) struct Packaged {
    /// The init section it plays with; `None` in a transport stream.
    pub(super) init: Option<Vec<u8>>,
    pub(super) bytes: Vec<u8>,
}

/// Makes the file of segment `index`.
pub(super) fn package(
    job: &Job,
    index: u32,
    video: Option<&VideoPart>,
    sound: Option<&SoundPart>,
) -> Result<Packaged, Error> {
    let offset = job.recipe.timestamp_offset;
    let delay = video.and_then(|part| decode_delay(job, part.rendition));
    let video_packets = match (video, &job.facts.video) {
        (Some(part), Some(facts)) => {
            let delay = Time::new(delay.unwrap_or(0), VIDEO_TIMESCALE.into());
            let clock = job.recipe.clock(facts);
            let time = |slot: i64| clock.time_of(slot) + offset + delay;
            retimed(&part.packets, VIDEO_TIMESCALE, time)
        }
        _ => Vec::new(),
    };
    let sound_timescale = match (job.recipe.packaging, sound) {
        (Packaging::Fmp4, Some(part)) => part.sample_rate,
        _ => VIDEO_TIMESCALE,
    };
    let sound_packets = sound.map_or_else(Vec::new, |part| {
        let time = |sample: i64| Time::new(sample, i64::from(part.sample_rate.max(1))) + offset;
        retimed(&part.packets, sound_timescale, time)
    });
    let mut tracks = Vec::new();
    if let Some(part) = video {
        let (parameters, timescale) = (&part.parameters, VIDEO_TIMESCALE);
        tracks.push(Track { parameters, timescale, packets: &video_packets });
    }
    if let Some(part) = sound {
        let (parameters, timescale) = (&part.parameters, sound_timescale);
        tracks.push(Track { parameters, timescale, packets: &sound_packets });
    }
    match job.recipe.packaging {
        Packaging::MpegTs => {
            let bytes = transport_stream(&tracks).blame_worker("a segment cannot be muxed")?;
            Ok(Packaged { init: None, bytes: continuity::made_whole(&bytes, index) })
        }
        Packaging::Fmp4 => {
            let made = fragment(&tracks, index).blame_worker("a segment cannot be muxed")?;
            let init = match delay {
                Some(delay) => edit_list::added(&made.0, delay).ok_or_else(|| {
                    Error::worker("the header has no picture to put an edit list to")
                })?,
                None => made.0,
            };
            Ok(Packaged { init: Some(init), bytes: made.1 })
        }
    }
}

/// By how many ticks a picture's times are moved on in fragmented MP4, which knows no decode time
/// below 0: an edit list takes them back, as in what ffmpeg makes. `None` where the job's offset
/// leaves room enough, and for all of its segments alike.
fn decode_delay(job: &Job, rendition: u32) -> Option<i64> {
    let facts = job.facts.video.as_ref()?;
    let video = job.recipe.renditions.get(rendition as usize)?.video.as_ref()?;
    let depth = i64::from(video.contract.reorder_depth);
    let clock = job.recipe.clock(facts);
    let first = first_slot(&job.timeline, &clock, job.recipe.counts_from(facts), 0);
    let decoded = clock.time_of(first - depth) + job.recipe.timestamp_offset;
    let is_needed = job.recipe.packaging == Packaging::Fmp4 && decoded < Time::ZERO;
    is_needed.then(|| (Time::from_secs(depth) / clock.rate * i64::from(VIDEO_TIMESCALE)).ceil())
}

/// Packets with the timestamps that are written: each rounded from its exact time, so that rounding
/// never adds up, and durations the difference of rounded times.
fn retimed(
    packets: &[EncodedPacket],
    timescale: u32,
    time: impl Fn(i64) -> Time,
) -> Vec<EncodedPacket> {
    let ticks = |at: i64| time(at).to_ticks(i64::from(timescale));
    packets
        .iter()
        .map(|packet| EncodedPacket {
            pts: ticks(packet.pts),
            dts: ticks(packet.dts),
            duration: ticks(packet.dts + packet.duration) - ticks(packet.dts),
            keyframe: packet.keyframe,
            data: packet.data.clone(),
        })
        .collect()
}

fn transport_stream(tracks: &[Track<'_>]) -> Result<Vec<u8>, AvError> {
    let options = [
        // Else the muxer would shift all timestamps by its own delay.
        ("mpegts_copyts", "1"),
    ];
    let mut muxer = Muxer::open(c"mpegts", tracks, &options)?;
    // A PES packet for each packet of sound, so that each has its timestamp: libav's reader counts
    // the first of several twice where there is no picture.
    muxer.write(tracks, true)?;
    muxer.finish()
}

/// The init section and the fragment.
fn fragment(tracks: &[Track<'_>], index: u32) -> Result<(Vec<u8>, Vec<u8>), AvError> {
    let number = (u64::from(index) + 1).to_string();
    let options = [
        // One fragment, ended by us; the moov first; the fragment's decode time taken from its
        // packets (else the muxer counts from zero); no index behind it.
        ("movflags", "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer"),
        // Without edit lists: the offset keeps decode times positive.
        ("use_editlist", "0"),
        ("fragment_index", number.as_str()),
        ("video_track_timescale", "90000"),
    ];
    let mut muxer = Muxer::open(c"mp4", tracks, &options)?;
    let init_length = muxer.written();
    muxer.write(tracks, false)?;
    muxer.flush()?;
    let mut init = muxer.finish()?;
    let media = init.split_off(init_length.min(init.len()));
    Ok((init, media))
}
