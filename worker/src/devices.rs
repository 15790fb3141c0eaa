//! What this machine encodes with, how fast that is, and whether it still does so as it did.
//!
//! A short clip of its own making is encoded at start-up: that seeds what the scheduler reckons with
//! until it has seen real work, and it is the known answer that a device which failed too often has
//! to give again.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use segue_media::FileSource;
use segue_media::span::{SpanEvent, SpanOrder};
use segue_model::pool::{Capabilities, DeviceCapabilities, EncoderFamily, Resources};
use segue_model::{Hash, Job, JobRequest, Revision, Source};

use crate::span_process::{SpawnError, Spawner, Trouble};
use crate::usage::Usage;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const RATE: usize = 30;
const PICTURES: usize = 60;
/// The reference work, 1080p30 decoded and encoded to 720p, takes about so many thousandths of what
/// encoding this clip does: four times the pixels, and two fifths more for decoding and scaling.
const REFERENCE_PER_MILLE: u32 = 5600;

/// Why a device could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The clip could not be made.
    #[error("the trial clip could not be made: {0}")]
    Clip(#[from] io::Error),
    /// No process could be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The process did not do it.
    #[error("the trial clip could not be encoded: {0}")]
    Encode(#[from] Trouble),
    /// It is described as something else than what it is.
    #[error("the trial clip could not be understood: {0}")]
    Understood(String),
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Of all that was made.
    pub answer: Hash,
    /// What a second of the reference work takes.
    pub calibration: Resources,
}

/// The processor as a device: `cores` of them, by so many spans at once.
pub fn processor(name: &str, cores: u32, spans: u32, calibration: Resources) -> Capabilities {
    let device = DeviceCapabilities {
        name: format!("x264 on {cores} {}", if cores == 1 { "core" } else { "cores" }),
        family: EncoderFamily::X264,
        capacity: Resources {
            video_ms: 0,
            render_ms: 0,
            cpu_ms: cores * 1000,
            memory_mib: memory_mib(),
        },
        calibration,
        spans_max: (spans * 2 + 2).min(u16::MAX.into()) as u16,
        batch_spans: spans.min(u16::MAX.into()) as u16,
    };
    Capabilities { name: name.to_owned(), devices: vec![device] }
}

/// Of the whole machine; plenty if nobody says.
fn memory_mib() -> u32 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map_or(u32::MAX, |kib| (kib >> 10) as u32)
}

/// Encodes the clip. Blocks, for about a second.
pub fn trial(spawner: &Spawner) -> Result<Trial, TrialError> {
    let clip = clip()?;
    let mut process = spawner.spawn()?;
    let facts = process.describe(clip.as_fd())?;
    let mut bytes = FileSource::new(clip.try_clone()?)?;
    let fingerprint = segue_media::fingerprint(&mut bytes, Revision::Mtime(0))
        .map_err(|error| TrialError::Understood(error.to_string()))?;
    let source = Source { url: "file:///dev/null".to_owned(), fingerprint };
    let request = JobRequest { exact: true, ..JobRequest::default() };
    let job: Job = segue_hls::plan(source, &request, facts)
        .map_err(|error| TrialError::Understood(error.to_string()))?;
    let order = SpanOrder {
        span: job.timeline.whole(),
        renditions: vec![0],
        threads: 1,
        urgent: false,
        job,
    };
    let usage = Usage::begin(process.pid());
    let mut made = Vec::new();
    process.make(clip.as_fd(), &order, &mut |event| {
        if let SpanEvent::Segment { bytes, .. } = event {
            made.extend(bytes);
        }
        ControlFlow::Continue(())
    })?;
    let spent = usage.spent();
    let per_second = spent.cpu.as_millis() as u32 * RATE as u32 / PICTURES as u32;
    let calibration = Resources {
        video_ms: 0,
        render_ms: 0,
        cpu_ms: (per_second.max(1) * REFERENCE_PER_MILLE).div_ceil(1000),
        memory_mib: spent.memory_mib.max(100),
    };
    Ok(Trial { answer: Hash::of(&made), calibration })
}

/// Two seconds of a moving pattern, as YUV4MPEG2 in memory.
fn clip() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("segue-trial", flags)?);
    writeln!(file, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg")?;
    let mut picture = Vec::with_capacity(WIDTH * HEIGHT * 3 / 2);
    let mut noise = 1u32;
    for time in 0..PICTURES {
        picture.clear();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let wave = (x + 3 * time) ^ (y + time);
                picture.push((wave & 0xc0) as u8 + (noise >> 28) as u8 + 24);
            }
        }
        let colours = |at: usize| 96 + ((at / 64 + time) % 64) as u8;
        picture.extend((0..WIDTH * HEIGHT / 2).map(colours));
        file.write_all(b"FRAME\n")?;
        file.write_all(&picture)?;
    }
    Ok(file)
}
