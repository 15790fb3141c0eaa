//! What workers may say, and what is made of it.

use segue_model::pool::{LeaseId, Order, Renditions, SpanStatus, Term};
use segue_model::{Hash, JobId, SegmentId, Span};

fn published(published_through: u32, gaps: &[u32]) -> Vec<(u32, u32)> {
    let order = Order {
        lease: LeaseId { term: Term(1), epoch: 1 },
        job: JobId(Hash::of(b"job")),
        span: Span { first: 4, end: 9 },
        renditions: Renditions::only(0),
        device: 0,
        playback: false,
    };
    let gap = |index: &u32| SegmentId { rendition: 0, index: *index };
    let gaps = gaps.iter().map(gap).collect();
    let status =
        SpanStatus { order, ready_through: 9, published_through, gaps, measured: None, end: None };
    status.published(0).iter().map(|run| (run.first, run.end)).collect()
}

#[test]
fn what_is_published_is_what_lies_between_gaps() {
    assert_eq!(published(9, &[]), [(4, 9)]);
    assert_eq!(published(8, &[4, 6]), [(5, 6), (7, 8)]);
    assert_eq!(published(4, &[]), []);
}

#[test]
fn a_worker_publishes_nothing_outside_its_order_whatever_it_says() {
    assert_eq!(published(u32::MAX, &[u32::MAX, 6, 5, 5]), [(4, 5), (7, 9)]);
    assert_eq!(published(9, &[0, 1]), [(4, 9)]);
    assert_eq!(published(0, &[]), []);
}
