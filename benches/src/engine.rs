//! The engine against the ffmpeg command at the same work: processor time, wall-clock time, memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use segue_model::Time;

use crate::baseline::{engine, ffmpeg_hls, segue};
use crate::make::Wish;
use crate::measure::{Cost, median, ratio_cell, run as measure};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip, workplace};

/// One source and what is made of it.
struct Case {
    title: &'static str,
    source: PathBuf,
    wish: Wish,
}

#[derive(Clone, Copy, PartialEq)]
enum Program {
    Ffmpeg,
    /// The engine in a process of its own, without pipes.
    Engine,
    /// `segue transcode` with so many span processes.
    Segue(u32),
}

/// Which part of the work.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Whole,
    /// No sound.
    Silent,
    /// All of it in one segment, so that encoders are opened once.
    OneSegment,
}

/// Each is compared with ffmpeg at the same work.
const ARMS: [(Program, Work); 8] = [
    (Program::Ffmpeg, Work::Whole),
    (Program::Engine, Work::Whole),
    (Program::Segue(1), Work::Whole),
    (Program::Segue(2), Work::Whole),
    (Program::Ffmpeg, Work::Silent),
    (Program::Engine, Work::Silent),
    (Program::Ffmpeg, Work::OneSegment),
    (Program::Engine, Work::OneSegment),
];

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(9, 1);
    let seconds = if effort.quick { 6 } else { 20 };
    let case = |title, source_rows, keyframes, rows, bits| -> anyhow::Result<Case> {
        let wish = Wish { rows: Some(rows), bitrate: Some(bits), ..Wish::default() };
        Ok(Case { title, source: clip::film(source_rows, seconds, keyframes)?, wish })
    };
    let mut cases = vec![case("720p to 480p", 720, 2, 480, 1_800_000)?];
    if !effort.quick {
        // Every span decodes from a keyframe on: here that costs most.
        let title = "720p to 480p, keyframes 10 s apart";
        cases.push(case(title, 720, 10, 480, 1_800_000)?);
        cases.push(case("1080p to 720p", 1080, 2, 720, 3_300_000)?);
    }
    let steps = cases.len() * ARMS.len() * rounds as usize;
    let mut progress = Progress::new("engine", steps, Duration::from_secs(5));
    for case in &cases {
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); ARMS.len()];
        for round in 0..rounds {
            let order: Vec<usize> = match round % 2 {
                0 => (0..ARMS.len()).collect(),
                _ => (0..ARMS.len()).rev().collect(),
            };
            for arm in order {
                let (program, work) = ARMS[arm];
                progress.step(&format!("{}, {}", case.title, name(program, work)));
                let scratch = workplace::scratch()?;
                costs[arm].push(measure(&mut command(case, program, work, scratch.path())?)?);
            }
        }
        table(case, seconds, rounds, &costs).print();
    }
    Ok(())
}

fn command(case: &Case, program: Program, work: Work, to: &Path) -> anyhow::Result<Command> {
    let wish = match work {
        Work::Whole => case.wish.clone(),
        Work::Silent => Wish { silent: true, ..case.wish.clone() },
        Work::OneSegment => Wish { segment: Time::from_secs(30), ..case.wish.clone() },
    };
    match program {
        Program::Ffmpeg => Ok(ffmpeg_hls(&case.source, &wish, None, to)),
        Program::Engine => engine(&case.source, &wish, to),
        Program::Segue(jobs) => segue(&case.source, &wish, jobs, to),
    }
}

fn name(program: Program, work: Work) -> String {
    let program = match program {
        Program::Ffmpeg => "ffmpeg".to_owned(),
        Program::Engine => "engine alone".to_owned(),
        Program::Segue(jobs) => format!("segue transcode --jobs {jobs}"),
    };
    match work {
        Work::Whole => program,
        Work::Silent => format!("{program}, no sound"),
        Work::OneSegment => format!("{program}, one segment"),
    }
}

fn table(case: &Case, seconds: u32, rounds: u32, costs: &[Vec<Cost>]) -> Table {
    let mut table = Table::new(
        format!(
            "Engine: {}, {seconds} s, {} rounds (medians of paired ratios to ffmpeg at the same \
             work; least-most)",
            case.title, rounds
        ),
        &["", "processor time", "ratio", "wall-clock ratio", "peak memory"],
    );
    for ((program, work), own) in ARMS.iter().zip(costs) {
        let other = ARMS.iter().position(|arm| *arm == (Program::Ffmpeg, *work)).unwrap_or(0);
        let cpu = |costs: &[Cost]| -> Vec<f64> {
            costs.iter().map(|cost| cost.cpu.as_secs_f64()).collect()
        };
        let wall = |costs: &[Cost]| -> Vec<f64> {
            costs.iter().map(|cost| cost.wall.as_secs_f64()).collect()
        };
        let memory = median(own.iter().map(|cost| cost.memory as f64)) / f64::from(1 << 20);
        table.row([
            name(*program, *work),
            format!("{:.2} s", median(cpu(own))),
            ratio_cell(&cpu(own), &cpu(&costs[other])),
            ratio_cell(&wall(own), &wall(&costs[other])),
            format!("{memory:.0} MiB"),
        ]);
    }
    table
}
