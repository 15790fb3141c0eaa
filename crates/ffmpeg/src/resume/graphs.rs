//! What filters mean for a run that begins later.

use segue_model::Time;

use super::micros;
use crate::filter::{Argument, Filter};
use crate::line::{CommandLine, Spelled, Value};
use crate::number;

/// Filters that give pictures or sound other times, or leave out, repeat or join some: where a run
/// begins that goes on is not where it meets what is there, or what they do depends on all that came
/// before. Others are not known to, and the seam is looked at whatever they do.
const OF_TIME: [&str; 33] = [
    "adelay",
    "aloop",
    "amovie",
    "areverse",
    "aselect",
    "asetpts",
    "asettb",
    "atempo",
    "atrim",
    "concat",
    "decimate",
    "detelecine",
    "framerate",
    "framestep",
    "freezeframes",
    "loop",
    "minterpolate",
    "movie",
    "mpdecimate",
    "pullup",
    "random",
    "repeatfields",
    "reverse",
    "rubberband",
    "segment",
    "select",
    "separatefields",
    "setpts",
    "settb",
    "shuffleframes",
    "telecine",
    "tpad",
    "trim",
];
/// Empty pictures for subtitles, of which media servers say when they begin: where the line does.
const EMPTY: &str = "alphasrc";

/// The first filter of a line that is in the way; for a graph that is not understood, or in a file, the
/// option that has it.
pub(super) fn obstacle(line: &CommandLine) -> Option<String> {
    for option in line.options() {
        match &option.value {
            Value::Graph(graph) => {
                let mut filters = graph.value().chains.iter().flatten();
                if let Some(filter) = filters.find(|it| OF_TIME.contains(&it.name.as_str())) {
                    return Some(filter.name.clone());
                }
            }
            _ => {
                let graphs = ["vf", "af", "filter", "filter_complex", "lavfi"];
                let files = ["filter_script", "filter_complex_script"];
                if graphs.iter().chain(&files).any(|name| option.name == *name) {
                    return Some(format!("-{}", option.name));
                }
            }
        }
    }
    None
}

/// Has what begins with the line begin by so much later, in whole seconds: pictures of subtitles change
/// when they would have, and none is made that nobody sees.
pub(super) fn begin_later(line: &mut CommandLine, later: Time) {
    let later = Time::from_secs(later.floor());
    let all = line.groups.iter_mut().flat_map(|group| &mut group.options);
    for option in all.chain(&mut line.trailing) {
        let Value::Graph(graph) = &option.value else { continue };
        let is_empty = |filter: &&mut Filter| filter.name == EMPTY;
        let mut moved = graph.value().clone();
        if moved.chains.iter_mut().flatten().filter(is_empty).map(|it| begin(it, later)).count() > 0
        {
            option.value = Value::Graph(Spelled::new(moved));
        }
    }
}

fn begin(filter: &mut Filter, later: Time) {
    let arguments = filter.arguments.get_or_insert_default();
    let begins = arguments.iter_mut().find(|argument| argument.key.as_deref() == Some("start"));
    match begins {
        // What it says otherwise is as good, and takes longer.
        Some(argument) => {
            if let Some(time) = number::time(&argument.value) {
                argument.value = micros(time + later);
            }
        }
        None => arguments.push(Argument { key: Some("start".to_owned()), value: micros(later) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Program;

    fn line(graph: &str) -> CommandLine {
        let words = ["-i", "a.mkv", "-filter_complex", graph, "a.m3u8"].map(str::to_owned);
        CommandLine::parse(Program::Ffmpeg, &words).unwrap()
    }

    #[test]
    fn filters_that_change_times_are_in_the_way() {
        for (graph, filter) in [
            ("[0:0]scale=2:2,setpts=PTS-1/TB[v]", "setpts"),
            ("[0:0]null[v];[0:1]atrim=1[a]", "atrim"),
            ("scale[", "-filter_complex"),
        ] {
            assert_eq!(obstacle(&line(graph)).as_deref(), Some(filter));
        }
        assert_eq!(obstacle(&line("[0:0]yadif=0:-1:0,scale=2:2,fps=25[v]")), None);
    }

    #[test]
    fn empty_pictures_for_subtitles_begin_with_the_run() {
        let moved = |empty: &str| {
            let graph = format!("{empty},format=yuva420p,subtitles=f=/a.ass[s];[0:0][s]overlay");
            let mut line = line(&graph);
            begin_later(&mut line, Time::new(21, 2));
            let words = line.render();
            words[3].split(",format").next().unwrap().to_owned()
        };
        let (alone, from) = ("alphasrc=s=640x360:r=10", "alphasrc=s=640x360:r=10:start");
        assert_eq!(moved(alone), format!("{from}=10.000000"));
        assert_eq!(moved(&format!("{from}=1554")), format!("{from}=1564.000000"));
        assert_eq!(moved("color=s=2x2"), "color=s=2x2");
    }
}
