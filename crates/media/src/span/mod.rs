//! A span: from a source and an order to segments.

mod order;

pub use order::{Progress, SpanEvent, SpanOrder, SpanReport};

use crate::{ByteSource, Cancel, Error};

/// Makes the segments of `order` and hands them to `on_event` as they become ready.
///
/// Blocks until all are made. An error from `on_event` ends the span as [`Error::Io`].
pub fn run(
    source: Box<dyn ByteSource>,
    order: &SpanOrder,
    cancel: &Cancel,
    on_event: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
) -> Result<SpanReport, Error> {
    let _ = (source, order, cancel, on_event);
    Err(Error::worker("being written"))
}
