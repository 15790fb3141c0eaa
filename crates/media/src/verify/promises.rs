//! What init sections and the multivariant playlist promise, held against what was decoded.

use segue_model::Time;

use super::Verified;
use super::boxes::{self, InitTrack};
use super::durations::leading_track;
use super::finding::{Finding, TrackKind};
use super::nal::NalCodec;
use super::playlist::{MediaList, Multivariant, Rendition, RenditionKind, Variant};
use super::reel::LoadedInit;
use super::report::FaultKind;
use super::run::Heard;
use super::timing::{SegmentTimes, seconds, usual_frame};

/// A sample entry, the configuration it needs, and libav's name of the codec.
const ENTRIES: [(&boxes::Code, &boxes::Code, &str); 15] = [
    (b"avc1", b"avcC", "h264"),
    (b"avc3", b"avcC", "h264"),
    (b"hvc1", b"hvcC", "hevc"),
    (b"hev1", b"hvcC", "hevc"),
    (b"dvh1", b"hvcC", "hevc"),
    (b"dvhe", b"hvcC", "hevc"),
    (b"av01", b"av1C", "av1"),
    (b"vp09", b"vpcC", "vp9"),
    (b"mp4v", b"esds", ""),
    (b"mp4a", b"esds", ""),
    (b"ac-3", b"dac3", "ac3"),
    (b"ec-3", b"dec3", "eac3"),
    (b"Opus", b"dOps", "opus"),
    (b"fLaC", b"dfLa", "flac"),
    (b"alac", b"alac", "alac"),
];

/// Checks init sections against the segments that use them.
pub(super) fn against_inits(
    inits: &[LoadedInit],
    list: &MediaList,
    segments: &[SegmentTimes],
    heard: &mut Heard,
    findings: &mut Vec<Finding>,
) {
    for (place, init) in inits.iter().enumerate() {
        let end = inits.get(place + 1).map_or(segments.len(), |next| next.first);
        let own = init.first..end;
        for track in &init.section.tracks {
            if let Some(what) = wrong_entry(track) {
                findings.push(Finding::new(init.first, FaultKind::WrongCodec, what));
            }
            if let Some(what) = wrong_size(track, heard, &own) {
                let what = format!("{} {what}", init.named.uri);
                findings.push(Finding::new(init.first, FaultKind::InitMismatch, what));
            }
            let set = track.sequence_sets().into_iter().next();
            if let (Some(video), Some(set)) = (heard.video.as_mut(), set)
                && let Some(codec) = NalCodec::named(&video.codec)
            {
                video.codec_string = video.codec_string.take().or_else(|| codec.codec_string(&set));
            }
        }
        let told = wrong_timescale(list, segments, own.clone(), findings)
            .or_else(|| undecodable(own.clone(), findings));
        if let Some(what) = told {
            let what = format!("{}: {what}", init.named.uri);
            findings.push(Finding::new(init.first, FaultKind::InitMismatch, what));
        }
    }
}

fn wrong_entry(track: &InitTrack) -> Option<String> {
    if !matches!(&track.handler, b"vide" | b"soun") {
        return None;
    }
    let entry = boxes::name(track.entry);
    match ENTRIES.iter().find(|(known, ..)| **known == track.entry) {
        None => Some(format!("the sample entry {entry:?} is of no codec HLS has")),
        Some((_, wanted, _)) if track.configuration(wanted).is_none() => {
            let found: Vec<String> =
                track.configurations.iter().map(|(code, _)| boxes::name(*code)).collect();
            let found = found.join(", ");
            let wanted = boxes::name(**wanted);
            Some(format!("the sample entry {entry} needs {wanted} and has {found}"))
        }
        Some(_) => None,
    }
}

fn wrong_size(track: &InitTrack, heard: &Heard, own: &std::ops::Range<usize>) -> Option<String> {
    let (width, height) = (u32::from(track.size.0), u32::from(track.size.1));
    if &track.handler != b"vide" || (width, height) == (0, 0) {
        return None;
    }
    let (_, decoded) = heard.sizes.iter().find(|(segment, _)| own.contains(segment))?;
    (*decoded != (width, height))
        .then(|| format!("declares {width}x{height}, decoded are {}x{}", decoded.0, decoded.1))
}

