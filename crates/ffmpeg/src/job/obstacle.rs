//! What a [`Job`](super::Job) means that the engine cannot be asked for.

use serde::Serialize;

/// Why a job is not asked of the engine, by what the line means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Boundaries are counted from a sound that comes late.
    #[error("segments are counted from the first sound, which comes {0} s after the picture")]
    LateSound(String),
    /// Another picture than the one that was looked at.
    #[error("the picture is chosen as {0}")]
    PictureChoice(String),
    /// A sound track that does not follow from what is known.
    #[error("the sound is chosen as {0}")]
    SoundChoice(String),
    /// A step that the engine has no word for.
    #[error("the picture is {0}")]
    Step(&'static str),
    /// Players are told to turn it.
    #[error("a source that is turned stays as it is stored, and players are told to turn it")]
    Turned,
    /// A matrix for a source of red, green and blue.
    #[error("red, green and blue are converted by a matrix that the line names")]
    Colour,
    /// All levels stay in use.
    #[error("a source of full range keeps it")]
    FullRange,
    /// Frames are repeated or left out.
    #[error("frames are repeated or left out for an even rate")]
    FrameRate,
    /// Boundaries are counted from a picture that comes late.
    #[error("segments are counted from the first picture, which comes {0} s after the sound")]
    LatePicture(String),
    /// A quality on a scale that is not x264's.
    #[error("the quality is measured as {0}, and not as x264's rate factor")]
    Scale(&'static str),
    /// An average without a cap and a buffer.
    #[error("a bit rate is aimed at without a cap and a buffer")]
    NoCap,
    /// A preset that is not offered.
    #[error("the preset is {0}")]
    Preset(String),
    /// Channels that the engine does not make.
    #[error("the sound has {0} channels")]
    Channels(u32),
    /// A rate that AAC does not have.
    #[error("the sound has {0} samples a second")]
    SampleRate(u32),
    /// A rate that follows from an encoder.
    #[error("the sound takes what {0} makes of it")]
    EncodersOwn(String),
    /// More bits than can be counted.
    #[error("the sound takes {0} bits a second")]
    SoundBitrate(u64),
    /// Louder in a way that cannot be said.
    #[error("the volume is {0}")]
    Volume(String),
    /// Channels mixed by a matrix.
    #[error("channels are mixed by a matrix, {0}")]
    Mix(String),
    /// What the line takes for granted does not hold.
    #[error("the line takes for granted that {0}")]
    Proviso(String),
    /// A size cannot be worked out.
    #[error("{0}")]
    Size(String),
    /// All can be said, but not be made.
    #[error("it cannot be made: {0}")]
    Refused(String),
}
