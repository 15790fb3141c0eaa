//! Whole processes, timed.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::pool::ms;

/// From exec until all output is read and the process is waited for, in milliseconds. It must end
/// well.
pub fn timed(command: &mut Command) -> anyhow::Result<f64> {
    let command = command.stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let took = ms(began.elapsed());
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, words.trim());
    Ok(took)
}

/// What each of `of` took longer than its neighbour of `to`.
pub fn differences(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of - to).collect()
}
