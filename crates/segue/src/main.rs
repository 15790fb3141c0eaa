//! The binary `segue`.

#![forbid(unsafe_code)]
use std::process::ExitCode;
fn main() -> ExitCode {
    let a: Vec<String> = std::env::args().collect();
    if a.get(1).map(String::as_str)==Some("span-process") { return segue::span_process::child::main(a[2].parse().unwrap_or(0)); }
    ExitCode::FAILURE
}
