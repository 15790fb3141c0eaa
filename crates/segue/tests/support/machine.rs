//! What tests do to the machine: other users, permissions, small disks.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;

/// Root may do everything: what others may not is tried as nobody, who may not even start what lies
/// in root's home.
pub fn as_an_ordinary_user(command: &Command, scratch: &Path) -> Command {
    let mut program = PathBuf::from(command.get_program());
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        // Not by this process: one that another test starts meanwhile would hold the copy open for a
        // moment, and what is open for writing cannot be run.
        let copied = Command::new("cp").arg(&program).arg(scratch).status();
        assert!(copied.unwrap().success());
        program = scratch.join(program.file_name().unwrap());
    }
    let mut ordinary = Command::new(program);
    ordinary.args(command.get_args());
    if is_root {
        ordinary.uid(65534).gid(65534);
    }
    ordinary
}

pub fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// How a program is run that may mount something, in a place where nobody else sees that. `None`
/// where one must not mount at all, which CI must allow.
pub fn mounting() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 3] =
        [&["unshare", "-m"], &["unshare", "-Urm"], &["sudo", "-n", "unshare", "-m"]];
    let mut refusals = String::new();
    for way in ways {
        let is_able = Command::new(way[0])
            .args(&way[1..])
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .output();
        match is_able {
            Ok(tried) if tried.status.success() => return Some(way),
            Ok(tried) => refusals += &String::from_utf8_lossy(&tried.stderr),
            Err(error) => refusals += &format!("{}: {error}\n", way[0]),
        }
    }
    assert!(std::env::var_os("CI").is_none(), "no small disk can be mounted here:\n{refusals}");
    eprintln!("left out, as no small disk can be mounted here:\n{refusals}");
    None
}

/// Runs a script that begins with mounting something. `None` where one must not.
pub fn run_mounting(script: &str) -> Option<(Option<i32>, String, String)> {
    let way = mounting()?;
    Some(run(Command::new(way[0]).args(&way[1..]).args(["sh", "-c", script])))
}
