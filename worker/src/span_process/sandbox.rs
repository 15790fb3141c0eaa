//! How a child shuts itself in, before it touches a byte of media.
//!
//! Decided here: what a decoder that has been taken over could still do, which is to compute, to
//! read the descriptors it was given, and to write to its parent. No file, socket, program, other
//! process or device. Whatever the kernel cannot enforce is said, never passed over.
//!
//! File access is denied twice: by Landlock, which knows files, and by seccomp, which knows calls and
//! leaves only those on a list. Landlock alone has gaps (it lets metadata be read and changed), and
//! old kernels and containers lack one or the other.
//!
//! Must run while the process has one thread: Landlock binds the calling thread and those it
//! starts later.

mod check;
mod seccomp;

use std::fs;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, setrlimit};

pub use check::check;

/// Open files: three streams, the source, and a few of libav's.
const FILES_MAX: u64 = 64;

/// Shuts this process in for good. Returns what could not be enforced, a line for each.
pub fn enter() -> Vec<String> {
    let mut unenforced = Vec::new();
    prefer_for_out_of_memory();
    limit_resources(&mut unenforced);
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        unenforced.push(format!("privileges can be gained: {error}"));
    }
    if let Err(reason) = enter_landlock() {
        unenforced.push(reason);
    }
    if let Err(reason) = seccomp::enter() {
        unenforced.push(reason);
    }
    unenforced
}

/// When memory runs out the kernel should take a span, not the parent with all of them. Where
/// `/proc` is not mounted the kernel chooses for itself.
fn prefer_for_out_of_memory() {
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

fn limit_resources(unenforced: &mut Vec<String>) {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    // 8 GiB to use (8K HEVC takes about 4), and per core what glibc's arenas reserve without use.
    let address_space = (8 << 30) + cores * (512 << 20);
    for (name, resource, limit) in [
        ("core dumps", Resource::Core, 0),
        ("written files", Resource::Fsize, 0),
        ("open files", Resource::Nofile, FILES_MAX),
        ("memory", Resource::As, address_space),
    ] {
        // A lower limit that is there already stays.
        let hard = rustix::process::getrlimit(resource).maximum;
        let limit = hard.map_or(limit, |hard| hard.min(limit));
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        if let Err(error) = setrlimit(resource, limit) {
            unenforced.push(format!("no limit on {name}: {error}"));
        }
    }
}

/// Allows nothing at all: what a child needs, it holds open.
fn enter_landlock() -> Result<(), String> {
    // The newest rules that the crate knows; the kernel takes those that it knows.
    let abi = ABI::V6;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self());
    match restricted.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(RulesetStatus::PartiallyEnforced) => {
            Err("Landlock is old on this kernel: newer rules are left to seccomp".to_owned())
        }
        Ok(RulesetStatus::NotEnforced) => {
            Err("Landlock is not available on this kernel: files are fenced off by seccomp alone"
                .to_owned())
        }
        Err(error) => Err(format!("Landlock could not be set up: {error}")),
    }
}
