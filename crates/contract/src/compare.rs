//! Compares two records: every difference is named by the rule it breaks. Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::{Record, ScenarioRecord, Value};
use crate::rule::Rule;

/// Something that Jellyfin would notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// In which scenario.
    pub scenario: String,
    /// Which rule it breaks; [`Rule::why`] says why that matters.
    pub rule: Rule,
    /// Where.
    pub subject: String,
    /// What was seen on either side.
    pub words: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, rule, subject, words } = self;
        write!(to, "{scenario}: {}: {subject}: {words}\n    {}", rule.name(), rule.why())
    }
}

/// All that differs between a plain ffmpeg's record and another's. A rule that the plain one
/// breaks in the same place is no difference.
pub fn compare(plain: &Record, other: &Record) -> Vec<Difference> {
    let names: BTreeSet<&String> = plain.scenarios.keys().chain(other.scenarios.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        match (plain.scenarios.get(name), other.scenarios.get(name)) {
            (Some(plain), Some(other)) => found.extend(differences(name, plain, other)),
            (one, _) => found.push(Difference {
                scenario: name.clone(),
                rule: Rule::Answer,
                subject: "scenario".to_owned(),
                words: format!(
                    "played only by the {}",
                    if one.is_some() { "plain one" } else { "other" }
                ),
            }),
        }
    }
    found
}

/// What differs in one scenario.
pub fn differences(
    scenario: &str,
    plain: &ScenarioRecord,
    other: &ScenarioRecord,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differs = |rule: Rule, subject: &str, words: String| {
        let (scenario, subject) = (scenario.to_owned(), subject.to_owned());
        found.push(Difference { scenario, rule, subject, words });
    };
    for broken in &other.broken {
        let too = |theirs: &&crate::record::Broken| {
            theirs.rule == broken.rule && theirs.subject == broken.subject
        };
        if !plain.broken.iter().any(|theirs| too(&theirs)) {
            differs(broken.rule, &broken.subject, broken.words.clone());
        }
    }
    let same = |one: &crate::record::Fact, two: &crate::record::Fact| {
        one.rule == two.rule && one.subject == two.subject
    };
    for fact in &plain.facts {
        match other.facts.iter().find(|theirs| same(fact, theirs)) {
            Some(theirs) => {
                if let Some(words) = apart(&fact.value, &theirs.value) {
                    differs(fact.rule, &fact.subject, words);
                }
            }
            None => {
                differs(fact.rule, &fact.subject, format!("{} was not seen", said(&fact.value)))
            }
        }
    }
    for fact in &other.facts {
        if !plain.facts.iter().any(|theirs| same(fact, theirs)) {
            let words = format!("{}, where the plain one shows nothing", said(&fact.value));
            differs(fact.rule, &fact.subject, words);
        }
    }
    found
}

/// In words, if they are not the same.
fn apart(plain: &Value, other: &Value) -> Option<String> {
    let same = match (plain, other) {
        (
            Value::Near { value: one, tolerance: of_one },
            Value::Near { value: two, tolerance: of_two },
        ) => {
            // Adding a hair keeps a difference of exactly the tolerance on the good side.
            (one - two).abs() <= of_one.max(*of_two) + 1e-9
        }
        (Value::AtMost(one), Value::AtMost(two)) => two <= one,
        (Value::Offered(one), Value::Offered(two)) => one.is_subset(two),
        (one, two) => one == two,
    };
    if same {
        return None;
    }
    if let (Value::Set(one), Value::Set(two)) | (Value::Offered(one), Value::Offered(two)) =
        (plain, other)
    {
        let listed =
            |set: Vec<&String>| set.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let missing = listed(one.difference(two).collect());
        let more = listed(two.difference(one).collect());
        return Some(format!("missing: [{missing}]; more: [{more}]"));
    }
    Some(format!("{} instead of {}", said(other), said(plain)))
}

fn said(value: &Value) -> String {
    match value {
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Whole(count) => count.to_string(),
        Value::AtMost(count) => format!("{count}"),
        Value::Near { value, tolerance } => format!("{value:.4} (to {tolerance})"),
        Value::Text(text) => format!("{text:?}"),
        Value::List(list) => format!("[{}]", list.join(", ")),
        Value::Set(set) | Value::Offered(set) => format!("{set:?}"),
    }
}
