//! Where a source can be entered, and where it ends.
//!
//! Containers that index all their keyframes (MP4 tables, Matroska cues, AVI) are not read through:
//! the index is taken and the last seconds are read. Everything else is read once, whole.

use std::collections::BTreeMap;

use segue_model::{KeyframeIndex, Time};

use super::clocks::{Clocks, Jump, Seen};
use crate::Error;
use crate::av::{Input, Packet, SeekTo};

/// Keyframes of the picture, and the end of every track.
pub(super) struct Index {
    pub(super) keyframes: KeyframeIndex,
    /// By stream: the last tick something is shown at, and for how many ticks.
    ends: BTreeMap<u32, (i64, i64)>,
    /// By stream: the last tick something is decoded at that does not say when it is shown.
    undated_ends: BTreeMap<u32, i64>,
    /// How long the container says it is.
    pub(super) declared: Option<Time>,
    /// When the pictures are shown, as they come; empty unless the whole file was read and says so
    /// of each.
    pub(super) listed: Vec<i64>,
}

impl Index {
    /// Reads what it takes; the place in `input` is anywhere afterwards.
    pub(super) fn read(
        input: &mut Input,
        video: Option<u32>,
        audio: &[u32],
    ) -> Result<Index, Error> {
        let declared = declared_duration(input, video);
        let mut index = Index {
            keyframes: empty(true),
            ends: BTreeMap::new(),
            undated_ends: BTreeMap::new(),
            declared,
            listed: Vec::new(),
        };
        let lead = video.or(audio.first().copied());
        if let (Some(lead), true) = (lead, can_be_entered(input)) {
            let entries = container_index(input, lead, declared)?;
            if !entries.is_empty() && index.read_end(input, lead, &entries)? {
                index.keyframes = empty(false);
                if let Some(video) = video {
                    index.keyframes.ticks = presentation_ticks(input, video, &entries)?;
                }
                return Ok(index);
            }
        }
        index.scan(input, video)?;
        Ok(index)
    }

    /// The last tick at which something of `stream` is shown, and for how long.
    pub(super) fn end_of(&self, stream: u32) -> Option<(i64, i64)> {
        self.ends.get(&stream).copied()
    }

    /// The last tick at which something of `stream` is decoded that does not say when it is shown.
    pub(super) fn undated_end_of(&self, stream: u32) -> Option<i64> {
        self.undated_ends.get(&stream).copied()
    }

    fn note_ends(&mut self, believed: &[Seen]) {
        for Seen { stream, tick, duration, undated, .. } in believed {
            let end = self.ends.entry(*stream).or_insert((*tick, *duration));
            *end = (*end).max((*tick, *duration));
            if *undated {
                let end = self.undated_ends.entry(*stream).or_insert(*tick);
                *end = (*end).max(*tick);
            }
        }
    }

    /// When the container says that it ends, and a second for its rounding.
    fn declared_end(&self, input: &Input, stream: u32) -> Option<Time> {
        let stream = input.stream(stream)?;
        let start = Time::from_ticks(stream.start_tick().unwrap_or(0), stream.time_base());
        Some(start.max(Time::ZERO) + self.declared? + Time::from_secs(1))
    }

