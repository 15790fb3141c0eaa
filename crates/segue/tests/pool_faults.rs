//! What goes wrong with pools of real processes, and what each then says: one line that names what
//! is wrong and what to do, exit code 2 for what cannot be as asked and 1 for what failed.

mod support;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;

use rustix::process::Signal;
use segue_api::Client;
use segue_api::v1::{
    self, CancelRequest, JobInfo, JobState, ListRequest, ListWorkersRequest, SubmitRequest,
};
use segue_model::{BoundaryRule, JobRequest};
use segue_s3_lab::{BUCKET, Server};
use serde_json::Value;
use support::machine::{allow, as_an_ordinary_user, mounting};
use support::media::{assert_same, media, undisturbed};
use support::pool::{Daemon, Pool, begun_spans, job_of, until, until_published};
use support::{Run, SEGMENTS, film, names, run, segue};
use tempfile::tempdir;
use tokio::runtime::Runtime;

const LADDER: [&str; 2] = ["--rendition", "180p"];
/// Slow enough that something can happen in the middle of it.
const SLOW: [&str; 4] = ["--rendition", "180p", "--preset", "veryslow"];
/// No job has this id.
const NOBODYS: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Runs to the end, which comes soon: who is refused does not go on.
fn ended(command: &Command) -> (Option<i32>, String, String) {
    let mut bounded = Command::new("timeout");
    bounded.args(["--signal=KILL", "60"]).arg(command.get_program()).args(command.get_args());
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    run(bounded.envs(set).env("SEGUE_LOG", "error").env("NO_COLOR", "1"))
}

