//! `segue transcode` by way of a scheduler: asks for a job, watches it being made, and fetches it.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use segue_api::v1::{self, JobState};
use segue_api::{Client, ClientError};
use segue_model::{JobRequest, Span};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{copy, refused, show};
use crate::bars::{Bars, SpanShown};
use crate::ending::Ending;
use crate::interrupt::Interrupt;
use crate::output::OutputError;
use crate::progress::{Style, clock, counted, quoted, to_stderr, to_stdout};

/// A scheduler that went away is waited for: what workers make meanwhile is not lost.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);
/// Who sees nothing happen for so long is told where to look.
const STANDSTILL: Duration = Duration::from_secs(30);

/// What is asked for.
pub struct Settings {
    /// Who is asked.
    pub scheduler: String,
    /// The film, as the workers see it.
    pub source: String,
    /// Where to copy the result; none leaves it in the store.
    pub to: Option<PathBuf>,
    /// What to make of it.
    pub request: JobRequest,
    /// How it is shown.
    pub style: Style,
}

/// Does all of it.
pub fn run(settings: &Settings) -> Result<(), Ending> {
    super::block_on(async {
        let mut screen = Screen::new(settings.style);
        let done = transcode(settings, &mut screen).await;
        screen.end();
        if let Err(ending) = &done {
            screen.event(json!({ "event": "failed", "text": ending.to_string() }));
        }
        done
    })
}

async fn transcode(settings: &Settings, screen: &mut Screen) -> Result<(), Ending> {
    if let Some(to) = settings.to.as_ref().filter(|to| to.exists() && !to.is_dir()) {
        let error = OutputError::NotADirectory { path: to.clone() };
        return Err(Ending::BadInput(error.to_string()));
    }
    if let Some(to) = &settings.to {
        copy::check_writable(to)?;
    }
    let client = Client::connect(&settings.scheduler).await?;
    let request = v1::SubmitRequest {
        source: settings.source.clone(),
        request: Some((&settings.request).into()),
        batch: true,
        claim: make_up_claim(),
        ..v1::SubmitRequest::default()
    };
    let interrupted = on_signal()?;
    screen.say("asking a worker what the film is");
    let submitted = tokio::select! {
        submitted = submit(settings, &client, request) => submitted?,
        () = interrupted.cancelled() => {
            return Err(Ending::Interrupted("interrupted before the job was known".to_owned()));
        }
    };
    let v1::SubmitResponse { job, claim, .. } = submitted;
    if let Some(to) = &settings.to
        && let Err(ending) = copy::check_job(to, &job)
    {
        // It is not to be made for nothing. Who cannot be told finds out when it looks after it.
        let _ = client.jobs().cancel(v1::CancelRequest { job, claim }).await;
        return Err(ending);
    }
    let watched = tokio::select! {
        watched = watch(settings, &client, &job, screen) => watched,
        () = interrupted.cancelled() => {
            let request = v1::CancelRequest { job: job.clone(), claim };
            return Err(Ending::Interrupted(match client.jobs().cancel(request).await {
                Ok(cancelled) => {
                    let others = match cancelled.into_inner().still_claimed {
                        true => ", others want it still",
                        false => ", and nobody else wants it",
                    };
                    format!(
                        "interrupted: your claim on job {job} is taken back{others}; what is made is \
                         kept, the same command goes on from there"
                    )
                }
                Err(status) => format!(
                    "interrupted, but the scheduler was not told ({}): it goes on with job {job} until \
                     `segue cancel {job}`",
                    refused(status)
                ),
            }));
        }
    };
    let info = watched?;
    let playlist = match &settings.to {
        None => info.playlist.clone(),
        Some(to) => tokio::select! {
            fetched = fetch(&info, to, screen) => fetched?,
            held = hold(settings, &client, &info) => match held {},
            () = interrupted.cancelled() => return Err(Ending::Interrupted(format!(
                "interrupted: what is copied to {} is kept, the same command goes on from there",
                to.display()
            ))),
        },
    };
    screen.end();
    screen.done(&info, &playlist);
    Ok(())
}

