//! Follows a job: claims it, fetches what is there in order, and gives it its names, until all of it
//! is there or the caller has enough. Schedulers and workers may come and go meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use segue_api::v1;
use segue_ffmpeg::FallbackPolicy;
use tokio::time::Instant;

use crate::caller::{Caller, Word};
use crate::config::Config;
use crate::ending::Ending;
use crate::pool::Pool;
use crate::trouble::Trouble;

use super::claim::Wish;
use super::fetch::{Errand, FetchError, Fetches, Piece};
use super::files::{FileError, Files, Part};
use super::keys::{self, Key, Keys};
use super::known::{Answer, KnownWorkers};
use super::layout::Layout;
use super::link::{Fate, Heard, Link};
use super::report::{Report, seconds};
use super::stats::Stats;

/// Figures are written this often, as ffmpeg does.
const STATS: Duration = Duration::from_millis(500);
/// Where the playhead is, is said at most this often.
const SAY: Duration = Duration::from_millis(50);

/// Enough to keep up with several workers.
const WINDOW: u32 = 8;
/// Workers that give nothing are tried for so long; before the first segment somebody else may still
/// do the line.
const FAILING_MAX: Duration = Duration::from_secs(60);
const FAILING_FIRST_MAX: Duration = Duration::from_secs(15);

/// A job that is being followed.
pub struct Follower<'a> {
    config: &'a Config,
    link: Link<'a>,
    layout: Layout,
    report: Report,
    files: Files,
    fetches: Fetches,
    /// Where segments are that are not here.
    holders: BTreeMap<u32, String>,
    /// Who is asked while nobody says where they are.
    known: KnownWorkers,
    /// Whole, and not yet named: those before them are missing.
    parts: BTreeMap<u32, Part>,
    /// So many segments from the next one on are fetched before it is there.
    window: u32,
    init: InitState,
    first: u32,
    /// The next to be named.
    next: u32,
    /// Since when workers do not give what they are said to have.
    failing: Option<Instant>,
    begun: Instant,
    /// Since when nothing more is wanted.
    paused: Option<Instant>,
    /// How long nothing was wanted, before that.
    rested: Duration,
    said: Instant,
    to_say: bool,
    /// When figures are written next.
    figures: Instant,
    keys: Keys,
}

/// The header of fragmented MP4, before anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InitState {
    Missing,
    UnderWay,
    There,
}

/// Why a run is over before everything is there.
enum End {
    Ending(Ending),
    /// Something else may do the line, if nothing was said of it yet.
    Trouble(Trouble),
    /// Nothing else would mend it: why.
    Failed(String),
}

impl From<FileError> for End {
    fn from(error: FileError) -> End {
        End::Failed(error.to_string())
    }
}

