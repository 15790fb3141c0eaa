//! Whatever words come, they are kept, and nothing panics.

use proptest::prelude::*;
use segue_ffmpeg::filter::{self, Argument, Filter, FilterGraph};
use segue_ffmpeg::{
    CommandLine, Map, Program, Role, Specifier, Spelled, Surroundings, Value, decide_words,
    explain, options,
};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Words that are likely to mean something, and words that are not.
fn word() -> impl Strategy<Value = String> {
    let own: Vec<String> = options::all(Program::Ffmpeg)
        .iter()
        .chain(options::all(Program::Ffprobe))
        .map(|option| format!("-{}", option.name))
        .collect();
    prop_oneof![
        4 => proptest::sample::select(own.clone()),
        1 => proptest::sample::select(own).prop_map(|key| key + ":v:0"),
        1 => "-no[a-z]{1,8}",
        1 => "-[a-z_/]{1,8}(:[a-z0-9:#]{0,6})?",
        2 => Just("-i".to_owned()),
        1 => Just("--".to_owned()),
        2 => "[0-9]{1,4}",
        2 => "-?[0-9]:[vas]?:?[0-9]?",
        2 => r"[a-z=,;:\[\]'\\|@ ]{0,20}",
        2 => ".{0,12}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{1,6}", r"[ a-z'\\:=,;\[\]|%@\n]{1,12}", "[^\0]{1,8}"]
}

/// Names have no `@` of their own, as that begins an instance.
fn graph() -> impl Strategy<Value = FilterGraph> {
    let name = "[a-z_]{1,8}";
    let value = prop_oneof![1 => Just(String::new()), 9 => text()];
    let argument = (proptest::option::of("[a-z_]{1,6}"), value)
        .prop_map(|(key, value)| Argument { key, value });
    let labels = || proptest::collection::vec(text(), 0..3);
    let filter = (
        labels(),
        name,
        proptest::option::of("[a-z0-9]{1,4}"),
        proptest::option::of(proptest::collection::vec(argument, 1..4)),
        labels(),
    )
        .prop_map(|(inputs, name, instance, arguments, outputs)| Filter {
            inputs,
            name,
            instance,
            arguments,
            outputs,
        });
    let chain = proptest::collection::vec(filter, 1..4);
    (proptest::option::of("[a-z+]{1,6}"), proptest::collection::vec(chain, 1..3))
        .prop_map(|(sws_flags, chains)| FilterGraph { sws_flags, chains })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_line_keeps_its_words(words in proptest::collection::vec(word(), 0..12)) {
        for program in [Program::Ffmpeg, Program::Ffprobe] {
            if let Ok(line) = CommandLine::parse(program, &words) {
                prop_assert_eq!(&line.render(), &words);
                prop_assert_eq!(CommandLine::parse(program, &line.render()), Ok(line));
            }
        }
    }

    #[test]
    fn any_words_get_an_answer(words in proptest::collection::vec(word(), 0..16)) {
        for program in [Program::Ffmpeg, Program::Ffprobe] {
            let decision = decide_words(program, &words, Surroundings::default());
            let text = explain::text(&decision);
            let first = text.lines().next().unwrap_or_default();
            prop_assert!(["here", "job", "copy here", "command", "fallback"].contains(&first));
            prop_assert!(explain::json(&decision).is_ok());
        }
    }

    #[test]
    fn a_graph_reads_back_as_it_was(graph in graph()) {
        let text = graph.to_string();
        prop_assert_eq!(filter::parse(&text), Ok(graph), "{}", text);
    }

    #[test]
    fn any_text_is_a_graph_or_refused(text in r"[a-z0-9=,;:\[\]'\\|@ ]{0,40}") {
        if let Ok(graph) = filter::parse(&text) {
            prop_assert_eq!(filter::parse(&graph.to_string()), Ok(graph.clone()), "{}", graph);
        }
    }

    #[test]
    fn any_arithmetic_is_worked_out_or_refused(text in r"[-+*/^(),.0-9a-z ]{0,40}") {
        let variables = segue_ffmpeg::job::picture::SIZE_VARIABLES;
        if let Ok(expression) = segue_ffmpeg::expression::Expression::parse(&text, variables) {
            let _ = expression.value(&|_| 1.0);
        }
        let _ = segue_ffmpeg::number::time(&text);
        let _ = segue_ffmpeg::number::rate(&text);
    }

    #[test]
    fn specifiers_and_maps_keep_their_text(text in "[-0-9vas:#impgu?,\\[\\]]{0,10}") {
        prop_assert_eq!(Specifier::parse(&Specifier::parse(&text).to_string()), Specifier::parse(&text));
        if let Some(map) = Map::parse(&text) {
            prop_assert_eq!(Map::parse(&map.to_string()), Some(map));
        }
    }
}

#[test]
fn odd_names_stay_whole() {
    for name in [
        "a b.mkv",
        "it's \"quoted\".mkv",
        "file:/films/不 (2022)/ünïcode ⧸.mkv",
        "two\nlines\t.mkv",
        "[Group] 100% {x} $HOME `a` \\ .mkv",
        "C:\\Program Files\\x.mkv",
        "",
        "-",
    ] {
        let words = words(&["-y", "-i", name, "-c", "copy", "out %d.ts"]);
        let line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
        assert_eq!(line.render(), words);
        assert_eq!(line.inputs().next().unwrap().file.name, name);
    }
}

#[test]
fn a_value_that_is_replaced_is_written_canonically() {
    let words = words(&["-i", "a", "-vf", " scale = 1:2 , null", "b"]);
    let mut line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
    let group = line.groups.iter_mut().find(|group| group.file.role == Role::Output).unwrap();
    let Value::Graph(graph) = &group.options[0].value else { panic!("no graph") };
    let graph = graph.value().clone();
    group.options[0].value = Value::Graph(Spelled::new(graph));
    assert_eq!(line.render()[3], "scale=1:2,null");
}

#[test]
fn private_options_of_servers_take_the_words_they_should() {
    let plex = words(&[
        "-codec:0",
        "av1",
        "-eae_prefix:1",
        "x_",
        "-i",
        "a",
        "-y",
        "-nostats",
        "-loglevel_plex",
        "error",
        "-progressurl",
        "http://127.0.0.1/p",
        "-map_inlineass",
        "1:s:0",
        "-sei:0",
        "-a53_cc",
        "-strict_ts:2",
        "0",
        "-delete_removed",
        "false",
        "out",
    ]);
    let emby =
        words(&["-print_graphs_file", "g.txt", "-i", "a", "-segment_write_temp", "1", "out"]);
    for words in [plex, emby] {
        let line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
        let outputs: Vec<_> = line.outputs().map(|group| group.file.name.as_str()).collect();
        assert_eq!(outputs, ["out"]);
        assert!(line.trailing.is_empty());
    }
    let probe = words(&["-f", "lavfi", "-i", "nullsrc=s=1x1:d=1", "-only_first_vframe"]);
    let line = CommandLine::parse(Program::Ffprobe, &probe).unwrap();
    assert_eq!(line.trailing.len(), 1);
}