    /// Reads from the last keyframe that is really there to the end; false if none is.
    fn read_end(
        &mut self,
        input: &mut Input,
        lead: u32,
        entries: &[(i64, u64)],
    ) -> Result<bool, Error> {
        // A broken end may take a few steps back.
        for (tick, _) in entries.iter().rev().take(8) {
            if input.seek(SeekTo::Tick(lead, *tick)).is_err() {
                continue;
            }
            let mut clocks = clocks(input);
            while let Some(packet) = input.read()? {
                let Some(seen) = seen(input, &packet).filter(|_| !packet.is_corrupt()) else {
                    continue;
                };
                let believed = clocks.take(seen).map_err(|jump| refused(input, jump))?;
                self.note_ends(&believed);
            }
            self.note_ends(&clocks.rest(self.declared_end(input, lead)));
            if self.ends.contains_key(&lead) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads everything.
    fn scan(&mut self, input: &mut Input, video: Option<u32>) -> Result<(), Error> {
        self.ends.clear();
        self.undated_ends.clear();
        input.seek(SeekTo::Start)?;
        let (mut found, mut listed, mut all_timed) = (BTreeMap::new(), Vec::new(), true);
        let mut note = |index: &mut Index, believed: Vec<Seen>| {
            index.note_ends(&believed);
            let keyframes = believed.iter().filter(|it| Some(it.stream) == video && it.keyframe);
            found.extend(keyframes.map(|it| (it.tick, it.position)));
            listed.extend(believed.iter().filter(|it| Some(it.stream) == video).map(|it| it.tick));
        };
        let mut clocks = clocks(input);
        while let Some(packet) = input.read()? {
            // Some decode times among show times could be the same as those, and hide pictures.
            all_timed &= Some(packet.stream()) != video || packet.pts().is_some();
            let Some(seen) = seen(input, &packet) else { continue };
            if packet.is_corrupt() && packet.position().is_none() {
                continue;
            }
            note(self, clocks.take(seen).map_err(|jump| refused(input, jump))?);
        }
        let end = video.and_then(|video| self.declared_end(input, video));
        note(self, clocks.rest(end));
        if all_timed {
            self.listed = listed;
        }
        // Matroska can only be entered at clusters, and libav noted those while it read.
        let clusters: BTreeMap<i64, u64> = match video {
            Some(video) if input.format().contains("matroska") => {
                keyframe_entries(input, video).into_iter().collect()
            }
            _ => BTreeMap::new(),
        };
        self.keyframes.ticks = found.keys().copied().collect();
        let position = |(tick, own): (&i64, &Option<u64>)| clusters.get(tick).copied().or(*own);
        let positions: Option<Vec<u64>> = found.iter().map(position).collect();
        self.keyframes.positions = positions.unwrap_or_default();
        Ok(())
    }
}

/// Long steps forward are pauses but in broadcasts, whose recordings are put together by bytes.
fn clocks(input: &Input) -> Clocks {
    Clocks::new(!input.format().starts_with("mpeg"))
}

/// What matters of a packet; `None` without a timestamp.
fn seen(input: &Input, packet: &Packet) -> Option<Seen> {
    let (stream, tick) = (input.stream(packet.stream())?, packet.tick()?);
    Some(Seen {
        stream: packet.stream(),
        at: Time::from_ticks(tick, stream.time_base()),
        tick,
        undated: packet.pts().is_none(),
        duration: packet.duration(),
        keyframe: packet.is_keyframe(),
        position: packet.position(),
    })
}

fn refused(input: &Input, jump: Jump) -> Error {
    let (from, to) = (jump.from.as_secs_f64(), jump.to.as_secs_f64());
    let advice = if input.format().starts_with("mpeg") {
        "give it one clock first, with `ffmpeg -i FILE -c copy NEW.mkv`"
    } else {
        "its parts have to be put together by a tool that gives them one clock"
    };
    Error::source(format!(
        "its timestamps jump from {from:.1} s to {to:.1} s, as when recordings are put one behind \
         the other: {advice}"
    ))
}

fn empty(scanned: bool) -> KeyframeIndex {
    KeyframeIndex { scanned, ticks: Vec::new(), positions: Vec::new() }
}

/// Containers whose headers or cues say where keyframes are.
fn can_be_entered(input: &Input) -> bool {
    let format = input.format();
    ["matroska", "mov", "avi"].iter().any(|name| format.contains(name))
}

fn declared_duration(input: &Input, video: Option<u32>) -> Option<Time> {
    let own = video.and_then(|video| input.stream(video)).and_then(|stream| {
        stream.duration_ticks().map(|ticks| Time::from_ticks(ticks, stream.time_base()))
    });
    own.or(input.declared_duration())
}

fn keyframe_entries(input: &Input, stream: u32) -> Vec<(i64, u64)> {
    let entries = input.index_entries(stream).into_iter();
    entries.filter(|(.., keyframe)| *keyframe).map(|(tick, byte, _)| (tick, byte)).collect()
}

/// The container's keyframes that lie within the file, rising; empty if it does not know them all.
fn container_index(
    input: &mut Input,
    lead: u32,
    declared: Option<Time>,
) -> Result<Vec<(i64, u64)>, Error> {
    // Matroska reads its cues at the first seek.
    if input.seek(SeekTo::Tick(lead, i64::MAX / 4)).is_err() {
        input.seek(SeekTo::Start)?;
    }
    let mut entries = keyframe_entries(input, lead);
    entries.sort_unstable();
    let (Some(declared), Some(last), Some(stream)) = (declared, entries.last(), input.stream(lead))
    else {
        return Ok(Vec::new());
    };
    // While probing, libav notes the keyframes it meets: a list that ends early is no index.
    let first = stream.start_tick().unwrap_or(0);
    let covered = Time::from_ticks(last.0 - first, stream.time_base());
    let complete = covered + Time::from_secs(30) >= declared || covered * 10 >= declared * 9;
    let mostly_probed = entries.len() < 2 && declared > Time::from_secs(12);
    if !complete || mostly_probed {
        return Ok(Vec::new());
    }
    if let Some(size) = input.size() {
        // A file that was cut off still lists what it has lost.
        entries.retain(|(_, byte)| *byte < size);
    }
    Ok(entries)
}

/// When the keyframes of `entries` are shown.
///
/// Matroska's cues say so. MP4's table holds decode times, so its packets are listed once over
/// without reading their bytes. AVI knows no others: those who enter there mind that.
fn presentation_ticks(
    input: &mut Input,
    video: u32,
    entries: &[(i64, u64)],
) -> Result<Vec<i64>, Error> {
    let listed = || entries.iter().map(|(tick, _)| *tick).collect::<Vec<_>>();
    if !input.format().contains("mov") {
        return Ok(listed());
    }
    input.seek(SeekTo::Start)?;
    input.read_blanks();
    input.keep_only_keyframes(video);
    let mut ticks = Vec::with_capacity(entries.len());
    while let Some(packet) = input.read()? {
        if let (true, Some(pts)) = (packet.is_keyframe(), packet.tick()) {
            ticks.push(pts);
        }
    }
    ticks.sort_unstable();
    ticks.dedup();
    Ok(if ticks.len() == entries.len() { ticks } else { listed() })
}
