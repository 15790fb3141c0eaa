//! Jellyfin's rules as pure functions: how it writes lines, reads names, progress and answers.
//! No processes and no files here; `play` does what these decide.

pub mod capabilities;
pub mod hls;
pub mod lines;
pub mod names;
pub mod progress;
pub mod words;
