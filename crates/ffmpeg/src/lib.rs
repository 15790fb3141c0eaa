//! ffmpeg's and ffprobe's command lines as data, and what a pool can make of them.
//!
//! Media servers run ffmpeg with a line of arguments. This crate takes such a line apart
//! ([`CommandLine`]), says which of five things is to be done with it ([`decide`]), and where that
//! is a [`Job`], says what it *means*: source, boundaries, rate, size, sound, names; not which
//! encoder of which vendor was meant to do it. Whatever cannot be done exactly is a command, which
//! runs in an ffmpeg as a whole; nothing is approximated, and each option's part in the answer is
//! said ([`Finding`]).
//!
//! Everything here is pure: no file is opened, no process started, no clock read. The
//! drop-in's program runs what was decided.
//!
//! Where to start: [`CommandLine::parse`] for the grammar (arity comes from a generated list of
//! ffmpeg's own options, [`options`]), [`filter::parse`] for filter graphs, [`decide`] for the five
//! answers, [`understand`] for the way from words to a [`Job`], [`files`] for what a line reads and
//! writes, [`resume`] for how an HLS line goes on elsewhere.
#![forbid(unsafe_code)]

mod answer;
mod copy;
pub mod explain;
pub mod expression;
pub mod files;
pub mod filter;
mod finding;
mod here;
pub mod job;
mod line;
mod map;
pub mod number;
pub mod options;
pub mod paths;
pub mod resume;
mod specifier;
mod understand;

pub use answer::{Answer, Decision, FallbackPolicy, Pool, Surroundings, decide, decide_words};
pub use finding::{Finding, Verdict};
pub use job::Job;
pub use line::{CommandLine, File, Group, LineError, Opt, Program, Role, Spelled, Suffix, Value};
pub use map::{Map, Target};
pub use specifier::{Kind, Part, Specifier};
pub use understand::{Understanding, understand};
