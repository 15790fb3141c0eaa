//! Which timestamps are to be believed.
//!
//! Pure. A few that jump are damaged. When those after them go on from there, the film pauses, or
//! its clock was set anew in the middle, as when recordings are put one behind the other: on one axis
//! the parts of such a source would lie upon or far from each other.

use std::collections::BTreeMap;

use segue_model::Time;

/// Show times step back by a few frames.
const STEP_BACK: Time = Time::from_secs(2);
/// Within this a step forward is nothing strange.
const STEP_FORWARD: Time = Time::from_secs(600);
/// A jump counts when its clock goes on for this long; what one damaged timestamp is good for is
/// shorter (a PES packet may hold ten frames of sound).
const BORNE_OUT: Time = Time::from_secs(2);

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) stream: u32,
    /// By the source's own clock.
    pub(super) at: Time,
    pub(super) tick: i64,
    /// That is when it is decoded; when it is shown is not said.
    pub(super) undated: bool,
    pub(super) duration: i64,
    pub(super) keyframe: bool,
    pub(super) position: Option<u64>,
}

/// A clock that was set anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) from: Time,
    pub(super) to: Time,
}

/// How far each stream's clock is, as its packets come.
pub(super) struct Clocks {
    /// Whether a long step forward is a pause: broadcasts have none.
    pauses: bool,
    streams: BTreeMap<u32, Clock>,
}

struct Clock {
    /// The last timestamp that was believed, and how many were.
    last: Time,
    believed: u64,
    /// Packets since then that are not believed yet.
    odd: Vec<Seen>,
}

impl Clocks {
    pub(super) fn new(pauses: bool) -> Clocks {
        Clocks { pauses, streams: BTreeMap::new() }
    }

    /// Takes the next packet; gives back those that are believed now.
    pub(super) fn take(&mut self, seen: Seen) -> Result<Vec<Seen>, Jump> {
        let first = Clock { last: seen.at, believed: 0, odd: Vec::new() };
        let clock = self.streams.entry(seen.stream).or_insert(first);
        if !jumps(clock.last, seen.at) {
            clock.odd.clear();
            return Ok(clock.believe(vec![seen]));
        }
        if clock.odd.last().is_some_and(|before| jumps(before.at, seen.at)) {
            clock.odd.clear();
        }
        clock.odd.push(seen);
        let to = clock.odd[0].at;
        if seen.at < to + BORNE_OUT {
            return Ok(Vec::new());
        }
        // Where only one came before, that one was wrong.
        if clock.believed > 1 && !(self.pauses && to > clock.last) {
            return Err(Jump { from: clock.last, to });
        }
        let odd = std::mem::take(&mut clock.odd);
        Ok(clock.believe(odd))
    }

    /// There are no more packets: those after a last pause, if the source is said to last until
    /// `end`.
    pub(super) fn rest(self, end: Option<Time>) -> Vec<Seen> {
        let (pauses, streams) = (self.pauses, self.streams.into_values());
        let rest = streams.filter(|clock| {
            let lasts = |odd: &Seen| end.is_some_and(|end| odd.at <= end);
            pauses && clock.odd.iter().all(|odd| odd.at > clock.last && lasts(odd))
        });
        rest.flat_map(|clock| clock.odd).collect()
    }
}

impl Clock {
    fn believe(&mut self, packets: Vec<Seen>) -> Vec<Seen> {
        self.last = packets.last().map_or(self.last, |seen| seen.at);
        self.believed += packets.len() as u64;
        packets
    }
}

fn jumps(from: Time, to: Time) -> bool {
    to < from - STEP_BACK || to > from + STEP_FORWARD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(second: i64) -> Seen {
        let at = Time::from_secs(second);
        let (duration, keyframe) = (1, true);
        Seen { stream: 0, at, tick: second, undated: false, duration, keyframe, position: None }
    }

    /// The seconds that are believed of these, and where the source is cut if it is refused.
    fn believed(pauses: bool, seconds: &[i64], end: i64) -> Result<Vec<i64>, (i64, i64)> {
        let mut clocks = Clocks::new(pauses);
        let mut believed = Vec::new();
        for second in seconds {
            let taken = clocks.take(seen(*second));
            believed.extend(taken.map_err(|jump| (jump.from.floor(), jump.to.floor()))?);
        }
        believed.extend(clocks.rest(Some(Time::from_secs(end))));
        Ok(believed.iter().map(|seen| seen.tick).collect())
    }

    #[test]
    fn a_timestamp_that_the_next_contradicts_is_not_believed() {
        for pauses in [false, true] {
            assert_eq!(believed(pauses, &[1, 2, 9000, 3, 4, 0, 5], 5), Ok(vec![1, 2, 3, 4, 5]));
            assert_eq!(believed(pauses, &[1, 2, 9000, 9001, 3], 5), Ok(vec![1, 2, 3]));
        }
    }

    #[test]
    fn a_long_pause_is_believed_where_there_are_pauses() {
        let slides = [1, 2, 1000, 1001, 1002, 1003];
        assert_eq!(believed(true, &slides, 1003), Ok(slides.to_vec()));
        assert_eq!(believed(false, &slides, 1003), Err((2, 1000)));
    }

    #[test]
    fn a_last_picture_after_a_pause_is_believed_if_the_source_lasts_that_long() {
        assert_eq!(believed(true, &[1, 2, 1000], 1001), Ok(vec![1, 2, 1000]));
        assert_eq!(believed(true, &[1, 2, 1000], 3), Ok(vec![1, 2]));
        assert_eq!(believed(false, &[1, 2, 1000], 1001), Ok(vec![1, 2]));
    }

    #[test]
    fn a_clock_that_was_set_back_is_refused() {
        for pauses in [false, true] {
            assert_eq!(believed(pauses, &[50, 51, 52, 0, 1, 2], 60), Err((52, 0)));
        }
    }

    #[test]
    fn a_first_timestamp_that_all_others_contradict_is_the_wrong_one() {
        assert_eq!(believed(false, &[5000, 0, 1, 2, 3], 3), Ok(vec![5000, 0, 1, 2, 3]));
    }

    #[test]
    fn streams_have_clocks_of_their_own() {
        let mut clocks = Clocks::new(false);
        assert!(clocks.take(seen(1)).is_ok_and(|it| it.len() == 1));
        assert!(clocks.take(Seen { stream: 1, ..seen(5000) }).is_ok_and(|it| it.len() == 1));
        assert!(clocks.take(seen(2)).is_ok_and(|it| it.len() == 1));
    }
}