impl<'a> Follower<'a> {
    /// Submits a job and claims it from segment `first` on.
    pub async fn begin(
        pool: Pool,
        config: &'a Config,
        submission: v1::SubmitRequest,
        layout: Layout,
        first: u32,
        report: Report,
    ) -> Result<Follower<'a>, Trouble> {
        let wish = Wish { segment: first, due: Duration::ZERO, paused: false };
        let link = Link::open(config, pool, submission, wish).await?;
        let now = Instant::now();
        let init = match layout.init() {
            Some(_) => InitState::Missing,
            None => InitState::There,
        };
        Ok(Follower {
            config,
            fetches: Fetches::new(link.job().to_owned()),
            link,
            layout,
            report,
            files: Files::default(),
            holders: BTreeMap::new(),
            known: KnownWorkers::default(),
            parts: BTreeMap::new(),
            window: WINDOW,
            init,
            first,
            next: first,
            failing: None,
            begun: now,
            paused: None,
            rested: Duration::ZERO,
            said: now,
            to_say: false,
            figures: now + STATS,
            keys: Keys::default(),
        })
    }

    /// Follows it to the end. `begin` says what is made, once it comes.
    pub async fn follow(
        mut self,
        caller: &mut Caller,
        begin: impl Fn(&mut Report, &str),
    ) -> Result<Ending, Trouble> {
        let ended = loop {
            if self.next == self.layout.segments() {
                break self.finish(Ending::DONE);
            }
            match self.step(caller, &begin).await {
                Ok(()) => {}
                Err(End::Ending(ending)) => break self.finish(ending),
                Err(end) => break end,
            }
        };
        let begun = self.report.has_begun();
        self.link.release().await;
        let reason = match ended {
            End::Ending(ending) => return Ok(ending),
            End::Trouble(trouble) if !begun => return Err(trouble),
            End::Trouble(trouble) => trouble.to_string(),
            End::Failed(reason) => reason,
        };
        self.report.error(&reason);
        // ffmpeg's last words whenever something fails, which people look for.
        self.report.error("Conversion failed!");
        Ok(Ending::FAILED)
    }

    /// Waits for whatever comes next, and does what follows.
    async fn step(
        &mut self,
        caller: &mut Caller,
        begin: &impl Fn(&mut Report, &str),
    ) -> Result<(), End> {
        self.fetch_more();
        let now = Instant::now();
        self.ask_around(now);
        self.say_if_due(now);
        let ticks = self.ticks();
        tokio::select! {
            word = caller.next() => self.hear_caller(word),
            heard = self.link.hear() => match heard {
                Heard::Segments(news) => { self.learn(news); Ok(()) }
                Heard::Lost => unless_ended(caller, self.lost()).await,
                Heard::Broken(reason) => { self.broken(&reason); Ok(()) }
                Heard::Mended => { self.to_say = true; Ok(()) }
                Heard::GivenUp(trouble) => Err(End::Trouble(trouble)),
            },
            (errand, fetched) = self.fetches.next() => {
                self.fetched(&errand, fetched)?;
                if !self.parts.is_empty() && self.init == InitState::There {
                    begin(&mut self.report, self.link.address());
                }
                self.name_parts()
            }
            () = tokio::time::sleep_until(ticks) => unless_ended(caller, self.tick()).await,
        }
    }

    /// When there is something to do by the clock.
    fn ticks(&self) -> Instant {
        let say = if self.to_say { self.said + SAY } else { self.figures };
        let ask = self.sought().and_then(|_| self.known.due()).unwrap_or(self.figures);
        self.figures.min(say).min(ask)
    }

    async fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.figures > now {
            return Ok(());
        }
        self.figures = now + STATS;
        if self.paused.is_none() {
            self.report.stats(&self.stats(false));
        }
        let waited = now - self.begun - self.rested;
        let may_fall_back = self.config.fallback == FallbackPolicy::WhenBusy;
        if may_fall_back && self.next == self.first && waited > self.config.busy_wait {
            self.check_busy(waited).await?;
        }
        Ok(())
    }

    fn stats(&self, last: bool) -> Stats {
        let Follower { layout, first, next, begun, .. } = self;
        let (frames, media) = (layout.frames(*first, *next), layout.duration(*first, *next));
        Stats { frames, media, elapsed: begun.elapsed(), last }
    }

    /// The first segment takes long: is nobody there to make it?
    async fn check_busy(&mut self, waited: Duration) -> Result<(), End> {
        if self.link.waits().await == Some(true) {
            let reason = format!("the pool had no room for {}", seconds(waited));
            return Err(End::Trouble(Trouble::Busy(reason)));
        }
        Ok(())
    }

    fn hear_caller(&mut self, word: Word) -> Result<(), End> {
        let key = match word {
            Word::Signal(number) => {
                self.report.ended_by(number);
                return Err(End::Ending(Ending::SIGNALLED));
            }
            Word::Key(byte) => self.keys.press(byte),
        };
        match key {
            Some(Key::Quit) => return Err(End::Ending(Ending::DONE)),
            Some(Key::Help) => self.report.answer(keys::HELP),
            Some(Key::Command) => {
                self.report.answer(keys::COMMAND_PROMPT);
                self.pause();
            }
            Some(Key::Pause) => self.pause(),
            Some(Key::Resume) => self.resume(),
            None => {}
        }
        Ok(())
    }

    fn pause(&mut self) {
        self.paused.get_or_insert_with(Instant::now);
        self.say();
    }

    fn resume(&mut self) {
        if let Some(since) = self.paused.take() {
            self.rested += since.elapsed();
            self.say();
        }
    }

    /// What is wanted now. Nobody plays faster than the film runs, so what is further ahead has time.
    fn wish(&self) -> Wish {
        let Follower { layout, first, next, begun, rested, .. } = self;
        let ahead = (layout.start_of(*next) - layout.start_of(*first)).as_secs_f64().max(0.0);
        let played = begun.elapsed().saturating_sub(*rested);
        let due = Duration::from_secs_f64(ahead).saturating_sub(played);
        Wish { segment: *next, due, paused: self.paused.is_some() }
    }

    fn say(&mut self) {
        self.to_say = !self.link.say(self.wish());
        self.said = Instant::now();
    }

    fn say_if_due(&mut self, now: Instant) {
        if self.to_say && now >= self.said + SAY {
            self.say();
        }
    }

    fn learn(&mut self, news: BTreeMap<u32, Option<String>>) {
        for (index, holder) in news {
            match holder {
                Some(address) => {
                    self.known.heard_of(&address, Instant::now());
                    self.holders.insert(index, address)
                }
                None => self.holders.remove(&index),
            };
        }
    }

    fn fetch_more(&mut self) {
        if self.paused.is_some() {
            return;
        }
        if self.init == InitState::Missing
            && let Some(address) = self.holders.get(&self.next)
            && let Some(path) = self.layout.init()
        {
            self.fetches.begin(Piece::Init, address, path.to_owned());
            self.init = InitState::UnderWay;
        }
        // Whatever is far ahead waits for what is next: each takes a file.
        for index in self.next..self.next.saturating_add(self.window) {
            let piece = Piece::Segment(index);
            let Some(address) = self.holders.get(&index) else { continue };
            if !self.fetches.has_room() {
                break;
            }
            if !self.fetches.has(piece) && !self.parts.contains_key(&index) {
                self.fetches.begin(piece, address, self.layout.segment(index));
            }
        }
    }

    /// What has to come next and nobody says where it is, as the scheduler is away.
    fn sought(&self) -> Option<Piece> {
        if self.paused.is_some() || self.link.is_open() {
            return None;
        }
        if self.init == InitState::Missing {
            return Some(Piece::Init);
        }
        let next = Piece::Segment(self.next);
        let comes = self.fetches.has(next) || self.parts.contains_key(&self.next);
        (!comes).then_some(next)
    }

    /// Workers go on without a scheduler, and are asked for what they made.
    fn ask_around(&mut self, now: Instant) {
        let Some(piece) = self.sought() else { return };
        let path = match piece {
            Piece::Init => self.layout.init().map(Path::to_owned),
            Piece::Segment(index) => Some(self.layout.segment(index)),
        };
        if let Some(path) = path
            && let Some(question) = self.known.ask(now)
        {
            self.fetches.ask(piece, question, path);
        }
    }

    fn fetched(&mut self, errand: &Errand, fetched: Result<Part, FetchError>) -> Result<(), End> {
        let Errand { piece, address, told } = errand;
        let answer = match &fetched {
            Ok(_) | Err(FetchError::File(_)) => Answer::Gave,
            Err(FetchError::Lacks(_)) => Answer::Lacks,
            Err(FetchError::Worker(_)) => Answer::Failed,
        };
        self.known.answered(address, answer, Instant::now());
        match (*piece, fetched) {
            // What was asked for may have come in another way meanwhile.
            (Piece::Init, Ok(_)) if self.init == InitState::There => {}
            (Piece::Segment(index), Ok(_)) if index < self.next => {}
            (Piece::Init, Ok(part)) => {
                self.files.finish(part)?;
                self.init = InitState::There;
            }
            (Piece::Segment(index), Ok(part)) => {
                self.parts.entry(index).or_insert(part);
            }
            (Piece::Segment(index), Err(FetchError::File(error)))
                if error.is_full() && self.makes_room_for(index) => {}
            (_, Err(FetchError::File(error))) => return Err(error.into()),
            // Nobody said that it would be there.
            (_, Err(_)) if !told => {}
            (piece, Err(FetchError::Worker(reason) | FetchError::Lacks(reason))) => {
                self.report.note(&format!("a worker does not give a segment: {reason}"));
                if piece == Piece::Init && self.init == InitState::UnderWay {
                    self.init = InitState::Missing;
                }
                self.check_failing(&reason)?;
                // On a new stream the scheduler says anew where everything is.
                self.broken(&reason);
            }
        }
        Ok(())
    }

    /// There was no room for a segment. Whether that is no reason to give up: what was fetched before
    /// its turn makes room for the next one, and nothing is from here on.
    fn makes_room_for(&mut self, index: u32) -> bool {
        let is_alone = self.parts.is_empty() && self.fetches.is_idle();
        self.window = 1;
        self.parts.clear();
        index > self.next || !is_alone
    }

    /// Workers that are there and cannot be read from are waited for only so long.
    fn check_failing(&mut self, reason: &str) -> Result<(), End> {
        let since = *self.failing.get_or_insert_with(Instant::now);
        let patience = if self.next > self.first { FAILING_MAX } else { FAILING_FIRST_MAX };
        if since.elapsed() < patience {
            return Ok(());
        }
        let waited = seconds(since.elapsed());
        let reason = format!("workers give nothing, for {waited}: {reason}");
        Err(End::Trouble(Trouble::Unreachable(reason)))
    }

    /// Names what is whole, in order.
    fn name_parts(&mut self) -> Result<(), End> {
        while self.init == InitState::There
            && let Some(part) = self.parts.remove(&self.next)
        {
            self.report.opening(&self.layout.segment(self.next));
            self.files.finish(part)?;
            self.holders.remove(&self.next);
            self.next += 1;
            self.failing = None;
            self.to_say = true;
            if self.layout.grows() {
                self.put_playlist(false)?;
            }
        }
        Ok(())
    }

    fn put_playlist(&mut self, ended: bool) -> Result<(), FileError> {
        let text = self.layout.playlist_text(self.first, self.next, ended);
        self.files.put(self.layout.playlist(), text.as_bytes())
    }

    /// The last words: the playlist, and the figures.
    fn finish(&mut self, ending: Ending) -> End {
        if self.next > self.first
            && let Err(error) = self.put_playlist(true)
        {
            return error.into();
        }
        self.report.stats(&self.stats(true));
        End::Ending(ending)
    }

    /// The way to the scheduler, or to a worker, is broken: everything is asked anew.
    fn broken(&mut self, reason: &str) {
        if self.link.break_off(self.wish()) {
            self.report.note(&format!("asking the scheduler anew: {reason}"));
        }
        self.holders.clear();
        self.fetches.forget_ways();
    }

    /// The scheduler does not work on the job any more.
    async fn lost(&mut self) -> Result<(), End> {
        Err(match self.link.recover().await {
            Fate::Known => {
                self.broken("it did not know the job");
                return Ok(());
            }
            Fate::Failed(reason) if self.report.has_begun() => End::Failed(reason),
            Fate::Failed(reason) => End::Trouble(Trouble::NotAJob(reason)),
            Fate::Changed => End::Failed("the source is another one now".to_owned()),
            Fate::Refused(trouble) => End::Trouble(trouble),
        })
    }
}

/// Does what takes a while, unless the caller ends the run meanwhile.
async fn unless_ended(
    caller: &mut Caller,
    errand: impl Future<Output = Result<(), End>>,
) -> Result<(), End> {
    caller.unless_ended(errand).await.unwrap_or_else(|ending| Err(End::Ending(ending)))
}
