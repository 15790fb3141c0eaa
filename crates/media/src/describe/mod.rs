//! What a source is: streams, rates, shapes, where it begins and ends, where it can be entered.
//!
//! Done once per job; spans are told the result and never probe. Three looks at the file: its
//! `head` is decoded (what headers claim of interlacing and starts is often wrong), its `index` is
//! taken from the container or made by reading everything, and its end is read.

mod clocks;
mod fingerprint;
mod head;
mod index;
mod rate;

use segue_model::{
    AudioFacts, Colour, FieldOrder, FrameClock, FrameRate, SampleGrid, SourceFacts, Time,
    VideoFacts,
};

use crate::av::{self, Input, Stream, StreamKind};
use crate::{ByteSource, Cancel, Error};
use head::{AudioHead, Head, VideoHead};
use index::Index;

pub use fingerprint::fingerprint;

/// Sound that goes on for longer than this after the last picture is kept, under a held picture.
const TAIL_CUT: Time = Time::from_secs(1);
/// A longer gap in a list of frames may hold frames that are not listed.
const LISTED_GAP: Time = Time::from_secs(1);
/// How much less than declared a file may hold without a word.
const SHORTFALL: Time = Time::from_secs(1);

/// Finds out everything that planning and encoding need to know of a source.
///
/// Reads headers, the index and the end; the whole file only where it has no index.
pub fn describe(source: Box<dyn ByteSource>, cancel: &Cancel) -> Result<SourceFacts, Error> {
    av::log::forget();
    if source.size() == Some(0) {
        return Err(Error::source("the file is empty"));
    }
    let mut input = Input::open(source, cancel, true)?;
    let video = input.best_video();
    let audio: Vec<u32> =
        input.streams().filter(|s| s.kind() == StreamKind::Audio).map(|s| s.index).collect();
    if video.is_none() && audio.is_empty() {
        return Err(Error::source("the file holds neither picture nor sound"));
    }
    let kept: Vec<u32> = video.iter().chain(&audio).copied().collect();
    input.keep_only(&kept);
    let head = Head::read(&mut input, video, &audio)?;
    let index = Index::read(&mut input, video, &audio)?;
    Draft { input: &input, head, index }.facts(video)
}

/// All that was seen, to be put on the job's time axis.
struct Draft<'a> {
    input: &'a Input,
    head: Head,
    index: Index,
}

