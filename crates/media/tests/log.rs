//! libav's words belong to the order they were said about. The only test in its process, as there is
//! one log in each.

mod support;

use segue_media::{Cancel, describe, recent_log};
use segue_model::{Packaging, Span};
use support::{Made, facts, job, open, quick, run_span};

fn is_quoted(log: &[String]) -> bool {
    log.iter().any(|line| line.contains("moov atom not found"))
}

fn look_at_a_film_without_an_index() {
    let path = segue_lab::bad_source("mp4-without-moov");
    describe(open(&path), &Cancel::default()).unwrap_err();
    assert!(is_quoted(&recent_log()), "{:?}", recent_log());
}

#[test]
fn what_was_said_of_one_order_is_nothing_to_the_next_in_the_same_process() {
    let film = segue_lab::source("h264-aac-mkv");
    let job = job(&film, &quick(Packaging::MpegTs));

    look_at_a_film_without_an_index();
    let mut made = Made::default();
    run_span(&film, &job, Span { first: 0, end: 1 }, &mut made).unwrap();
    assert!(!is_quoted(&made.reports[0].log), "{:?}", made.reports[0].log);
    assert!(!is_quoted(&recent_log()));

    look_at_a_film_without_an_index();
    facts(&film);
    assert!(!is_quoted(&recent_log()));
}
