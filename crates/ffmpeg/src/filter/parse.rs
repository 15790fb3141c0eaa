//! Takes a description of filters apart, as libavfilter's graphparser.c and libavutil's
//! `av_get_token` and `av_opt_get_key_value` do.

use super::{Argument, Filter, FilterGraph};

/// Why a description is no filter graph: what ffmpeg refuses, too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Nothing in it.
    #[error("it names no filter")]
    Empty,
    /// A filter without a name.
    #[error("a filter has no name before `{0}`")]
    Nameless(String),
    /// A label that does not end, or is empty.
    #[error("a label is empty or has no `]`: `{0}`")]
    Label(String),
    /// Something between a filter and the next comma.
    #[error("there is something behind a filter: `{0}`")]
    Garbage(String),
    /// `sws_flags=` that no semicolon ends.
    #[error("`sws_flags` is not ended by `;`")]
    SwsFlags,
}

const SPACES: [char; 4] = [' ', '\n', '\t', '\r'];

/// Reads a filter graph.
pub fn parse(text: &str) -> Result<FilterGraph, GraphError> {
    let mut rest = text.trim_start_matches(SPACES);
    let mut graph = FilterGraph::default();
    if rest.starts_with("sws_flags=") {
        let (flags, left) = rest.split_once(';').ok_or(GraphError::SwsFlags)?;
        graph.sws_flags = flags.strip_prefix("sws_flags=").map(str::to_owned);
        rest = left.trim_start_matches(SPACES);
    }
    while !rest.is_empty() {
        let (chain, left) = chain(rest)?;
        graph.chains.push(chain);
        rest = left.trim_start_matches(SPACES);
    }
    if graph.chains.is_empty() {
        return Err(GraphError::Empty);
    }
    Ok(graph)
}

fn chain(text: &str) -> Result<(Vec<Filter>, &str), GraphError> {
    let mut filters = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (filter, left) = filter(rest)?;
        filters.push(filter);
        let Some(separator) = left.chars().next() else {
            rest = left;
            break;
        };
        if separator != ',' && separator != ';' {
            return Err(GraphError::Garbage(left.to_owned()));
        }
        rest = left[1..].trim_start_matches(SPACES);
        if separator == ';' {
            break;
        }
    }
    Ok((filters, rest))
}

fn filter(text: &str) -> Result<(Filter, &str), GraphError> {
    let (inputs, rest) = labels(text)?;
    let (name, rest) = token(rest, &['=', ',', ';', '[']);
    let (name, instance) = match name.split_once('@') {
        Some((name, instance)) => (name.to_owned(), Some(instance.to_owned())),
        None => (name, None),
    };
    if name.is_empty() {
        return Err(GraphError::Nameless(rest.to_owned()));
    }
    let (arguments, rest) = match rest.strip_prefix('=') {
        Some(rest) => {
            let (text, rest) = token(rest, &['[', ']', ',', ';']);
            (Some(self::arguments(&text)), rest)
        }
        None => (None, rest),
    };
    let (outputs, rest) = labels(rest)?;
    let filter = Filter { inputs, name, instance, arguments, outputs };
    Ok((filter, rest.trim_start_matches(SPACES)))
}

fn labels(text: &str) -> Result<(Vec<String>, &str), GraphError> {
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let (label, left) = token(inside, &[']']);
        let after = left.strip_prefix(']').filter(|_| !label.is_empty());
        rest = after.ok_or_else(|| GraphError::Label(rest.to_owned()))?.trim_start_matches(SPACES);
        labels.push(label);
    }
    Ok((labels, rest))
}

/// The arguments of a filter, after the first level of protection is gone.
fn arguments(text: &str) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, left) = match key(rest) {
            Some((key, left)) => (Some(key.to_owned()), left),
            None => (None, rest),
        };
        let (value, left) = token(left, &[':']);
        arguments.push(Argument { key, value });
        rest = left.strip_prefix(':').unwrap_or(left);
    }
    arguments
}

/// A name and the `=` behind it, if `text` begins with that.
fn key(text: &str) -> Option<(&str, &str)> {
    let start = text.trim_start_matches(SPACES);
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    let end = start.find(|c| !is_key(c)).unwrap_or(start.len());
    let (key, rest) = start.split_at(end);
    let value = rest.trim_start_matches(SPACES).strip_prefix('=')?;
    Some((key, value))
}

/// Reads up to one of `ends`, taking protection and the spaces around away.
fn token<'a>(text: &'a str, ends: &[char]) -> (String, &'a str) {
    let text = text.trim_start_matches(SPACES);
    let mut out = String::new();
    // How much of `out` was protected: spaces up to there are not trimmed.
    let mut kept = 0;
    let mut chars = text.char_indices();
    let mut rest = "";
    while let Some((at, c)) = chars.next() {
        if ends.contains(&c) {
            rest = &text[at..];
            break;
        }
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) => {
                    out.push(escaped);
                    kept = out.len();
                }
                // A backslash at the very end stands for itself.
                None => out.push('\\'),
            },
            '\'' => {
                for (_, quoted) in chars.by_ref() {
                    if quoted == '\'' {
                        kept = out.len();
                        break;
                    }
                    out.push(quoted);
                }
            }
            c => out.push(c),
        }
    }
    let trimmed = out.trim_end_matches(SPACES).len().max(kept);
    out.truncate(trimmed);
    (out, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Filter {
        parse(text).unwrap().chains.remove(0).remove(0)
    }

    fn values(filter: &Filter) -> Vec<&str> {
        filter.arguments.iter().flatten().map(|argument| argument.value.as_str()).collect()
    }

    #[test]
    fn a_protected_comma_belongs_to_the_argument() {
        let filter = only(r"scale=trunc(min(max(iw\,ih*a)\,1280)/2)*2:trunc(ow/a/2)*2");
        assert_eq!(values(&filter), ["trunc(min(max(iw,ih*a),1280)/2)*2", "trunc(ow/a/2)*2"]);
    }

    #[test]
    fn a_colon_in_a_file_name_is_protected_at_the_second_level() {
        // As Jellyfin writes C:\dir\it's.ass: quotes keep one level off, backslashes the other.
        let filter = only(r"subtitles=f='C\:/dir/it'\\\''s.ass':si=1");
        assert_eq!(values(&filter), ["C:/dir/it's.ass", "1"]);
    }

    #[test]
    fn chains_links_and_instances_are_told_apart() {
        let graph = parse("[0:0]hwupload[a]; [a] scale@big=w=2 , null [out][out2]").unwrap();
        assert_eq!(graph.chains.len(), 2);
        assert_eq!(graph.chains[0][0].inputs, ["0:0"]);
        assert_eq!(graph.chains[1][0].instance.as_deref(), Some("big"));
        assert_eq!(graph.chains[1][1].outputs, ["out", "out2"]);
    }

    #[test]
    fn what_ffmpeg_refuses_is_refused() {
        for text in ["", " ", "[a", "[]null", "a=1[b]c", "scale,,null", "sws_flags=x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
