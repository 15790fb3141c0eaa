//! The way to a pool, and whether it sees what the media server sees.

use std::future::Future;
use std::path::{Component, Path};
use std::time::Duration;

use segue_api::{Client, v1};
use segue_drop_in::config::{Config, PathMap};

use super::{Finding, What};

/// Who is there answers long before.
const ANSWER: Duration = Duration::from_secs(6);
/// A worker may take half a minute to look at a film.
const DESCRIBE: Duration = Duration::from_secs(40);

/// Scheduler, workers, path maps and a film.
pub(super) fn examine(config: &Config, what: &What) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let findings = runtime.block_on(look(config, what));
            runtime.shutdown_background();
            findings
        }
        Err(error) => vec![Finding::fail(
            "scheduler",
            format!("the system lets nobody be asked: {error}"),
            "raise the limits of open files and processes",
        )],
    }
}

async fn look(config: &Config, what: &What) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut first = None;
    for address in &config.schedulers {
        match ask(address).await {
            Ok((client, listed)) => {
                findings.push(version(address, &listed.version));
                first.get_or_insert((client, listed.workers));
            }
            Err(reason) => {
                let remedy = "start it, or name another with SEGUE_SCHEDULER or in the settings";
                findings.push(Finding::fail("scheduler", reason, remedy));
            }
        }
    }
    if first.is_some() {
        // One that answers is enough.
        for finding in findings.iter_mut().filter(|f| f.verdict == super::Verdict::Fail) {
            finding.verdict = super::Verdict::Warn;
        }
    }
    if let Some((_, listed)) = &first {
        findings.push(workers(listed));
        findings.extend(commands(listed));
    }
    findings.push(maps(&config.path_maps));
    if let Some(path) = &what.film {
        let looks = match first {
            None => Err("get a scheduler to answer first"),
            Some((_, listed)) if !listed.iter().any(is_ready) => Err("get a worker ready first"),
            Some((client, _)) => Ok(client),
        };
        findings.push(film(config, looks, path).await);
    }
    findings
}

async fn within<T>(time: Duration, ask: impl Future<Output = T>) -> Result<T, String> {
    let waited = tokio::time::timeout(time, ask).await;
    waited.map_err(|_| format!("it has not answered for {} s", time.as_secs()))
}

async fn ask(address: &str) -> Result<(Client, v1::ListWorkersResponse), String> {
    let ask = async {
        // Its words name the address, and how to start one.
        let client = Client::connect(address).await.map_err(|error| error.to_string())?;
        let listed = client.admin().list_workers(v1::ListWorkersRequest {}).await;
        let listed = listed.map_err(|status| format!("{address}: {}", status.message()))?;
        Ok((client, listed.into_inner()))
    };
    within(ANSWER, ask).await.map_err(|reason| format!("{address}: {reason}"))?
}

/// One minor version of difference works.
fn version(address: &str, theirs: &str) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let said = match theirs {
        "" => format!("{address} answers, and does not say its version"),
        theirs => format!("{address} answers, version {theirs}"),
    };
    let number = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    };
    match (number(theirs), number(ours)) {
        (Some((major, minor)), Some((our_major, our_minor)))
            if major == our_major && minor.abs_diff(our_minor) <= 1 =>
        {
            Finding::ok("scheduler", said)
        }
        _ => Finding::warn("scheduler", said, format!("this is {ours}: update the older one")),
    }
}

fn is_ready(worker: &v1::WorkerInfo) -> bool {
    worker.connected && !worker.suspected && !worker.draining
}

/// Whether what is no playback finds a place, if there is a worker at all.
fn commands(listed: &[v1::WorkerInfo]) -> Option<Finding> {
    const CHECK: &str = "commands";
    let ready: Vec<_> = listed.iter().filter(|worker| is_ready(worker)).collect();
    if ready.is_empty() {
        return None;
    }
    let takes = ready.iter().filter(|worker| worker.commands.is_some());
    let names: Vec<&str> = takes.map(|worker| worker.name.as_str()).collect();
    Some(match names.is_empty() {
        false => Finding::ok(CHECK, format!("run on {}", names.join(", "))),
        true => Finding::warn(
            CHECK,
            "no worker runs them: trickplay, posters, subtitles, burned-in ones and HEVC",
            "start workers with --commands (their logs say why if one that should does not)",
        ),
    })
}

fn workers(listed: &[v1::WorkerInfo]) -> Finding {
    let names = |of: &dyn Fn(&&v1::WorkerInfo) -> bool| -> Vec<&str> {
        listed.iter().filter(|worker| of(worker)).map(|worker| worker.name.as_str()).collect()
    };
    let ready = names(&|worker| is_ready(worker));
    let silent = names(&|worker| !worker.connected || worker.suspected);
    let draining = names(&|worker| worker.connected && !worker.suspected && worker.draining);
    let mut said = match ready.is_empty() {
        true => "none is ready".to_owned(),
        false => format!("ready: {}", ready.join(", ")),
    };
    for (word, names) in [("away or silent", silent), ("drained", draining)] {
        if !names.is_empty() {
            said += &format!("; {word}: {}", names.join(", "));
        }
    }
    let tried_later = listed.iter().flat_map(|worker| &worker.devices);
    let quarantined = tried_later.filter(|device| device.quarantined_for_ms > 0).count();
    match (ready.is_empty(), quarantined) {
        (true, _) => Finding::fail(
            "workers",
            said,
            "start one (segue worker), or give it work again (segue drain NAME --undo)",
        ),
        (false, 0) => Finding::ok("workers", said),
        (false, count) => {
            let remedy = "segue workers says which, and their logs say why";
            Finding::warn("workers", format!("{said}; devices that failed: {count}"), remedy)
        }
    }
}

