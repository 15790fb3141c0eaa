//! `verify` finds planted faults, names the segment, and says no more than there is to say.

mod support;

use std::path::Path;

use segue_hls::keys;
use segue_lab::clean_stream;
use segue_lab::faults::{Film, Packaging, planted_faults};
use segue_media::Cancel;
use segue_media::verify::{Fault, verify};
use segue_model::{BoundaryRule, JobRequest, Time};
use support::{job, make, quick, scattered, write};

/// Planted into this one of six.
const SEGMENT: usize = 3;

fn faults(playlist: &Path) -> Vec<Fault> {
    let location = playlist.to_string_lossy();
    let report = verify(&location, &Cancel::default(), &mut |_| {});
    report.unwrap_or_else(|error| panic!("{location}: {error}")).faults
}

fn uri(playlist: &Path, segment: usize) -> String {
    let text = std::fs::read_to_string(playlist).expect("a playlist");
    let mut uris = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    uris.nth(segment).expect("a segment").to_owned()
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("    {fault}\n")).collect()
}

/// What is wrong with how the faults planted into a clean stream of ffmpeg's were found.
fn misjudged(stream: &str) -> Vec<String> {
    misjudged_in(stream, &clean_stream(stream))
}

/// The same of any clean media playlist.
fn misjudged_in(stream: &str, clean: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for planted in planted_faults() {
        let room = tempfile::tempdir().expect("room for a copy");
        let film = Film::copy_of(clean, room.path());
        if !planted.fits(&film) {
            continue;
        }
        let named = uri(film.playlist(), SEGMENT);
        planted.plant(&film, SEGMENT);
        let found = faults(film.playlist());
        let is_right = |fault: &Fault| {
            let segment = fault.segment.as_ref();
            planted.kinds.contains(&fault.kind.name())
                && (!planted.names_segment || segment.is_some_and(|segment| segment.uri == named))
        };
        if found.is_empty() || found.len() > planted.faults_max || !found.iter().all(is_right) {
            wrong.push(format!(
                "{stream}: {} in {named}: {:?}\n{}",
                planted.name,
                planted.kinds,
                lines(&found)
            ));
        }
    }
    wrong
}

