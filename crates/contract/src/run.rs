//! Plays scenarios, one after the other, into a record.

use std::path::Path;

use crate::error::ContractError;
use crate::films::Films;
use crate::judge::Judge;
use crate::play::stage::{Settings, Stage};
use crate::record::{Record, ScenarioRecord};
use crate::scenario::Scenario;

/// What scenarios are played with.
pub struct Bench {
    /// The films.
    pub films: Films,
    /// The plain ffmpeg that looks at what came out.
    pub judge: Judge,
}

impl Bench {
    /// With the films of a cache directory, made now if they are not there.
    ///
    /// # Errors
    /// When the plain ffmpeg cannot make them.
    pub fn new(plain: &Path, cache: &Path) -> Result<Self, ContractError> {
        let judge = Judge::new(plain);
        let films = Films::new(cache, &judge)?;
        Ok(Self { films, judge })
    }

    /// Plays one scenario against an ffmpeg, in a directory below `directory`.
    ///
    /// # Errors
    /// When the harness itself fails; what the ffmpeg does wrong is in the record.
    pub fn play(
        &self,
        scenario: &Scenario,
        ffmpeg: &Path,
        directory: &Path,
        settings: &Settings,
    ) -> Result<ScenarioRecord, ContractError> {
        let with = (settings, &self.films, &self.judge);
        let mut stage = Stage::new(scenario.name, ffmpeg, directory, with)?;
        match (scenario.play)(&mut stage) {
            // Why it could not go on is in the record.
            Ok(()) | Err(ContractError::Over) => Ok(stage.record),
            Err(error) => Err(error),
        }
    }

    /// Plays many, saying before each which it is.
    ///
    /// # Errors
    /// As [`Bench::play`].
    pub fn play_all(
        &self,
        scenarios: &[Scenario],
        ffmpeg: &Path,
        directory: &Path,
        settings: &Settings,
        mut says: impl FnMut(&Scenario),
    ) -> Result<Record, ContractError> {
        let mut record = Record { ffmpeg: ffmpeg.display().to_string(), ..Record::default() };
        for scenario in scenarios {
            says(scenario);
            let played = self.play(scenario, ffmpeg, directory, settings)?;
            record.scenarios.insert(scenario.name.to_owned(), played);
        }
        Ok(record)
    }
}