fn maps(maps: &[PathMap]) -> Finding {
    const CHECK: &str = "path maps";
    if maps.is_empty() {
        return Finding::ok(CHECK, "none: workers see films at the same paths (--file tries one)");
    }
    if let Some(map) = maps.iter().find(|map| !map.here.is_dir()) {
        let said = format!("{} is no directory here", map.here.display());
        return Finding::warn(CHECK, said, "write what the media server calls it");
    }
    let words = maps.iter().map(|map| format!("{} -> {}", map.here.display(), map.workers));
    Finding::ok(CHECK, words.collect::<Vec<_>>().join(", "))
}

/// Whether a worker can read it, by the name that it has there.
async fn film(config: &Config, looks: Result<Client, &str>, path: &Path) -> Finding {
    const CHECK: &str = "film";
    let shown = path.display();
    // A link keeps its name, as that is what is asked for; only `..` leads elsewhere over one.
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let absolute = match path.canonicalize() {
        Ok(canonical) if canonical.is_dir() => {
            return Finding::fail(CHECK, format!("{shown} is a directory"), "name a film in it");
        }
        Ok(canonical) if climbs => canonical,
        Ok(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        Err(error) => {
            let said = format!("{shown} cannot be found here: {error}");
            return Finding::fail(CHECK, said, "name a film as the media server names it");
        }
    };
    let Some(source) = config.source_url(&absolute) else {
        let said = format!("{shown} cannot be named to workers");
        return Finding::fail(CHECK, said, "a bucket's objects have names in UTF-8: rename it");
    };
    let client = match looks {
        Ok(client) => client,
        Err(remedy) => {
            let said = format!("nobody was there to look at {source}");
            return Finding::fail(CHECK, said, remedy);
        }
    };
    let request = v1::DescribeRequest { source: source.clone() };
    let answer = within(DESCRIBE, async { client.jobs().describe(request).await }).await;
    let reason = match answer {
        Ok(Ok(_)) => return Finding::ok(CHECK, format!("a worker reads it as {source}")),
        Ok(Err(status)) => status.message().to_owned(),
        Err(reason) => reason,
    };
    let remedy = "if it is another file there, or none, mount it, or say in path_maps \
                  (SEGUE_PATH_MAP) what workers call it; if it is the same, name one that plays";
    Finding::fail(CHECK, format!("workers know it as {source}: {reason}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn worker(name: &str, connected: bool, draining: bool) -> v1::WorkerInfo {
        v1::WorkerInfo { name: name.to_owned(), connected, draining, ..v1::WorkerInfo::default() }
    }

    #[test]
    fn a_pool_without_a_worker_that_works_fails() {
        let found = workers(&[worker("a", false, false), worker("b", true, true)]);
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.said.contains("away or silent: a") && found.said.contains("drained: b"));
        assert_eq!(workers(&[]).verdict, Verdict::Fail);
        assert_eq!(workers(&[worker("a", true, false)]).verdict, Verdict::Ok);
    }

    #[test]
    fn a_pool_without_commands_is_pointed_out() {
        let mut takes = worker("b", true, false);
        takes.commands = Some(v1::CommandsInfo { places: 2, running: 0 });
        let verdict = |listed: &[v1::WorkerInfo]| commands(listed).map(|found| found.verdict);
        assert_eq!(verdict(&[worker("a", true, false)]), Some(Verdict::Warn));
        assert_eq!(verdict(&[worker("a", true, false), takes.clone()]), Some(Verdict::Ok));
        takes.draining = true;
        assert_eq!(verdict(&[takes]), None);
    }

    #[test]
    fn a_scheduler_of_another_time_is_pointed_out() {
        let ours = env!("CARGO_PKG_VERSION");
        assert_eq!(version("http://a:1", ours).verdict, Verdict::Ok);
        assert_eq!(version("http://a:1", "77.1.0").verdict, Verdict::Warn);
        assert_eq!(version("http://a:1", "").verdict, Verdict::Warn);
    }

    #[test]
    fn a_map_of_what_is_not_here_is_pointed_out() {
        let map = |here: &str| PathMap { here: here.into(), workers: "/films".to_owned() };
        assert_eq!(maps(&[map("/usr"), map("/nowhere")]).verdict, Verdict::Warn);
        assert_eq!(maps(&[map("/usr")]).verdict, Verdict::Ok);
    }
}
