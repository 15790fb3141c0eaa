//! A worker's side, one rule at a time. How both sides hold together is the simulator's business.

use segue_dispatch::session::{Action, Event, Patience};
use segue_dispatch::{Moment, Session};
use segue_model::pool::{
    Answer, Capabilities, Desired, DeviceCapabilities, EncoderFamily, LeaseId, Measured, Order,
    Renditions, Resources, SpanEnd, Term, WorkerId,
};
use segue_model::{Hash, JobId, SegmentId, Span};

const LEASE: LeaseId = LeaseId { term: Term(1), epoch: 1 };

struct Worker {
    session: Session,
    version: u64,
    heard: u64,
}

impl Worker {
    /// Connected, and heard.
    fn new() -> Worker {
        let device = DeviceCapabilities {
            name: "processor".to_owned(),
            family: EncoderFamily::X264,
            capacity: Resources::default(),
            calibration: Resources::default(),
            spans_max: 8,
            batch_spans: 1,
        };
        let capabilities = Capabilities { name: "worker".to_owned(), devices: vec![device] };
        let session = Session::new(WorkerId(1), 1, capabilities, Patience::default(), Moment(0));
        let mut worker = Worker { session, version: 0, heard: 0 };
        worker.tell(0, Event::Connected);
        worker
    }

    fn tell(&mut self, now: u64, event: Event) -> Vec<Action> {
        let actions = self.session.handle(Moment(now), event);
        for action in &actions {
            match action {
                Action::Status(status) => self.heard = status.beat.sequence,
                Action::Beat(beat) => self.heard = beat.sequence,
                _ => {}
            }
        }
        actions
    }

    fn is_told(&mut self, now: u64, orders: Vec<Order>, drain: bool) -> Vec<Action> {
        self.version += 1;
        let answer = Answer {
            term: Term(1),
            stream: 1,
            version: self.version,
            heard: self.heard,
            content: self.heard,
            begin_within_ms: 3_000,
            lease_ms: 10_000,
        };
        self.tell(now, Event::Desired(Desired { answer, orders, drain, screenings: vec![] }))
    }

    fn made(&mut self, now: u64, index: u32) -> Vec<Action> {
        let segment = SegmentId { rendition: 0, index };
        self.tell(now, Event::Ready { lease: LEASE, segment })
    }

    fn stored(&mut self, now: u64, index: u32) -> Vec<Action> {
        let segment = SegmentId { rendition: 0, index };
        self.tell(now, Event::Published { lease: LEASE, segment })
    }
}

fn order(playback: bool, end: u32) -> Order {
    Order {
        lease: LEASE,
        job: JobId(Hash::of(b"film")),
        span: Span { first: 0, end },
        renditions: Renditions::only(0),
        device: 0,
        playback,
    }
}

#[test]
fn a_worker_leaves_while_no_scheduler_is_there_when_all_it_made_is_stored() {
    let mut worker = Worker::new();
    worker.is_told(10, vec![order(false, 10)], false);
    worker.tell(20, Event::Disconnected { stream: 1 });
    let actions = worker.tell(30, Event::Drain);
    assert!(actions.contains(&Action::Move { lease: LEASE, end: 1 }));
    assert!(worker.made(1_000, 0).contains(&Action::Stop(LEASE)));
    let late = worker.tell(4_000, Event::Tick);
    assert!(!late.contains(&Action::Leave), "what it made is not stored");
    worker.stored(5_000, 0);
    let at = worker.session.deadline().expect("it waits to be heard");
    assert!(worker.tell(at.0, Event::Tick).contains(&Action::Leave));
}

#[test]
fn a_worker_that_is_heard_leaves_at_once() {
    let mut worker = Worker::new();
    worker.is_told(10, vec![order(false, 1)], false);
    worker.tell(20, Event::Drain);
    worker.made(1_000, 0);
    worker.stored(1_010, 0);
    assert!(worker.is_told(1_020, vec![], false).contains(&Action::Leave));
}

#[test]
fn a_process_waits_at_its_end_for_its_viewer_but_not_where_the_worker_is_to_be_empty() {
    let mut worker = Worker::new();
    worker.is_told(10, vec![order(true, 1)], false);
    assert!(!worker.made(1_000, 0).contains(&Action::Stop(LEASE)));
    let actions = worker.is_told(1_100, vec![order(true, 1)], true);
    assert!(actions.contains(&Action::Stop(LEASE)));
}

#[test]
fn a_stream_that_was_replaced_may_break() {
    let mut worker = Worker::new();
    worker.tell(10, Event::Connected);
    worker.tell(20, Event::Disconnected { stream: 1 });
    let actions = worker.tell(2_000, Event::Tick);
    assert!(actions.iter().any(|action| matches!(action, Action::Beat(_) | Action::Status(_))));
}

#[test]
fn a_lease_ends_by_the_workers_own_clock() {
    let mut worker = Worker::new();
    worker.is_told(0, vec![order(false, 10)], false);
    worker.made(9_000, 0);
    let actions = worker.tell(10_001, Event::Tick);
    assert!(actions.contains(&Action::Stop(LEASE)));
    let returned = actions.iter().any(|action| match action {
        Action::Status(status) => status.spans[0].end == Some(SpanEnd::Returned),
        _ => false,
    });
    assert!(returned, "{actions:?}");
}