/// The same claim again is the same claim: a scheduler that dies over it is asked once more.
async fn submit(
    settings: &Settings,
    client: &Client,
    request: v1::SubmitRequest,
) -> Result<v1::SubmitResponse, Ending> {
    let began = Instant::now();
    let mut client = client.clone();
    loop {
        let status = match client.jobs().submit(request.clone()).await {
            Ok(submitted) => return Ok(submitted.into_inner()),
            Err(status) => status,
        };
        // One that lives and has nobody to ask says so, with details.
        let is_dead = is_passing(&status) && status.details().is_empty();
        if !is_dead || began.elapsed() > PATIENCE {
            return Err(refused(status));
        }
        tokio::time::sleep(PAUSE).await;
        if let Ok(again) = Client::connect(&settings.scheduler).await {
            client = again;
        }
    }
}

/// What no other run calls its claim.
fn make_up_claim() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("transcode-{}-{}", std::process::id(), now.as_nanos())
}

/// Shows how the job gets on until it is finished.
async fn watch(
    settings: &Settings,
    client: &Client,
    job: &str,
    screen: &mut Screen,
) -> Result<v1::JobInfo, Ending> {
    let mut client = client.clone();
    let mut lost_at: Option<Instant> = None;
    loop {
        match follow(&client, job, screen, &mut lost_at).await {
            Ok(Some(info)) => return Ok(info),
            Ok(None) => {
                return Err(Ending::Failed(format!(
                    "job {job} is not wanted any more: somebody cancelled it"
                )));
            }
            Err(status) if is_passing(&status) => {
                let lost = *lost_at.get_or_insert_with(|| {
                    screen.say("the scheduler is gone: workers go on, waiting for it");
                    Instant::now()
                });
                if lost.elapsed() > PATIENCE {
                    return Err(refused(status));
                }
                tokio::time::sleep(PAUSE).await;
                match Client::connect(&settings.scheduler).await {
                    Ok(again) => client = again,
                    Err(ClientError::Unreachable { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(status) => return Err(refused(status)),
        }
    }
}

fn is_passing(status: &tonic::Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled)
}

/// Until the stream ends: the finished job, or nothing if nobody wants it any more.
async fn follow(
    client: &Client,
    job: &str,
    screen: &mut Screen,
    lost_at: &mut Option<Instant>,
) -> Result<Option<v1::JobInfo>, tonic::Status> {
    let request = v1::WatchRequest { job: job.to_owned() };
    let mut stream = client.jobs().watch(request).await?.into_inner();
    let mut wanted = true;
    while let Some(v1::WatchResponse { job }) = next(&mut stream, screen).await? {
        if lost_at.take().is_some() {
            screen.say("the scheduler is back");
        }
        let Some(info) = job else { continue };
        wanted = !info.claims.is_empty();
        screen.show(&info);
        let progress = info.progress.clone().unwrap_or_default();
        match progress.state() {
            JobState::Finished => return Ok(Some(info)),
            JobState::Failed => {
                let failure = progress.failure.unwrap_or_default();
                let last = failure.log.last().map(|line| format!(" ({line})")).unwrap_or_default();
                return Err(tonic::Status::failed_precondition(format!(
                    "{}: {}{last}: {} of {} segments are kept",
                    info.source, failure.message, progress.published, progress.total
                )));
            }
            _ => {}
        }
    }
    // A scheduler that is ending ends its streams, too.
    if wanted { Err(tonic::Status::unavailable("the stream ended early")) } else { Ok(None) }
}

/// The next word of a stream; whoever waits long for one is told where to look.
async fn next(
    stream: &mut tonic::Streaming<v1::WatchResponse>,
    screen: &mut Screen,
) -> Result<Option<v1::WatchResponse>, tonic::Status> {
    loop {
        match tokio::time::timeout(STANDSTILL, stream.message()).await {
            Ok(word) => return word,
            Err(_) => screen.note_standstill(),
        }
    }
}

async fn fetch(
    info: &v1::JobInfo,
    to: &std::path::Path,
    screen: &mut Screen,
) -> Result<String, Ending> {
    let unknown = || {
        Ending::Failed(format!("the scheduler does not say where job {} is: update it", info.job))
    };
    let location = copy::location(&info.playlist, &info.job).ok_or_else(unknown)?;
    let job = segue_api::request::job_id(&info.job).map_err(|_| unknown())?;
    let total = info.progress.as_ref().map_or(0, |progress| u64::from(progress.total));
    screen.begin_copy(total);
    copy::copy(&location, job, to, |made| screen.copied(made)).await
}

/// Keeps a finished job from being removed: somebody seems to watch its end, for as long as this is
/// waited for. Never done.
async fn hold(settings: &Settings, client: &Client, info: &v1::JobInfo) -> Infallible {
    let mut client = client.clone();
    let viewers = vec![last_viewer(info)];
    loop {
        // Who says no more is gone.
        let said = tokio_stream::once(v1::DemandRequest { viewers: viewers.clone() });
        if let Ok(told) = client.jobs().demand(said.chain(tokio_stream::pending())).await {
            let mut told = told.into_inner();
            while let Ok(Some(_)) = told.message().await {}
        }
        tokio::time::sleep(PAUSE).await;
        if let Ok(again) = Client::connect(&settings.scheduler).await {
            client = again;
        }
    }
}

/// Somebody who comes to the last segment, which is there, and has time.
fn last_viewer(info: &v1::JobInfo) -> v1::Viewer {
    let renditions = info.renditions.len() as u32;
    let total = info.progress.as_ref().map_or(0, |progress| progress.total);
    v1::Viewer {
        viewer: "copy".to_owned(),
        job: info.job.clone(),
        renditions: (0..renditions).collect(),
        segment: total.checked_div(renditions).unwrap_or(0).saturating_sub(1),
        due_in_ms: u32::MAX,
        to_end: false,
    }
}

/// Cancelled by the first signal; a second one ends the process at once, whatever it waits for.
fn on_signal() -> Result<CancellationToken, Ending> {
    let interrupted = CancellationToken::new();
    let cancelled = interrupted.clone();
    Interrupt::on_signal(move || cancelled.cancel())
        .map_err(|error| Ending::Failed(format!("segue cannot start: {error}")))?;
    Ok(interrupted)
}

/// What is seen: a bar for the job, and one for each worker that is at it.
struct Screen {
    style: Style,
    bars: Option<Bars>,
    since: Instant,
    /// Segments that are there, and since when there are no more.
    standing: (u32, Instant),
    said_standstill: bool,
    /// Segments that were there when this began.
    before: Option<u32>,
    said_tenth: u32,
    /// Segments that are to be copied.
    copying: u64,
    last: Value,
}

impl Screen {
    fn new(style: Style) -> Screen {
        let on_terminal = style == Style::Text && std::io::stderr().is_terminal();
        Screen {
            style,
            bars: on_terminal.then(Bars::new),
            since: Instant::now(),
            standing: (0, Instant::now()),
            said_standstill: false,
            before: None,
            said_tenth: 0,
            copying: 0,
            last: Value::Null,
        }
    }

    /// A line for people, above the bars; a note for programs.
    fn say(&self, line: &str) {
        match (&self.bars, self.style) {
            (Some(bars), _) => bars.suspend(|| to_stderr(line)),
            (None, Style::Text) => to_stderr(line),
            (None, Style::Json) => self.event(json!({ "event": "note", "text": line })),
            (None, Style::Quiet) => {}
        }
    }

    fn event(&self, event: Value) {
        if self.style == Style::Json {
            to_stdout(&event.to_string());
        }
    }

    fn show(&mut self, info: &v1::JobInfo) {
        let progress = info.progress.clone().unwrap_or_default();
        if self.before.is_none() {
            self.before = Some(progress.published);
            let mut begun = show::job_json(info);
            begun["event"] = "job".into();
            self.event(begun);
            if progress.published > 0 && progress.published < progress.total {
                let (there, all) = (progress.published, progress.total);
                self.say(&format!("going on: {there} of {all} segments are there"));
            }
        }
        if self.standing.0 != progress.published {
            self.standing = (progress.published, Instant::now());
            self.said_standstill = false;
        }
        self.note_standstill();
        let words = self.words(info, &progress);
        if let Some(bars) = &mut self.bars {
            let spans: Vec<SpanShown> = progress.spans.iter().map(shown).collect();
            bars.show((progress.published.into(), progress.total.into()), &words, &spans);
            return;
        }
        match self.style {
            Style::Json => self.show_json(info),
            Style::Text => {
                let tenth = (progress.published * 10).checked_div(progress.total).unwrap_or(10);
                if std::mem::replace(&mut self.said_tenth, tenth) < tenth {
                    let v1::Progress { published, total, .. } = progress;
                    to_stderr(&format!("{published}/{total} segments, {words}"));
                }
            }
            Style::Quiet => {}
        }
    }

    /// Says once that nothing happens, if nothing does.
    fn note_standstill(&mut self) {
        let stands = self.standing.1.elapsed() >= STANDSTILL;
        if stands && !std::mem::replace(&mut self.said_standstill, true) {
            self.say(&format!(
                "nothing new is in the store for {} s, as when it is full or away: `segue workers` says who \
                 is there, and what the workers log says what they wait for",
                STANDSTILL.as_secs()
            ));
        }
    }

    fn show_json(&mut self, info: &v1::JobInfo) {
        let whole = show::job_json(info);
        let mut event = json!({ "event": "progress" });
        for key in ["state", "published", "total", "spans"] {
            event[key] = whole[key].clone();
        }
        if event != self.last {
            self.last = event.clone();
            self.event(event);
        }
    }

    fn words(&self, info: &v1::JobInfo, progress: &v1::Progress) -> String {
        let made = progress.published - self.before.unwrap_or(0).min(progress.published);
        let elapsed = self.since.elapsed().as_secs_f64();
        let film =
            info.duration_ms as f64 / 1000.0 * f64::from(made) / f64::from(progress.total.max(1));
        let state = show::state_name(progress.state);
        if made == 0 || elapsed < 0.5 {
            return state.to_owned();
        }
        let left = elapsed / f64::from(made) * f64::from(progress.total - progress.published);
        format!("{state}, {:.1}x real time, {} left", film / elapsed, clock(left))
    }

    fn begin_copy(&mut self, total: u64) {
        self.say("fetching it from the store");
        self.copying = total;
        self.copied(0);
    }

    fn copied(&mut self, made: u64) {
        if let Some(bars) = &mut self.bars {
            bars.show((made, self.copying), "copied", &[]);
        }
    }

    fn end(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.end();
        }
    }

    fn done(&self, info: &v1::JobInfo, playlist: &str) {
        let progress = info.progress.clone().unwrap_or_default();
        let elapsed = self.since.elapsed().as_secs_f64();
        let whole = show::job_json(info);
        match self.style {
            // Who asked for silence still wants to know what the film lacks.
            Style::Quiet => show::losses(info).iter().for_each(|line| to_stderr(line)),
            Style::Json => self.event(json!({
                "event": "done",
                "job": info.job,
                "playlist": playlist,
                "segments": progress.total,
                "made_now": progress.total - self.before.unwrap_or(0).min(progress.total),
                "seconds": elapsed,
                "damaged": whole["damaged"],
                "short_by": whole["short_by"],
                "claimed": whole["claimed"],
            })),
            Style::Text => {
                let film = clock(info.duration_ms as f64 / 1000.0);
                let segments = counted(progress.total.into(), "segment");
                to_stdout(&format!(
                    "made {playlist} of {film} film: {} in {segments}, in {}",
                    info.renditions.join(", "),
                    clock(elapsed)
                ));
                show::losses(info).iter().for_each(|line| to_stdout(&format!("  {line}")));
                let path = quoted(playlist.strip_prefix("file://").unwrap_or(playlist));
                to_stdout(&format!("play it:   mpv {path}"));
                to_stdout(&format!("prove it:  segue verify {path}"));
            }
        }
    }
}

/// What of a span is shown. A worker may say that it ends before it begins.
fn shown(info: &v1::SpanInfo) -> SpanShown {
    let span = Span { first: info.first, end: info.end.max(info.first) };
    SpanShown { worker: info.worker.clone(), span, ready_through: info.ready_through }
}
