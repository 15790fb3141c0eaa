//! A pool of processes: where it lives, how it is started, what it said.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use segue_api::{Client, v1};
use tempfile::TempDir;

use crate::baseline::segue_program;
use crate::workplace;

/// Far longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Looks until there is something.
pub fn until<T>(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(began.elapsed() < LONG, "{what}: that did not happen");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A scheduler or a worker; killed when it is dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(command: &mut Command, log: PathBuf) -> anyhow::Result<Daemon> {
        let file = File::create(&log)?;
        let command = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Daemon { child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said `words`.
    pub fn until(&mut self, words: &str) -> anyhow::Result<()> {
        until(words, || {
            let ended = self.child.try_wait()?;
            let said = self.said();
            match ended {
                _ if said.contains(words) => Ok(Some(())),
                Some(status) => bail!("ended with {status}: {said}"),
                None => Ok(None),
            }
        })
    }

    /// SIGKILL; waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // One that has ended already is no failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// A scheduler, its ledger, its store, and workers.
pub struct House {
    scratch: TempDir,
    port: u16,
    /// None while it is dead.
    pub scheduler: Option<Daemon>,
    /// The same for each.
    pub workers: Vec<Option<Daemon>>,
    /// What each worker may use.
    cores: Vec<Vec<u32>>,
    /// What each worker is told besides.
    options: &'static [&'static str],
}

impl House {
    /// A scheduler, and a worker for each of `cores`, pinned to them.
    pub fn start(cores: &[Vec<u32>]) -> anyhow::Result<House> {
        House::with_options(cores, &[])
    }

    /// The same, with workers that are told `options` besides.
    pub fn with_options(
        cores: &[Vec<u32>],
        options: &'static [&'static str],
    ) -> anyhow::Result<House> {
        // One that nobody has now; a scheduler that is started again needs the same.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = free.local_addr()?.port();
        drop(free);
        let scratch = workplace::scratch()?;
        let cores = cores.to_vec();
        let mut house =
            House { scratch, port, scheduler: None, workers: Vec::new(), cores, options };
        house.start_scheduler()?.until("listening on")?;
        for number in 0..house.cores.len() {
            house.workers.push(None);
            house.start_worker(number)?;
        }
        Ok(house)
    }

    pub fn start_scheduler(&mut self) -> anyhow::Result<&mut Daemon> {
        let mut command = self.command("scheduler")?;
        command.arg(format!("--listen=127.0.0.1:{}", self.port));
        command.arg("--ledger").arg(self.path("ledger.db"));
        let daemon = Daemon::start(&mut command, self.path("scheduler.log"))?;
        Ok(self.scheduler.insert(daemon))
    }

    /// Worker `number`, which the scheduler knows when this returns.
    pub fn start_worker(&mut self, number: usize) -> anyhow::Result<()> {
        let mut command = pinned(&self.command("worker")?, self.cores(number));
        // Not where workers of this machine have theirs.
        let scratch = self.path(&format!("commands-{number}"));
        command.env("NO_COLOR", "1").env("SEGUE_COMMAND_SCRATCH", scratch);
        command.arg("--scheduler").arg(self.url()).arg(format!("--name={}", name(number)));
        command.arg(format!("--cores={}", self.cores(number).len())).args(self.options);
        let mut worker = Daemon::start(&mut command, self.path(&format!("worker-{number}.log")))?;
        worker.until("the scheduler answers")?;
        self.workers[number] = Some(worker);
        Ok(())
    }

    /// What worker `number` may use.
    pub fn cores(&self, number: usize) -> &[u32] {
        &self.cores[number]
    }

    fn command(&self, role: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(segue_program()?);
        command.arg(role).arg("--store").arg(self.store()).env("NO_COLOR", "1");
        Ok(command)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// What the store calls itself.
    pub fn identity(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(self.store().join("store"))?;
        Ok(text.trim().to_owned())
    }

    /// Where the folders of jobs are.
    pub fn jobs(&self) -> PathBuf {
        self.store().join("jobs")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.url()).await?)
    }

    pub fn scheduler_pid(&self) -> u32 {
        self.scheduler.as_ref().map_or(0, Daemon::pid)
    }

    pub fn worker_pid(&self, number: usize) -> u32 {
        self.workers[number].as_ref().map_or(0, Daemon::pid)
    }
}

/// The command on these cores and no others.
pub fn pinned(command: &Command, cores: &[u32]) -> Command {
    let cores: Vec<String> = cores.iter().map(u32::to_string).collect();
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &cores.join(",")]).arg(command.get_program()).args(command.get_args());
    pinned
}

/// What worker `number` is called.
pub fn name(number: usize) -> String {
    format!("w{number}")
}

/// Wants a worker empty, or no longer.
pub async fn drain(client: &Client, number: usize, drain: bool) -> anyhow::Result<()> {
    let request = v1::DrainRequest { worker: name(number), undo: !drain };
    client.admin().drain(request).await?;
    Ok(())
}

/// How far a job is.
pub async fn progress(client: &Client, job: &str) -> anyhow::Result<v1::Progress> {
    let request = v1::GetRequest { job: job.to_owned() };
    let got = client.jobs().get(request).await?.into_inner();
    got.job.and_then(|job| job.progress).context("a job has no progress")
}

/// Drops all claims of a job, and waits until nobody works on it.
pub async fn cancel(client: &Client, job: &str) -> anyhow::Result<()> {
    let request = v1::CancelRequest { job: job.to_owned(), claim: String::new() };
    client.jobs().cancel(request).await?;
    until_idle(client).await.with_context(|| format!("job {job} is not let go of"))
}

/// Waits until no worker has a span.
pub async fn until_idle(client: &Client) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let listed = client.admin().list_workers(v1::ListWorkersRequest {}).await?.into_inner();
        let devices = listed.workers.iter().filter(|w| w.connected).flat_map(|w| &w.devices);
        if devices.map(|device| device.spans).sum::<u32>() == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < LONG, "workers do not come to rest");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
