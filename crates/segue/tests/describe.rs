//! When one process is enough to say what a film is, or that it is none.

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use segue_media::{Cancel, FileSource};
use segue_model::{FailureClass, SourceFacts, SpanFailure};
use segue_worker::Film;
use segue_worker::span_process::protocol::{self, Message, write_frame};
use segue_worker::span_process::{Patience, Spawner};
use segue_worker::{DescribeError, describe};
use support::film;
use tempfile::{TempDir, tempdir};

/// A program in the place of span processes, which reads from files what to answer: the first
/// process that is started says what the first file holds, and so on.
struct Actors {
    directory: TempDir,
    spawner: Spawner,
}

/// What one process does.
enum Act<'a> {
    Say(&'a Message),
    Die { signal: &'static str, hello: bool },
}

impl Actors {
    fn saying(answers: &[Message]) -> Actors {
        let answers: Vec<_> = answers.iter().map(Act::Say).collect();
        Actors::playing(&answers)
    }

    fn playing(acts: &[Act]) -> Actors {
        let directory = tempdir().unwrap();
        let hello = Message::Hello { version: protocol::VERSION, unenforced: Vec::new() };
        for (number, act) in acts.iter().enumerate() {
            let path = |what| directory.path().join(format!("{number}.{what}"));
            let mut file = File::create(path("said")).unwrap();
            match act {
                Act::Say(answer) => {
                    write_frame(&mut file, &hello, b"").unwrap();
                    write_frame(&mut file, answer, b"").unwrap();
                }
                Act::Die { signal, hello: says_hello } => {
                    if *says_hello {
                        write_frame(&mut file, &hello, b"").unwrap();
                    }
                    fs::write(path("signal"), signal).unwrap();
                }
            }
        }
        let program = directory.path().join("actor");
        write_program(&program, directory.path());
        let spawner = Spawner::new(program, Patience::default()).unwrap();
        Actors { directory, spawner }
    }

    fn describe(&self) -> Result<SourceFacts, DescribeError> {
        let source = Film::open_file(&film()).unwrap();
        describe(&source, &self.spawner).map(|(facts, _)| facts)
    }

    /// How many processes were started.
    fn started(&self) -> usize {
        let names = fs::read_dir(self.directory.path()).unwrap();
        names.filter(|it| it.as_ref().unwrap().path().extension() == Some("came".as_ref())).count()
    }
}

/// No child of the script stays when it is killed, as span processes cannot have any: that would
/// hold its output open.
///
/// Written by another process: one that this one starts meanwhile, for another test, would hold the
/// file open for a moment, and what is open for writing cannot be run.
fn write_program(path: &Path, directory: &Path) {
    let script = "#!/bin/sh
cd \"$(dirname \"$0\")\" || exit
number=0
while [ -e $number.came ]; do number=$((number + 1)); done
: >$number.came
cat $number.said
if [ -e $number.signal ]; then kill -s $(cat $number.signal) $$; fi
exec cat >orders
";
    let written = Command::new("sh")
        .args(["-c", "printf %s \"$1\" >\"$2\" && chmod +x \"$2\"", "sh", script])
        .arg(path)
        .current_dir(directory)
        .status();
    assert!(written.unwrap().success());
}

fn failed(class: FailureClass) -> Message {
    Message::Failed(SpanFailure { class, message: "no film".to_owned(), log: Vec::new() })
}

fn facts() -> SourceFacts {
    let source = FileSource::new(File::open(film()).unwrap()).unwrap();
    segue_media::describe(Box::new(source), &Cancel::default()).unwrap()
}

fn described() -> Message {
    Message::Described(Box::new(facts()))
}

#[test]
fn what_one_process_says_of_a_film_is_not_enough_to_refuse_it() {
    for class in [FailureClass::Source, FailureClass::Worker] {
        let actors = Actors::saying(&[failed(class), described()]);
        assert_eq!(actors.describe(), Ok(facts()));
        assert_eq!(actors.started(), 2);
    }
}

#[test]
fn two_processes_that_agree_decide() {
    let source = failed(FailureClass::Source);
    let actors = Actors::saying(&[source.clone(), source.clone(), described()]);
    assert!(matches!(actors.describe(), Err(DescribeError::Film(_))));
    assert_eq!(actors.started(), 2);

    let worker = failed(FailureClass::Worker);
    let actors = Actors::saying(&[worker.clone(), source.clone(), source, worker]);
    assert!(matches!(actors.describe(), Err(DescribeError::Film(_))));
    assert_eq!(actors.started(), 3);
}

#[test]
fn two_processes_that_die_of_a_film_are_enough() {
    // What no span process says is as good as dying.
    let dies = || Message::Done(Default::default());
    let actors = Actors::saying(&[dies(), described()]);
    assert_eq!(actors.describe(), Ok(facts()));
    let actors = Actors::saying(&[dies(), dies(), described()]);
    assert!(matches!(actors.describe(), Err(DescribeError::Machine(_))));
    assert_eq!(actors.started(), 2);
}

#[test]
fn who_kills_processes_is_outlasted_and_the_film_is_not_blamed() {
    let described = described();
    for signal in ["KILL", "TERM"] {
        let die = || Act::Die { signal, hello: true };
        let actors = Actors::playing(&[die(), die(), die(), Act::Say(&described)]);
        assert_eq!(actors.describe(), Ok(facts()));
        assert_eq!(actors.started(), 4);
    }

    let acts: Vec<_> = (0..7).map(|at| Act::Die { signal: "KILL", hello: at % 2 == 0 }).collect();
    let actors = Actors::playing(&acts);
    let Err(DescribeError::Machine(text)) = actors.describe() else {
        panic!("nobody described it")
    };
    assert!(text.contains("kills them") && !text.contains("damaged"), "{text}");
    assert_eq!(actors.started(), 6);
}

#[test]
fn a_process_that_dies_before_its_first_word_gets_another_chance() {
    let described = described();
    let die = || Act::Die { signal: "ABRT", hello: false };
    let actors = Actors::playing(&[die(), Act::Say(&described)]);
    assert_eq!(actors.describe(), Ok(facts()));
    let actors = Actors::playing(&[die(), die(), Act::Say(&described)]);
    let Err(DescribeError::Machine(text)) = actors.describe() else {
        panic!("nobody described it")
    };
    assert!(text.contains("before it was ready") && !text.contains("damaged"), "{text}");
    assert_eq!(actors.started(), 2);
}

#[test]
fn trouble_with_storage_is_told_at_once() {
    let actors = Actors::saying(&[failed(FailureClass::Transient), described()]);
    assert!(matches!(actors.describe(), Err(DescribeError::Machine(_))));
    assert_eq!(actors.started(), 1);
}
