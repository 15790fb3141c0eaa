//! What scheduler and worker tell each other.

use segue_model::pool::{
    Answer, Beat, Desired, DeviceCapabilities, EncoderFamily, LeaseId, Measured, Order, Renditions,
    Resources, Screened, Screening, SpanEnd, SpanStatus, Status, Term, WorkerId,
};
use segue_model::{FailureClass, Hash, JobId, SegmentId, Span, SpanFailure};

use crate::invalid::{Invalid, fits, required};
use crate::v1;

/// Each of `values`, as the model has it; `field` names the list.
fn all<W, M>(values: Vec<W>, field: &str) -> Result<Vec<M>, Invalid>
where
    M: TryFrom<W, Error = Invalid>,
{
    let each = |(at, value)| M::try_from(value).map_err(|e| e.within(&format!("{field}[{at}]")));
    values.into_iter().enumerate().map(each).collect()
}

impl From<LeaseId> for v1::LeaseId {
    fn from(lease: LeaseId) -> v1::LeaseId {
        v1::LeaseId { term: lease.term.0, epoch: lease.epoch }
    }
}

impl From<v1::LeaseId> for LeaseId {
    fn from(lease: v1::LeaseId) -> LeaseId {
        LeaseId { term: Term(lease.term), epoch: lease.epoch }
    }
}

impl From<Resources> for v1::Resources {
    fn from(of: Resources) -> v1::Resources {
        let Resources { video_ms, render_ms, cpu_ms, memory_mib } = of;
        v1::Resources { video_ms, render_ms, cpu_ms, memory_mib }
    }
}

impl From<v1::Resources> for Resources {
    fn from(of: v1::Resources) -> Resources {
        let v1::Resources { video_ms, render_ms, cpu_ms, memory_mib } = of;
        Resources { video_ms, render_ms, cpu_ms, memory_mib }
    }
}

impl From<EncoderFamily> for v1::EncoderFamily {
    fn from(family: EncoderFamily) -> v1::EncoderFamily {
        match family {
            EncoderFamily::X264 => v1::EncoderFamily::X264,
            EncoderFamily::Vaapi => v1::EncoderFamily::Vaapi,
        }
    }
}

/// `None`: a family that this version does not know, and gives no work.
pub fn family(wire: i32) -> Option<EncoderFamily> {
    match v1::EncoderFamily::try_from(wire).ok()? {
        v1::EncoderFamily::Unspecified => None,
        v1::EncoderFamily::X264 => Some(EncoderFamily::X264),
        v1::EncoderFamily::Vaapi => Some(EncoderFamily::Vaapi),
    }
}

impl From<DeviceCapabilities> for v1::Device {
    fn from(device: DeviceCapabilities) -> v1::Device {
        v1::Device {
            name: device.name,
            family: v1::EncoderFamily::from(device.family).into(),
            capacity: Some(device.capacity.into()),
            calibration: Some(device.calibration.into()),
            spans_max: device.spans_max.into(),
            batch_spans: device.batch_spans.into(),
        }
    }
}

impl TryFrom<v1::Device> for DeviceCapabilities {
    type Error = Invalid;

    fn try_from(device: v1::Device) -> Result<DeviceCapabilities, Invalid> {
        let unknown = || Invalid::new("family", "is not known to this version");
        Ok(DeviceCapabilities {
            name: device.name,
            family: family(device.family).ok_or_else(unknown)?,
            capacity: required(device.capacity, "capacity")?.into(),
            calibration: required(device.calibration, "calibration")?.into(),
            spans_max: fits(device.spans_max, "spans_max")?,
            batch_spans: fits(device.batch_spans, "batch_spans")?,
        })
    }
}

impl From<Order> for v1::Order {
    fn from(order: Order) -> v1::Order {
        v1::Order {
            lease: Some(order.lease.into()),
            job: order.job.0.0.to_vec(),
            first: order.span.first,
            end: order.span.end,
            renditions: order.renditions.bits(),
            device: order.device.into(),
            playback: order.playback,
        }
    }
}

impl TryFrom<v1::Order> for Order {
    type Error = Invalid;

