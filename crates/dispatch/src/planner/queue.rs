//! Those that wait for a device, in lines: who needs much, or a family that has nothing left, does
//! not stand in the way of who could be served.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use segue_model::pool::{EncoderFamily, Renditions};

/// So many of one line that find no device are passed over for those behind them.
const BLOCKED_MAX: u32 = 4;

/// What those in it need: the same work on the same families, so that who cannot be served speaks
/// for those behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// A span that they ride on has only to go on: they need no device, and all of them are seen to.
    pub rides: bool,
    /// A bit for each family.
    families: u8,
    /// Work of a kind costs the same, in the same renditions.
    kind: u64,
    renditions: Renditions,
}

impl Line {
    pub fn of(families: &[EncoderFamily], kind: u64, renditions: Renditions) -> Line {
        let families = families.iter().fold(0, |bits, family| bits | 1 << *family as u8);
        Line { rides: false, families, kind, renditions }
    }

    /// The same work, by somebody who rides on a span or does not.
    pub fn riding(self, rides: bool) -> Line {
        Line { rides, ..self }
    }
}

/// Lines, each in the order of `K`.
#[derive(Debug)]
pub(super) struct Queue<K> {
    lines: BTreeMap<Line, BTreeSet<K>>,
}

impl<K> Default for Queue<K> {
    fn default() -> Queue<K> {
        Queue { lines: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Queue<K> {
    pub fn insert(&mut self, line: Line, key: K) {
        self.lines.entry(line).or_default().insert(key);
    }

    pub fn remove(&mut self, line: Line, key: K) {
        let Some(keys) = self.lines.get_mut(&line) else { return };
        keys.remove(&key);
        if keys.is_empty() {
            self.lines.remove(&line);
        }
    }

    /// The first of all that `walk` neither passed over nor gave up on.
    pub fn next(&self, walk: &Walk<K>) -> Option<(Line, K)> {
        let open = self.lines.iter().filter_map(|(line, keys)| {
            let (from, blocked) = match walk.passed.get(line) {
                Some((after, blocked)) => (Bound::Excluded(*after), *blocked),
                None => (Bound::Unbounded, 0),
            };
            let next = keys.range((from, Bound::Unbounded)).next()?;
            (line.rides || blocked < BLOCKED_MAX).then_some((*line, *next))
        });
        open.min_by_key(|(_, key)| *key)
    }

    /// The first of each line.
    pub fn heads(&self) -> impl Iterator<Item = K> + '_ {
        self.lines.values().filter_map(|keys| keys.first().copied())
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<K> {
        let mut all: Vec<K> = self.lines.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    pub fn len(&self) -> usize {
        self.lines.values().map(BTreeSet::len).sum()
    }
}

/// One walk along the lines.
#[derive(Debug)]
pub(super) struct Walk<K> {
    /// For each line, after whom it goes on, and how many were passed over.
    passed: BTreeMap<Line, (K, u32)>,
}

impl<K> Default for Walk<K> {
    fn default() -> Walk<K> {
        Walk { passed: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Walk<K> {
    /// There is nothing for this one.
    pub fn pass_over(&mut self, line: Line, key: K) {
        let passed = self.passed.entry(line).or_insert((key, 0));
        *passed = (key, passed.1 + 1);
    }
}
