//! How far a track has been read, when a single timestamp may be wrong.

use segue_model::Time;

/// The times of a track's packets, as they come.
#[derive(Default)]
pub(super) struct Passed {
    last: Option<Time>,
}

impl Passed {
    /// Notes a packet's time, if it has one, and tells how far the track has surely been read. One
    /// packet alone that claims to come from far ahead is not believed.
    pub(super) fn note(&mut self, at: Option<Time>) -> Option<Time> {
        let at = at?;
        let before = self.last.replace(at)?;
        Some(before.min(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_packet_from_far_ahead_is_not_believed_and_two_are() {
        let mut passed = Passed::default();
        let told = [Some(1), Some(2), Some(900), None, Some(3), Some(4), Some(900), Some(901)]
            .map(|at| passed.note(at.map(Time::from_secs)));
        let told = told.map(|at| at.map(|at| at.floor()));
        assert_eq!(told, [None, Some(1), Some(2), None, Some(3), Some(3), Some(4), Some(900)]);
    }
}
