//! ffmpeg's and ffprobe's own options: whether a word follows, and which file they belong to.
//!
//! What is not listed is an AVOption (of an encoder, muxer, filter, ...): those take exactly one
//! value, whatever they are called, so a list of them is not needed to split a line.

mod table;

use crate::Program;

/// How many words an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Alone; `-nofoo` is its opposite.
    Flag,
    /// A flag in current versions. Older ones (up to 6.0) took the next word: `-autorotate 0`.
    FlagOrValue,
    /// Alone, with no opposite.
    Switch,
    /// Takes the next word, whatever that begins with.
    Value,
    /// Prints something and ends; takes the next word if there is one (`-h filter=scale`).
    Exit,
}

/// What an option is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole run, wherever it stands.
    Global,
    /// The input it stands before.
    Input,
    /// The output it stands before.
    Output,
    /// The file it stands before, of either kind.
    Either,
}

/// One of the program's own options.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// As it is written, without the dash.
    pub name: &'static str,
    /// How many words it is.
    pub arity: Arity,
    /// What it is about.
    pub scope: Scope,
    /// The first version looked at that has it, or whose private option it is.
    pub first: &'static str,
    /// The last one.
    pub last: &'static str,
}

const fn known(
    name: &'static str,
    arity: Arity,
    scope: Scope,
    first: &'static str,
    last: &'static str,
) -> Known {
    Known { name, arity, scope, first, last }
}

/// All options of `program`, by name.
pub fn all(program: Program) -> &'static [Known] {
    match program {
        Program::Ffmpeg => table::FFMPEG,
        Program::Ffprobe => table::FFPROBE,
    }
}

/// The option that `name` means: its own name, or that with a specifier behind a colon.
pub fn find(program: Program, name: &str) -> Option<&'static Known> {
    let name = name.split(':').next().unwrap_or_default();
    let options = all(program);
    let at = options.binary_search_by(|option| option.name.cmp(name)).ok()?;
    options.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_so_that_they_can_be_searched() {
        for program in [Program::Ffmpeg, Program::Ffprobe] {
            assert!(all(program).windows(2).all(|pair| pair[0].name < pair[1].name));
        }
    }

    #[test]
    fn a_specifier_does_not_hide_an_option() {
        assert_eq!(find(Program::Ffmpeg, "codec:v:0").map(|known| known.name), Some("codec"));
        assert_eq!(find(Program::Ffmpeg, "code"), None);
        assert_eq!(find(Program::Ffprobe, "show_streams").map(|o| o.arity), Some(Arity::Switch));
    }
}