#[test]
fn planted_faults_are_found_in_ts() {
    let wrong = misjudged("ts");
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn planted_faults_are_found_in_fmp4() {
    let wrong = misjudged("fmp4");
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn planted_faults_are_found_without_b_frames() {
    let wrong = [misjudged("ts-no-b-frames-ac3"), misjudged("fmp4-no-b-frames-ac3")].concat();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// What is wrong with how the faults planted into what spans have made were found.
fn misjudged_in_ours(packaging: segue_model::Packaging) -> Vec<String> {
    let film = segue_lab::source("h264-aac-mkv");
    // Seconds, so that there are segments enough before and behind.
    let boundaries = BoundaryRule::Grid { segment: Time::from_secs(1) };
    let request = JobRequest { boundaries, preset: "veryfast".into(), ..quick(packaging) };
    let job = job(&film, &request);
    let made = make(&film, &job, &scattered(&job, 1));
    let directory = tempfile::tempdir().expect("room for a film");
    write(&job, &made, directory.path());
    let renditions = job.recipe.renditions.iter();
    renditions
        .flat_map(|rendition| {
            let playlist = directory.path().join(keys::media_playlist(rendition));
            assert_eq!(lines(&faults(&playlist)), "", "before anything was planted");
            misjudged_in(&format!("ours, {packaging:?}"), &playlist)
        })
        .collect()
}

#[test]
fn planted_faults_are_found_in_our_own_transport_streams() {
    let wrong = misjudged_in_ours(segue_model::Packaging::MpegTs);
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn planted_faults_are_found_in_our_own_fragments() {
    let wrong = misjudged_in_ours(segue_model::Packaging::Fmp4);
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// A copy of the stream with variants, one of which is to be spoiled.
fn variant(name: &str, variant: &str) -> (tempfile::TempDir, Film, Film) {
    let clean = clean_stream(name);
    let room = tempfile::tempdir().expect("room for a copy");
    let master = Film::copy_of(&clean, room.path());
    let film = Film::copy_of(&clean.with_file_name(variant), room.path());
    (room, master, film)
}

#[track_caller]
fn assert_only(faults: &[Fault], kind: &str, playlist: &str) {
    let is_right = |fault: &Fault| fault.kind.name() == kind && fault.playlist.ends_with(playlist);
    assert!(!faults.is_empty() && faults.iter().all(is_right), "{kind}:\n{}", lines(faults));
}

#[test]
fn the_init_of_another_rendition_is_an_init_mismatch() {
    for (other, init) in [("1.m3u8", "init_1.mp4"), ("2.m3u8", "init_2.mp4")] {
        let (room, _, film) = variant("fmp4-audio-group", "0.m3u8");
        film.swap_init(&room.path().join(init));
        let found = faults(film.playlist());
        assert_only(&found, "init mismatch", "0.m3u8");
        assert_eq!(found.len(), 1, "{other}:\n{}", lines(&found));
    }
}

#[test]
fn the_init_of_a_picture_is_no_init_for_sound() {
    let (room, _, film) = variant("fmp4-audio-group", "2.m3u8");
    film.swap_init(&room.path().join("init_0.mp4"));
    assert_only(&faults(film.playlist()), "init mismatch", "2.m3u8");
}

#[test]
fn another_init_needs_a_discontinuity() {
    let (room, _, film) = variant("fmp4-audio-group", "0.m3u8");
    film.change_init(SEGMENT, &room.path().join("init_1.mp4"));
    let named = uri(film.playlist(), SEGMENT);
    let found = faults(film.playlist());
    assert_only(&found, "init changed", "0.m3u8");
    assert_eq!(found[0].segment.as_ref().map(|segment| &segment.uri), Some(&named));
    assert_eq!(found.len(), 1, "{}", lines(&found));
}

#[test]
fn what_the_multivariant_playlist_promises_must_hold() {
    for (from, to, kind) in [
        ("RESOLUTION=320x180", "RESOLUTION=640x360", "wrong resolution"),
        ("avc1.64000d", "avc1.42000d", "wrong codec"),
        ("avc1.64000d", "avc1.64000a", "wrong codec"),
        ("avc1.64000d", "hvc1.1.6.L60.90", "wrong codec"),
        ("mp4a.40.2", "ac-3", "wrong codec"),
        ("mp4a.40.2", "mp4a.40.5", "wrong codec"),
        ("2.m3u8", "3.m3u8", "missing playlist"),
        ("BANDWIDTH=", "BANDWIDTH=x", "malformed playlist"),
    ] {
        let (_room, master, _) = variant("fmp4-audio-group", "0.m3u8");
        let text = std::fs::read_to_string(master.playlist()).expect("a playlist");
        assert!(text.contains(from), "{from} is not in\n{text}");
        std::fs::write(master.playlist(), text.replace(from, to)).expect("a copy");
        assert_only(&faults(master.playlist()), kind, "master.m3u8");
    }
}

#[test]
fn variants_must_share_a_timeline() {
    let (_room, master, film) = variant("ts-variants", "1.m3u8");
    film.shift_all(45_000);
    assert_only(&faults(master.playlist()), "variants disagree", "1.m3u8");

    let (_room, master, film) = variant("ts-variants", "1.m3u8");
    film.unlist_last();
    assert_only(&faults(master.playlist()), "variants disagree", "1.m3u8");
}

#[test]
fn sound_must_share_its_pictures_timeline() {
    for ticks in [45_000, 9_000_000] {
        let (_room, master, sound) = variant("fmp4-audio-group", "2.m3u8");
        sound.shift_all(ticks);
        assert_only(&faults(master.playlist()), "variants disagree", "2.m3u8");
    }
}

#[test]
fn packaging_is_told_apart() {
    let room = tempfile::tempdir().expect("room for a copy");
    let film = Film::copy_of(&clean_stream("fmp4"), room.path());
    assert_eq!(film.packaging(), Packaging::FragmentedMp4);
}
