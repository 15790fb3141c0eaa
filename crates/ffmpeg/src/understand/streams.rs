//! Which streams an output holds: its maps, or what ffmpeg takes without any.

use crate::filter::Filter;
use crate::finding::{Meaning, immaterial, prevents, understood};
use crate::job::{Pick, Proviso};
use crate::line::{CommandLine, Group, Opt, Suffix, Value};
use crate::specifier::{Kind, Part};
use crate::{Map, Target};

/// The picture and the sound of an output.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub video: Option<Place>,
    pub audio: Option<Place>,
    /// What a `-filter_complex` does to the picture before the output gets it.
    pub filters: Vec<Filter>,
    pub provisos: Vec<Proviso>,
    /// Why it cannot be a job.
    pub fault: Option<String>,
}

#[derive(Debug)]
pub(super) struct Place {
    pub pick: Pick,
    /// Its number in the output.
    pub index: u32,
}

/// Which of an output's streams an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Video,
    Audio,
    Both,
    /// None of them.
    Nobody,
    /// That depends on the source.
    Unclear,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Index(u32),
    Kind(Kind, Option<u32>),
    Label(String),
}

impl Streams {
    pub fn of(line: &CommandLine, output: &Group) -> Streams {
        let mut streams = Streams::default();
        if let Err(fault) = streams.read(line, output) {
            streams.fault = Some(fault);
        }
        streams
    }

    fn read(&mut self, line: &CommandLine, output: &Group) -> Result<(), String> {
        let off = |name: &str| output.options.iter().any(|o| o.name == name && !o.negated);
        let maps: Vec<&Opt> = output.options.iter().filter(|o| o.name == "map").collect();
        if maps.is_empty() {
            self.video = (!off("vn")).then_some(Place { pick: Pick::Best, index: 0 });
            let index = u32::from(self.video.is_some());
            self.audio = (!off("an")).then_some(Place { pick: Pick::Best, index });
            if !off("sn") {
                self.provisos.push(Proviso::NoSubtitles);
            }
        } else {
            let mut mapped = Mapped::default();
            for option in maps {
                mapped.apply(option)?;
            }
            self.assign(line, output, mapped, off("vn"), off("an"))?;
        }
        match (&self.video, &self.audio) {
            (None, None) => Err("the output has neither picture nor sound".to_owned()),
            _ => Ok(()),
        }
    }

    fn assign(
        &mut self,
        line: &CommandLine,
        output: &Group,
        Mapped { entries, taken }: Mapped,
        no_video: bool,
        no_audio: bool,
    ) -> Result<(), String> {
        let sound_alone = entries.len() == 1
            && output.options.iter().any(|o| codec_kind(o) == Some(Kind::Audio))
            && !output.options.iter().any(|o| codec_kind(o) == Some(Kind::Video));
        for (index, entry) in (0..).zip(entries) {
            let (kind, pick) = match entry {
                Entry::Index(stream) => {
                    // Jellyfin maps the picture first. The source will tell whether it is one.
                    let video = self.video.is_none() && !no_video && !sound_alone;
                    let (kind, proviso) = if video {
                        (Kind::Video, Proviso::IsVideo(stream))
                    } else {
                        (Kind::Audio, Proviso::IsAudio(stream))
                    };
                    if taken.contains(&kind) {
                        return Err("takes away what may be that stream".to_owned());
                    }
                    self.provisos.push(proviso);
                    (kind, Pick::Stream(stream))
                }
                Entry::Kind(kind, Some(nth)) => (kind, Pick::Nth(nth)),
                Entry::Kind(kind, None) => {
                    return Err(format!("takes all streams of kind `{}`", kind.letter()));
                }
                Entry::Label(label) => {
                    let (pick, filters, proviso) = labelled(line, &label)?;
                    self.filters = filters;
                    self.provisos.extend(proviso);
                    (Kind::Video, pick)
                }
            };
            let place = match kind {
                Kind::Video if no_video => continue,
                Kind::Audio if no_audio => continue,
                Kind::Video => &mut self.video,
                Kind::Audio => &mut self.audio,
                _ => return Err("puts subtitles or data into segments".to_owned()),
            };
            if place.is_some() {
                return Err("there is more than one picture and one sound track".to_owned());
            }
            *place = Some(Place { pick, index });
        }
        Ok(())
    }

