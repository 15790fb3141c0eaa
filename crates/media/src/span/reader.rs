//! Packets of a span, from a place that is early enough and not much earlier.

use std::collections::VecDeque;

use segue_model::{AudioFacts, SourceFacts, Time, VideoFacts};

use crate::av::{Input, Packet, SeekTo};
use crate::{ByteSource, Cancel, Error};

/// Packets that may pass before a track that has not shown up is taken to have a gap.
const MISSING_AFTER: usize = 3000;

/// Which packets a span needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    /// The picture from this time on.
    pub(super) picture: Option<Time>,
    /// The sound of this stream from this time on.
    pub(super) sound: Option<(u32, Time)>,
}

/// A source being read from the middle.
pub(super) struct Reader<'a> {
    input: Input,
    facts: &'a SourceFacts,
    /// The streams that are read.
    kept: Vec<u32>,
    /// Read while looking for the right place, not yet given out.
    ahead: VecDeque<Packet>,
    /// The picture is decoded from this keyframe on.
    entry: Option<i64>,
}

impl<'a> Reader<'a> {
    /// Opens the source and goes to where the packets of `from` begin.
    pub(super) fn open(
        source: Box<dyn ByteSource>,
        cancel: &Cancel,
        facts: &'a SourceFacts,
        from: From,
    ) -> Result<Reader<'a>, Error> {
        let mut input = Input::open(source, cancel, true)?;
        let picture = facts.video.as_ref().filter(|_| from.picture.is_some());
        let kept = picture.map(|video| video.stream).into_iter().chain(from.sound.map(|it| it.0));
        let kept: Vec<u32> = kept.collect();
        input.keep_only(&kept);
        if let Some(video) = picture.filter(|video| !video.keyframes.positions.is_empty()) {
            let keyframes = &video.keyframes;
            let entries = keyframes.ticks.iter().copied().zip(keyframes.positions.iter().copied());
            if facts.container.contains("matroska") {
                input.add_index(video.stream, entries);
            }
        }
        let mut reader = Reader { input, facts, kept, ahead: VecDeque::new(), entry: None };
        reader.enter(from)?;
        Ok(reader)
    }

    /// The stream `index` as opened, for its decoder.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// The presentation tick of the keyframe that picture decoding starts from; what is shown
    /// before it needs pictures that were not read. `None` at the start of the source.
    pub(super) fn entry(&self) -> Option<i64> {
        self.entry
    }

    /// The next packet; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Error> {
        match self.ahead.pop_front() {
            Some(packet) => Ok(Some(packet)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<Packet>, Error> {
        loop {
            match self.input.read()? {
                // What probing had read of other streams still comes.
                Some(packet) if !self.kept.contains(&packet.stream()) => {}
                packet => return Ok(packet),
            }
        }
    }

    fn enter(&mut self, from: From) -> Result<(), Error> {
        let facts = self.facts;
        let video = facts.video.as_ref().filter(|_| from.picture.is_some());
        let tick = |time: Time, time_base: Time| ((time + facts.start) / time_base).floor();
        let picture = match (video, from.picture) {
            (Some(video), Some(time)) => Some((video, tick(time, video.time_base))),
            _ => None,
        };
        let sound = from.sound.and_then(|(stream, time)| {
            let track = facts.audio.iter().find(|track| track.stream == stream)?;
            Some((track, tick(time, track.time_base), time))
        });
        // Containers' indices may be a little off: further back each time it was not early enough.
        let mut back = 0;
        loop {
            let place = self.place(picture, sound, back);
            self.entry = place.entry;
            let sought = place.seek.is_some_and(|to| self.input.seek(to).is_ok());
            if !sought {
                // A source that was just opened is at its start, which few demuxers can go back to.
                if back > 0 || place.seek.is_some() {
                    self.input.seek(SeekTo::Start)?;
                }
                self.entry = None;
                self.ahead.clear();
                return Ok(());
            }
            // A gap in the sound looks like having come too late: a few tries settle it.
            let insist = sound.filter(|_| back < 7);
            if self.is_early_enough(picture, insist)? {
                return Ok(());
            }
            back = back * 2 + 1;
        }
    }

    /// Where to go for a picture tick and a sound tick, `back` keyframes earlier than seems right.
    fn place(
        &self,
        picture: Option<(&VideoFacts, i64)>,
        sound: Option<(&AudioFacts, i64, Time)>,
        back: usize,
    ) -> Place {
        if let Some((video, target)) = picture {
            let keyframes = &video.keyframes;
            let back = back + usize::from(!self.knows_show_times());
            let Some(entry) = keyframes.at_or_before(target).and_then(|at| at.checked_sub(back))
            else {
                return Place { seek: None, entry: None };
            };
            let sound_target = sound.map_or(target, |(_, _, time)| {
                ((time + self.facts.start) / video.time_base).floor()
            });
            let enter = keyframes.at_or_before(sound_target.min(target)).unwrap_or(0);
            let enter = enter.saturating_sub(back).min(entry);
            // Nothing before the first keyframe can be decoded, but sound may lie before it.
            let seek = (enter > 0).then(|| match keyframes.positions.get(enter) {
                Some(byte) if !self.facts.container.contains("matroska") => SeekTo::Byte(*byte),
                _ => SeekTo::Tick(video.stream, keyframes.ticks[enter]),
            });
            return Place { seek, entry: Some(keyframes.ticks[entry]).filter(|_| entry > 0) };
        }
        let Some((track, target, _)) = sound else { return Place { seek: None, entry: None } };
        // Bare streams are small, and libav only guesses at timestamps after entering them.
        let bare = ["mp3", "aac", "ac3", "eac3", "dts", "truehd", "mpeg"];
        let bare = bare.contains(&self.facts.container.as_str());
        let second = (Time::from_secs(1) / track.time_base).ceil();
        let target = target - second * back as i64;
        let start = (self.facts.start / track.time_base).floor();
        let seek = (!bare && target > start).then_some(SeekTo::Tick(track.stream, target));
        Place { seek, entry: None }
    }

    /// Whether packets say when they are shown. AVI's say when they are decoded: a keyframe is shown
    /// a few pictures later than its index says, and pictures before that need the keyframe before.
    fn knows_show_times(&self) -> bool {
        self.facts.container != "avi"
    }

    /// Reads on until both tracks have shown up; whether they did so early enough.
    fn is_early_enough(
        &mut self,
        picture: Option<(&VideoFacts, i64)>,
        sound: Option<(&AudioFacts, i64, Time)>,
    ) -> Result<bool, Error> {
        self.ahead.clear();
        let mut picture_found = picture.is_none();
        // A track that begins later than what is wanted of it cannot show up earlier.
        let mut sound_found = sound.is_none_or(|(track, _, time)| track.start >= time);
        for _ in 0..MISSING_AFTER {
            if picture_found && sound_found {
                return Ok(true);
            }
            let Some(packet) = self.read()? else {
                return Ok(picture_found);
            };
            if let Some((_, target)) = picture.filter(|it| it.0.stream == packet.stream()) {
                if !picture_found {
                    let entry = self.entry.unwrap_or(i64::MIN);
                    match packet.tick().filter(|_| packet.is_keyframe()) {
                        Some(tick) if tick > target => return Ok(false),
                        Some(tick) if tick >= entry => {
                            picture_found = true;
                            self.entry = Some(tick);
                        }
                        // What comes before the keyframe is not decoded.
                        _ => continue,
                    }
                }
            } else if let (Some((_, target, _)), false, Some(tick)) =
                (sound, sound_found, packet.tick())
            {
                if tick > target {
                    return Ok(false);
                }
                sound_found = true;
            }
            self.ahead.push_back(packet);
        }
        Ok(picture_found)
    }
}

/// Where to go, and which keyframe decoding starts from.
struct Place {
    /// `None`: the start of the source.
    seek: Option<SeekTo>,
    entry: Option<i64>,
}
