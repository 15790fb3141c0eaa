//! Lines of ffmpeg's run on a worker as if they ran here: the same files, the same bytes on the same
//! streams, the same exit codes; and nothing is left behind, whoever is killed.

#[path = "../support/mod.rs"]
mod support;

mod elsewhere;
mod faults;
mod house;
mod outputs;
