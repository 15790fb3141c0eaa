//! Sets of segments, kept as the few runs they consist of.

use segue_model::Span;

/// A set of segment indices. Rising runs that neither touch nor are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<Span>,
}

impl Runs {
    /// All of `span`.
    pub fn of(span: Span) -> Runs {
        let mut runs = Runs::default();
        runs.insert(span);
        runs
    }

    /// Adds a run; says how many segments are new.
    pub fn insert(&mut self, span: Span) -> u32 {
        if span.is_empty() {
            return 0;
        }
        let from = self.runs.partition_point(|run| run.end < span.first);
        let to = from + self.runs[from..].partition_point(|run| run.first <= span.end);
        let had: u32 = self.runs[from..to].iter().map(|run| run.len()).sum();
        let first = self.runs[from..to].first().map_or(span.first, |run| run.first.min(span.first));
        let end = self.runs[from..to].last().map_or(span.end, |run| run.end.max(span.end));
        let whole = Span { first, end };
        self.runs.splice(from..to, [whole]);
        whole.len() - had
    }

    /// Takes a run out; says how many segments were in.
    pub fn remove(&mut self, span: Span) -> u32 {
        if span.is_empty() {
            return 0;
        }
        let from = self.runs.partition_point(|run| run.end <= span.first);
        let to = from + self.runs[from..].partition_point(|run| run.first < span.end);
        if from == to {
            return 0;
        }
        let had: u32 = self.runs[from..to].iter().map(|run| run.len()).sum();
        let before = Span { first: self.runs[from].first, end: span.first };
        let after = Span { first: span.end, end: self.runs[to - 1].end };
        let left = [before, after].into_iter().filter(|run| !run.is_empty());
        let kept: u32 = left.clone().map(|run| run.len()).sum();
        self.runs.splice(from..to, left);
        had - kept
    }

    /// Whether `index` is in.
    pub fn contains(&self, index: u32) -> bool {
        self.from(index).is_some_and(|run| run.first == index)
    }

    /// The first run that has something at or after `index`, from there on.
    pub fn from(&self, index: u32) -> Option<Span> {
        let at = self.runs.partition_point(|run| run.end <= index);
        let run = self.runs.get(at)?;
        Some(Span { first: run.first.max(index), end: run.end })
    }

    /// The runs, rising.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.runs.iter().copied()
    }

    /// What of `span` is not in, as runs.
    pub fn missing_in(&self, span: Span) -> Runs {
        let mut missing = Runs::of(span);
        let from = self.runs.partition_point(|run| run.end <= span.first);
        for run in self.runs[from..].iter().take_while(|run| run.first < span.end) {
            missing.remove(*run);
        }
        missing
    }

    /// How many segments there are.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|run| run.len()).sum()
    }

    /// How many segments there are at or after `index`.
    pub fn len_from(&self, index: u32) -> u32 {
        let at = self.runs.partition_point(|run| run.end <= index);
        self.runs[at..].iter().map(|run| run.end - run.first.max(index)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}
