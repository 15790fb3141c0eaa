//! What goes on, from where, and what does not.

use super::*;

const LINE: &str = "-ss 00:01:00.000 -i file:/m/a.mkv -map 0:0 -codec:v:0 libx264 \
    -force_key_frames:0 expr:gte(t,n_forced*3) -codec:a:0 aac -copyts \
    -avoid_negative_ts disabled -f hls -max_delay 5000000 -hls_time 3 -start_number 20 \
    -hls_segment_filename /t/ab%d.ts -hls_playlist_type vod -y /t/ab.m3u8";

fn resumable(text: &str) -> Result<Resumable, Obstacle> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    Resumable::of(&CommandLine::parse(Program::Ffmpeg, &words).unwrap(), "/")
}

/// Pictures of a 24th of a second, of which the first has this number in the film.
fn pictures(number: i64) -> Option<Pictures> {
    let each = Time::new(1, 24);
    Some(Pictures { first: Time::from_secs(10) + each * number, each, sound: None })
}

fn from(text: &str, number: i64, picture: i64, start: Time) -> Result<(String, Time), Obstacle> {
    let at_first = if text.contains("-ss") { 60 * 24 } else { 0 };
    let at_first = pictures(at_first).unwrap();
    let rest = resumable(text)?.from(number, pictures(picture), at_first, start)?;
    Ok((rest.line.render().join(" "), rest.behind))
}

#[test]
fn it_goes_on_from_the_last_segment_before_one_that_is_missing() {
    let paths = ["/t/ab20.ts", "/t/ab21.ts", "/t/ab23.ts", "/x/ab22.ts"].map(str::to_owned);
    let resumable = resumable(LINE).unwrap();
    assert_eq!(resumable.segments(&paths), ["/t/ab20.ts", "/t/ab21.ts"]);
    assert!(resumable.segments(&paths[1..]).is_empty());
    assert!(resumable.segments(&[]).is_empty());
}

#[test]
fn it_begins_with_the_picture_that_the_segment_begins_with() {
    let (rest, behind) = from(LINE, 22, 66 * 24, Time::ZERO).unwrap();
    // Half a picture before 66 s.
    assert!(rest.starts_with("-ss 65.979167 -itsoffset 0.001 -i file:/m/a.mkv"), "{rest}");
    assert!(rest.contains("-start_number 22 "), "{rest}");
    assert_eq!(behind, Time::from_secs(6));
    // A segment that is due 3 s after this one has its keyframe then.
    assert!(rest.contains("expr:gte((t+6.000017),(n_forced+2)*3) "), "{rest}");
    // One that began later than it was due begins a picture early. A seek counts from where the source
    // begins.
    let (rest, behind) = from(LINE, 22, 67 * 24, Time::new(1, 2)).unwrap();
    assert!(rest.starts_with("-ss 66.437500 "), "{rest}");
    assert_eq!(behind, Time::new(13, 2));
}

#[test]
fn what_has_no_seek_gets_one_before_its_input() {
    let start = LINE.replace("-ss 00:01:00.000 ", "").replace("-start_number 20 ", "");
    let (rest, _) = from(&start, 1, 72, Time::ZERO).unwrap();
    assert!(rest.starts_with("-ss 2.979167 -itsoffset 0.001 -i"), "{rest}");
    assert!(rest.contains("-start_number 1 /t/ab.m3u8"), "{rest}");
}

#[test]
fn what_was_moved_as_it_began_before_time_is_moved_further_on() {
    let start = LINE.replace("-ss 00:01:00.000 ", "").replace("-start_number 20 ", "");
    let resumable = resumable(&start).unwrap();
    let rest = resumable.from(1, pictures(72), pictures(0).unwrap(), Time::ZERO).unwrap();
    let rest = rest.line.render().join(" ");
    assert!(rest.starts_with("-ss 2.979167 ") && !rest.contains("output_ts_offset"), "{rest}");
    // Either the film's pictures begin later than something else of it, or they were moved.
    let unknown = resumable.from(1, pictures(74), pictures(2).unwrap(), Time::ZERO);
    assert_eq!(unknown, Err(Obstacle::Moved));
    // Sound that was moved by less says that the film begins with it.
    let sound = |millis: i64| {
        let sound = Some(Time::from_millis(10_000 - 21 + millis));
        resumable.from(1, pictures(74), Pictures { sound, ..pictures(2).unwrap() }, Time::ZERO)
    };
    for (millis, due) in [(83, "-ss 2.979167 "), (42, "-ss 3.020834 "), (500, "-ss 2.979167 ")] {
        let rest = sound(millis).unwrap().line.render().join(" ");
        assert!(rest.starts_with(due), "{millis}: {rest}");
        let by = if millis == 42 { "0.041667" } else { "0.083334" };
        assert!(rest.contains(&format!("-output_ts_offset {by} ")), "{millis}: {rest}");
    }
    // After a seek nothing is before time.
    let (rest, _) = from(LINE, 21, 63 * 24 + 2, Time::ZERO).unwrap();
    assert!(!rest.contains("output_ts_offset"), "{rest}");
}

