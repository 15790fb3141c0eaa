//! Finds what a process left behind: its descendants, and whatever inherited its mark.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks a process and, being inherited, all that it starts.
pub const MARK: &str = "CONTRACT_PROCESS_MARK";

/// A process, told from a later one with the same number by when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    id: i32,
    began: String,
}

/// Those that are alive and were marked, the process `but` apart.
pub fn marked(mark: &str, but: u32) -> Vec<Relative> {
    let wanted = format!("{MARK}={mark}");
    let is_marked = |id: i32| {
        let bytes = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        bytes.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes())
    };
    all().into_iter().filter(|(id, ..)| *id != but as i32 && is_marked(*id)).map(relative).collect()
}

/// All descendants of a process that are alive.
pub fn descendants(of: u32) -> Vec<Relative> {
    let all = all();
    let mut family = vec![of as i32];
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        family.extend(all.iter().filter(|(_, above, _)| *above == parent).map(|(id, ..)| *id));
        at += 1;
    }
    all.into_iter().filter(|(id, ..)| family[1..].contains(id)).map(relative).collect()
}

impl Relative {
    /// Whether it is alive still.
    pub fn lives(&self) -> bool {
        stat(self.id).is_some_and(|(_, began)| began == self.began)
    }

    /// What it runs, for people.
    pub fn line(&self) -> String {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
        text.chars().take(60).collect()
    }

    /// Ends it.
    pub fn kill(&self) {
        if self.lives()
            && let Some(id) = Pid::from_raw(self.id)
        {
            // It may have ended by itself in this moment.
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

fn relative((id, _, began): (i32, i32, String)) -> Relative {
    Relative { id, began }
}

/// Number, parent and beginning of every process that is no zombie.
fn all() -> Vec<(i32, i32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|id| stat(id).map(|(parent, began)| (id, parent, began))).collect()
}

/// Parent and beginning; nothing for a zombie, which holds neither files nor pipes.
fn stat(id: i32) -> Option<(i32, String)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may hold blanks and brackets.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let alive = !matches!(*fields.first()?, "Z" | "X");
    let parent = fields.get(1)?.parse().ok()?;
    alive.then(|| fields.get(19).map(|began| (parent, (*began).to_owned())))?
}