    fn try_from(order: v1::Order) -> Result<Order, Invalid> {
        let wrong = |job: Vec<u8>| Invalid::new("job", format!("has {} bytes, not 32", job.len()));
        if order.first > order.end {
            let reason = format!("{} is before first, {}", order.end, order.first);
            return Err(Invalid::new("end", reason));
        }
        Ok(Order {
            lease: required(order.lease, "lease")?.into(),
            job: JobId(Hash(<[u8; 32]>::try_from(order.job).map_err(wrong)?)),
            span: Span { first: order.first, end: order.end },
            renditions: Renditions::from_bits(order.renditions),
            device: fits(order.device, "device")?,
            playback: order.playback,
        })
    }
}

impl From<Beat> for v1::Beat {
    fn from(beat: Beat) -> v1::Beat {
        v1::Beat {
            worker: beat.worker.0,
            incarnation: beat.incarnation,
            stream: beat.stream,
            sequence: beat.sequence,
            content: beat.content,
            applied_term: beat.applied.0.0,
            applied_version: beat.applied.1,
        }
    }
}

impl From<v1::Beat> for Beat {
    fn from(beat: v1::Beat) -> Beat {
        Beat {
            worker: WorkerId(beat.worker),
            incarnation: beat.incarnation,
            stream: beat.stream,
            sequence: beat.sequence,
            content: beat.content,
            applied: (Term(beat.applied_term), beat.applied_version),
        }
    }
}

impl From<Measured> for v1::Measured {
    fn from(measured: Measured) -> v1::Measured {
        let Measured { segments, pace_ms, effort } = measured;
        v1::Measured { segments, pace_ms, effort: Some(effort.into()) }
    }
}

impl TryFrom<v1::Measured> for Measured {
    type Error = Invalid;

    fn try_from(measured: v1::Measured) -> Result<Measured, Invalid> {
        let v1::Measured { segments, pace_ms, effort } = measured;
        Ok(Measured { segments, pace_ms, effort: required(effort, "effort")?.into() })
    }
}

impl From<FailureClass> for v1::FailureClass {
    fn from(class: FailureClass) -> v1::FailureClass {
        match class {
            FailureClass::Source => v1::FailureClass::Source,
            FailureClass::Worker => v1::FailureClass::Worker,
            FailureClass::Transient => v1::FailureClass::Transient,
        }
    }
}

/// A class that this version does not know is nobody's fault but the worker's.
fn class(wire: i32) -> FailureClass {
    match v1::FailureClass::try_from(wire) {
        Ok(v1::FailureClass::Source) => FailureClass::Source,
        Ok(v1::FailureClass::Transient) => FailureClass::Transient,
        Ok(v1::FailureClass::Worker | v1::FailureClass::Unspecified) | Err(_) => {
            FailureClass::Worker
        }
    }
}

impl From<SpanFailure> for v1::Failure {
    fn from(failure: SpanFailure) -> v1::Failure {
        let SpanFailure { class, message, log } = failure;
        v1::Failure { class: v1::FailureClass::from(class).into(), message, segment: 0, log }
    }
}

impl From<v1::Failure> for SpanFailure {
    fn from(failure: v1::Failure) -> SpanFailure {
        let v1::Failure { class: wire, message, segment: _, log } = failure;
        SpanFailure { class: class(wire), message, log }
    }
}

impl From<SpanEnd> for v1::SpanEnd {
    fn from(end: SpanEnd) -> v1::SpanEnd {
        use v1::span_end::How;
        let (how, failure) = match end {
            SpanEnd::Done => (How::Done, None),
            SpanEnd::Returned => (How::Returned, None),
            SpanEnd::Died => (How::Died, None),
            SpanEnd::Killed => (How::Killed, None),
            SpanEnd::Failed(failure) => (How::Failed, Some(failure.into())),
        };
        v1::SpanEnd { how: how.into(), failure }
    }
}

impl TryFrom<v1::SpanEnd> for SpanEnd {
    type Error = Invalid;

    fn try_from(end: v1::SpanEnd) -> Result<SpanEnd, Invalid> {
        use v1::span_end::How;
        Ok(match How::try_from(end.how) {
            Ok(How::Done) => SpanEnd::Done,
            Ok(How::Returned) => SpanEnd::Returned,
            Ok(How::Killed) => SpanEnd::Killed,
            Ok(How::Failed) => SpanEnd::Failed(required(end.failure, "failure")?.into()),
            // Of whatever else it died, it is dead.
            Ok(How::Died | How::Unspecified) | Err(_) => SpanEnd::Died,
        })
    }
}