impl Draft<'_> {
    fn facts(self, video: Option<u32>) -> Result<SourceFacts, Error> {
        let starts = self.head.video.iter().map(|head| head.start);
        let starts = starts.chain(self.head.audio.iter().filter_map(|head| head.start));
        let Some(start) = starts.min() else {
            return Err(Error::source("nothing in this file can be decoded"));
        };
        let video = match (video.and_then(|index| self.input.stream(index)), &self.head.video) {
            (Some(stream), Some(head)) => Some(self.video(&stream, head, start)?),
            _ => None,
        };
        let audio: Vec<AudioFacts> =
            self.head.audio.iter().filter_map(|head| self.audio(head, start)).collect();
        let sound_end = audio.iter().map(|track| track.end).max();
        let duration = match (&video, sound_end) {
            (Some(video), Some(sound)) if sound > video.end + TAIL_CUT => sound,
            (Some(video), _) => video.end,
            (None, Some(sound)) => sound,
            (None, None) => return Err(Error::source("nothing in this file can be decoded")),
        };
        if !duration.is_positive() {
            return Err(Error::source("the file holds no playing time"));
        }
        // Matroska counts from zero, wherever its first timestamp is.
        let declared = self.index.declared.map(|declared| declared - start.max(Time::ZERO));
        let present = duration.max(sound_end.unwrap_or(duration));
        let declared_duration = declared.filter(|declared| *declared > present + SHORTFALL);
        Ok(SourceFacts {
            container: self.input.format(),
            start,
            duration,
            declared_duration,
            video,
            audio,
            streams: self.input.streams().map(|stream| stream.kind().into()).collect(),
        })
    }

    fn video(
        &self,
        stream: &Stream<'_>,
        head: &VideoHead,
        start: Time,
    ) -> Result<VideoFacts, Error> {
        let time_base = stream.time_base();
        let on_axis = |tick: i64| Time::from_ticks(tick, time_base) - start;
        let keyframes: Vec<Time> = self
            .index
            .keyframes
            .ticks
            .iter()
            .map(|tick| Time::from_ticks(*tick, time_base))
            .collect();
        let frame_rate = rate::frame_rate(&rate::Evidence {
            average: stream.average_frame_rate(),
            base: stream.base_frame_rate(),
            time_base,
            first: head.start,
            head: &head.times,
            keyframes: &keyframes,
        });
        let rate = match frame_rate {
            FrameRate::Constant(rate) => rate,
            FrameRate::Variable(_) => FrameClock::FINE,
        };
        let first = head.start - start;
        let frame = frame_rate.nominal().recip().unwrap_or(Time::new(1, 25));
        let clock = FrameClock { start: first, rate };
        let shown = |tick: i64| on_axis(tick) + head.shown_after;
        // What only says when it is decoded is shown later than that.
        let undated = self.index.undated_end_of(stream.index);
        let undated = undated.map_or(first, |tick| on_axis(tick) + head.reordered_by);
        let end = match (self.index.end_of(stream.index), frame_rate) {
            (Some((tick, _)), FrameRate::Constant(_)) => {
                clock.time_of(clock.slot_of(shown(tick).max(undated)) + 1)
            }
            (Some((tick, 0)), FrameRate::Variable(_)) => shown(tick) + frame,
            (Some((tick, duration)), FrameRate::Variable(_)) => {
                shown(tick.saturating_add(duration))
            }
            (None, _) => {
                return Err(Error::source(
                    "its timestamps lead nowhere: give it new ones first, with \
                     `ffmpeg -i FILE -c copy -avoid_negative_ts make_zero NEW.mkv`",
                ));
            }
        };
        // A still picture has no duration anywhere; it is shown for one frame.
        let end = end.max(first + frame);
        let (width, height) = head.size;
        if width == 0 || height == 0 {
            return Err(Error::source("the picture has no size"));
        }
        let frame_rate_max = rate::frame_rate_max(frame_rate, &head.times, || self.listed(stream));
        let mut colour = stream.colour();
        if colour.matrix == "gbr" {
            // Red, green and blue have no matrix; what is made of them is what swscale makes.
            colour = Colour { matrix: "smpte170m".to_owned(), ..colour };
        }
        Ok(VideoFacts {
            stream: stream.index,
            codec: stream.codec(),
            width,
            height,
            sample_aspect: stream
                .sample_aspect()
                .or(head.sample_aspect)
                .unwrap_or(Time::from_secs(1)),
            orientation: stream.orientation(),
            frame_rate: match frame_rate {
                // More is a claim that did not hold.
                FrameRate::Variable(average) => FrameRate::Variable(average.min(frame_rate_max)),
                constant @ FrameRate::Constant(_) => constant,
            },
            frame_rate_max,
            clock,
            field_order: head.field_order.unwrap_or(FieldOrder::Progressive),
            pixel_format: av::pixel_format_name(head.pixel_format),
            colour,
            time_base,
            start: first,
            end,
            keyframes: self.index.keyframes.clone(),
        })
    }

    /// When every frame is shown, if all were read; when each is decoded, if the container's own table
    /// says so: MP4's.
    fn listed(&self, stream: &Stream<'_>) -> Option<Vec<Time>> {
        let time = |tick: &i64| Time::from_ticks(*tick, stream.time_base());
        let rising = |mut ticks: Vec<i64>| {
            ticks.sort_unstable();
            ticks.iter().map(time).collect::<Vec<Time>>()
        };
        if self.index.keyframes.scanned {
            let times = rising(self.index.listed.clone());
            return (times.len() > 1).then_some(times);
        }
        if !self.input.format().contains("mov") {
            return None;
        }
        let entries = self.input.index_entries(stream.index).into_iter();
        let times = rising(entries.map(|(tick, ..)| tick).collect());
        let end = self.index.end_of(stream.index).map(|(tick, _)| time(&tick));
        // A hole may be a fragment that nobody has read, and does not show how dense that is.
        let with_end: Vec<Time> = times.iter().copied().chain(end).collect();
        let whole = with_end.windows(2).all(|pair| pair[1] - pair[0] <= LISTED_GAP);
        (whole && times.len() > 1).then_some(times)
    }

    fn audio(&self, head: &AudioHead, start: Time) -> Option<AudioFacts> {
        let stream = self.input.stream(head.stream)?;
        let time_base = stream.time_base();
        let sample_rate =
            if head.sample_rate > 0 { head.sample_rate } else { stream.sample_rate() };
        if sample_rate == 0 {
            return None;
        }
        let first = head.start.unwrap_or(start) - start;
        let end = match self.index.end_of(head.stream) {
            Some((tick, duration)) => {
                Time::from_ticks(tick.saturating_add(duration), time_base) - start
            }
            None => first,
        };
        let grid = head.grid.map(|(frame_size, behind_first)| SampleGrid {
            frame_size,
            origin: first.to_ticks(i64::from(sample_rate)) + behind_first,
        });
        Some(AudioFacts {
            stream: head.stream,
            codec: stream.codec(),
            sample_rate,
            channels: if head.channels > 0 { head.channels } else { stream.channels() },
            layout: stream.channel_layout(),
            language: stream.metadata(c"language").filter(|language| language != "und"),
            default: stream.is_default(),
            time_base,
            start: first,
            end: end.max(first),
            grid,
            decodable: stream.has_decoder() && head.start.is_some(),
        })
    }
}
