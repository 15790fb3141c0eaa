//! Which files a line reads and writes, and that a line in another place's words is the same line.
//!
//! `SEGUE_CORPUS=FILE` also takes every line of a larger collection, and prints what is refused.

use segue_ffmpeg::files::{Files, Name, Output, Piece, Refusal, Side, Word, needs};
use segue_ffmpeg::{CommandLine, Program, Value};

const HERE: &str = "/home/me";

fn line(words: &[&str]) -> CommandLine {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    CommandLine::parse(Program::Ffmpeg, &words).unwrap()
}

fn files(words: &[&str]) -> Files {
    Files::of(&line(words), HERE).unwrap()
}

fn refusal(words: &[&str]) -> String {
    Files::of(&line(words), HERE).unwrap_err().to_string()
}

/// As in a place whose root is `root`, and that opens inputs by `input`.
fn render(words: &[Word], root: &str, input: impl Fn(usize) -> String) -> Vec<String> {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Root => root.to_owned(),
        Piece::Input(index) => input(*index),
        Piece::Device => "/dev/dri/renderD999".to_owned(),
    };
    words.iter().map(|word| word.iter().map(piece).collect()).collect()
}

fn elsewhere(files: &Files) -> Vec<String> {
    render(&files.words, "/R", |index| format!("I{index}"))
}

fn output(directory: &str, name: Name, growing: bool) -> Output {
    Output { directory: directory.to_owned(), name, growing }
}

fn exactly(name: &str) -> Name {
    Name::Exactly(name.to_owned())
}

#[test]
fn inputs_are_opened_by_another_name_and_outputs_below_another_root() {
    let found =
        files(&["-ss", "5", "-i", "file:/m/a b.mkv", "-i", "sub.srt", "/out/x [1].mp4", "y.srt"]);
    assert_eq!(
        elsewhere(&found),
        ["-ss", "5", "-i", "I0", "-i", "I1", "/R/out/x [1].mp4", "y.srt"]
    );
    assert_eq!(found.inputs, ["file:/m/a b.mkv", "sub.srt"]);
    let expected =
        [output("/out", exactly("x [1].mp4"), true), output(HERE, exactly("y.srt"), true)];
    assert_eq!(found.outputs, expected);
}

#[test]
fn a_path_that_leaves_the_working_directory_is_found_in_the_tree() {
    assert_eq!(
        elsewhere(&files(&["-i", "a", "../you/./b.mkv"])),
        ["-i", "I0", "/R/home/you/b.mkv"]
    );
}

#[test]
fn an_hls_line_writes_its_playlist_segments_and_header() {
    let found = files(&[
        "-i",
        "/m/a.mkv",
        "-f",
        "hls",
        "-hls_segment_type",
        "fmp4",
        "-hls_fmp4_init_filename",
        "ab-1.mp4",
        "-hls_segment_filename",
        "/t/ab%d.mp4",
        "/t/ab.m3u8",
    ]);
    for name in ["/t/ab.m3u8", "/t/ab0.mp4", "/t/ab12.mp4", "/t/ab-1.mp4"] {
        assert!(found.expects(name).is_some_and(|output| !output.growing), "{name}");
    }
    for name in ["/t/other.ts", "/etc/ab0.mp4", "/t/x/ab0.mp4", "/t/xab.m3u8"] {
        assert_eq!(found.expects(name), None, "{name}");
    }
    assert_eq!(elsewhere(&found)[9..], ["/R/t/ab%d.mp4", "/R/t/ab.m3u8"]);
}

#[test]
fn pictures_have_numbers_and_attachments_any_name() {
    let found = files(&["-i", "a.mkv", "-f", "image2", "/t/%08d.jpg"]);
    assert!(found.expects("/t/00000001.jpg").is_some_and(|output| !output.growing));
    assert_eq!(found.expects("/t/x.jpg"), None);
    let found =
        files(&["-dump_attachment:t", "", "-y", "-i", "file:/m/a.mkv", "-f", "null", "null"]);
    assert_eq!(found.outputs, [output(HERE, Name::Any, false)]);
    assert_eq!(
        elsewhere(&found),
        ["-dump_attachment:t", "", "-y", "-i", "I0", "-f", "null", "null"]
    );
}

