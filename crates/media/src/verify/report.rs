//! What verification says: the report, the faults by kind, and why nothing could be said.

use std::fmt;

use serde::{Serialize, Serializer};

/// What was looked at and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Every media playlist, in the order of the multivariant playlist.
    pub playlists: Vec<PlaylistReport>,
    /// Everything wrong, by playlist and segment; empty for a clean stream.
    pub faults: Vec<Fault>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

/// What a media playlist carries, as decoded (not as declared).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlaylistReport {
    /// As the multivariant playlist names it; the location itself when that is a media playlist.
    pub uri: String,
    /// Segments listed.
    pub segments: usize,
    /// The sum of the segments' EXTINF, in seconds.
    pub duration: f64,
    /// The picture, if there is one.
    pub video: Option<VideoReport>,
    /// The sound, if there is any: the first track.
    pub audio: Option<AudioReport>,
}

/// Facts of a picture track.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VideoReport {
    /// libav's name of the codec, such as `h264`.
    pub codec: String,
    /// The RFC 6381 string with profile and level, where this crate can tell.
    pub codec_string: Option<String>,
    /// Decoded width in pixels.
    pub width: u32,
    /// Decoded height in pixels.
    pub height: u32,
    /// Pictures a second, from the usual distance between them.
    pub frame_rate: Option<f64>,
    /// Pictures in all segments.
    pub pictures: usize,
}

/// Facts of a sound track.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AudioReport {
    /// libav's name of the codec, such as `aac`.
    pub codec: String,
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u32,
    /// Packets in all segments.
    pub packets: usize,
}

/// A segment's place in its playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentName {
    /// Counted from 0 in the playlist.
    pub index: usize,
    /// As the playlist names it.
    pub uri: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// The playlist it was found in.
    pub playlist: String,
    /// The segment to look at; `None` when it concerns the playlist.
    pub segment: Option<SegmentName>,
    /// What sort of fault.
    pub kind: FaultKind,
    /// What was found, with numbers.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.playlist)?;
        if let Some(SegmentName { index, uri }) = &self.segment {
            write!(f, "segment {index} ({uri}): ")?;
        }
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// The sorts of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FaultKind { $($(#[$doc])* $kind,)* }

        impl FaultKind {
            /// The words a person reads; JSON has them too.
            pub fn name(self) -> &'static str {
                match self { $(FaultKind::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// A line that RFC 8216 does not allow, or one that is missing.
    MalformedPlaylist = "malformed playlist",
    /// A playlist named by the multivariant playlist cannot be read.
    PlaylistMissing = "missing playlist",
    /// The playlist says it is complete (VOD) but has no EXT-X-ENDLIST.
    EndMissing = "missing end",
    /// A segment cannot be read at all.
    SegmentMissing = "missing segment",
    /// The init section (EXT-X-MAP) cannot be read, or is none.
    InitMissing = "missing init",
    /// A segment without a byte, or without a sample.
    SegmentEmpty = "empty segment",
    /// A segment breaks off before its own structure says it ends.
    SegmentTruncated = "truncated segment",
    /// A segment's structure makes no sense.
    SegmentMalformed = "malformed segment",
    /// A TS segment carries media before its PAT and PMT.
    TablesMissing = "missing PAT or PMT",
    /// TS packets were lost, repeated or put together from different muxers.
    Continuity = "continuity counter error",
    /// The init section belongs to other media than the segments carry.
    InitMismatch = "init mismatch",
    /// The init section changes without EXT-X-DISCONTINUITY.
    InitChanged = "init changed",
    /// Parameter sets in band change without EXT-X-DISCONTINUITY.
    ParametersChanged = "parameters changed",
    /// The codec declared (CODECS, sample entry) is not the codec carried.
    WrongCodec = "wrong codec",
    /// RESOLUTION is not what is decoded.
    WrongResolution = "wrong resolution",
    /// A segment has none of the track the others have.
    TrackMissing = "missing track",
    /// A segment's first picture cannot be decoded without the segment before.
    NoKeyframe = "no keyframe",
    /// Pictures are missing.
    PictureGap = "picture gap",
    /// Pictures of a segment lie in the time of the segment before.
    PictureOverlap = "picture overlap",
    /// Sound is missing.
    SoundGap = "sound gap",
    /// Sound lies in the time of the sound before.
    SoundOverlap = "sound overlap",
    /// Sample rate or channels change without EXT-X-DISCONTINUITY.
    SoundChanged = "sound changed",
    /// Frames are there twice: the same times, or the same coded bytes under new times.
    Repeated = "repeated frames",
    /// Decode timestamps do not rise.
    DecodeTime = "decode time does not rise",
    /// A frame has no timestamp.
    TimestampMissing = "missing timestamp",
    /// EXTINF is not how long the segment lasts.
    WrongDuration = "wrong duration",
    /// EXTINF, rounded, is above EXT-X-TARGETDURATION.
    TargetDuration = "target duration exceeded",
    /// The demuxer or a decoder complained.
    Decoder = "decoder complaint",
    /// Variants of one programme do not share a timeline.
    VariantsDisagree = "variants disagree",
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for FaultKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How far verification is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// The media playlist being looked at.
    pub playlist: String,
    /// Its place among all, from 0.
    pub playlist_index: usize,
    /// How many media playlists there are.
    pub playlists: usize,
    /// Segments done.
    pub segment: usize,
    /// Segments listed.
    pub segments: usize,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Correct the location, or see to it that it can be read.
    #[error("cannot read {location}: {why}; check the path or URL")]
    Unreadable {
        /// As given.
        location: String,
        /// The system's or the server's words.
        why: String,
    },
    /// Name a playlist instead.
    #[error("{location} is not an HLS playlist ({why}); name a .m3u8 file or URL")]
    NotAPlaylist {
        /// As given.
        location: String,
        /// What is there instead.
        why: String,
    },
    /// Decrypt it first.
    #[error("{playlist} is encrypted ({method}); only clear streams can be verified")]
    Encrypted {
        /// The playlist.
        playlist: String,
        /// How.
        method: String,
    },
    /// A fault of this machine.
    #[error("verification failed on this machine: {0}; try again, or elsewhere")]
    Machine(String),
    /// Somebody asked for it to stop.
    #[error("cancelled")]
    Cancelled,
}
