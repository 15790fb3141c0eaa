//! Why a line does not go on elsewhere.

/// What is in the way, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Only segments can be told apart, and what they lack.
    #[error("it does not make HLS of one file and nothing else")]
    NotHls,
    /// An option that changes what the line reads, where it ends, or how its segments come.
    #[error("-{0} is among its options")]
    Option(String),
    /// Of a playlist that grows, readers may have seen any state.
    #[error("its playlist is not of the type vod")]
    Playlist,
    /// Time would count from where each run begins.
    #[error("its time stamps are not its input's (-copyts -avoid_negative_ts disabled)")]
    TimeStamps,
    /// The next run's segments would begin elsewhere.
    #[error("its pictures are copied, or keyframes are not asked for where segments begin")]
    Keyframes,
    /// A word that is not understood.
    #[error("what -{0} says is not known to leave time stamps alone")]
    Value(String),
    /// Pictures or sound are not where the source has them, or that depends on all that came before.
    #[error("the filter `{0}` is not known to leave time stamps alone")]
    Filter(String),
    /// Segments cannot be told by their names.
    #[error("the names of its segments have no number")]
    Names,
    /// The last segment, or what must be read with it, is gone or something else.
    #[error("the last segment does not say which picture it begins with")]
    Unreadable,
    /// By how much times are moved, or keyframes are counted from, is what the first one says.
    #[error("the first segment did not say which picture it begins with")]
    Beginning,
    /// Pictures of the same stamps could be others.
    #[error("time stamps were moved where the film begins, and no sound says by how much")]
    Moved,
    /// Seeks count from there.
    #[error("ffmpeg did not say where its input begins (-loglevel)")]
    Start,
    /// It is not the segment that the line speaks of.
    #[error("the last segment does not begin where it is due")]
    Elsewhere,
}
