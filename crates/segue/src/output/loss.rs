//! What of the source did not make it into segments. Pure: the journal keeps it, the output says
//! which segments are there.

use segue_model::{Span, Time};

/// What was missing or damaged in a part of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLoss {
    /// Frames and packets that decoders complained about.
    pub damaged: u64,
    /// By how much the source ended early: that much is a held picture and silence.
    pub short_by: Option<Time>,
}

impl SourceLoss {
    /// Whether there is nothing to tell.
    pub fn is_none(self) -> bool {
        self == SourceLoss::default()
    }

    fn and(self, other: SourceLoss) -> SourceLoss {
        SourceLoss {
            damaged: self.damaged.saturating_add(other.damaged),
            short_by: self.short_by.max(other.short_by),
        }
    }
}

/// The loss in all segments that are there, when it was noted like this, oldest first.
///
/// What was noted of a span stands until every segment of it is gone or was made again: a directory
/// whose segments were removed does not count everything twice.
pub(super) fn standing(noted: &[(Span, SourceLoss)], is_there: &[bool]) -> SourceLoss {
    let mut later = vec![false; is_there.len()];
    let mut all = SourceLoss::default();
    for (span, loss) in noted.iter().rev() {
        let indices = span.first as usize..(span.end as usize).min(is_there.len());
        if indices.clone().any(|index| is_there[index] && !later[index]) {
            all = all.and(*loss);
        }
        indices.for_each(|index| later[index] = true);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(first: u32, end: u32, damaged: u64) -> (Span, SourceLoss) {
        (Span { first, end }, SourceLoss { damaged, short_by: None })
    }

    fn short(first: u32, end: u32, seconds: i64) -> (Span, SourceLoss) {
        let short_by = Some(Time::from_secs(seconds));
        (Span { first, end }, SourceLoss { damaged: 0, short_by })
    }

    #[test]
    fn losses_of_different_spans_add_up_and_the_end_comes_once() {
        let noted = [damaged(0, 4, 3), short(6, 8, 2), damaged(4, 6, 1), short(8, 10, 1)];
        let all = SourceLoss { damaged: 4, short_by: Some(Time::from_secs(2)) };
        assert_eq!(standing(&noted, &[true; 10]), all);
    }

    #[test]
    fn what_was_made_again_counts_as_it_came_out_last() {
        // By other spans, as when there are more processes.
        let noted = [damaged(0, 4, 3), damaged(0, 2, 1), damaged(2, 8, 2)];
        assert_eq!(standing(&noted, &[true; 8]).damaged, 3);
        let noted = [damaged(0, 4, 3), damaged(2, 4, 2)];
        assert_eq!(standing(&noted, &[true; 8]).damaged, 5);
    }

    #[test]
    fn what_is_not_there_has_lost_nothing() {
        let noted = [damaged(0, 2, 3), damaged(2, 4, 1), damaged(900, u32::MAX, 1)];
        assert_eq!(standing(&noted, &[false, true, false, false]).damaged, 3);
        assert!(standing(&noted, &[false; 4]).is_none());
    }
}