    /// What a `-map` means.
    pub fn map(&self, option: &Opt) -> Meaning {
        if self.fault.is_some() {
            return match Mapped::default().apply(option) {
                Err(fault) => prevents(fault),
                Ok(()) => immaterial("in an output whose streams prevent a job"),
            };
        }
        let Value::Map(map) = &option.value else { return prevents("ffmpeg refuses this map") };
        let Map { negative, target, .. } = map.value();
        match target {
            _ if *negative => immaterial("takes away streams that were not mapped"),
            Target::Label(_) => understood("the picture that the filter graph gives out"),
            Target::Streams { specifier, .. } => {
                let is = |place: &Option<Place>| {
                    place.as_ref().is_some_and(|place| match (&place.pick, &specifier.parts[..]) {
                        (Pick::Stream(number), [Part::Index(index)]) => number == index,
                        (Pick::Nth(_), [Part::Kind(_), ..]) => true,
                        _ => false,
                    })
                };
                let audio = specifier.parts.first() == Some(&Part::Kind(Kind::Audio));
                if is(&self.video) && !audio {
                    understood("the picture; the source must agree")
                } else if is(&self.audio) {
                    understood("the sound; the source must agree")
                } else {
                    immaterial("taken away again")
                }
            }
        }
    }

    /// Which streams an option of the output is for.
    pub fn whom(&self, option: &Opt) -> For {
        let only = |kind| match kind {
            Kind::Video if self.video.is_some() => For::Video,
            Kind::Audio if self.audio.is_some() => For::Audio,
            _ => For::Nobody,
        };
        match option.name.as_str() {
            _ if option.suffix.is_some() => {}
            "vcodec" | "vf" | "vframes" | "vtag" | "vpre" => return only(Kind::Video),
            "acodec" | "af" | "ab" | "ac" | "ar" | "aq" | "aframes" | "atag" => {
                return only(Kind::Audio);
            }
            // Without a specifier these mean the picture.
            "b" | "profile" => return only(Kind::Video),
            _ => {}
        }
        let specifier = match &option.suffix {
            None if self.video.is_none() => return For::Audio,
            None if self.audio.is_none() => return For::Video,
            None => return For::Both,
            Some(Suffix::Metadata(_)) => return For::Unclear,
            Some(Suffix::Streams(specifier)) => specifier,
        };
        let matches = |place: &Option<Place>, kind| match place {
            Some(place) => specifier.matches(kind, place.index, 0),
            None => Some(false),
        };
        match (matches(&self.video, Kind::Video), matches(&self.audio, Kind::Audio)) {
            (Some(true), Some(false)) => For::Video,
            (Some(false), Some(true)) => For::Audio,
            (Some(true), Some(true)) => For::Both,
            (Some(false), Some(false)) => For::Nobody,
            _ => For::Unclear,
        }
    }

    /// The encoder named for a kind; the last one counts.
    pub fn codec<'a>(&self, output: &'a Group, kind: For) -> Option<&'a str> {
        let is = |option: &&Opt| {
            matches!(option.name.as_str(), "c" | "codec" | "vcodec" | "acodec")
                && (self.whom(option) == kind || self.whom(option) == For::Both)
        };
        output.options.iter().rfind(is).map(Opt::text)
    }
}

