//! One process as Jellyfin holds it: standard input and error by pipes, and the rules of its end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::relatives::{self, MARK, Relative};
use super::wait;
use crate::error::ContractError;
use crate::jellyfin::progress::{Lines, Told, told};
use crate::record::ScenarioRecord;
use crate::rule::Rule;
use crate::tolerance::{END_SECONDS, QUIT_SECONDS};

/// What to start.
pub struct Order<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub words: Vec<String>,
    /// Where it works, if Jellyfin says so.
    pub directory: Option<&'a Path>,
    /// Whether standard input stays open, as Jellyfin has it for what it may stop.
    pub input: bool,
    /// Where standard output goes: a file that stands for the server's own, or back to us.
    pub output: Option<PathBuf>,
}

/// A process that was started.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    said: Arc<Mutex<Said>>,
    mark: String,
    family: Vec<Relative>,
    ended: Option<ExitStatus>,
}

/// What a process said so far.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    progress: Vec<Told>,
    output: Vec<u8>,
    pipes: usize,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no such program, or the file for its output cannot be made.
    pub fn start(order: Order<'_>) -> Result<Self, ContractError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(order.program);
        command.args(&order.words).env(MARK, &mark).stderr(Stdio::piped());
        command.stdin(if order.input { Stdio::piped() } else { Stdio::null() });
        match &order.output {
            Some(path) => {
                command.stdout(File::create(path).map_err(ContractError::file(path))?);
            }
            None => {
                command.stdout(Stdio::piped());
            }
        }
        if let Some(directory) = order.directory {
            command.current_dir(directory);
        }
        let mut child = command
            .spawn()
            .map_err(|source| ContractError::Start { program: order.program.to_owned(), source })?;
        let said = Arc::new(Mutex::new(Said::default()));
        if let Some(pipe) = child.stderr.take() {
            let mut lines = Lines::default();
            listen(pipe, &said, move |said, bytes| match bytes {
                Some(bytes) => said.hear(lines.take(bytes)),
                None => said.hear(std::mem::take(&mut lines).last()),
            });
        }
        if let Some(pipe) = child.stdout.take() {
            listen(pipe, &said, |said, bytes| {
                said.output.extend_from_slice(bytes.unwrap_or_default())
            });
        }
        let input = child.stdin.take();
        Ok(Self { child, input, said, mark, family: Vec::new(), ended: None })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait(limit, || self.ended())
    }

    /// Writes to its standard input. That nobody reads there breaks a rule, unless it just ends.
    pub fn write(&mut self, text: &str, record: &mut ScenarioRecord, subject: &str) {
        let written = self
            .input
            .as_mut()
            .map(|input| input.write_all(text.as_bytes()).and_then(|()| input.flush()));
        if matches!(written, Some(Err(_))) && self.wait(Duration::from_millis(500)).is_none() {
            record.broke(
                Rule::StdinClosed,
                subject,
                "it runs, and nothing reads its standard input",
            );
        }
    }

    /// Jellyfin's stop: `q`, five seconds, then a kill of this one process.
    pub fn stop(&mut self, record: &mut ScenarioRecord, subject: &str) {
        self.family = relatives::descendants(self.id());
        if self.ended().is_some() {
            return;
        }
        self.write("q\n", record, subject);
        if self.wait(Duration::from_secs(QUIT_SECONDS)).is_none() {
            record.broke(Rule::QuitIgnored, subject, format!("it runs {QUIT_SECONDS} s after q"));
            self.kill();
        }
    }

    /// SIGTERM, as service managers send it. Jellyfin itself never does.
    pub fn terminate(&mut self, record: &mut ScenarioRecord, subject: &str) {
        self.family = relatives::descendants(self.id());
        if self.ended().is_none()
            && let Some(id) = Pid::from_raw(self.id() as i32)
        {
            // Its end in this moment is no fault.
            let _ = kill_process(id, Signal::TERM);
        }
        if self.wait(Duration::from_secs(QUIT_SECONDS)).is_none() {
            record.broke(
                Rule::TerminateIgnored,
                subject,
                format!("it runs {QUIT_SECONDS} s after SIGTERM"),
            );
            self.kill();
        }
    }

    /// SIGKILL to this process and no other.
    pub fn kill(&mut self) {
        self.family.extend(relatives::descendants(self.id()));
        // It may have ended by itself; how is seen next.
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }

    /// Whether its pipes are closed and its helpers gone, after its end; notes what lingers.
    pub fn linger(&mut self, record: &mut ScenarioRecord, subject: &str) {
        let limit = Duration::from_secs(END_SECONDS);
        let gone =
            wait(limit, || (self.heard().pipes == 0 && self.left().is_empty()).then_some(()));
        if gone.is_some() {
            return;
        }
        if self.heard().pipes > 0 {
            record.broke(
                Rule::PipesHeld,
                subject,
                format!("a pipe is open {END_SECONDS} s after its end"),
            );
        }
        if let Some(one) = self.left().first() {
            let words = format!("it ended, and {:?} runs {END_SECONDS} s later", one.line());
            record.broke(Rule::Orphan, subject, words);
        }
    }

    /// Ends what it left behind, so that nothing of this scenario disturbs the next.
    pub fn clear(&mut self) {
        for relative in self.left() {
            relative.kill();
        }
    }

    /// Whether standard error holds a text so far.
    pub fn says(&self, text: &str) -> bool {
        self.heard().lines.iter().any(|line| line.contains(text))
    }

    /// Standard error so far.
    pub fn lines(&self) -> Vec<String> {
        self.heard().lines.clone()
    }

    /// What Jellyfin read from standard error so far, a line each.
    pub fn progress(&self) -> Vec<Told> {
        self.heard().progress.clone()
    }

    /// Standard output so far.
    pub fn output(&self) -> Vec<u8> {
        self.heard().output.clone()
    }

    fn left(&self) -> Vec<Relative> {
        let mut left = relatives::marked(&self.mark, self.id());
        left.extend(
            self.family
                .iter()
                .filter(|one| one.lives() && !left.contains(one))
                .cloned()
                .collect::<Vec<_>>(),
        );
        left
    }

    fn heard(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
        self.clear();
    }
}

impl Said {
    fn hear(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let told = told(&line);
            if told != Told::default() {
                self.progress.push(told);
            }
            self.lines.push(line);
        }
    }
}

/// Reads a pipe to its end on a thread of its own.
fn listen(
    mut pipe: impl Read + Send + 'static,
    said: &Arc<Mutex<Said>>,
    mut hear: impl FnMut(&mut Said, Option<&[u8]>) + Send + 'static,
) {
    let said = Arc::clone(said);
    let locked = |said: &Arc<Mutex<Said>>, act: &mut dyn FnMut(&mut Said)| {
        act(&mut said.lock().unwrap_or_else(PoisonError::into_inner));
    };
    locked(&said, &mut |said| said.pipes += 1);
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count) = pipe.read(&mut bytes) {
            if count == 0 {
                break;
            }
            locked(&said, &mut |said| hear(said, Some(&bytes[..count])));
        }
        locked(&said, &mut |said| {
            hear(said, None);
            said.pipes -= 1;
        });
    });
}

/// An end as records hold it: the code, or the signal's number.
pub fn ending(status: Option<ExitStatus>) -> String {
    match status {
        None => "runs on".to_owned(),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "unknown".to_owned(),
        },
    }
}