#[test]
fn from_its_first_segment_it_is_the_same_line() {
    let resumable = resumable(&fragments("")).unwrap();
    let init = written::init(b"c", Some(60_060), Some(59_978));
    let segment = written::segment(0, 0, &written::OFFSETS);
    let read = |path: &str| match path {
        "/t/ab-1.mp4" => Some(init.clone()),
        "/t/ab20.mp4" => Some(segment.clone()),
        _ => None,
    };
    let whole = ["/t/ab-1.mp4", "/t/ab20.mp4"].map(str::to_owned);
    let rest = resumable.rest(&whole, None, None, read).unwrap();
    assert_eq!((&rest.line, rest.behind), (&resumable.line, Time::ZERO));
    assert_eq!(rest.joint.seam(), Some("/t/ab20.mp4"));
    assert_eq!(resumable.rest(&whole, None, None, |_| None), Err(Obstacle::Unreadable));
    assert_eq!(resumable.rest(&[], None, None, |_| None), Ok(resumable.all()));
}

#[test]
fn what_another_run_makes_of_the_last_segment_shows_whether_it_joins() {
    // It counts from where its run began, and is moved before it is compared.
    let init = written::init(b"c", Some(60_060), Some(59_978));
    let segment = written::segment(72 * 1001, 144_000, &written::OFFSETS);
    let (_, mut joint) = rest(&fragments(""), init, &segment).unwrap();
    assert_eq!(joint.seam(), Some("/t/ab21.mp4"));
    assert!(joint.judges("/t/ab21.mp4") && !joint.leaves("/t/ab21.mp4"));
    let mut fitted = |pictures: i64, offsets: &[u32]| {
        let made = written::segment(pictures * 1001, 3_023_000, offsets);
        joint.fitted("/t/ab21.mp4", made, |_, _| None).map(|_| ())
    };
    assert_eq!(fitted(1512, &written::OFFSETS), Ok(()));
    assert_eq!(fitted(1513, &written::OFFSETS), Err(Misfit::Seam));
    assert_eq!(fitted(1512, &[2002, 1001, 3003]), Err(Misfit::Seam), "it is shorter");
    assert_eq!(fitted(1512, &[2002; 5]), Err(Misfit::Seam), "it is longer");
}

#[test]
fn where_the_pictures_say_something_else_it_does_not_go_on() {
    let unreadable = resumable(LINE).unwrap().from(21, None, pictures(0).unwrap(), Time::ZERO);
    assert_eq!(unreadable, Err(Obstacle::Unreadable));
    for picture in [60 * 24, 65 * 24, 69 * 24] {
        let rest = from(LINE, 21, picture, Time::ZERO);
        assert_eq!(rest, Err(Obstacle::Elsewhere), "{picture}");
    }
    assert!(from(LINE, 21, 63 * 24, Time::ZERO).is_ok());
}

#[test]
fn groups_of_pictures_are_as_good_as_forced_keyframes_if_none_is_shorter_than_a_segment() {
    let groups = |count: u32| {
        let groups = format!("-g:v:0 {count} -keyint_min:v:0 {count}");
        LINE.replace("-force_key_frames:0 expr:gte(t,n_forced*3)", &groups)
    };
    assert!(from(&groups(72), 21, 63 * 24, Time::ZERO).is_ok());
    assert!(from(&groups(73), 21, 63 * 24 + 1, Time::ZERO).is_ok());
    assert_eq!(from(&groups(71), 21, 63 * 24, Time::ZERO), Err(Obstacle::Keyframes));
    let other = resumable(&groups(72).replace("-keyint_min:v:0 72", ""));
    assert_eq!(other, Err(Obstacle::Keyframes));
}

/// The same line with fragmented MP4.
fn fragments(options: &str) -> String {
    let to = format!("-f hls -hls_segment_type fmp4 -hls_fmp4_init_filename ab-1.mp4 {options}");
    LINE.replace("-f hls", &to).replace("ab%d.ts", "ab%d.mp4")
}