/// Whose encoder an option names, by its spelling alone.
fn codec_kind(option: &Opt) -> Option<Kind> {
    let specifier = match (option.name.as_str(), &option.suffix) {
        ("vcodec", _) => return Some(Kind::Video),
        ("acodec", _) => return Some(Kind::Audio),
        ("c" | "codec", Some(Suffix::Streams(specifier))) => specifier,
        _ => return None,
    };
    match specifier.parts.first() {
        Some(Part::Kind(kind)) => Some(*kind),
        _ => None,
    }
}

/// What the maps of an output come to, one after the other.
#[derive(Debug, Default)]
struct Mapped {
    entries: Vec<Entry>,
    /// Kinds of which all was taken away: a numbered stream is none of them, or the line is no job.
    taken: Vec<Kind>,
}

impl Mapped {
    fn apply(&mut self, option: &Opt) -> Result<(), String> {
        let Value::Map(map) = &option.value else {
            return Err("ffmpeg refuses this map".to_owned());
        };
        let Map { negative, target, sync } = map.value();
        if sync.is_some() {
            return Err("keeps a stream in step with another".to_owned());
        }
        let entry = match target {
            Target::Label(label) => Entry::Label(label.clone()),
            Target::Streams { file: 1.., .. } => {
                return Err("takes a stream of a second file".to_owned());
            }
            Target::Streams { specifier, .. } => match &specifier.parts[..] {
                [Part::Index(index)] => Entry::Index(*index),
                [Part::Kind(kind)] => Entry::Kind(moving(*kind), None),
                [Part::Kind(kind), Part::Index(nth)] => Entry::Kind(moving(*kind), Some(*nth)),
                [] => return Err("takes all streams".to_owned()),
                _ => return Err("which streams it takes depends on the source".to_owned()),
            },
        };
        match (negative, &entry) {
            (false, _) => self.entries.push(entry),
            (true, Entry::Kind(kind, None)) => {
                self.entries
                    .retain(|other| !matches!(other, Entry::Kind(other, _) if other == kind));
                self.taken.push(*kind);
            }
            (true, _) => self.entries.retain(|other| *other != entry),
        }
        Ok(())
    }
}

fn moving(kind: Kind) -> Kind {
    if kind == Kind::MovingVideo { Kind::Video } else { kind }
}

/// What a label of a filter graph stands for, if that is the picture with one chain of filters.
fn labelled(
    line: &CommandLine,
    label: &str,
) -> Result<(Pick, Vec<Filter>, Option<Proviso>), String> {
    let complex = |option: &&Opt| matches!(option.name.as_str(), "filter_complex" | "lavfi");
    let mut graphs = line.options().filter(complex);
    let (Some(option), None) = (graphs.next(), graphs.next()) else {
        return Err("comes out of more than one filter graph, or of none".to_owned());
    };
    let Value::Graph(graph) = &option.value else {
        return Err("comes out of a filter graph that cannot be read".to_owned());
    };
    let several = || "comes out of a filter graph with several chains or inputs".to_owned();
    let [chain] = &graph.value().chains[..] else { return Err(several()) };
    let inside = chain.iter().map(|filter| filter.inputs.len() + filter.outputs.len());
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return Err(several()) };
    let simple = inside.sum::<usize>() == 2
        && last.outputs == [label]
        && first.inputs.len() == 1
        && graph.value().sws_flags.is_none();
    let source = first.inputs.first().filter(|_| simple).ok_or_else(several)?;
    let map = Map::parse(source);
    let (pick, proviso) = match map.as_ref().map(|map| &map.target) {
        Some(Target::Streams { file: 0, specifier, .. }) => match &specifier.parts[..] {
            [Part::Index(index)] => (Pick::Stream(*index), Some(Proviso::IsVideo(*index))),
            [Part::Kind(Kind::Video | Kind::MovingVideo), Part::Index(nth)] => {
                (Pick::Nth(*nth), None)
            }
            _ => return Err(several()),
        },
        _ => return Err(several()),
    };
    Ok((pick, chain.clone(), proviso))
}
