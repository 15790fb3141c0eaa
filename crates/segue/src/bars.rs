//! Bars on a terminal: one for a job, and below it one for each worker that is at it.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use segue_model::Span;

/// A span in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanShown {
    /// Who makes it.
    pub worker: String,
    /// Which segments.
    pub span: Span,
    /// All before this one are there.
    pub ready_through: u32,
}

/// All of them.
pub struct Bars {
    all: MultiProgress,
    job: ProgressBar,
    workers: BTreeMap<String, ProgressBar>,
}

impl Bars {
    /// Nothing is known yet.
    pub fn new() -> Bars {
        let all = MultiProgress::new();
        let job = all.add(ProgressBar::new(0));
        // What does not fit the terminal's line is cut off at its end.
        set_style(&job, "[{bar:24}] {pos}/{len} segments, {wide_msg}");
        Bars { all, job, workers: BTreeMap::new() }
    }

    /// So many of so many segments, in so many words, and who makes the rest.
    pub fn show(&mut self, (made, all): (u64, u64), words: &str, shown: &[SpanShown]) {
        self.job.set_length(all);
        self.job.set_position(made);
        self.job.set_message(words.to_owned());
        let mut by_worker: BTreeMap<&str, Vec<&SpanShown>> = BTreeMap::new();
        for span in shown {
            by_worker.entry(&span.worker).or_default().push(span);
        }
        self.workers.retain(|worker, bar| {
            let stays = by_worker.contains_key(worker.as_str());
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for (worker, shown) in by_worker {
            let bar = self.workers.entry(worker.to_owned()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(0));
                set_style(&bar, "  [{bar:22}] {wide_msg}");
                bar
            });
            let length = |shown: &&SpanShown| u64::from(shown.span.len());
            let done = |shown: &&SpanShown| {
                u64::from(shown.ready_through.min(shown.span.end).saturating_sub(shown.span.first))
            };
            bar.set_length(shown.iter().map(length).sum());
            bar.set_position(shown.iter().map(done).sum());
            let names = shown.iter().map(|shown| shown.span.to_string());
            bar.set_message(format!("{worker}: {}", names.collect::<Vec<_>>().join(", ")));
        }
    }

    /// Writes something above the bars.
    pub fn suspend(&self, write: impl FnOnce()) {
        self.all.suspend(write);
    }

    /// They go; what follows is the result.
    pub fn end(self) {
        for bar in self.workers.values() {
            bar.finish_and_clear();
        }
        self.job.finish_and_clear();
    }
}

/// The template is a constant; were it wrong, the default bar is as good.
fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
