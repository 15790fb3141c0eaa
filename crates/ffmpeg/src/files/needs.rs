//! What a machine must have to run a line, by name.

use std::collections::BTreeSet;

use super::Files;
use crate::filter;
use crate::line::{CommandLine, Opt, Program, Role, Suffix, Value};

/// Names as `kind:name`: `encoder:libx264`, `filter:scale_vaapi`, `device:dri`, `network`.
pub fn of(line: &CommandLine, files: &Files) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    if line.program == Program::Ffprobe {
        needs.insert("program:ffprobe".to_owned());
    }
    if files.device {
        needs.insert("device:dri".to_owned());
    }
    if !files.network.is_empty() {
        needs.insert("network".to_owned());
    }
    for group in &line.groups {
        for option in &group.options {
            let need = match (option.name.as_str(), group.file.role) {
                _ if is_codec(option) && option.text() == "copy" => continue,
                _ if is_codec(option) && group.file.role == Role::Output => "encoder",
                _ if is_codec(option) => "decoder",
                ("f", Role::Output) => "muxer",
                ("f", _) => "demuxer",
                ("hwaccel", _) if !matches!(option.text(), "auto" | "none") => "hwaccel",
                _ => continue,
            };
            needs.insert(format!("{need}:{}", option.text()));
        }
        if group.options.iter().any(|option| option.name == "f" && option.text() == "lavfi") {
            filters(&filter::parse(&group.file.name).unwrap_or_default(), &mut needs);
        }
    }
    for option in line.options() {
        if let Value::Graph(graph) = &option.value {
            filters(graph.value(), &mut needs);
        }
        if option.name == "init_hw_device" {
            let kind = option.text().split(['=', ':', '@']).next().unwrap_or_default();
            needs.insert(format!("hwaccel:{kind}"));
        }
    }
    needs
}

fn filters(graph: &filter::FilterGraph, needs: &mut BTreeSet<String>) {
    needs.extend(graph.chains.iter().flatten().map(|filter| format!("filter:{}", filter.name)));
}

fn is_codec(option: &Opt) -> bool {
    let named = matches!(option.name.as_str(), "c" | "codec" | "vcodec" | "acodec" | "scodec");
    // Data and attachments are copied or not at all.
    named && !matches!(&option.suffix, Some(Suffix::Metadata(_)))
}
