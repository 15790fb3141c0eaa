//! Stopping, holding back, and streams that nobody watches any more.

use std::time::{Duration, Instant};

use super::questions::pause_help;
use super::video::encoded;
use crate::error::ContractError;
use crate::jellyfin::hls::too_far_ahead;
use crate::jellyfin::lines::Container;
use crate::play::stage::Stage;
use crate::play::stream::{Stop, Stream};
use crate::play::wait;
use crate::rule::Rule;

/// `q` in the middle.
pub fn stop_quit(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    stopped(stage, Stop::Quit)
}

/// SIGTERM in the middle.
pub fn stop_terminate(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    stopped(stage, Stop::Terminate)
}

/// SIGKILL in the middle.
pub fn stop_kill(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    stopped(stage, Stop::Kill)
}

fn stopped(stage: &mut Stage<'_>, how: Stop) -> Result<(), ContractError> {
    let film = stage.films.long();
    let mut stream = Stream::new(stage, encoded(&film, Container::Ts), 0)?;
    let played = (0..2).try_for_each(|segment| stream.segment(stage, segment));
    stream.stop(stage, how)?;
    stream.judge(stage)?;
    played
}

/// Nobody asks for a while: stop, then delete all of the stream's files.
pub fn idle(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let film = stage.films.long();
    let mut stream = Stream::new(stage, encoded(&film, Container::Fmp4), 0)?;
    let played = stream.segment(stage, -1).and_then(|()| stream.segment(stage, 0));
    let last = Instant::now();
    // Jellyfin's timer fires once the last request is long enough ago.
    let limit = stage.settings.idle + Duration::from_secs(1);
    wait(limit, || (last.elapsed() >= stage.settings.idle).then_some(()));
    stream.stop(stage, Stop::Quit)?;
    stream.judge(stage)?;
    stream.clean_up(stage)?;
    played
}

/// The throttler: pauses when the process is far ahead of the viewer, and resumes on a request.
pub fn throttle(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    // What the answers to `?` and `-version` decide in Jellyfin.
    let (pause, resume) = if pause_help(stage)? { ("p", "u") } else { ("c", "\n") };
    let film = stage.films.long();
    let mut stream = Stream::new(stage, encoded(&film, Container::Ts), 0)?;
    let played = throttled(stage, &mut stream, pause, resume);
    stream.stop(stage, Stop::Quit)?;
    stream.judge(stage)?;
    played
}

fn throttled(
    stage: &mut Stage<'_>,
    stream: &mut Stream<'_>,
    pause: &str,
    resume: &str,
) -> Result<(), ContractError> {
    const SUBJECT: &str = "throttler";
    stream.segment(stage, 0)?;
    let (patience, threshold) = (stage.settings.patience, stage.settings.throttle_seconds);
    let far = wait(patience, || {
        let told = stream.process()?.progress();
        let made = told.iter().rev().find_map(|told| told.seconds)?;
        too_far_ahead(made, 3.0, threshold).then_some(())
    });
    stage.record.fact(Rule::ProgressSeen, SUBJECT, far.is_some());
    if let Some(process) = stream.process() {
        process.write(pause, &mut stage.record, SUBJECT);
    }
    stage.event("paused".to_owned(), None, 0)?;
    // It may finish what it is at. Then nothing comes for longer than several segments take; an
    // encoder of small pictures makes a dozen a second.
    stream.look(stage)?;
    let mut newest = stream.newest();
    let mut since = Instant::now();
    let held = wait(Duration::from_secs(6), || {
        stream.look(stage).ok()?;
        if stream.newest() != newest {
            (newest, since) = (stream.newest(), Instant::now());
        }
        (since.elapsed() > Duration::from_secs(2)).then_some(())
    });
    let running = stream.process().is_some_and(|process| process.ended().is_none());
    stage.record.fact(Rule::Throttle, "paused, and it lives", running);
    stage.record.fact(Rule::Throttle, "nothing comes while it is paused", held.is_some());
    if let Some(process) = stream.process() {
        process.write(resume, &mut stage.record, SUBJECT);
    }
    stage.event("resumed".to_owned(), None, 0)?;
    let goes_on = wait(patience, || {
        stream.look(stage).ok()?;
        (stream.newest() > newest).then_some(())
    });
    stage.record.fact(Rule::Throttle, "it goes on when it is resumed", goes_on.is_some());
    stream.segment(stage, 1)
}
