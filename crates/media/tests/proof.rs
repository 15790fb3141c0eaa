//! What the joins of one job promise beyond "alike": over recipes rather than sources.

mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use segue_media::span::{SpanEvent, SpanOrder, run};
use segue_media::{ByteSource, Cancel, Error, FileSource};
use segue_model::{AudioRequest, BoundaryRule, Job, JobRequest, Packaging, SegmentId, Span, Time};
use support::{Made, job, make, open, quick, run_order, run_span, scattered, whole_film, write};
use tempfile::TempDir;

const PACKAGINGS: [Packaging; 2] = [Packaging::MpegTs, Packaging::Fmp4];

fn single(first: u32) -> Span {
    Span { first, end: first + 1 }
}

/// When a packet is shown and decoded, and for how long.
type Times = (Option<i64>, Option<i64>, Option<i64>);

/// Frames and timestamps of every track, without what bytes they came in.
fn timing(made: &Made, job: &Job) -> BTreeMap<u32, Vec<Times>> {
    let directory = TempDir::new().unwrap();
    let master = write(job, made, directory.path());
    let mut timing: BTreeMap<u32, Vec<Times>> = BTreeMap::new();
    for packet in segue_lab::packets(&master) {
        timing.entry(packet.stream).or_default().push((packet.pts, packet.dts, packet.duration));
    }
    timing
}

#[test]
fn the_normal_recipe_gives_the_same_frames_timestamps_and_init_in_any_spans() {
    for (name, packaging) in [
        ("h264-aac-mkv", PACKAGINGS[0]),
        ("vfr-mp4", PACKAGINGS[1]),
        ("gap-mkv", PACKAGINGS[0]),
        ("open-gop-hevc-mkv", PACKAGINGS[1]),
        ("h264-interlaced-ts", PACKAGINGS[0]),
        ("picture-late-mkv", PACKAGINGS[1]),
        ("one-keyframe-mkv", PACKAGINGS[0]),
    ] {
        let path = segue_lab::source(name);
        // With B-frames, which ultrafast has not.
        let request = JobRequest { preset: "superfast".into(), ..quick(packaging) };
        let job = job(&path, &request);
        let one = make(&path, &job, &[job.timeline.whole()]);
        let many = make(&path, &job, &scattered(&job, 1));
        assert_eq!(one.inits, many.inits, "{name}");
        assert_eq!(timing(&one, &job), timing(&many, &job), "{name}");
        let frames = |made: &Made| made.reports.iter().map(|report| report.frames).sum::<u64>();
        assert_eq!(frames(&one), frames(&many), "{name}");
        let directory = TempDir::new().unwrap();
        assert_eq!(segue_lab::complaints(write(&job, &many, directory.path())), "", "{name}");
        let urgent = make_urgently(&path, &job);
        assert_eq!(one.inits, urgent.inits, "{name}");
        assert_eq!(timing(&one, &job), timing(&urgent, &job), "{name}");
        assert_eq!(segue_lab::complaints(write(&job, &urgent, directory.path())), "", "{name}");
    }
}

#[test]
fn the_last_pictures_are_shown_though_no_container_says_when() {
    for name in ["mpeg4-mp3-avi", "mpeg4-b-frames-avi", "h264-b-frames-avi", "mpeg2-mp2-mpg"] {
        let path = segue_lab::source(name);
        let job = job(&path, &JobRequest { audio: None, ..quick(Packaging::MpegTs) });
        // A picture that begins later than the sound is shown from the start.
        let clock = job.facts.video.as_ref().unwrap().clock;
        let held = usize::from(clock.start * clock.rate > Time::new(3, 2));
        for spans in [vec![job.timeline.whole()], scattered(&job, 1)] {
            let made = make(&path, &job, &spans);
            let shown = timing(&made, &job).values().map(Vec::len).max();
            assert_eq!(shown, Some(segue_lab::FILM_FRAMES + held), "{name}");
        }
    }
}

/// In spans of three segments, of which the first is waited for.
fn make_urgently(path: &Path, job: &Job) -> Made {
    let mut made = Made::default();
    for span in scattered(job, 3) {
        let renditions = (0..job.recipe.renditions.len() as u32).collect();
        let order = SpanOrder { job: job.clone(), span, renditions, threads: 2, urgent: true };
        run_order(path, &order, &mut made).unwrap();
    }
    made
}

#[test]
fn a_segment_that_is_waited_for_does_not_wait_for_pictures_of_the_next() {
    let path = segue_lab::source("h264-aac-mkv");
    // Looks ten pictures ahead; ultrafast does not.
    let request = JobRequest { preset: "veryfast".into(), ..quick(Packaging::MpegTs) };
    let job = job(&path, &JobRequest { audio: None, ..request });
    let order = SpanOrder { urgent: true, ..whole_film(&job) };
    let first_of = |order: &SpanOrder| {
        let mut made = Made::default();
        run_order(&path, order, &mut made).unwrap();
        made.segments.remove(&SegmentId { rendition: 0, index: 0 }).unwrap()
    };
    // Its encoder saw nothing of what follows.
    let alone = first_of(&SpanOrder { span: single(0), urgent: false, ..order.clone() });
    assert!(first_of(&order) == alone, "its encoder saw what follows");
    let patient = first_of(&SpanOrder { urgent: false, ..order });
    assert!(patient != alone, "looking ahead made no difference, so nothing was tested");
}

