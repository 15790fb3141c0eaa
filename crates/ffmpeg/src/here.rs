//! Questions that are answered where they are asked.

use crate::line::{CommandLine, Group, Program};
use crate::options::Arity;
use crate::paths;

/// Why a line is answered here; `None` if it is not.
pub(crate) fn answered_here(line: &CommandLine) -> Option<String> {
    if line.program == Program::Ffprobe {
        return Some("ffprobe looks at files where they are".to_owned());
    }
    let exits = |arity| arity == Arity::Exit;
    if let Some(option) = line.options().find(|o| o.known.is_some_and(|k| exits(k.arity))) {
        return Some(format!("{} asks what ffmpeg is and can do", option.key()));
    }
    let dumps = line.options().any(|option| option.name == "dump_attachment");
    if line.outputs().next().is_none() && !dumps {
        let asks = match line.inputs().next() {
            Some(_) => "it has no output, so it asks what its input is",
            None => "it has neither input nor output, so ffmpeg says how it is used",
        };
        return Some(asks.to_owned());
    }
    if let Some(name) = edited_in_place(line) {
        return Some(format!("{name} is read and written, which ffmpeg refuses"));
    }
    let tries = line.inputs().next().is_some()
        && line.inputs().all(makes_test_picture)
        && line.outputs().all(writes_nothing);
    tries.then(|| "it tries what ffmpeg can do, and keeps nothing".to_owned())
}

/// A file that is an input and an output; ffmpeg compares their names as they are written.
fn edited_in_place(line: &CommandLine) -> Option<&str> {
    let is_input = |name: &str| line.inputs().any(|group| group.file.name == name);
    let mut outputs = line.outputs().filter(|group| format(group) != Some("null"));
    let same =
        |group: &&Group| paths::local(&group.file.name).is_some() && is_input(&group.file.name);
    outputs.find(same).map(|group| group.file.name.as_str())
}

fn format(group: &Group) -> Option<&str> {
    group.options.iter().rfind(|option| option.name == "f").map(|option| option.text())
}

/// `-f lavfi -i nullsrc`
fn makes_test_picture(group: &Group) -> bool {
    let sources = ["nullsrc", "anullsrc", "color", "testsrc", "testsrc2", "sine"];
    let name = group.file.name.split('=').next().unwrap_or_default();
    // One source and nothing behind it, so that no file can be named.
    format(group) == Some("lavfi")
        && sources.contains(&name)
        && !group.file.name.contains([',', ';', '['])
}

/// `-f null -`
fn writes_nothing(group: &Group) -> bool {
    let plain = group.options.iter().all(|option| matches!(option.name.as_str(), "f" | "t"));
    plain && format(group) == Some("null")
}
