//! What it is like to have `segue-ffmpeg` where ffmpeg was: the same lines, given to the one and to the
//! other by turns, and watched as a media server watches them: by standard output, by files that
//! appear, and by the end of the process.
//!
//! The pools are real processes on this machine, so both arms have the same processors, and the
//! drop-in's arm also bears scheduler, worker and storage. Nothing here is asked twice of one store
//! but questions: each playback has a cap of its own, which makes it a job of its own.
//!
//! Start at [`stand_in::StandIn`] for who is asked, and [`line::Line`] for what is asked.

mod added;
mod arm;
pub mod kill;
mod line;
pub mod overhead;
pub mod peer;
mod playback;
pub mod questions;
pub mod serve;
mod stand_in;
pub mod ten_minutes;
