//! How much of a film to fetch before it is asked for. Pure: reads come in, numbers of blocks go
//! out.
//!
//! Decided here: a read that goes on where one ended makes a run, and of a run about twice as much
//! is fetched ahead as was read of it, so that reading on soon costs no waiting and a look at one
//! place (an index, a header) costs that place. A reader has several runs at once: a demuxer reads
//! sound here and picture there.

/// Places at which a reader reads on.
const RUNS_MAX: usize = 4;

/// What one reader has read.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The last one that was read from comes first.
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    next: u64,
    length: u64,
}

impl Ahead {
    /// How many blocks of `block` bytes to have ready after the one that ends a read of `length` bytes
    /// from `position`. A small step forward goes on with a run: demuxers skip what nobody wants.
    pub(super) fn after_read(&mut self, position: u64, length: u64, block: u64) -> u64 {
        let goes_on = |run: &Run| (run.next..=run.next + block).contains(&position);
        let mut run = match self.runs.iter().position(goes_on) {
            Some(index) => self.runs.remove(index),
            None => Run { next: position, length: 0 },
        };
        let before = run.length;
        run.length += length;
        run.next = position + length;
        self.runs.insert(0, run);
        self.runs.truncate(RUNS_MAX);
        // The first read of a run says nothing of a second.
        if before == 0 { 0 } else { (2 * run.length).div_ceil(block) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 1000;

    #[test]
    fn a_look_at_one_place_fetches_nothing_ahead() {
        let mut ahead = Ahead::default();
        for position in [0, 90_000, 50_000, 10_000, 70_000, 30_000] {
            assert_eq!(ahead.after_read(position, 250, BLOCK), 0);
        }
    }

    #[test]
    fn reading_on_fetches_more_and_more_ahead() {
        let mut ahead = Ahead::default();
        let blocks: Vec<u64> = (0..8).map(|n| ahead.after_read(n * 500, 500, BLOCK)).collect();
        assert_eq!(blocks, [0, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn sound_and_picture_in_different_places_are_each_read_on() {
        let mut ahead = Ahead::default();
        ahead.after_read(0, 500, BLOCK);
        assert_eq!(ahead.after_read(80_000, 100, BLOCK), 0);
        assert_eq!(ahead.after_read(500, 500, BLOCK), 2);
        assert_eq!(ahead.after_read(80_300, 100, BLOCK), 1, "some was skipped");
    }
}