/// A wrong timescale makes all segments last too long or too short by one factor.
fn wrong_timescale(
    list: &MediaList,
    segments: &[SegmentTimes],
    own: std::ops::Range<usize>,
    findings: &[Finding],
) -> Option<String> {
    let track = leading_track(segments)?;
    let mut factors = Vec::new();
    for at in own {
        let times = segments[at].track(track)?;
        let frame = usual_frame(track, &segments[at..=at])?;
        let real = times.end(frame) - times.earliest();
        let declared = list.segments[at].duration;
        if !declared.is_positive() || !real.is_positive() {
            return None;
        }
        factors.push(real / declared);
    }
    let (least, most) = (*factors.iter().min()?, *factors.iter().max()?);
    let is_told = findings.iter().any(|finding| finding.kind == FaultKind::WrongDuration);
    let one_factor = most * 20 < least * 23;
    // Clocks that could be mixed up differ by more: 44100 and 48000.
    let is_off = |factor: Time| (factor - Time::from_secs(1)).abs() * 25 > Time::from_secs(2);
    (is_told && factors.len() > 2 && one_factor && is_off(least) && is_off(most)).then(|| {
        format!(
            "with its timescale every segment lasts {:.2} times its EXTINF: it is of another rendition",
            least.as_secs_f64()
        )
    })
}

/// Complaints in every segment mean that what all of them share is wrong.
fn undecodable(own: std::ops::Range<usize>, findings: &[Finding]) -> Option<String> {
    let complaint = |at: usize| {
        findings
            .iter()
            .find(|finding| finding.segment == Some(at) && finding.kind == FaultKind::Decoder)
    };
    let complaints = own.clone().filter(|at| complaint(*at).is_some()).count();
    if complaints < 3 || complaints * 10 < own.len() * 9 {
        return None;
    }
    let first = own.clone().find_map(complaint)?;
    Some(format!("no segment that uses it decodes ({}): it is of another rendition", first.detail))
}

/// A codec as CODECS names it: (family, whether it is a picture's).
fn family(codec: &str) -> Option<(&'static str, TrackKind)> {
    let code = codec.split('.').next().unwrap_or(codec);
    let video = TrackKind::Picture;
    let audio = TrackKind::Sound;
    Some(match code {
        "avc1" | "avc3" => ("h264", video),
        "hvc1" | "hev1" | "dvh1" | "dvhe" => ("hevc", video),
        "av01" => ("av1", video),
        "vp09" => ("vp9", video),
        "mp4v" => ("mpeg4", video),
        "mp4a" => match codec {
            "mp4a.40.33" | "mp4a.40.34" | "mp4a.69" | "mp4a.6B" | "mp4a.6b" => ("mp3", audio),
            "mp4a.a5" | "mp4a.A5" => ("ac3", audio),
            "mp4a.a6" | "mp4a.A6" => ("eac3", audio),
            _ => ("aac", audio),
        },
        "ac-3" => ("ac3", audio),
        "ec-3" => ("eac3", audio),
        "Opus" | "opus" => ("opus", audio),
        "fLaC" | "flac" => ("flac", audio),
        "alac" => ("alac", audio),
        _ => return None,
    })
}

/// Checks CODECS and RESOLUTION.
pub(super) fn against_master(master: &Multivariant, all: &[Verified]) -> Vec<(FaultKind, String)> {
    let mut faults = Vec::new();
    for variant in master.variants.iter().filter(|variant| !variant.only_keyframes) {
        let Some(own) = all.iter().find(|verified| verified.name == variant.uri) else { continue };
        let sounds = sounds(master, variant, all);
        if let (Some(declared), Some(video)) = (variant.resolution, &own.heard.video)
            && (video.width, video.height) != declared
            && video.width > 0
        {
            let (width, height) = declared;
            let what = format!(
                "{}: RESOLUTION={width}x{height}, decoded are {}x{}",
                variant.uri, video.width, video.height
            );
            faults.push((FaultKind::WrongResolution, what));
        }
        if let Some(codecs) = &variant.codecs {
            let wrong = wrong_codecs(codecs, &own.heard, sounds.as_deref());
            faults.extend(wrong.into_iter().map(|what| {
                (FaultKind::WrongCodec, format!("{}: CODECS={codecs:?} {what}", variant.uri))
            }));
        }
    }
    faults
}