#[test]
fn files_in_filters_are_found_through_both_levels_of_protection() {
    let filter = r"[0:v]subtitles=f='/s/it'\\\''s [1], 100%.ass':fontsdir='/fonts':si=1[v]";
    let found = files(&["-i", "a", "-filter_complex", filter, "-map", "[v]", "o.mkv"]);
    let sides =
        [Side::File("/s/it's [1], 100%.ass".to_owned()), Side::Directory("/fonts".to_owned())];
    assert_eq!(found.sides, sides);
    let words = elsewhere(&found);
    let again = line(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let graph = again.options().find_map(|option| match &option.value {
        Value::Graph(graph) => Some(graph.value().clone()),
        _ => None,
    });
    let arguments = graph.unwrap().chains[0][0].arguments.clone().unwrap();
    let values: Vec<_> = arguments.iter().map(|argument| argument.value.as_str()).collect();
    assert_eq!(values, ["/R/s/it's [1], 100%.ass", "/R/fonts", "1"]);
}

#[test]
fn a_film_in_a_filter_is_opened_as_inputs_are() {
    let found = files(&["-f", "lavfi", "-i", "movie=/m/a.mkv:s=0", "o.mkv"]);
    assert_eq!(elsewhere(&found), ["-f", "lavfi", "-i", "movie=I0:s=0", "o.mkv"]);
    assert_eq!(found.inputs, ["/m/a.mkv"]);
}

#[test]
fn what_is_written_beside_the_outputs_is_told() {
    let beginning = |name: &str| Name::Beginning(name.to_owned());
    for (words, there) in [
        (
            &["-i", "a", "-pass", "1", "-f", "null", "-"][..],
            output(HERE, beginning("ffmpeg2pass"), false),
        ),
        (
            &["-i", "a", "-var_stream_map", "v:0 a:0", "-f", "hls", "o_%v.m3u8"],
            output(HERE, beginning("o_"), false),
        ),
        (
            &["-i", "a", "-hls_enc", "1", "-hls_enc_key_url", "k.key", "o.m3u8"],
            output(HERE, exactly("k.key"), false),
        ),
        (
            &["-i", "a", "-vf", "curves=plot=p.gp", "-f", "null", "-"],
            output(HERE, exactly("p.gp"), false),
        ),
        (
            &["-i", "a", "-vf", "vidstabdetect=result=t.trf", "-f", "null", "-"],
            output(HERE, exactly("t.trf"), false),
        ),
    ] {
        let found = files(words);
        assert!(found.outputs.contains(&there), "{words:?}: {:?}", found.outputs);
    }
    // A second pass reads what the first one kept.
    let found = files(&["-i", "a", "-pass", "2", "o.mp4"]);
    let name = Name::Beginning("ffmpeg2pass".to_owned());
    assert_eq!(found.sides, [Side::Matching { directory: HERE.to_owned(), name }]);
}

#[test]
fn lists_pictures_in_rows_and_pairs_are_read_beside() {
    let found = files(&["-f", "concat", "-safe", "0", "-i", "/l/a.concat", "o.mkv"]);
    assert_eq!(found.sides, [Side::Concat { path: "/l/a.concat".to_owned(), unsafe_names: true }]);
    assert!(elsewhere(&found).ends_with(&[
        "-i".to_owned(),
        "/R/l/a.concat".into(),
        "o.mkv".into()
    ]));
    let found = files(&["-i", "/l/a.idx", "-i", "p%03d.png", "o.mkv"]);
    assert_eq!(found.sides.len(), 3);
    assert_eq!(elsewhere(&found), ["-i", "/R/l/a.idx", "-i", "p%03d.png", "o.mkv"]);
}

#[test]
fn the_other_place_has_its_own_gpu() {
    let found = files(&["-init_hw_device", "vaapi=va:/dev/dri/renderD128", "-i", "a", "o.mkv"]);
    assert_eq!(elsewhere(&found)[1], "vaapi=va:/dev/dri/renderD999");
    let line = line(&[
        "-init_hw_device",
        "vaapi=va:/dev/dri/renderD128",
        "-i",
        "a",
        "-c:v",
        "h264_vaapi",
        "-vf",
        "hwupload,scale_vaapi=1:1",
        "-c:a",
        "copy",
        "-f",
        "mp4",
        "o",
    ]);
    let expected = [
        "device:dri",
        "encoder:h264_vaapi",
        "filter:hwupload",
        "filter:scale_vaapi",
        "hwaccel:vaapi",
        "muxer:mp4",
    ];
    assert_eq!(
        needs::of(&line, &Files::of(&line, HERE).unwrap()).into_iter().collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn streams_are_no_files_and_the_network_is_named() {
    let found = files(&["-i", "pipe:0", "-f", "s16le", "-"]);
    assert!(found.stdin && found.outputs.is_empty() && found.inputs.is_empty());
    assert!(!files(&["-nostdin", "-i", "a", "-f", "null", "-"]).stdin);
    assert_eq!(files(&["-i", "http://h/a", "o.mkv"]).network, ["-i http://h/a"]);
}

#[test]
fn what_cannot_be_told_is_refused_and_named() {
    for (words, named) in [
        (&["-f", "v4l2", "-i", "/dev/video0", "o"][..], "/dev/video0"),
        (&["-i", "/proc/self/environ", "o"], "/proc"),
        (&["-i", "a", "-f", "tee", "a|b"], "a|b"),
        (&["-i", "a", "-filter_complex_script", "/s", "o"], "-filter_complex_script"),
        (&["-i", "a", "-strange", "/etc/passwd", "o"], "-strange"),
        (&["-i", "a.m3u8", "o"], "a.m3u8"),
        (&["-i", "concat:a|b", "o"], "concat:"),
        (&["-i", "a", "-vf", "frei0r=x", "o"], "frei0r"),
        (&["-i", "a", "-x265-params", "csv=/x", "o"], "-x265-params"),
        (&["-i", "a", "-x264-params", "pass=1", "o"], "-x264-params"),
        (&["-i", "a", "-flags", "+pass1", "o"], "-flags"),
        (&["-i", "a", "-f", "hls", "-hls_flags", "append_list", "o.m3u8"], "append_list"),
        (&["-i", "a", "-hls_flags", "+second_level_segment_size", "o.m3u8"], "second_level"),
        (&["-i", "a", "-hls_subtitle_path", "s.m3u8", "o.m3u8"], "-hls_subtitle_path"),
        (&["-report", "-i", "a", "o"], "-report"),
        (&["-vstats", "-i", "a", "o"], "-vstats"),
        (&["-follow", "1", "-i", "a", "o"], "-follow"),
        (&["-i", "a", "-vf", "vidstabdetect=shakiness=5", "-f", "null", "-"], "vidstabdetect"),
        (&["-i", "a", "-f", "image2", "q%d.Y"], "q%d.Y"),
    ] {
        let said = refusal(words);
        assert!(said.contains(named), "{words:?}: {said}");
    }
}

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    argv: Vec<String>,
}

/// Put back into its own words, a line is what it was.
fn check(line: &Line) -> Result<Files, Refusal> {
    let (program, words) = match line.argv.split_first() {
        Some((name, words)) if !name.starts_with('-') => (Program::of(name), words),
        _ => (Program::Ffmpeg, &line.argv[..]),
    };
    let parsed = CommandLine::parse(program, words).unwrap();
    let files = Files::of(&parsed, HERE)?;
    let own = render(&files.words, "", |index| files.inputs[index].clone());
    let back = CommandLine::parse(program, &own).unwrap();
    let device = |text: &str| text.contains("/dev/dri/");
    for (before, after) in parsed.options().zip(back.options()) {
        let same = before == after
            || device(before.text())
            || match (&before.value, &after.value) {
                (Value::Graph(before), Value::Graph(after)) => before.value() == after.value(),
                _ => false,
            };
        // A list gets two options of its own.
        assert!(
            same || after.name == "safe" || after.name == "protocol_whitelist",
            "{}: {before} became {after}",
            line.id
        );
    }
    for (before, after) in parsed.groups.iter().zip(&back.groups) {
        assert_eq!(before.file.name, after.file.name, "{}", line.id);
    }
    Ok(files)
}

#[test]
fn every_line_of_media_servers_is_told_or_refused_with_a_reason() {
    let lines: Vec<Line> = serde_json::from_str(include_str!("lines.json")).unwrap();
    for line in lines {
        if let Err(refusal) = check(&line) {
            assert!(!refusal.reason.is_empty(), "{}", line.id);
        }
    }
}

#[test]
fn a_larger_corpus_is_told_or_refused_with_a_reason() {
    let Some(path) = std::env::var_os("SEGUE_CORPUS") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut told, mut network) = (0, 0);
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        match check(&line) {
            Ok(files) => {
                told += 1;
                network += usize::from(!files.network.is_empty());
            }
            Err(refusal) => println!("{}: {refusal}", line.id),
        }
    }
    println!("told: {told}, {network} of them with the network");
}
