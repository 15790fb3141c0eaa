//! How channels are mixed.

use serde::{Deserialize, Serialize};

use crate::Time;

/// A row for each channel that is made: how much of each of the source's channels goes into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<Time>>", into = "Vec<Vec<Time>>")]
pub struct Mix(Vec<Vec<Time>>);

/// Why shares are no mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// No channel comes out, or more than AAC has places for.
    #[error("a mix of {0} rows: give one for each channel that is made, 1, 2, 6 or 8")]
    Rows(usize),
    /// Rows of different lengths, or of none that a source has.
    #[error(
        "a row of {0} shares: give one for each of the source's channels, 1 to 16, in all rows"
    )]
    Shares(usize),
    /// Out of what anybody means.
    #[error("a share of {0}: ask for -1000 to 1000")]
    Share(Time),
}

impl Mix {
    /// The most channels that a source may have.
    pub const SOURCES_MAX: usize = 16;

    /// A mix of these shares, if it is one.
    pub fn new(rows: Vec<Vec<Time>>) -> Result<Mix, MixError> {
        if !matches!(rows.len(), 1 | 2 | 6 | 8) {
            return Err(MixError::Rows(rows.len()));
        }
        let length = rows[0].len();
        for row in &rows {
            if row.len() != length || !(1..=Mix::SOURCES_MAX).contains(&length) {
                return Err(MixError::Shares(row.len()));
            }
        }
        match rows.iter().flatten().find(|share| share.abs() > Time::from_secs(1000)) {
            Some(share) => Err(MixError::Share(*share)),
            None => Ok(Mix(rows)),
        }
    }

    /// The rows, one for each channel that is made.
    pub fn rows(&self) -> &[Vec<Time>] {
        &self.0
    }

    /// How many channels the source must have.
    pub fn sources(&self) -> usize {
        self.0[0].len()
    }
}

impl TryFrom<Vec<Vec<Time>>> for Mix {
    type Error = MixError;

    fn try_from(rows: Vec<Vec<Time>>) -> Result<Mix, MixError> {
        Mix::new(rows)
    }
}

impl From<Mix> for Vec<Vec<Time>> {
    fn from(mix: Mix) -> Vec<Vec<Time>> {
        mix.0
    }
}
