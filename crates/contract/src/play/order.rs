//! Judges in which order one process made the files of a stream. Pure.

use std::collections::BTreeSet;

use super::watch::{Change, Seen};
use crate::jellyfin::names::{Name, name};
use crate::record::ScenarioRecord;
use crate::rule::Rule;

/// What one process did so far, and what it may do next.
#[derive(Debug)]
pub struct Order {
    id: String,
    extension: &'static str,
    start: i32,
    header: bool,
    newest: Option<i32>,
    made: BTreeSet<i32>,
}

impl Order {
    /// A process that was told to begin with segment `start`.
    pub fn new(id: &str, extension: &'static str, start: i32) -> Self {
        Self {
            id: id.to_owned(),
            extension,
            start,
            header: false,
            newest: None,
            made: BTreeSet::new(),
        }
    }

    /// The number of the segment that came last.
    pub fn newest(&self) -> Option<i32> {
        self.newest
    }

    /// The segments that this process made.
    pub fn made(&self) -> &BTreeSet<i32> {
        &self.made
    }

    /// Takes in what happened, and notes what should not have.
    pub fn take(&mut self, seen: &[Seen], record: &mut ScenarioRecord) {
        for Seen { name: file, change } in seen {
            match (name(file, &self.id, self.extension), change) {
                (Name::Foreign, Change::Created) => {
                    record.broke(
                        Rule::ForeignName,
                        "directory",
                        format!("{:?} came into being", self.shown(file)),
                    );
                }
                (Name::Segment(-1), Change::Created | Change::Written) => {
                    self.header(*change, record)
                }
                (Name::Segment(number), Change::Created) => self.created(number, record),
                (Name::Segment(number), Change::Written) => self.written(number, record),
                _ => {}
            }
        }
    }

    fn header(&mut self, change: Change, record: &mut ScenarioRecord) {
        if self.newest.is_some() {
            let words = format!("{change:?} when segment {} was there", self.newest.unwrap_or(0));
            record.broke(Rule::ChangedLate, "header", words.to_lowercase());
        }
        self.header = true;
    }

    fn created(&mut self, number: i32, record: &mut ScenarioRecord) {
        let next = self.newest.map_or(self.start, |newest| newest + 1);
        if number != next {
            let words = format!("segment {number} came where {next} was due");
            record.broke(Rule::Order, format!("process from {}", self.start), words);
        }
        self.newest = Some(self.newest.map_or(number, |newest| newest.max(number)));
        self.made.insert(number);
    }

    fn written(&mut self, number: i32, record: &mut ScenarioRecord) {
        if let Some(newest) = self.newest.filter(|newest| number < *newest) {
            let words = format!("written to when segment {newest} was there");
            record.broke(Rule::ChangedLate, format!("segment {number}"), words);
        }
    }

    /// Stream ids differ from run to run and mean nothing.
    fn shown(&self, file: &str) -> String {
        file.replacen(&self.id, "X", 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::{Change, Seen};
    use super::Order;
    use crate::record::ScenarioRecord;
    use crate::rule::Rule;

    fn judged(what: &[(&str, Change)]) -> Vec<Rule> {
        let mut record = ScenarioRecord::default();
        let seen: Vec<_> = what
            .iter()
            .map(|(name, change)| Seen { name: (*name).to_owned(), change: *change })
            .collect();
        Order::new("x", "ts", 4).take(&seen, &mut record);
        record.broken.iter().map(|broken| broken.rule).collect()
    }

    use Change::{Created, Written};

    #[test]
    fn rising_segments_each_written_before_the_next_are_in_order() {
        assert_eq!(
            judged(&[
                ("x4.ts", Created),
                ("x4.ts", Written),
                ("x5.ts", Created),
                ("x5.ts", Written)
            ]),
            []
        );
    }

    #[test]
    fn each_disorder_has_its_name() {
        assert_eq!(judged(&[("x0.ts", Created)]), [Rule::Order]);
        assert_eq!(judged(&[("x4.ts", Created), ("x6.ts", Created)]), [Rule::Order]);
        assert_eq!(
            judged(&[("x4.ts", Created), ("x5.ts", Created), ("x4.ts", Written)]),
            [Rule::ChangedLate]
        );
        assert_eq!(judged(&[("x4.ts", Created), ("xa.ts", Created)]), [Rule::ForeignName]);
        assert_eq!(judged(&[("x4.ts", Created), ("y.ts", Created), ("x4.ts.tmp", Created)]), []);
    }
}
