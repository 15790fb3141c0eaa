//! Verifies HLS, ours or anyone's: what would a player trip over, and in which segment?
//!
//! Decided here: in which order things are looked at. Each segment's structure is checked by
//! itself (`ts`, `boxes`, `packed`); then libav demuxes and decodes all of them as one
//! stream (`run`); what that says about time is judged by pure code (`timing`,
//! `durations`, `repeats`); what the multivariant playlist promises is held against what was
//! found (`promises`); and `settle` tells each cause once.
//!
//! Never here: repair, or anything that writes. A fault is something a player would show or
//! something a standard (RFC 8216, ISO/IEC 13818-1, 14496-12) forbids; what ffmpeg's own HLS
//! muxer does is no fault. Start at [`verify`].

mod boxes;
mod durations;
mod finding;
mod frames;
mod lines;
mod location;
mod nal;
mod packed;
mod pictures;
mod playlist;
mod promises;
mod reel;
mod repeats;
mod report;
mod run;
mod settle;
mod timing;
mod tracks;
mod ts;

use std::sync::Arc;

use finding::Finding;
use location::Location;
use playlist::{Loaded, MediaList, Multivariant, RenditionKind};
use reel::{Feed, Reel};
pub use report::{
    AudioReport, Fault, FaultKind, PlaylistReport, SegmentName, VerifyError, VerifyProgress,
    VerifyReport, VideoReport,
};
use run::Heard;

use crate::Cancel;

/// A media playlist to verify.
struct Item {
    name: String,
    location: Location,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Variant,
    Sound,
    /// Only looked whether it is there.
    Text,
    OnlyKeyframes,
}

/// A media playlist that was verified.
struct Verified {
    name: String,
    list: Arc<MediaList>,
    times: Vec<timing::SegmentTimes>,
    heard: Heard,
    readable: Vec<bool>,
}

/// Verifies the multivariant or media playlist at `location`, a path or an http(s) or file URL.
///
/// Everything listed is fetched and decoded, on this thread alone: it takes about as long as
/// playing it as fast as one core can. An error means that nothing can be said; all that is wrong
/// with the stream itself is in the report.
pub fn verify(
    location: &str,
    cancel: &Cancel,
    on_progress: &mut dyn FnMut(VerifyProgress),
) -> Result<VerifyReport, VerifyError> {
    let place = Location::parse(location);
    let mut report = VerifyReport::default();
    match playlist::load(&place, location, cancel)? {
        Loaded::Media(list) => {
            let verified = media(location, list, cancel, &mut |segment, segments| {
                on_progress(VerifyProgress {
                    playlist: location.to_owned(),
                    playlist_index: 0,
                    playlists: 1,
                    segment,
                    segments,
                });
            })?;
            close(verified, Vec::new(), &mut report);
        }
        Loaded::Multivariant(master) => {
            multivariant(location, &place, &master, cancel, on_progress, &mut report)?;
        }
    }
    Ok(report)
}