#[test]
fn an_order_that_took_too_long_is_not_begun() {
    let mut worker = Worker::new();
    assert!(
        worker
            .is_told(2_999, vec![order(false, 10)], false)
            .contains(&Action::Start(order(false, 10)))
    );
    let mut worker = Worker::new();
    assert!(
        !worker
            .is_told(3_001, vec![order(false, 10)], false)
            .contains(&Action::Start(order(false, 10)))
    );
}

#[test]
fn an_upload_that_succeeds_after_it_was_given_up_keeps_no_worker() {
    let mut worker = Worker::new();
    worker.is_told(10, vec![order(false, 10)], false);
    worker.made(1_000, 0);
    let failure = segue_model::SpanFailure {
        class: segue_model::FailureClass::Transient,
        message: "the store is away".to_owned(),
        log: Vec::new(),
    };
    worker.tell(1_100, Event::Ended { lease: LEASE, end: SpanEnd::Failed(failure) });
    worker.stored(1_200, 0);
    worker.tell(1_300, Event::Disconnected { stream: 1 });
    worker.tell(1_400, Event::Drain);
    let at = worker.session.deadline().expect("it waits to be heard");
    assert!(worker.tell(at.0, Event::Tick).contains(&Action::Leave));
}

/// The answers that keep a lease alive meanwhile.
fn renewed(worker: &mut Worker, now: u64) -> Vec<Action> {
    let mut actions = worker.tell(now, Event::Tick);
    actions.extend(worker.is_told(now, vec![order(false, 10)], false));
    actions
}

#[test]
fn a_process_that_gets_on_does_not_hang_however_slow_it_is() {
    let mut worker = Worker::new();
    worker.is_told(0, vec![order(false, 10)], false);
    for second in 1..300 {
        worker.tell(second * 1000, Event::Progress { lease: LEASE });
        let actions = renewed(&mut worker, second * 1000 + 500);
        assert!(!actions.contains(&Action::Stop(LEASE)), "after {second} s");
    }
    let stopped = (300..400)
        .find(|second| renewed(&mut worker, second * 1000).contains(&Action::Stop(LEASE)));
    assert_eq!(stopped, Some(359), "60 s after its last sign of life");
}

#[test]
fn a_guess_of_the_pace_is_told_at_once_and_earns_patience() {
    let mut worker = Worker::new();
    worker.is_told(0, vec![order(false, 10)], false);
    let measured = Measured { segments: 0, pace_ms: 20_000, effort: Resources::default() };
    let actions = worker.tell(1000, Event::Measured { lease: LEASE, measured });
    let told = actions.iter().any(|action| match action {
        Action::Status(status) => status.spans[0].measured == Some(measured),
        _ => false,
    });
    assert!(told, "{actions:?}");
    let stopped =
        (2..400).find(|second| renewed(&mut worker, second * 1000).contains(&Action::Stop(LEASE)));
    assert_eq!(stopped, Some(160));
}

#[test]
fn what_waits_for_storage_does_not_hang_and_is_handed_back_without_blame() {
    let mut worker = Worker::new();
    worker.is_told(0, vec![order(false, 10)], false);
    worker.made(1_000, 0);
    worker.stored(1_100, 0);
    worker.tell(2_000, Event::Waits { lease: LEASE });
    let mut ended = None;
    for second in 3..40 {
        // Saying it again does not begin it anew.
        worker.tell(second * 1000, Event::Waits { lease: LEASE });
        for action in renewed(&mut worker, second * 1000) {
            if let Action::Status(status) = action {
                let end = status.spans.first().and_then(|span| span.end.clone());
                ended = ended.or(end.map(|end| (second, end)));
            }
        }
    }
    let Some((17, SpanEnd::Failed(failure))) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.class, segue_model::FailureClass::Transient);
}

#[test]
fn what_gets_on_after_it_waited_is_given_all_its_time_again() {
    let mut worker = Worker::new();
    worker.is_told(0, vec![order(false, 10)], false);
    worker.tell(1_000, Event::Waits { lease: LEASE });
    renewed(&mut worker, 8_000);
    worker.tell(14_000, Event::Progress { lease: LEASE });
    let stopped =
        (15..200).find(|second| renewed(&mut worker, second * 1000).contains(&Action::Stop(LEASE)));
    assert_eq!(stopped, Some(74));
}

#[test]
fn what_can_never_be_stored_is_not_said_to_be_ready() {
    let mut worker = Worker::new();
    worker.is_told(10, vec![order(false, 4)], false);
    for index in 0..3 {
        worker.made(1_000, index);
    }
    worker.stored(1_010, 0);
    let segment = SegmentId { rendition: 0, index: 1 };
    worker.tell(1_020, Event::Lost { lease: LEASE, segment });
    let actions = worker.tell(1_020, Event::Ended { lease: LEASE, end: SpanEnd::Died });
    let status = actions.iter().find_map(|action| match action {
        Action::Status(status) => Some(&status.spans[0]),
        _ => None,
    });
    let span = status.expect("it says so");
    // The planner has it made again at once, rather than wait for it to be stored.
    assert_eq!((span.ready_through, span.published_through, &span.gaps[..]), (1, 1, &[][..]));
}

#[test]
fn a_process_whose_segments_cannot_be_stored_is_ended() {
    let mut worker = Worker::new();
    worker.is_told(10, vec![order(false, 4)], false);
    worker.made(1_000, 0);
    let ended = Event::Ended { lease: LEASE, end: SpanEnd::Died };
    assert!(worker.tell(1_010, ended.clone()).contains(&Action::Stop(LEASE)));
    assert!(!worker.tell(1_020, ended).contains(&Action::Stop(LEASE)));
}
