//! `segue-ffmpeg`: stands where ffmpeg or ffprobe stood. See the library; start at its `dispatch`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    segue_drop_in::dispatch::run(std::env::args_os(), &|name| std::env::var_os(name))
}
