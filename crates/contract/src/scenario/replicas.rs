//! Two media servers, each with a directory of its own, and the same names in both.

use super::video::encoded;
use crate::error::ContractError;
use crate::jellyfin::lines::Container;
use crate::play::stage::Stage;
use crate::play::stream::{Stop, Stream};

/// Both play; the second restarts, which wipes its directory, and plays on. The first notices nothing.
pub fn two(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let film = stage.films.long();
    let mut first = Stream::new(stage, encoded(&film, Container::Ts), 1)?;
    let mut second = Stream::new(stage, encoded(&film, Container::Ts), 2)?;
    let played = play(stage, &mut first, &mut second);
    for stream in [&mut first, &mut second] {
        stream.stop(stage, Stop::Quit)?;
        stream.judge(stage)?;
    }
    played
}

fn play(
    stage: &mut Stage<'_>,
    first: &mut Stream<'_>,
    second: &mut Stream<'_>,
) -> Result<(), ContractError> {
    for segment in 0..3 {
        first.segment(stage, segment)?;
        second.segment(stage, segment)?;
    }
    second.stop(stage, Stop::Quit)?;
    second.wipe();
    stage.event("replica-restarted".to_owned(), None, 2)?;
    for segment in 3..8 {
        first.segment(stage, segment)?;
        second.segment(stage, segment)?;
    }
    Ok(())
}
