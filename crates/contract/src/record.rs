//! What was seen while scenarios were played against one ffmpeg: typed, and kept as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::rule::Rule;

/// All scenarios as one ffmpeg played them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The ffmpeg. It is told and never compared.
    pub ffmpeg: String,
    /// By name.
    pub scenarios: BTreeMap<String, ScenarioRecord>,
}

/// What was seen in one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioRecord {
    /// What is compared.
    pub facts: Vec<Fact>,
    /// Rules that hold for every ffmpeg, and that this one broke.
    pub broken: Vec<Broken>,
    /// When each file was ready: told, and never compared.
    pub ready: Vec<Ready>,
    /// What a reader should know: lines as they were started, lines that stood in for others.
    pub notes: Vec<String>,
}

/// One thing that was seen, and that another ffmpeg must show as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Why it is compared.
    pub rule: Rule,
    /// What it was seen at, such as `segment 3, sound`.
    pub subject: String,
    /// What was seen.
    pub value: Value,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// Counted: exactly as many.
    Whole(i64),
    /// Another ffmpeg may have less of it, and not more.
    AtMost(i64),
    /// Measured: as near as the tolerance says.
    Near {
        /// What was measured.
        value: f64,
        /// How far off another may be. The constants in [`crate::tolerance`] say why.
        tolerance: f64,
    },
    /// Word by word.
    Text(String),
    /// One after the other.
    List(Vec<String>),
    /// In any order.
    Set(BTreeSet<String>),
    /// Names that have to be there, whatever else is.
    Offered(BTreeSet<String>),
}

/// A rule that was broken, whatever another ffmpeg does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broken {
    /// Which one.
    pub rule: Rule,
    /// Where it was seen.
    pub subject: String,
    /// What was seen.
    pub words: String,
}

/// When a file could be sent to a viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The file, such as `segment 3`.
    pub subject: String,
    /// Seconds from its request until it was ready.
    pub seconds: f64,
}

impl ScenarioRecord {
    /// Notes a fact.
    pub fn fact(&mut self, rule: Rule, subject: impl Into<String>, value: impl Into<Value>) {
        self.facts.push(Fact { rule, subject: subject.into(), value: value.into() });
    }

    /// Notes that a rule was broken; each place is noted once.
    pub fn broke(&mut self, rule: Rule, subject: impl Into<String>, words: impl Into<String>) {
        let broken = Broken { rule, subject: subject.into(), words: words.into() };
        let known = |other: &Broken| other.rule == broken.rule && other.subject == broken.subject;
        if !self.broken.iter().any(known) {
            self.broken.push(broken);
        }
    }
}

impl Record {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ContractError> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other);
        text.and_then(|text| std::fs::write(path, text)).map_err(ContractError::file(path))
    }

    /// Reads what [`Record::write`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or is no record.
    pub fn read(path: &Path) -> Result<Self, ContractError> {
        let text = std::fs::read_to_string(path).map_err(ContractError::file(path))?;
        serde_json::from_str(&text)
            .map_err(|source| ContractError::NoRecord { path: path.to_owned(), source })
    }
}

impl Value {
    /// A measured value.
    pub fn near(value: f64, tolerance: f64) -> Self {
        Self::Near { value, tolerance }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl From<BTreeSet<String>> for Value {
    fn from(set: BTreeSet<String>) -> Self {
        Self::Set(set)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Whole(count as i64)
    }
}
