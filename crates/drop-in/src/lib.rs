//! `segue-ffmpeg`: stands where ffmpeg or ffprobe stood, and has the work done by a pool.
//!
//! `segue-ffmpeg` the library says what a line means and which of five things is to be done with it;
//! this crate does it. It never links libav, so that it starts as quickly as it answers.
//!
//! Where to start: [`config`] is what it goes by; [`job`] has a pool make a job and lets its segments
//! appear where the media server looks for them; [`command`] has a worker run a line as it is.
#![forbid(unsafe_code)]

pub mod command;
pub mod config;
pub mod job;
mod trouble;

pub use trouble::Trouble;
