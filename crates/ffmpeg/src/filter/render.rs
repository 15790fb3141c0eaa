//! Writes a graph so that ffmpeg reads it back: the opposite of `parse`.

use std::fmt;

use super::{Argument, Filter, FilterGraph};

impl fmt::Display for FilterGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flags) = &self.sws_flags {
            write!(f, "sws_flags={flags};")?;
        }
        for (at, chain) in self.chains.iter().enumerate() {
            if at > 0 {
                f.write_str(";")?;
            }
            for (at, filter) in chain.iter().enumerate() {
                if at > 0 {
                    f.write_str(",")?;
                }
                write!(f, "{filter}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = |label: &String| format!("[{}]", protect(label, "]"));
        let labels = |labels: &[String]| labels.iter().map(label).collect::<String>();
        f.write_str(&labels(&self.inputs))?;
        let name = match &self.instance {
            Some(instance) => format!("{}@{instance}", self.name),
            None => self.name.clone(),
        };
        f.write_str(&protect(&name, "=,;["))?;
        if let Some(arguments) = &self.arguments {
            let written: Vec<String> = arguments.iter().map(argument).collect();
            write!(f, "={}", protect(&written.join(":"), "[],;"))?;
        }
        f.write_str(&labels(&self.outputs))
    }
}

/// The second level: one argument among those of its filter.
fn argument(argument: &Argument) -> String {
    let value = protect(&argument.value, ":");
    match &argument.key {
        Some(key) => format!("{key}={value}"),
        // Nothing at all would be no argument.
        None if value.is_empty() => "''".to_owned(),
        // `a=b` without a name would be read as `b` under the name `a`; a backslash ends that.
        None if value.contains('=') && !value.starts_with('\\') => format!("\\{value}"),
        None => value,
    }
}

/// Puts backslashes before what would end or change a token.
fn protect(text: &str, ends: &str) -> String {
    let spaces = [' ', '\n', '\t', '\r'];
    let first = text.len() - text.trim_start_matches(spaces).len();
    let last = text.trim_end_matches(spaces).len();
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        let outer_space = at < first || at >= last;
        if outer_space || c == '\\' || c == '\'' || ends.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn what_is_written_reads_back_alike() {
        for text in [
            r"scale=trunc(min(max(iw\,ih*a)\,1280)/2)*2:trunc(ow/a/2)*2,format=nv12|vaapi",
            r"subtitles=f='C\:/it'\\\''s [1], 100%.ass':alpha=1",
            "[0:0]hwupload[a];[a]scale_vaapi=w=1:h=2[out]",
            "pan=stereo|c0=0.5*c2+c0|c1=c1",
        ] {
            let graph = parse(text).unwrap();
            assert_eq!(parse(&graph.to_string()).unwrap(), graph, "{graph}");
        }
    }
}
