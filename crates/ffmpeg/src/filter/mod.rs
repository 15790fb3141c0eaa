//! Filter graphs: chains of filters with their links and arguments.
//!
//! ffmpeg takes a description apart twice. First into chains, filters and links, where `,` `;` `[`
//! and `]` part things; then each filter's arguments into values, where `:` does. Both times a
//! backslash or single quotes protect what they enclose, and are taken away. So a comma within an
//! expression is written `\,`, and a colon within a file's name takes two backslashes. [`parse`]
//! undoes both levels, and a graph's `Display` writes both.

mod parse;
mod render;

pub use parse::{GraphError, parse};

/// A description of filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterGraph {
    /// What `sws_flags=...;` at the start says.
    pub sws_flags: Option<String>,
    /// Chains; a chain's filters feed each other.
    pub chains: Vec<Vec<Filter>>,
}

/// One filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Labels of the links that it reads.
    pub inputs: Vec<String>,
    /// Its name; never empty.
    pub name: String,
    /// What `name@instance` calls it.
    pub instance: Option<String>,
    /// Its arguments, in order; `None` without `=`.
    pub arguments: Option<Vec<Argument>>,
    /// Labels of the links that it feeds.
    pub outputs: Vec<String>,
}

/// One argument of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name; without one its place says which it is.
    pub key: Option<String>,
    /// Its value, with no protection left.
    pub value: String,
}

impl Filter {
    /// Its arguments under the names they have; `places` are the names of unnamed ones, in order.
    /// `None` where there are more unnamed ones, or one comes after a named one.
    pub fn named<'a>(&'a self, places: &[&'a str]) -> Option<Vec<(&'a str, &'a str)>> {
        let mut places = places.iter();
        let mut named = Vec::new();
        for argument in self.arguments.iter().flatten() {
            let key = match &argument.key {
                Some(key) => {
                    // As in ffmpeg: after a named argument no place counts any more.
                    places = [].iter();
                    key.as_str()
                }
                None => places.next()?,
            };
            named.push((key, argument.value.as_str()));
        }
        Some(named)
    }
}