impl From<SpanStatus> for v1::SpanStatus {
    fn from(span: SpanStatus) -> v1::SpanStatus {
        let gap = |gap: SegmentId| v1::Gap { rendition: gap.rendition, index: gap.index };
        v1::SpanStatus {
            order: Some(span.order.into()),
            ready_through: span.ready_through,
            published_through: span.published_through,
            gaps: span.gaps.into_iter().map(gap).collect(),
            measured: span.measured.map(Into::into),
            end: span.end.map(Into::into),
        }
    }
}

impl TryFrom<v1::SpanStatus> for SpanStatus {
    type Error = Invalid;

    fn try_from(span: v1::SpanStatus) -> Result<SpanStatus, Invalid> {
        let gap = |gap: v1::Gap| SegmentId { rendition: gap.rendition, index: gap.index };
        let order = Order::try_from(required(span.order, "order")?);
        let measured = span.measured.map(Measured::try_from).transpose();
        let end = span.end.map(SpanEnd::try_from).transpose();
        Ok(SpanStatus {
            order: order.map_err(|e| e.within("order"))?,
            ready_through: span.ready_through,
            published_through: span.published_through,
            gaps: span.gaps.into_iter().map(gap).collect(),
            measured: measured.map_err(|e| e.within("measured"))?,
            end: end.map_err(|e| e.within("end"))?,
        })
    }
}

impl From<Screening> for v1::Screening {
    fn from(screening: Screening) -> v1::Screening {
        let Screening { term, device, round } = screening;
        v1::Screening { term: term.0, device: device.into(), round }
    }
}

impl TryFrom<v1::Screening> for Screening {
    type Error = Invalid;

    fn try_from(screening: v1::Screening) -> Result<Screening, Invalid> {
        let v1::Screening { term, device, round } = screening;
        Ok(Screening { term: Term(term), device: fits(device, "device")?, round })
    }
}

impl From<Screened> for v1::Screened {
    fn from(screened: Screened) -> v1::Screened {
        v1::Screened { screening: Some(screened.screening.into()), passed: screened.passed }
    }
}

impl TryFrom<v1::Screened> for Screened {
    type Error = Invalid;

    fn try_from(screened: v1::Screened) -> Result<Screened, Invalid> {
        let screening = Screening::try_from(required(screened.screening, "screening")?);
        let screening = screening.map_err(|e| e.within("screening"))?;
        Ok(Screened { screening, passed: screened.passed })
    }
}

impl From<Status> for v1::Status {
    fn from(status: Status) -> v1::Status {
        v1::Status {
            beat: Some(status.beat.into()),
            spans: status.spans.into_iter().map(Into::into).collect(),
            draining: status.draining,
            screened: status.screened.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Status> for Status {
    type Error = Invalid;

    fn try_from(status: v1::Status) -> Result<Status, Invalid> {
        Ok(Status {
            beat: required(status.beat, "beat")?.into(),
            spans: all(status.spans, "spans")?,
            draining: status.draining,
            screened: all(status.screened, "screened")?,
        })
    }
}

impl From<Answer> for v1::Answer {
    fn from(answer: Answer) -> v1::Answer {
        v1::Answer {
            term: answer.term.0,
            stream: answer.stream,
            version: answer.version,
            heard: answer.heard,
            content: answer.content,
            begin_within_ms: answer.begin_within_ms,
            lease_ms: answer.lease_ms,
        }
    }
}

impl From<v1::Answer> for Answer {
    fn from(answer: v1::Answer) -> Answer {
        Answer {
            term: Term(answer.term),
            stream: answer.stream,
            version: answer.version,
            heard: answer.heard,
            content: answer.content,
            begin_within_ms: answer.begin_within_ms,
            lease_ms: answer.lease_ms,
        }
    }
}

impl From<Desired> for v1::Desired {
    fn from(desired: Desired) -> v1::Desired {
        v1::Desired {
            answer: Some(desired.answer.into()),
            orders: desired.orders.into_iter().map(Into::into).collect(),
            drain: desired.drain,
            screenings: desired.screenings.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Desired> for Desired {
    type Error = Invalid;

    fn try_from(desired: v1::Desired) -> Result<Desired, Invalid> {
        Ok(Desired {
            answer: required(desired.answer, "answer")?.into(),
            orders: all(desired.orders, "orders")?,
            drain: desired.drain,
            screenings: all(desired.screenings, "screenings")?,
        })
    }
}