fn rest(text: &str, init: Vec<u8>, segment: &[u8]) -> Result<(String, Joint), Obstacle> {
    let whole = ["/t/ab-1.mp4", "/t/ab20.mp4", "/t/ab21.mp4"].map(str::to_owned);
    let read = |path: &str| match path {
        "/t/ab-1.mp4" => Some(init.clone()),
        "/t/ab21.mp4" => Some(segment.to_vec()),
        _ => None,
    };
    // It began with picture 1440.
    let each = Time::new(1001, 24_000);
    let beginning = Some(Pictures { first: each * 1440, each, sound: None });
    let rest = resumable(text)?.rest(&whole, Some(Time::ZERO), beginning, read)?;
    Ok((rest.line.render().join(" "), rest.joint))
}

#[test]
fn fragments_go_on_by_the_clock_of_their_source() {
    let line = fragments("-hls_segment_options movflags=+frag_discont+skip_sidx");
    // Picture 1512 is the first of the second segment.
    let segment = written::segment(1512 * 1001, 3_000_000, &written::OFFSETS);
    let (rest, mut joint) = rest(&line, written::init(b"c", None, None), &segment).unwrap();
    // One picture and a half before 63.063 s: it is due at 63.060 s.
    assert!(rest.starts_with("-ss 63.000438 -itsoffset 0.001 -i"), "{rest}");
    assert!(rest.contains("movflags=+frag_discont+skip_sidx "), "{rest}");
    assert!(joint.leaves("/t/ab22.mp4") && joint.judges("/t/ab-1.mp4"));
    let mut judged = |configuration: &[u8]| {
        joint.fitted("/t/ab-1.mp4", written::init(configuration, None, None), |_, _| None)
    };
    assert_eq!(judged(b"c"), Ok(written::init(b"c", None, None)));
    assert_eq!(judged(b"d"), Err(Misfit::Decoder));
}

#[test]
fn fragments_that_count_from_where_their_run_began_are_moved_there() {
    // It began with picture 1440, at 60.06 s, and with its sound at 59.978 s.
    let init = written::init(b"c", Some(60_060), Some(59_978));
    let segment = written::segment(72 * 1001, 144_000, &written::OFFSETS);
    for (options, due) in [
        ("", "movflags=+frag_discont"),
        ("-hls_segment_options movflags=+skip_sidx", "movflags=+skip_sidx+frag_discont"),
    ] {
        let (rest, mut joint) = rest(&fragments(options), init.clone(), &segment).unwrap();
        assert!(rest.starts_with("-ss 63.000438 "), "{rest}");
        assert!(rest.contains(&format!("-hls_segment_options {due}")), "{rest}");
        assert!(!joint.leaves("/t/ab22.mp4") && joint.leaves("/t/cd22.mp4"));
        let next = |pictures, sound| written::segment(pictures, sound, &written::OFFSETS);
        let made = next(1512 * 1001, 3_023_000);
        let fitted = joint.fitted("/t/ab22.mp4", made.clone(), |_, _| None).unwrap();
        assert!(fitted == next(72 * 1001, 3_023_000 - 59_978 * 48 - 24));
        let damaged = joint.fitted("/t/ab22.mp4", b"no box".to_vec(), |_, _| None);
        assert_eq!(damaged, Err(Misfit::Damaged));
        // The playlist is made whole as long as the segments are there that it lacks.
        let list = |sequence: i64, earlier: &str| {
            format!("#EXT-X-MEDIA-SEQUENCE:{sequence}\n{earlier}#EXTINF:3.0,\nab21.mp4\n")
        };
        let mut fitted = |read: &dyn Fn(&str, usize) -> Option<Vec<u8>>| {
            let fitted = joint.fitted("/t/ab.m3u8", list(21, "").into_bytes(), read).unwrap();
            String::from_utf8(fitted).unwrap()
        };
        let read = |path: &str, _| Some(next(if path == "/t/ab20.mp4" { 0 } else { 72_072 }, 0));
        assert_eq!(fitted(&read), list(20, "#EXTINF:3.003000,\nab20.mp4\n"));
        assert_eq!(fitted(&|_, _| None), list(21, ""));
    }
}

#[test]
fn fragments_that_do_not_say_when_they_are_shown_do_not_go_on() {
    let line = fragments("");
    let init = written::init(b"c", Some(60_060), Some(59_978));
    let segment = written::segment(72 * 1001, 144_000, &written::OFFSETS);
    let unreadable = Err(Obstacle::Unreadable);
    assert_eq!(rest(&line, b"no box".to_vec(), &segment), unreadable);
    assert_eq!(rest(&line, init.clone(), b"no box"), unreadable);
    let other = fragments("-hls_segment_options movflags=+frag_discont");
    assert_eq!(rest(&other, init, &segment), unreadable, "they contradict the line");
    for options in ["movflags=+negative_cts_offsets", "brand=msdh", "movflags=:x=y"] {
        let line = fragments(&format!("-hls_segment_options {options}"));
        let why = Obstacle::Value("hls_segment_options".to_owned());
        assert_eq!(resumable(&line), Err(why), "{options}");
    }
}

