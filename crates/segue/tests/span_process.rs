//! Span processes as their parent meets them: shut in, watched, never left behind.

use std::path::PathBuf;

use segue::span_process::{Patience, Spawner};

fn spawner() -> Spawner {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_segue"));
    Spawner::new(program, Patience::default()).expect("a thread can be started")
}

#[test]
fn a_child_is_denied_files_sockets_programs_and_other_processes() {
    let mut process = spawner().spawn().expect("a child starts");
    let check = process.check_sandbox().expect("the child answers");
    assert_eq!(check.allowed, [""; 0], "denied: {:?}", check.denied);
    assert_eq!(check.denied.len(), 8);
}