/// Has a stretch that can be read when the gate has been opened.
struct Gated {
    file: FileSource,
    shut: Range<u64>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl ByteSource for Gated {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        if self.shut.contains(&position) {
            let (open, opened) = &*self.gate;
            let deadline = Duration::from_secs(60);
            let open = opened.wait_timeout_while(open.lock().unwrap(), deadline, |open| !*open);
            if !*open.unwrap().0 {
                return Err(std::io::Error::other("nobody opened the gate"));
            }
        }
        self.file.read_at(buffer, position)
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }
}

#[test]
fn segments_do_not_pile_up_behind_sound_that_has_ended() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("short-sound.ts");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=480x270:r=25:d=40,noise=alls=20"])
        .args(["-f", "lavfi", "-i", "sine=r=48000:d=2", "-c:v", "mpeg2video", "-q:v", "2"])
        .args(["-g", "25", "-c:a", "aac"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let job = job(&path, &quick(Packaging::MpegTs));
    let order = whole_film(&job);
    // Sound may be ten seconds late and no more: the sixth segment ends at 12 s, and can be made when
    // 22 s have been read. libav reads the start and the end to find out what it has before it.
    let file = FileSource::new(std::fs::File::open(&path).unwrap()).unwrap();
    let size = file.size().unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let source = Box::new(Gated { file, shut: size * 3 / 4..size * 7 / 8, gate: gate.clone() });
    let mut made = 0;
    let outcome = run(source, &order, &Cancel::default(), &mut |event| {
        made += u32::from(matches!(event, SpanEvent::Segment { .. }));
        if made == 6 {
            *gate.0.lock().unwrap() = true;
            gate.1.notify_all();
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{made} segments, then {outcome:?}");
    assert_eq!(made, 20);
}

/// Decode times of the picture, in playing order, as libav reads them.
fn decode_times(job: &Job, made: &Made) -> Vec<i64> {
    let directory = TempDir::new().unwrap();
    let master = write(job, made, directory.path());
    let packets = segue_lab::packets(&master);
    packets.iter().filter(|packet| packet.stream == 0).filter_map(|packet| packet.dts).collect()
}

#[test]
fn decode_times_rise_from_encoders_without_to_encoders_with_b_frames_and_back() {
    let path = segue_lab::source("picture-only-mp4");
    let plain = JobRequest { audio: None, ..quick(Packaging::MpegTs) };
    let reordering = JobRequest { preset: "veryfast".into(), ..plain.clone() };
    let (plain, reordering) = (job(&path, &plain), job(&path, &reordering));
    assert!(plain.timeline.segments() >= 3);
    let mut made = Made::default();
    for index in 0..plain.timeline.segments() {
        // ultrafast makes no B-frames, veryfast makes a pyramid of them.
        let job = if index % 2 == 0 { &plain } else { &reordering };
        run_span(&path, job, single(index), &mut made).unwrap();
    }
    let times = decode_times(&plain, &made);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    let directory = TempDir::new().unwrap();
    let master = write(&plain, &made, directory.path());
    assert_eq!(segue_lab::complaints(&master), "");
    // The control: with each encoder's own depth they would not rise.
    let depths: Vec<bool> =
        segue_lab::packets(&master).windows(2).map(|pair| pair[0].pts > pair[1].pts).collect();
    assert!(depths.contains(&true), "no B-frames were made, so nothing was tested");
}

/// The largest difference to the source within and outside of two frames around each join.
fn sound_errors(source: &[f32], made: &[f32], job: &Job) -> (f32, f32) {
    let channels = 2;
    let rate = 48_000;
    let (mut at_joins, mut elsewhere) = (0f32, 0f32);
    let joins: Vec<i64> = (1..job.timeline.segments())
        .map(|index| job.timeline.start_of(index).to_ticks(rate))
        .collect();
    for (at, (ours, theirs)) in made.iter().zip(source).enumerate() {
        let sample = (at / channels) as i64;
        let error = (ours - theirs).abs();
        if joins.iter().any(|join| (sample - join).abs() < 3 * 1024) {
            at_joins = at_joins.max(error);
        } else if sample > 4096 {
            elsewhere = elsewhere.max(error);
        }
    }
    (at_joins, elsewhere)
}

#[test]
fn sound_is_as_true_at_joins_as_elsewhere() {
    // Lossless, so what differs is our doing.
    let path = segue_lab::source("h264-flac-mkv");
    let request = JobRequest {
        audio: Some(AudioRequest { bitrate: Some(192_000), ..AudioRequest::default() }),
        ..quick(Packaging::Fmp4)
    };
    let job = job(&path, &request);
    for length in [1, 2, job.timeline.segments()] {
        let made = make(&path, &job, &scattered(&job, length));
        let directory = TempDir::new().unwrap();
        write(&job, &made, directory.path());
        let ours = segue_lab::pcm(directory.path().join("audio/index.m3u8"));
        let (at_joins, elsewhere) = sound_errors(&segue_lab::pcm(&path), &ours, &job);
        // A join that is cut without its window is off by .2 and more.
        assert!(at_joins < 0.07, "{at_joins} at joins, {elsewhere} elsewhere, spans of {length}");
        assert!(elsewhere < 0.07, "{elsewhere}, spans of {length}");
    }
}

#[test]
fn renditions_share_one_decode_and_can_be_made_alone() {
    let path = segue_lab::source("h264-aac-mkv");
    let request = JobRequest {
        renditions: vec!["144p@300k".parse().unwrap(), "90p@100k".parse().unwrap()],
        exact: true,
        ..quick(Packaging::Fmp4)
    };
    let job = job(&path, &request);
    let together = make(&path, &job, &[job.timeline.whole()]);
    for rendition in 0..job.recipe.renditions.len() as u32 {
        let order = SpanOrder {
            job: job.clone(),
            span: single(1),
            renditions: vec![rendition],
            threads: 1,
            urgent: false,
        };
        let mut alone = BTreeMap::new();
        run(open(&path), &order, &Cancel::default(), &mut |event| {
            if let SpanEvent::Segment { id, bytes, .. } = event {
                alone.insert(id, bytes);
            }
            Ok(())
        })
        .unwrap();
        let id = SegmentId { rendition, index: 1 };
        assert_eq!(alone.keys().collect::<Vec<_>>(), [&id]);
        assert_eq!(alone[&id], together.segments[&id]);
    }
}

#[test]
fn boundaries_on_keyframes_are_kept() {
    let path = segue_lab::source("h264-aac-mkv");
    let boundaries = BoundaryRule::KeyframesCumulative { segment: Time::from_secs(2) };
    let job = job(&path, &JobRequest { boundaries, exact: true, ..quick(Packaging::MpegTs) });
    let one = make(&path, &job, &[job.timeline.whole()]);
    let many = make(&path, &job, &scattered(&job, 1));
    assert_eq!(one.segments, many.segments);
    let directory = TempDir::new().unwrap();
    assert_eq!(segue_lab::complaints(write(&job, &many, directory.path())), "");
}

#[test]
fn cancelling_stops_a_span_without_a_segment_half_made() {
    let path = segue_lab::source("h264-aac-mkv");
    let segment = Time::new(1, 2);
    let request = JobRequest {
        boundaries: BoundaryRule::Grid { segment },
        // Sound that comes late would let the picture run ahead without a bound.
        audio: None,
        exact: true,
        ..quick(Packaging::MpegTs)
    };
    let job = job(&path, &request);
    let whole = make(&path, &job, &[job.timeline.whole()]);
    // Far more segments than can be on their way when the first is given out: one there, four
    // between encoders and assembler, two in encoders, and frames for less than another.
    assert_eq!(whole.segments.len(), 17);
    let order = whole_film(&job);
    let cancel = Cancel::default();
    let mut made = BTreeMap::new();
    let outcome = run(open(&path), &order, &cancel, &mut |event| {
        if let SpanEvent::Segment { id, bytes, .. } = event {
            made.insert(id, bytes);
            cancel.cancel();
        }
        Ok(())
    });
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    // Those on their way when it was called off may still come, whole.
    assert!((1..17).contains(&made.len()), "{}", made.len());
    let first_of_whole: Vec<_> = whole.segments.iter().take(made.len()).collect();
    assert!(made.iter().eq(first_of_whole), "a segment is not what it would have been");
}

#[test]
fn an_error_of_the_receiver_ends_the_span() {
    let path = segue_lab::source("h264-aac-mkv");
    let job = job(&path, &quick(Packaging::MpegTs));
    let order = whole_film(&job);
    let outcome = run(open(&path), &order, &Cancel::default(), &mut |event| match event {
        SpanEvent::Segment { .. } => Err(std::io::Error::other("the pipe is closed")),
        _ => Ok(()),
    });
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
}

#[test]
fn an_order_for_what_does_not_exist_is_refused() {
    let path = segue_lab::source("h264-aac-mkv");
    let job = job(&path, &quick(Packaging::MpegTs));
    let end = job.timeline.segments();
    for (span, renditions) in [
        (Span { first: 0, end: end + 1 }, vec![0]),
        (Span { first: 2, end: 2 }, vec![0]),
        (single(0), vec![7]),
    ] {
        let order = SpanOrder { job: job.clone(), span, renditions, threads: 1, urgent: false };
        let outcome = run(open(&path), &order, &Cancel::default(), &mut |_| Ok(()));
        assert!(matches!(outcome, Err(Error::Worker { .. })), "{outcome:?}");
    }
}
