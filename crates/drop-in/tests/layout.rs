//! Names, times and playlists of what appears: as ffmpeg's hls muxer has them.

#[path = "../../model/tests/sample/mod.rs"]
mod sample;

use std::path::Path;

use segue_drop_in::job::layout::Layout;
use segue_ffmpeg::job::{PlaylistKind, Projection};
use segue_model::{BoundaryRule, FrameRate, JobRequest, Packaging, SourceFacts, Time};

/// So many seconds of 24000/1001 frames per second.
fn film(seconds: i64) -> SourceFacts {
    let mut facts = sample::film();
    let rate = Time::new(24_000, 1001);
    facts.duration = Time::from_secs(seconds);
    if let Some(video) = &mut facts.video {
        (video.frame_rate, video.clock.rate) = (FrameRate::Constant(rate), rate);
        (video.start, video.clock.start) = (Time::ZERO, Time::ZERO);
        video.end = facts.duration;
    }
    facts
}

fn projection() -> Projection {
    Projection {
        playlist: "/t/abc.m3u8".to_owned(),
        playlist_kind: PlaylistKind::Vod,
        segments: "file:/t/abc%d.ts".to_owned(),
        init: Some("abc-1.mp4".to_owned()),
        overwrite: true,
        by_rename: false,
        independent: false,
    }
}

fn layout(projection: &Projection, packaging: Packaging, facts: &SourceFacts) -> Layout {
    let boundaries = BoundaryRule::Multiples { segment: Time::from_secs(3) };
    let request = JobRequest {
        boundaries,
        packaging,
        frame_grid: true,
        together: true,
        ..JobRequest::default()
    };
    let recipe = request.resolve(facts).unwrap();
    let timeline = segue_hls::timeline_of(&recipe, facts).unwrap();
    Layout::new(projection, &recipe, facts, timeline).unwrap()
}

#[test]
fn a_segment_begins_with_the_first_frame_that_is_not_before_its_boundary() {
    // Frames 0, 72, 144 and 216 of 24000/1001; the last ends with frame 239.
    let layout = layout(&projection(), Packaging::MpegTs, &film(10));
    let text = layout.playlist_text(0, 4, true);
    let expected = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n\
        #EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:3.003000,\nabc0.ts\n#EXTINF:3.003000,\nabc1.ts\n\
        #EXTINF:3.003000,\nabc2.ts\n#EXTINF:1.001000,\nabc3.ts\n#EXT-X-ENDLIST\n";
    assert_eq!(text, expected);
    assert_eq!(layout.frames(0, 4), Some(240));
    assert_eq!(layout.frames(1, 2), Some(72));
}

#[test]
fn a_recording_that_begins_at_another_time_is_as_long() {
    let mut late = film(10);
    late.start = Time::from_millis(1_400);
    let text = |facts: &SourceFacts| {
        layout(&projection(), Packaging::MpegTs, facts).playlist_text(0, 4, true)
    };
    assert_eq!(text(&late), text(&film(10)));
}

#[test]
fn what_is_moved_to_a_frames_multiple_lasts_as_long_as_ffmpeg_says() {
    let mut late = film(0);
    if let Some(video) = &mut late.video {
        let start = Time::from_millis(21);
        (video.start, video.clock.start) = (start, start);
        video.end = start + Time::from_secs(312) / video.clock.rate;
        late.duration = video.end;
    }
    // 13 s, whose first picture is the second frame's: what ffmpeg 5.1 says of them.
    let text = layout(&projection(), Packaging::MpegTs, &late).playlist_text(0, 5, true);
    let lengths: Vec<&str> = text.lines().filter(|line| line.starts_with("#EXTINF")).collect();
    let whole = "#EXTINF:3.003000,";
    assert_eq!(lengths, [whole, whole, whole, whole, "#EXTINF:1.001000,"]);
}

#[test]
fn fragments_name_their_header_and_a_seek_its_first_number() {
    let layout = layout(&projection(), Packaging::Fmp4, &film(10));
    let text = layout.playlist_text(2, 3, false);
    let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:2\n\
        #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"abc-1.mp4\"\n#EXTINF:3.003000,\nabc2.ts\n";
    assert_eq!(text, expected);
    assert_eq!(layout.init(), Some(Path::new("/t/abc-1.mp4")));
    assert_eq!(layout.segment(2), Path::new("/t/abc2.ts"));
}

#[test]
fn sound_alone_is_counted_in_packets() {
    let mut facts = film(10);
    facts.video = None;
    let layout = layout(&projection(), Packaging::MpegTs, &facts);
    // 3 s are 140.6 packets of 1024 samples, 6 s 281.25, 10 s 468.75, and one more is before the film.
    let text = layout.playlist_text(0, 4, false);
    let lengths: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")).collect();
    assert_eq!(lengths, ["2.986667,", "3.008000,", "2.986667,", "1.024000,"]);
    assert_eq!(layout.frames(0, 2), None);
}
