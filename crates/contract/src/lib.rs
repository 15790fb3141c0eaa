//! Test support: behaves towards an ffmpeg exactly as Jellyfin does, notes what Jellyfin can
//! notice, and compares two ffmpegs: a plain one, and whatever stands in its place.
//!
//! Jellyfin itself is not run here. Its rules are, as they were read in its source: how it writes
//! lines, when a segment counts as ready, when a process is started again, how it stops one, what
//! it reads from standard error ([`jellyfin`], pure functions).
//!
//! ```text
//! contract list                                             # scenarios and rules, in words
//! contract both --drop-in PATH [--short]                    # a table; exit code 1 on any difference
//! contract run --ffmpeg PATH --out DIR [--scenario NAME]    # DIR/record.json; 1 if a rule is broken
//! contract compare A.json B.json
//! contract corpus --drop-in PATH [--lines FILE]             # real lines, both ways; the same
//! contract both --drop-in PATH --scenario vod-long --on-event 'segment-3-ready=kill -9 4711'
//! ```
//!
//! Known here: processes, files and pipes; for lines of the corpus also what `segue-ffmpeg`'s own
//! library says of them. Never here: any other crate of Segue, so that the harness can be pointed at
//! any wrapper. Facts are compared ([`record::Fact`]), each by a [`rule::Rule`]
//! that says why a difference matters to Jellyfin; what no ffmpeg may do is broken without
//! comparing ([`record::Broken`]). How long things took is noted and never compared.
//!
//! Start at [`scenario::ALL`], then [`play::stream`]; for the corpus at [`corpus::run`]; what is compared how is in [`content`] and
//! [`compare`], and how far apart things may be, with the reasons, in [`tolerance`].

#![forbid(unsafe_code)]

pub mod command;
pub mod compare;
pub mod content;
pub mod corpus;
pub mod error;
pub mod events;
pub mod films;
pub mod jellyfin;
pub mod judge;
pub mod play;
pub mod record;
pub mod rule;
pub mod run;
pub mod scenario;
pub mod tolerance;
