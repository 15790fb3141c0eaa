//! From findings to faults: one cause is told once.
//!
//! A segment cut short upsets the decoder, a shifted one has a gap before and an overlap after
//! and two wrong EXTINF. Here what follows from another finding is dropped, so that the report
//! names what to repair.

use super::finding::{Finding, Jump};
use super::report::FaultKind;

/// Drops findings that others explain and puts the rest in order.
pub(super) fn settle(mut findings: Vec<Finding>, readable: &[bool]) -> Vec<Finding> {
    drop_durations(&mut findings);
    drop_returns(&mut findings);
    let causes = findings.clone();
    findings.retain(|finding| {
        !causes.iter().any(|cause| cause != finding && explains(cause, finding))
            && !follows_a_hole(finding, readable)
    });
    findings.sort_by_key(|finding| (finding.segment, finding.kind));
    findings.dedup_by(|a, b| (a.segment, a.kind) == (b.segment, b.kind) && a.detail == b.detail);
    findings
}

/// A jump forth and the jump back at the next join are one shifted segment. Where the rate varies,
/// EXTINF alone may tell one of them.
fn drop_returns(findings: &mut Vec<Finding>) {
    let jumps: Vec<Jump> = findings.iter().filter_map(|finding| finding.jump).collect();
    findings.retain(|finding| {
        let Some(back) = finding.jump else { return true };
        !jumps.iter().any(|forth| {
            forth.into + 1 == back.into && (forth.by + back.by).abs() <= back.frame * 2
        })
    });
}

/// Where the next segment begins too early or too late, EXTINF is right and the join wrong.
fn drop_durations(findings: &mut Vec<Finding>) {
    let jumps = jumps(findings);
    findings.retain(|finding| {
        let Some(excess) = finding.jump.filter(|_| finding.kind == FaultKind::WrongDuration) else {
            return true;
        };
        !jumps
            .iter()
            .any(|jump| jump.into == excess.into && (jump.by - excess.by).abs() <= excess.frame * 2)
    });
}

fn jumps(findings: &[Finding]) -> Vec<Jump> {
    findings
        .iter()
        .filter(|finding| is_jump(finding.kind))
        .filter_map(|finding| finding.jump)
        .collect()
}

fn is_jump(kind: FaultKind) -> bool {
    use FaultKind::*;
    matches!(kind, DecodeTime | PictureGap | PictureOverlap | SoundGap | SoundOverlap)
}

/// Right after an unreadable segment a decoder lacks what that one held.
fn follows_a_hole(finding: &Finding, readable: &[bool]) -> bool {
    let before = finding.segment.and_then(|segment| segment.checked_sub(1));
    finding.kind == FaultKind::Decoder
        && before.is_some_and(|before| readable.get(before) == Some(&false))
}

/// Whether `cause` makes `finding` not worth telling.
fn explains(cause: &Finding, finding: &Finding) -> bool {
    use FaultKind::*;
    let (Some(at), Some(here)) = (cause.segment, finding.segment) else {
        return false;
    };
    let same = at == here;
    let after = at + 1 == here;
    let at_its_joins = is_jump(finding.kind)
        && finding.jump.map_or(same, |jump| jump.into == at || jump.into == at + 1);
    match cause.kind {
        // What is sent twice has old times or new ones: both joins are wrong.
        Repeated => {
            at_its_joins
                || (same || after) && matches!(finding.kind, Continuity | Decoder | WrongDuration)
                || at == here + 1 && finding.kind == WrongDuration
        }
        InitMismatch | InitChanged | WrongCodec => {
            let is_consequence = matches!(
                finding.kind,
                Decoder | WrongDuration | ParametersChanged | SoundChanged | NoKeyframe
            ) || is_jump(finding.kind);
            here >= at
                && (is_consequence || cause.kind != InitMismatch && finding.kind == InitMismatch)
        }
        Continuity | SegmentTruncated | SegmentMalformed => {
            (same || after) && finding.kind == Decoder
        }
        TablesMissing => same && matches!(finding.kind, Decoder | TrackMissing),
        // Pictures come out of a decoder later than they went in.
        PictureGap => (same || after) && finding.kind == Decoder,
        NoKeyframe | PictureOverlap | DecodeTime => same && finding.kind == Decoder,
        TrackMissing => same && finding.kind == WrongDuration,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use segue_model::Time;

    use super::super::finding::{Track, TrackKind};
    use super::*;

    fn jump(kind: FaultKind, into: usize, millis: i64) -> Finding {
        let track = Track { kind: TrackKind::Picture, number: 0 };
        let by = Time::from_millis(millis);
        let jump = Jump { track, into, by, frame: Time::from_millis(40) };
        Finding::new(into, kind, "").jumping(jump)
    }

    fn settled(findings: Vec<Finding>) -> Vec<(Option<usize>, FaultKind)> {
        let left = settle(findings, &[true; 9]);
        left.into_iter().map(|finding| (finding.segment, finding.kind)).collect()
    }

    #[test]
    fn a_shifted_segment_is_told_once() {
        let mut early = jump(FaultKind::WrongDuration, 4, 500);
        early.segment = Some(3);
        let findings =
            vec![jump(FaultKind::DecodeTime, 3, -500), jump(FaultKind::PictureGap, 4, 500), early];
        assert_eq!(settled(findings), [(Some(3), FaultKind::DecodeTime)]);
    }

    #[test]
    fn two_holes_are_told_twice() {
        let findings =
            vec![jump(FaultKind::PictureGap, 3, 500), jump(FaultKind::PictureGap, 4, 500)];
        assert_eq!(settled(findings).len(), 2);
    }

    #[test]
    fn a_decoder_s_complaint_after_a_hole_is_no_fault_of_its_own() {
        let complaint = |at| Finding::new(at, FaultKind::Decoder, "words");
        let readable = [true, false, true, true];
        let left = settle(vec![complaint(2), complaint(3)], &readable);
        assert_eq!(left, [complaint(3)]);
    }
}
