//! Which blocks of a film are in memory. Pure: asks for nothing itself.
//!
//! Decided here: what has to be fetched, and what is forgotten for it: of the blocks that came, the
//! one that nobody used for longest. What is on its way is never forgotten, and what is only fetched
//! ahead has to do with the room there is.

use std::collections::BTreeMap;

use bytes::Bytes;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Asked for.
    Coming,
    /// In memory.
    Here(Bytes),
    /// It did not come, for this reason. Asking again is a new attempt.
    Failed(String),
}

/// The blocks of one film that somebody asked for.
#[derive(Debug)]
pub(super) struct Blocks {
    kept_max: usize,
    /// Each with when it was last used.
    known: BTreeMap<u64, (Block, u64)>,
    uses: u64,
}

impl Blocks {
    /// Keeps as many.
    pub(super) fn new(kept_max: usize) -> Blocks {
        Blocks { kept_max, known: BTreeMap::new(), uses: 0 }
    }

    /// Notes that somebody needs a block now; whether it has to be fetched.
    pub(super) fn need(&mut self, index: u64) -> bool {
        if self.is_on_hand(index) {
            return false;
        }
        // Somebody waits for it: it goes over the bound rather than not be fetched.
        self.make_room();
        self.note(index, Block::Coming);
        true
    }

    /// Notes that a block will be needed; whether it has to be fetched.
    pub(super) fn foresee(&mut self, index: u64) -> bool {
        if self.is_on_hand(index) || !self.make_room() {
            return false;
        }
        self.note(index, Block::Coming);
        true
    }

    /// Where a block is that somebody waits for. `None` if it was forgotten again.
    pub(super) fn look(&mut self, index: u64) -> Option<Block> {
        self.uses += 1;
        let (block, used) = self.known.get_mut(&index)?;
        *used = self.uses;
        Some(block.clone())
    }

    /// Puts a block where it was expected.
    pub(super) fn put(&mut self, index: u64, block: Block) {
        self.note(index, block);
    }

    fn note(&mut self, index: u64, block: Block) {
        self.uses += 1;
        self.known.insert(index, (block, self.uses));
    }

    fn is_on_hand(&self, index: u64) -> bool {
        matches!(self.known.get(&index), Some((Block::Coming | Block::Here(_), _)))
    }

    /// Makes room for one more; whether there is.
    fn make_room(&mut self) -> bool {
        while self.known.len() >= self.kept_max {
            let idle = self.known.iter().filter(|(_, (block, _))| *block != Block::Coming);
            let Some(oldest) = idle.min_by_key(|(_, (_, used))| *used).map(|(index, _)| *index)
            else {
                return false;
            };
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(blocks: &mut Blocks, index: u64) {
        assert!(blocks.need(index), "{index} is there already");
        blocks.put(index, Block::Here(Bytes::new()));
    }

    #[test]
    fn a_block_is_fetched_once() {
        let mut blocks = Blocks::new(4);
        assert!(blocks.need(7));
        assert!(!blocks.need(7), "it is coming");
        blocks.put(7, Block::Here(Bytes::from_static(b"seven")));
        assert!(!blocks.need(7) && !blocks.foresee(7), "it is here");
        assert_eq!(blocks.look(7), Some(Block::Here(Bytes::from_static(b"seven"))));
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let mut blocks = Blocks::new(3);
        (0..3).for_each(|index| came(&mut blocks, index));
        blocks.look(0);
        came(&mut blocks, 3);
        assert_eq!(blocks.look(1), None);
        assert!([0, 2, 3].iter().all(|index| blocks.look(*index).is_some()));
    }

    #[test]
    fn what_is_on_its_way_stays_and_only_need_goes_over_the_bound() {
        let mut blocks = Blocks::new(2);
        assert!(blocks.need(0) && blocks.foresee(1));
        assert!(!blocks.foresee(2), "there is no room to fetch ahead");
        assert!(blocks.need(2));
        assert_eq!(blocks.look(0), Some(Block::Coming));
    }

    #[test]
    fn what_failed_is_fetched_again_when_somebody_asks() {
        let mut blocks = Blocks::new(2);
        assert!(blocks.need(0));
        blocks.put(0, Block::Failed("no answer".to_owned()));
        assert_eq!(blocks.look(0), Some(Block::Failed("no answer".to_owned())));
        assert!(blocks.need(0));
    }
}
