//! A host that is gone without a word: no connection is closed, nothing more is heard.

mod support;

use std::process::Command;

use support::drop_in::{self, LARGE, Line, SLOW, Stand, assert_like_ffmpeg, segment};
use support::media::{assert_same, media, undisturbed};
use support::network::{FAR, NEAR, Wire};
use support::pool::{Daemon, job_of, until, until_published};
use support::{Run, SEGMENTS, film, segue};
use tempfile::TempDir;

const PORT: u16 = 7700;

/// A scheduler and a worker on the near host, another worker on the far one.
struct Hosts {
    wire: Wire,
    scratch: TempDir,
    scheduler: Daemon,
    near: Daemon,
    far: Daemon,
}

impl Hosts {
    /// `None` where no network can be made.
    fn start() -> Option<Hosts> {
        let wire = Wire::new()?;
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store");
        let role = |role: &str| {
            let mut command = segue();
            command.arg(role).arg("--store").arg(&store).env("NO_COLOR", "1").arg("--insecure");
            command
        };
        let mut command = role("scheduler");
        command.arg(format!("--listen={NEAR}:{PORT}"));
        command.arg("--ledger").arg(scratch.path().join("ledger.db"));
        let scheduler = Daemon::start(&mut wire.near(&command));
        scheduler.until("listening on");
        let worker = |name: &str, ip: &str| {
            let mut command = role("worker");
            command.arg("--scheduler").arg(url()).arg(format!("--name={name}"));
            command.arg(format!("--listen={ip}:0")).arg("--cores=1");
            command
        };
        let near = Daemon::start(&mut wire.near(&worker("near", NEAR)));
        let far = Daemon::start(&mut wire.far(&worker("far", FAR)));
        for worker in [&near, &far] {
            worker.until("the scheduler answers");
        }
        Some(Hosts { wire, scratch, scheduler, near, far })
    }

    fn transcode(&self, ladder: &[&str]) -> Command {
        let mut command = segue();
        command.arg("transcode").arg("--scheduler").arg(url()).arg(film());
        command.args(SEGMENTS).arg("--exact").args(ladder);
        self.wire.near(&command)
    }
}

fn url() -> String {
    format!("http://{NEAR}:{PORT}")
}

#[test]
fn a_host_that_vanishes_in_the_middle_of_a_film_is_replaced_and_comes_back() {
    let Some(hosts) = Hosts::start() else { return };
    let ladder = ["--rendition", "180p", "--preset", "veryslow"];
    let whole = undisturbed(&ladder);
    let mut run = Run::start(&mut hosts.transcode(&ladder));
    hosts.far.until("begun");
    until_published(&mut run, 1);
    assert!(!hosts.scheduler.said().contains("lost its spans"), "{}", hosts.scheduler.said());
    hosts.wire.cut();
    let events = run.succeed();
    let directory = hosts.scratch.path().join("store/jobs").join(job_of(&events));
    assert_same(&whole, &media(&directory));
    let joined = hosts.scheduler.until("name=far");
    let far = joined.split(' ').find(|word| word.starts_with("worker=")).unwrap();
    let said = hosts.scheduler.said();
    let lost = said.lines().filter(|line| line.contains("lost its spans") && line.contains(far));
    let lost: Vec<&str> = lost.collect();
    assert!(matches!(lost[..], [line] if line.contains("silence")), "{said}");

    // It notices by itself that it is alone.
    hosts.far.until("no scheduler");
    hosts.wire.mend();
    let answers = || hosts.far.said().matches("the scheduler answers").count();
    until("it is back", || (answers() == 2).then_some(()));
    let again = ["--rendition", "90p"];
    Run::start(&mut hosts.transcode(&again)).succeed();
    assert!(!hosts.near.said().contains("panicked") && !hosts.far.said().contains("panicked"));
}

#[test]
fn a_media_servers_line_notices_no_more_than_a_late_segment_of_it() {
    let Some(hosts) = Hosts::start() else { return };
    let out = tempfile::tempdir().unwrap();
    let line = Line::new(drop_in::film(), out.path()).encoder(SLOW, LARGE);
    let mut command = Command::new(drop_in::drop_in());
    command.args(line.words()).env("SEGUE_SCHEDULER", url()).env("SEGUE_FALLBACK", "never");
    let stand = Stand::start(hosts.wire.near(&command));
    until("the first segment", || segment(&line, 0).exists().then_some(()));
    hosts.far.until("begun");
    hosts.wire.cut();
    let said = stand.succeed();
    assert_like_ffmpeg(&line);
    assert!(said.contains("Stream mapping:"), "{said}");
}