#[test]
fn what_would_not_be_the_same_does_not_go_on_and_says_why() {
    let option = |name: &str| Obstacle::Option(name.to_owned());
    let value = |name: &str| Obstacle::Value(name.to_owned());
    for (from, to, why) in [
        ("libx264", "copy", Obstacle::Keyframes),
        ("n_forced*3", "n_forced*5", Obstacle::Keyframes),
        ("file:/m/a.mkv", "http://host/a", Obstacle::NotHls),
        ("-f hls", "-f dash", Obstacle::NotHls),
        ("-copyts ", "", Obstacle::TimeStamps),
        ("disabled", "make_zero", Obstacle::TimeStamps),
        ("vod", "event", Obstacle::Playlist),
        ("ab%d.ts", "ab.ts", Obstacle::Names),
        ("-f hls", "-t 20 -f hls", option("t")),
        ("-f hls", "-hls_flags single_file -f hls", option("hls_flags")),
        ("-i file", "-stream_loop -1 -i file", option("stream_loop")),
        ("-i file", "-noaccurate_seek -i file", option("noaccurate_seek")),
        ("-i file", "-f concat -i file", value("f")),
        ("-i file", "-itsscale 2 -i file", option("itsscale")),
        ("-f hls", "-hls_ts_options mpegts_copyts=1 -f hls", value("hls_ts_options")),
        ("-f hls", "-vf setpts=PTS+1 -f hls", Obstacle::Filter("setpts".to_owned())),
        ("n_forced*3", "60+n_forced*3", Obstacle::Keyframes),
        ("-f hls", "-hls_segment_type webm -f hls", value("hls_segment_type")),
        ("-map", "-i /m/b.srt -map", Obstacle::NotHls),
    ] {
        assert_eq!(resumable(&LINE.replace(from, to)), Err(why), "{to}");
    }
    assert!(resumable(LINE).is_ok());
    assert!(resumable(&LINE.replace("-i file", "-f matroska,webm -i file")).is_ok());
    assert!(resumable(&LINE.replace("n_forced*3", "0+n_forced*3")).is_ok());
}

#[test]
fn what_was_not_said_is_not_guessed() {
    let (init, segment) = (written::init(b"c", None, None), written::segment(0, 0, &[2002, 2002]));
    let whole = ["/t/ab-1.mp4", "/t/ab20.mp4", "/t/ab21.mp4"].map(str::to_owned);
    let line = resumable(&fragments("-hls_segment_options movflags=+frag_discont")).unwrap();
    let read = |path: &str| Some(if path == "/t/ab-1.mp4" { &init } else { &segment }.clone());
    assert_eq!(line.rest(&whole, None, pictures(0), read), Err(Obstacle::Start));
    assert_eq!(line.rest(&whole, Some(Time::ZERO), None, read), Err(Obstacle::Beginning));
    // Where the source begins is nothing to a line that counts from there.
    let zeroed = fragments("-hls_segment_options movflags=+frag_discont -start_at_zero");
    let zeroed = resumable(&zeroed).unwrap();
    assert_ne!(zeroed.rest(&whole, None, pictures(0), read), Err(Obstacle::Start));
}

#[test]
fn where_a_line_began_is_what_its_first_segment_says() {
    let (init, line) = (written::init(b"c", Some(60_060), Some(59_978)), fragments(""));
    let segment = written::segment(0, 0, &written::OFFSETS);
    let read = |path: &str| Some(if path == "/t/ab-1.mp4" { &init } else { &segment }.clone());
    let line = resumable(&line).unwrap();
    let first = line.beginning("/t/ab20.mp4", read).unwrap().first;
    assert_eq!(first, Time::new(1001, 24_000) * 1440);
    for path in ["/t/ab21.mp4", "/t/ab-1.mp4", "/x/ab20.mp4"] {
        assert_eq!(line.beginning(path, read), None, "{path}");
    }
    assert_eq!(line.beginning("/t/ab20.mp4", |_| None), None);
}

#[test]
fn times_before_zero_are_written_as_ffmpeg_reads_them() {
    assert_eq!(micros(Time::new(-1, 2)), "-0.500000");
    assert_eq!(micros(Time::new(-7, 2)), "-3.500000");
    assert_eq!(micros(Time::new(1, 3)), "0.333334");
}