/// The sound playlists of a variant's group; `None` when one could not be read.
fn sounds<'a>(
    master: &Multivariant,
    variant: &Variant,
    all: &'a [Verified],
) -> Option<Vec<&'a Verified>> {
    let group = variant.audio.as_deref();
    let of_group = |rendition: &&Rendition| {
        rendition.kind == RenditionKind::Audio && Some(rendition.group.as_str()) == group
    };
    let find = |uri: &str| all.iter().find(|verified| verified.name == uri);
    master.renditions.iter().filter(of_group).map(|rendition| find(&rendition.uri)).collect()
}

fn wrong_codecs(codecs: &str, own: &Heard, sounds: Option<&[&Verified]>) -> Vec<String> {
    let mut wrong = Vec::new();
    let listed: Vec<&str> = codecs.split(',').map(str::trim).collect();
    let video = own.video.as_ref();
    let audio: Vec<&Heard> = std::iter::once(own)
        .chain(sounds.unwrap_or_default().iter().map(|verified| &verified.heard))
        .filter(|heard| heard.audio.is_some())
        .collect();
    for codec in &listed {
        let Some((name, kind)) = family(codec) else {
            // Subtitles and codecs this verifier does not know.
            if !codec.starts_with("stpp") && !codec.starts_with("wvtt") {
                wrong.push(format!("has {codec}, which is of no codec HLS has"));
            }
            continue;
        };
        let is_there = match kind {
            TrackKind::Picture => video.is_some_and(|video| video.codec == name),
            TrackKind::Sound => {
                audio.iter().any(|heard| {
                    heard.audio.as_ref().is_some_and(|audio| is_codec(&audio.codec, name))
                }) || sounds.is_none()
            }
        };
        if !is_there {
            wrong.push(format!("has {codec}, but there is no {name}"));
            continue;
        }
        if let Some(real) = video
            .and_then(|video| video.codec_string.as_deref())
            .filter(|_| kind == TrackKind::Picture)
            && !is_enough(codec, real)
        {
            wrong.push(format!("has {codec}, the stream is {real}"));
        }
        if let Some(object) =
            codec.strip_prefix("mp4a.40.").and_then(|object| object.parse::<u32>().ok())
            && name == "aac"
            && sounds.is_some()
            && !audio
                .iter()
                .any(|heard| heard.audio_object.is_none_or(|real| is_object(object, real)))
        {
            wrong.push(format!("has {codec}, the stream has another AAC object type"));
        }
    }
    if let Some(video) = video
        && !listed
            .iter()
            .any(|codec| family(codec).is_some_and(|(_, kind)| kind == TrackKind::Picture))
    {
        wrong.push(format!("lacks the picture's codec ({})", video.codec));
    }
    wrong
}

fn is_codec(libav: &str, name: &str) -> bool {
    libav == name || (name == "mp3" && libav == "mp2")
}

/// HE-AAC may be declared as what it is built on.
fn is_object(declared: u32, real: u32) -> bool {
    declared == real || (matches!(real, 5 | 29) && matches!(declared, 2 | 5 | 29))
}

/// Whether a declared codec string covers the real one: the same profile, at least the level.
fn is_enough(declared: &str, real: &str) -> bool {
    let parts = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split('.').skip(1);
        let first = parts.next()?;
        if text.starts_with("avc") {
            return match parts.next() {
                // The older form has decimals: avc1.66.30.
                Some(level) => Some((first.parse().ok()?, level.parse().ok()?)),
                None => {
                    let code = u32::from_str_radix(first, 16).ok().filter(|_| first.len() == 6)?;
                    Some((code >> 16, code & 0xff))
                }
            };
        }
        let profile = first.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
        let level = parts.nth(1)?.get(1..)?.parse().ok()?;
        Some((profile, level))
    };
    let Some(real_parts) = parts(real) else { return true };
    parts(declared).is_some_and(|declared| declared.0 == real_parts.0 && declared.1 >= real_parts.1)
}