fn multivariant(
    name: &str,
    place: &Location,
    master: &Multivariant,
    cancel: &Cancel,
    on_progress: &mut dyn FnMut(VerifyProgress),
    report: &mut VerifyReport,
) -> Result<(), VerifyError> {
    let mut tell = |kind, detail: String| {
        report.faults.push(Fault { playlist: name.to_owned(), segment: None, kind, detail });
    };
    for what in &master.faults {
        tell(FaultKind::MalformedPlaylist, what.clone());
    }
    let items = items(place, master, &mut tell);
    let playlists = items.len();
    let mut verified = Vec::new();
    for (playlist_index, item) in items.into_iter().enumerate() {
        let mut list = match playlist::load(&item.location, &item.name, cancel) {
            Ok(Loaded::Media(list)) => list,
            Ok(Loaded::Multivariant(_)) => {
                tell(
                    FaultKind::MalformedPlaylist,
                    format!("{} is a multivariant playlist too", item.name),
                );
                continue;
            }
            Err(error @ (VerifyError::Unreadable { .. } | VerifyError::NotAPlaylist { .. })) => {
                tell(FaultKind::PlaylistMissing, error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        list.independent |= master.independent;
        match item.role {
            Role::OnlyKeyframes => {}
            Role::Text => {
                let list = Arc::new(list);
                let findings = texts(&list, cancel)?;
                let heard = Heard { findings, ..Heard::default() };
                verified.push(Verified {
                    name: item.name,
                    list,
                    times: Vec::new(),
                    heard,
                    readable: Vec::new(),
                });
            }
            Role::Variant | Role::Sound => {
                verified.push(media(&item.name, list, cancel, &mut |segment, segments| {
                    on_progress(VerifyProgress {
                        playlist: item.name.clone(),
                        playlist_index,
                        playlists,
                        segment,
                        segments,
                    });
                })?);
            }
        }
    }
    for (kind, detail) in promises::against_master(master, &verified) {
        tell(kind, detail);
    }
    let mut apart = promises::variants(master, &verified);
    for verified in verified {
        let (mine, others) = apart.into_iter().partition(|(name, _)| *name == verified.name);
        apart = others;
        let mine: Vec<(String, Finding)> = mine;
        close(verified, mine.into_iter().map(|(_, finding)| finding).collect(), report);
    }
    Ok(())
}

/// Every playlist that is listed, once.
fn items(
    place: &Location,
    master: &Multivariant,
    tell: &mut dyn FnMut(FaultKind, String),
) -> Vec<Item> {
    let variants = master.variants.iter().map(|variant| {
        let role = if variant.only_keyframes { Role::OnlyKeyframes } else { Role::Variant };
        (&variant.uri, role)
    });
    let renditions = master.renditions.iter().map(|rendition| {
        let role = match rendition.kind {
            RenditionKind::Audio => Role::Sound,
            RenditionKind::Video => Role::Variant,
            RenditionKind::Text => Role::Text,
        };
        (&rendition.uri, role)
    });
    let mut items: Vec<Item> = Vec::new();
    for (uri, role) in variants.chain(renditions) {
        if items.iter().any(|item| item.name == *uri) {
            continue;
        }
        match place.resolve(uri) {
            Some(location) => items.push(Item { name: uri.clone(), location, role }),
            None => tell(FaultKind::PlaylistMissing, format!("{uri} may not be named from there")),
        }
    }
    items
}

/// Verifies a media playlist by itself.
fn media(
    name: &str,
    list: MediaList,
    cancel: &Cancel,
    on_segment: &mut dyn FnMut(usize, usize),
) -> Result<Verified, VerifyError> {
    let list = Arc::new(list);
    let feed = Feed::new(Reel::new(list.clone(), cancel));
    let mut heard = Heard::default();
    let count = list.segments.len();
    on_segment(0, count);
    while !feed.reel().is_over() {
        if feed.reel().begin_run() {
            run::run(&feed, cancel, &mut heard, &mut |segment| on_segment(segment, count))?;
        }
        on_segment(feed.reel().reached(), count);
    }
    let mut reel = feed.reel();
    if let Some(error) = reel.stop.take() {
        return Err(error);
    }
    let times = std::mem::take(&mut reel.times);
    let readable = std::mem::take(&mut reel.readable);
    let mut findings = std::mem::take(&mut reel.findings);
    findings.append(&mut heard.findings);
    findings.extend(
        list.faults.iter().map(|what| Finding::list(FaultKind::MalformedPlaylist, what.as_str())),
    );
    if list.is_vod && !list.ended {
        let what = "EXT-X-PLAYLIST-TYPE is VOD, but there is no EXT-X-ENDLIST";
        findings.push(Finding::list(FaultKind::EndMissing, what));
    }
    findings.extend(timing::check(&times));
    findings.extend(durations::check(&list, &times));
    findings.extend(repeats::check(&times));
    findings.extend(tracks::check(&list, &times, &readable));
    for (segment, (words, count)) in &heard.words {
        let more =
            if *count > 1 { format!(" (and {} more lines)", count - 1) } else { String::new() };
        findings.push(Finding::new(*segment, FaultKind::Decoder, format!("{words}{more}")));
    }
    promises::against_inits(&reel.inits, &list, &times, &mut heard, &mut findings);
    tracks::count(&times, &mut heard);
    heard.findings = findings;
    drop(reel);
    Ok(Verified { name: name.to_owned(), list, times, heard, readable })
}

/// Subtitles: they must be there.
fn texts(list: &MediaList, cancel: &Cancel) -> Result<Vec<Finding>, VerifyError> {
    let mut findings: Vec<Finding> = list
        .faults
        .iter()
        .map(|what| Finding::list(FaultKind::MalformedPlaylist, what.as_str()))
        .collect();
    for (at, entry) in list.segments.iter().enumerate() {
        let fetched = entry.resource.as_ref().map(|resource| resource.fetch(cancel));
        match fetched {
            Some(Ok(bytes)) if bytes.is_empty() => {
                findings.push(Finding::new(at, FaultKind::SegmentEmpty, "no bytes"));
            }
            Some(Ok(_)) => {}
            Some(Err(location::FetchError::Cancelled)) => return Err(VerifyError::Cancelled),
            Some(Err(location::FetchError::Missing(why))) => {
                findings.push(Finding::new(at, FaultKind::SegmentMissing, why));
            }
            None => {
                let what = "a playlist from the network may not name this";
                findings.push(Finding::new(at, FaultKind::SegmentMissing, what));
            }
        }
    }
    Ok(findings)
}

/// Puts a playlist's facts and faults into the report.
fn close(verified: Verified, more: Vec<Finding>, report: &mut VerifyReport) {
    let Verified { name, list, times: _, heard, readable } = verified;
    let mut findings = heard.findings;
    findings.extend(more);
    for Finding { segment, kind, detail, jump: _ } in settle::settle(findings, &readable) {
        let segment = segment.map(|index| SegmentName {
            index,
            uri: list.segments.get(index).map(|entry| entry.uri.clone()).unwrap_or_default(),
        });
        report.faults.push(Fault { playlist: name.clone(), segment, kind, detail });
    }
    report.playlists.push(PlaylistReport {
        uri: name,
        segments: list.segments.len(),
        duration: list.duration().as_secs_f64(),
        video: heard.video,
        audio: heard.audio,
    });
}
