//! `segue-ffmpeg`: stands where ffmpeg or ffprobe stood, and has the work done by a pool.
//!
//! `segue-ffmpeg` the library says what a line means and which of five things is to be done with it;
//! this crate does it. It never links libav, so that it starts as quickly as it answers.
//!
//! Where to start: [`dispatch`] is what the program does; [`config`] is what it goes by. [`job`] has a
//! pool make a job and lets its segments appear where the media server looks for them; [`command`]
//! has a worker run a line as it is. Without a pool: [`questions`] about what ffmpeg can do,
//! [`local`] programs in our place, [`fallback`] when the pool does not do it, and what is [`kept`]
//! from run to run.
#![forbid(unsafe_code)]

mod announce;
pub mod asked;
pub mod caller;
pub mod command;
pub mod config;
pub mod dispatch;
mod ending;
pub mod fallback;
pub mod job;
pub mod kept;
pub mod local;
pub mod pause;
pub mod pool;
mod presence;
pub mod questions;
mod trouble;

pub use announce::announce;
pub use ending::Ending;
pub use trouble::Trouble;