/// Checks that variants and their sounds share a timeline: (playlist, finding). Each is held against
/// the first picture.
///
/// Only finished playlists: live ones were fetched at different moments.
pub(super) fn variants(master: &Multivariant, all: &[Verified]) -> Vec<(String, Finding)> {
    let listed =
        |verified: &&Verified| master.variants.iter().any(|variant| variant.uri == verified.name);
    let has_picture = |verified: &&Verified| verified.heard.video.is_some();
    let ended: Vec<&Verified> = all.iter().filter(|verified| verified.list.ended).collect();
    let Some(first) = ended.iter().copied().filter(listed).find(has_picture) else {
        return Vec::new();
    };
    let mut apart = Vec::new();
    for other in ended.into_iter().filter(|other| other.name != first.name) {
        let same_kind = listed(&other) && has_picture(&other);
        let finding = same_kind.then(|| disagreement(first, other)).flatten();
        if let Some(finding) = finding.or_else(|| out_of_step(first, other)) {
            apart.push((other.name.clone(), finding));
        }
    }
    apart
}

/// What is played together must be there at the same time: times in segments against places in the
/// playlist. Sound may begin late and be primed; half of all segments decide.
fn out_of_step(first: &Verified, other: &Verified) -> Option<Finding> {
    let slack = Time::new(1, 4);
    let (mine, theirs) = (offset(first)?, offset(other)?);
    ((mine - theirs).abs() > slack).then(|| {
        let (how, by) =
            if theirs > mine { ("later", theirs - mine) } else { ("earlier", mine - theirs) };
        let what = format!("its times are {} {how} than those of {}", seconds(by), first.name);
        Finding::list(FaultKind::VariantsDisagree, what)
    })
}

/// How far times are from places in the playlist, as a rule; unknown where timestamps begin anew.
fn offset(verified: &Verified) -> Option<Time> {
    let times = &verified.times;
    if times.iter().skip(1).any(|segment| !segment.continues) {
        return None;
    }
    let track = leading_track(times)?;
    let mut place = Time::ZERO;
    let mut offsets = Vec::new();
    for segment in times {
        offsets.extend(segment.track(track).map(|frames| frames.earliest() - place));
        place = place + segment.declared;
    }
    let middle = offsets.len() / 2;
    (!offsets.is_empty()).then(|| *offsets.select_nth_unstable(middle).1)
}

fn disagreement(first: &Verified, other: &Verified) -> Option<Finding> {
    let kind = FaultKind::VariantsDisagree;
    let frame = [first, other]
        .into_iter()
        .filter_map(|verified| usual_frame(leading_track(&verified.times)?, &verified.times))
        .max()?;
    // Muxers shift each variant by its own reorder delay.
    let slack = (frame * 3).max(Time::from_millis(150));
    let durations = [first, other].map(|verified| verified.list.duration());
    if (durations[0] - durations[1]).abs() > slack {
        let [a, b] = durations.map(seconds);
        let counts = [first, other].map(|verified| verified.list.segments.len());
        let [m, n] = counts;
        return Some(Finding::list(
            kind,
            format!("{n} segments, {b}; {} has {m}, {a}", first.name),
        ));
    }
    if first.list.segments.len() != other.list.segments.len() {
        return None;
    }
    let start = |verified: &Verified, at: usize| {
        let times = verified.times.get(at)?;
        Some(times.track(leading_track(&verified.times)?)?.earliest())
    };
    (0..first.times.len()).find_map(|at| {
        let (a, b) = (start(first, at)?, start(other, at)?);
        ((a - b).abs() > slack).then(|| {
            let what = format!("it begins at {}, in {} at {}", seconds(b), first.name, seconds(a));
            Finding::new(at, kind, what)
        })
    })
}