/// It is refused with this code, in one line that has all these words.
fn assert_refused(command: &Command, code: i32, words: &[&str]) {
    let (ended, said, errors) = ended(command);
    assert_eq!(ended, Some(code), "{command:?}: {said}{errors}");
    assert_eq!(errors.trim().lines().count(), 1, "{command:?}: {errors}");
    for word in words {
        assert!(errors.contains(word), "{command:?}: no '{word}' in: {errors}");
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn scheduler(folder: &Path, store: &str) -> Command {
    let mut command = segue();
    command.args(["scheduler", "--listen=127.0.0.1:0", "--store", store]);
    command.arg("--ledger").arg(folder.join("ledger.db"));
    command
}

fn worker(store: &str) -> Command {
    let mut command = segue();
    command.args(["worker", "--name=w", "--cores=1", "--store", store]);
    command.arg(format!("--scheduler=http://127.0.0.1:{}", free_port()));
    command
}

fn slow(pool: &Pool) -> Run {
    let mut command = pool.ask("transcode");
    Run::start(command.arg(film()).args(SEGMENTS).arg("--exact").args(SLOW))
}

#[test]
fn who_asks_a_scheduler_that_is_not_there_is_told_how_to_start_one() {
    let film = film().display().to_string();
    let commands: [&[&str]; 6] = [
        &["jobs"],
        &["workers"],
        &["job", NOBODYS],
        &["cancel", NOBODYS],
        &["drain", "w0"],
        &["transcode", &film],
    ];
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for arguments in commands {
        let at = |scheduler: &str| {
            let mut command = segue();
            command.args(arguments).args(["--scheduler", scheduler]);
            command
        };
        assert_refused(&at(&nobody), 1, &["no scheduler answers", &nobody, "start one: segue"]);
        for wrong in ["http://127.0.0.1", "ftp://127.0.0.1:7700", "https://127.0.0.1:7700", "a b"] {
            assert_refused(&at(wrong), 2, &[wrong, "http://host:port"]);
        }
    }
}

#[test]
fn a_worker_waits_for_its_scheduler_and_refuses_what_is_none() {
    let mut pool = Pool::start(1);
    let mut scheduler = pool.scheduler.take().unwrap();
    scheduler.signal(Signal::KILL);
    scheduler.end();
    pool.worker(0).until("no scheduler: trying until there is one");
    pool.start_scheduler();
    Run::start(pool.transcode(&film()).args(LADDER)).succeed();

    for wrong in ["ftp://127.0.0.1:7700", "http://127.0.0.1", "a b"] {
        let mut command = segue();
        command.args(["worker", "--scheduler", wrong, "--store", &pool.store]);
        assert_refused(&command, 2, &["--scheduler", wrong, "http://host:port"]);
    }
}

#[test]
fn what_nobody_submitted_is_not_known() {
    let pool = Pool::start(0);
    for command in ["job", "cancel"] {
        assert_refused(pool.ask(command).arg(NOBODYS), 2, &["there is no job", "submit it first"]);
        assert_refused(pool.ask(command).arg("0123"), 2, &["0123", "segue jobs"]);
        assert_refused(pool.ask(command).arg("film.mkv"), 2, &["film.mkv", "job"]);
    }
}

#[test]
fn buckets_that_cannot_be_used_are_refused_by_schedulers_and_workers_alike() {
    let refused = |variables: &[(String, String)], bucket: &str, code: i32, words: &[&str]| {
        let store = format!("s3://{bucket}/pool");
        let scratch = tempdir().unwrap();
        for (mut command, code) in [(scheduler(scratch.path(), &store), 2), (worker(&store), code)]
        {
            assert_refused(command.envs(variables.iter().cloned()), code, words);
        }
    };
    let server = Server::start();
    let ours = server.variables();
    let stranger = server.variables_as("someone", "else");
    refused(&stranger, BUCKET, 1, &["s3://films/pool", "AWS_SECRET_ACCESS_KEY"]);
    refused(&ours, "books", 2, &["s3://books", "make the bucket"]);
    server.faults.clock.store(true, SeqCst);
    refused(&ours, BUCKET, 1, &["clocks", "NTP"]);
    server.faults.clock.store(false, SeqCst);
    server.faults.replaces.store(true, SeqCst);
    refused(&ours, BUCKET, 2, &["s3://films/pool", "If-None-Match", "MinIO", "a directory"]);
}

#[test]
fn who_would_listen_to_everybody_has_to_say_so() {
    let scratch = tempdir().unwrap();
    let store = scratch.path().join("store").display().to_string();
    let everywhere = |mut command: Command| {
        command.arg("--listen=0.0.0.0:0");
        command
    };
    let mut open = segue();
    open.args(["scheduler", "--listen=0.0.0.0:0", "--store", &store]);
    open.arg("--ledger").arg(scratch.path().join("ledger.db"));
    assert_refused(&open, 2, &["--listen", "--insecure"]);
    assert_refused(&everywhere(worker(&store)), 2, &["--listen", "--insecure"]);
    let mut up = segue();
    up.arg("up").arg("--data").arg(scratch.path().join("data"));
    assert_refused(&everywhere(up), 2, &["--listen", "--insecure"]);
    assert!(names(scratch.path()).is_empty(), "nothing is left behind");
}

#[test]
fn a_port_that_is_taken_ends_everything_with_one_line_about_it() {
    let scratch = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut up = segue();
    up.arg("up").arg("--data").arg(scratch.path()).args(["--listen", &address]);
    assert_refused(&up, 2, &[&address, "--listen names another"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let (scratch, programs) = (tempdir().unwrap(), tempdir().unwrap());
    allow(scratch.path(), 0o755);
    allow(programs.path(), 0o755);
    let (here, there) = (scratch.path().join("store"), scratch.path().join("a/store"));
    fs::create_dir(&here).unwrap();
    for store in [here, there].map(|store| store.display().to_string()) {
        for (command, expected) in [(scheduler(scratch.path(), &store), 2), (worker(&store), 1)] {
            let (code, _, errors) = run(&mut as_an_ordinary_user(&command, programs.path()));
            let errors: Vec<&str> = errors.lines().collect();
            assert!(code == Some(expected) && errors.len() == 1, "{code:?}: {errors:?}");
            let told = [&store, "Permission denied", "must be allowed"];
            assert!(told.iter().all(|words| errors[0].contains(words)), "{errors:?}");
        }
    }
    assert!(names(scratch.path()).is_empty(), "nothing is left behind");
}

#[test]
fn films_that_cannot_be_made_are_refused_by_name() {
    let pool = Pool::start(2);
    let text = pool.scratch.path().join("text.mkv");
    fs::write(&text, "no film".repeat(10_000)).unwrap();
    let refused = |film: &str, words: &[&str]| {
        let out = pool.scratch.path().join("out");
        let mut command = pool.ask("transcode");
        assert_refused(command.arg(film).arg("--quiet").arg("--to").arg(&out), 2, words);
        assert!(!out.exists(), "nothing is left behind");
    };
    refused("/nowhere/film.mkv", &["/nowhere/film.mkv", "no such file", "check the path"]);
    refused(text.to_str().unwrap(), &["text.mkv"]);
    refused("https://example.org/film.mkv", &["https://", "file:///path"]);
    let (_, listed, _) = run(&mut pool.ask("jobs"));
    assert!(listed.contains("no jobs"), "{listed}");
}

#[test]
fn a_film_that_is_replaced_in_mid_job_fails_in_words_and_can_be_made_anew() {
    let pool = Pool::start(2);
    let copy = pool.scratch.path().join("film.mkv");
    fs::copy(film(), &copy).unwrap();
    let start = || {
        let mut command = pool.ask("transcode");
        Run::start(command.arg(&copy).args(SEGMENTS).arg("--exact").args(SLOW))
    };
    let mut run = start();
    until_published(&mut run, 1);
    let other = pool.scratch.path().join("other.mkv");
    fs::copy(segue_lab::source("h264-aac-mp4"), &other).unwrap();
    fs::rename(&other, &copy).unwrap();
    let (status, errors) = run.finish();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for words in ["film.mkv", "was changed or replaced", "submit it again"] {
        assert!(errors.contains(words), "{errors}");
    }
    // A source that changed says nothing about those who read it.
    assert!(!pool.scheduler().said().contains("failed too often"));
    let first = job_of(&run.events);
    let events = start().succeed();
    assert_ne!(job_of(&events), first, "another film is another job");
}

/// What `segue job` says of a job, as JSON.
fn told(pool: &Pool, job: &str) -> Value {
    let (code, said, errors) = run(pool.ask("job").arg(job).arg("--json"));
    assert_eq!(code, Some(0), "{errors}");
    serde_json::from_str(&said).unwrap()
}

fn cancel(pool: &Pool, job: &str) {
    let (code, said, errors) = run(pool.ask("cancel").arg(&job[..12]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(said.contains("is cancelled"), "{said}");
}

#[test]
fn a_job_is_cancelled_in_every_state_and_who_watches_is_told() {
    let pool = Pool::start(1);
    // Waiting.
    run(pool.ask("drain").arg("w0"));
    let mut waiting = slow(&pool);
    let job = job_of(&[waiting.until("job")]);
    let mut another = slow(&pool);
    another.until("job");
    cancel(&pool, &job);
    for mut run in [waiting, another] {
        let (status, errors) = run.finish();
        assert_eq!(status.code(), Some(1), "{errors}");
        assert!(errors.contains("somebody cancelled it"), "{errors}");
    }
    assert_eq!(told(&pool, &job)["state"], "idle");
    // Cancelled already.
    cancel(&pool, &job);

    // Running.
    run(pool.ask("drain").args(["w0", "--undo"]));
    let mut running = slow(&pool);
    until_published(&mut running, 1);
    cancel(&pool, &job);
    let (status, errors) = running.finish();
    assert_eq!(status.code(), Some(1), "{errors}");
    let idle = || (told(&pool, &job)["spans"].as_array().unwrap().is_empty()).then_some(());
    until("its worker stops", idle);
    assert_eq!(told(&pool, &job)["state"], "idle");

    // Finished.
    let done = slow(&pool).succeed().pop().unwrap();
    assert_ne!(done["made_now"], done["segments"], "what was made is not made again");
    cancel(&pool, &job);
    assert_eq!(told(&pool, &job)["state"], "finished");
}

#[test]
fn of_two_clients_with_one_job_one_is_interrupted_and_the_other_gets_it() {
    let pool = Pool::start(1);
    let whole = undisturbed(&SLOW);
    let (mut first, mut second) = (slow(&pool), slow(&pool));
    until_published(&mut first, 1);
    second.until("job");
    let claims = told(&pool, &job_of(&first.events))["claims"].as_array().unwrap().len();
    assert_eq!(claims, 2);
    first.signal(Signal::TERM);
    assert_eq!(first.finish().0.code(), Some(130));
    let events = second.succeed();
    assert_same(&whole, &media(&pool.job(&job_of(&events))));
}

/// A finished job, in a pool.
fn finished() -> (Pool, String) {
    let pool = Pool::start(1);
    let events = Run::start(pool.transcode(&film()).args(LADDER)).succeed();
    let job = job_of(&events);
    (pool, job)
}

/// The finished job once more, copied.
fn fetch(pool: &Pool, copy: &Path) -> Command {
    let mut command = pool.transcode(&film());
    command.args(LADDER).arg("--quiet").arg("--to").arg(copy);
    command
}

fn fetched(pool: &Pool, copy: &Path) {
    let (code, _, errors) = run(&mut fetch(pool, copy));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn who_does_not_see_the_store_is_told_so_and_makes_none_up() {
    let Some(way) = mounting() else { return };
    let (pool, _) = finished();
    let out = tempdir().unwrap();
    let asked = fetch(&pool, &out.path().join("copy"));
    // The store is below what is mounted over, for this command alone.
    let hidden = "mount -t tmpfs tmpfs \"$0\" && \"$@\"; code=$?; ls \"$0\"; exit $code";
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["sh", "-c", hidden]).arg(pool.scratch.path());
    command.arg(asked.get_program()).args(asked.get_args());
    let words = ["does not see the store at file://", &pool.store, "leave --to out"];
    assert_refused(&command, 1, &words);
    assert_eq!(ended(&command).1, "", "nothing is made where the store is not");
    assert!(names(out.path()).is_empty());
}

#[test]
fn a_segment_that_lost_its_end_in_the_store_is_found_and_made_again() {
    let (pool, job) = finished();
    let whole = media(&pool.job(&job));
    let damaged = pool.job(&job).join("180p/00003.ts");
    let bytes = fs::read(&damaged).unwrap();
    let copy = |name: &str| pool.scratch.path().join(name);
    // Its length tells.
    fs::write(&damaged, &bytes[..bytes.len() / 2 / 188 * 188 + 1]).unwrap();
    fetched(&pool, &copy("first"));
    assert_same(&whole, &media(&copy("first")));
    assert!(fs::read(&damaged).unwrap() == bytes);

    // Its length does not tell: whoever fetches it finds out, and is not given half of it.
    fs::write(&damaged, &bytes[..bytes.len() / 2 / 188 * 188]).unwrap();
    let words = ["180p/00003.ts", "is cut off", "remove it"];
    assert_refused(&fetch(&pool, &copy("second")), 1, &words);
    assert!(!copy("second").join("180p/00003.ts").exists());
    fs::remove_file(&damaged).unwrap();
    fetched(&pool, &copy("second"));
    assert_same(&whole, &media(&copy("second")));
}

#[test]
fn a_damaged_ledger_is_refused_and_left_as_it_is() {
    let (mut pool, _) = finished();
    let mut scheduler_process = pool.scheduler.take().unwrap();
    scheduler_process.signal(Signal::TERM);
    assert_eq!(scheduler_process.end(), Some(0));
    let ledger = pool.scratch.path().join("ledger.db");
    let bytes = fs::read(&ledger).unwrap();
    let mut torn = bytes.clone();
    torn[4096..8192].fill(0x5a);
    for (damaged, words) in [
        (torn, ["ledger.db", "is damaged", "start anew"]),
        (b"a letter to nobody".repeat(500), ["ledger.db", "is not a database", "--ledger"]),
    ] {
        fs::write(&ledger, &damaged).unwrap();
        assert_refused(&scheduler(pool.scratch.path(), &pool.store), 2, &words);
        assert!(fs::read(&ledger).unwrap() == damaged, "it is left as it is");
    }
    fs::write(&ledger, bytes).unwrap();
    pool.start_scheduler();
}

#[test]
fn with_a_full_disk_a_scheduler_promises_nothing_and_goes_on_when_there_is_room() {
    let Some(way) = mounting() else { return };
    let mut pool = Pool::start(1);
    let mut first = pool.scheduler.take().unwrap();
    first.signal(Signal::TERM);
    first.end();
    let disk = pool.scratch.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("mount -t tmpfs -o size=512k tmpfs {} && exec \"$@\"", disk.display());
    pool.start_scheduler_by(&[way, &["sh", "-c", &mount, "sh"]].concat(), &disk);
    let pid = pool.scheduler().pid().as_raw_pid();
    let others = format!("/proc/{pid}/root{}/others", disk.display());
    // As much as there is room for.
    fs::write(&others, vec![1; 1 << 20]).unwrap_err();
    let mut command = pool.transcode(&film());
    command.args(LADDER).arg("--quiet");
    assert_refused(&command, 1, &["ledger", "full", "nothing was promised"]);
    fs::remove_file(&others).unwrap();
    Run::start(pool.transcode(&film()).args(LADDER)).succeed();
}

#[test]
fn two_schedulers_do_not_lead_by_one_ledger() {
    let pool = Pool::start(0);
    let second = scheduler(pool.scratch.path(), &pool.store);
    assert_refused(&second, 2, &["ledger.db", "in use by another scheduler", "--ledger"]);
    assert_refused(pool.ask("job").arg(NOBODYS), 2, &["there is no job"]);
}

/// The job with this number: all differ.
fn numbered(number: u8, preset: &str, seconds: u32) -> SubmitRequest {
    let request = JobRequest {
        crf: number,
        preset: preset.to_owned(),
        boundaries: BoundaryRule::Grid { segment: seconds.to_string().parse().unwrap() },
        ..JobRequest::default()
    };
    SubmitRequest {
        source: segue_worker::file_url(&film()),
        request: Some((&request).into()),
        batch: true,
        ..SubmitRequest::default()
    }
}

fn a_thousand() -> Vec<SubmitRequest> {
    let presets = ["ultrafast", "superfast", "veryfast", "faster", "fast"];
    let kinds = presets.iter().flat_map(|preset| (1..=5).map(move |seconds| (preset, seconds)));
    let jobs =
        kinds.flat_map(|(preset, seconds)| (0..40).map(move |n| numbered(n, preset, seconds)));
    jobs.collect()
}

async fn known(client: &Client) -> HashMap<String, JobInfo> {
    let mut jobs = HashMap::new();
    let mut page_token = String::new();
    loop {
        let request = ListRequest { page_size: 300, page_token };
        let page = client.jobs().list(request).await.unwrap().into_inner();
        jobs.extend(page.jobs.into_iter().map(|job| (job.job.clone(), job)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return jobs;
        }
    }
}

#[test]
fn a_thousand_jobs_at_once_are_accepted_known_also_after_a_kill_and_cancelled() {
    let mut pool = Pool::start(1);
    run(pool.ask("drain").arg("w0"));
    let runtime = Runtime::new().unwrap();
    let accepted: HashSet<String> = runtime.block_on(async {
        let client = Client::connect(&pool.url()).await.unwrap();
        let submit = |request| {
            let client = client.clone();
            tokio::spawn(async move { client.jobs().submit(request).await })
        };
        let submitted: Vec<_> = a_thousand().into_iter().map(submit).collect();
        // Others are served in the meantime.
        client.admin().list_workers(ListWorkersRequest {}).await.unwrap();
        let mut accepted = HashSet::new();
        for answer in submitted {
            accepted.insert(answer.await.unwrap().unwrap().into_inner().job);
        }
        accepted
    });
    assert_eq!(accepted.len(), 1000);

    let mut killed = pool.scheduler.take().unwrap();
    killed.signal(Signal::KILL);
    killed.end();
    pool.start_scheduler();
    runtime.block_on(async {
        let client = Client::connect(&pool.url()).await.unwrap();
        let jobs = known(&client).await;
        // Some may be finished by now.
        let is_kept = |job: &JobInfo| {
            let state = job.progress.as_ref().map(v1::Progress::state);
            job.claims.len() == 1 || state == Some(JobState::Finished)
        };
        assert!(accepted.iter().all(|job| is_kept(&jobs[job])));
        let cancel = |job: &String| {
            let (client, job) = (client.clone(), job.clone());
            let request = CancelRequest { job, claim: String::new() };
            tokio::spawn(async move { client.jobs().cancel(request).await })
        };
        for answer in accepted.iter().map(cancel).collect::<Vec<_>>() {
            answer.await.unwrap().unwrap();
        }
        let jobs = known(&client).await;
        assert!(jobs.values().all(|job| job.claims.is_empty()), "nobody claims anything");
    });
    // It is as good as new, and remembers who is to be empty.
    run(pool.ask("drain").args(["w0", "--undo"]));
    Run::start(pool.transcode(&film()).args(LADDER)).succeed();
    let said = pool.worker(0).said();
    assert!(!said.contains("was killed"), "a process was given work and an end at once: {said}");
}

#[test]
fn what_cannot_be_copied_to_its_place_is_not_made() {
    let pool = Pool::start(1);
    let taken = pool.scratch.path().join("taken");
    let mut own = segue();
    own.arg("transcode").arg(film()).arg("--to").arg(&taken).args(SEGMENTS).args(LADDER);
    let (code, _, errors) = run(&mut own);
    assert_eq!(code, Some(0), "{errors}");
    let other = ["--rendition", "90p", "--preset", "veryslow"];
    for (to, words) in [
        (taken.to_str().unwrap(), "another film, or of other settings"),
        ("/proc/nowhere/out", "/proc"),
        ("s3://films/out", "no directory of this machine"),
    ] {
        let mut command = pool.ask("transcode");
        command.arg(film()).args(SEGMENTS).args(other).args(["--quiet", "--to", to]);
        assert_refused(&command, 2, &[words]);
    }
    // What was begun was taken back.
    assert!(!names(Path::new(&pool.store)).iter().any(|name| name.ends_with("master.m3u8")));
}

#[test]
fn a_second_worker_of_a_name_takes_nothing_away_from_the_first() {
    let mut pool = Pool::start(1);
    let again = |pool: &Pool| {
        let mut command = segue();
        command.args(["worker", "--name=w0", "--cores=1", "--scheduler", &pool.url()]);
        Daemon::start(command.arg("--store").arg(&pool.store).env("NO_COLOR", "1"))
    };
    let second = again(&pool);
    let refused = second.until("a worker named w0 is there already");
    assert!(refused.contains("--name"), "{refused}");
    Run::start(pool.transcode(&film()).args(LADDER)).succeed();
    assert!(begun_spans(&pool.worker(0).said()).count() > 0);
    // It stands in when the first is gone.
    pool.workers[0] = None;
    second.until("the scheduler answers");
    Run::start(pool.transcode(&film()).args(["--rendition", "90p"])).succeed();
    assert!(begun_spans(&second.said()).count() > 0);
}
