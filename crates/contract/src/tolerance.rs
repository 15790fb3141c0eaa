//! How far apart two ffmpegs may be, and why that far.

/// Timestamps of transport streams tick at 90 kHz and films at 1 kHz (Matroska): two roundings.
pub const TIMESTAMP_SECONDS: f64 = 0.002;

/// A run from a film's start into transport streams: ffmpeg 5.1 shifts all of it by as much as
/// B-frames are decoded (so many pictures) or AAC's priming is heard before it, because its hls muxer
/// does not tell the muxer in it of `-avoid_negative_ts disabled`. Later ones do not.
pub const START_SHIFT_PICTURES: f64 = 2.0;
/// That priming: 1024 samples at 44.1 kHz.
pub const START_SHIFT_PRIMING_SECONDS: f64 = 0.024;
/// How long a picture is shown, where a file has but one.
pub const PICTURE_SECONDS: f64 = 1.0 / 24.0;

/// Which segment a packet of sound lies in is a matter of interleaving: ffmpeg cuts sound by decode
/// times, and so earlier than pictures by as much as these are reordered (two of 24 a second:
/// 0.083 s). Besides, packets begin where an encoder began to count: one of 1024 samples, and one of
/// priming that is there or not, at 44.1 kHz (0.048 s). That none is lost is seen by their steps.
pub const SOUND_SECONDS: f64 = 0.135;

/// The same, counted in packets at 48 kHz.
pub const SOUND_PACKETS: f64 = 6.0;

/// Packets of sound follow each other by their length; times in transport streams and fragments
/// are rounded, and a lost or doubled packet is 0.021 s.
pub const STEP_SECONDS: f64 = 0.005;

/// Progress is told twice a second while it runs far faster than real time; Jellyfin acts on it
/// in steps of segments, and this is one.
pub const PROGRESS_SECONDS: f64 = 3.0;

/// Before its first packet ffmpeg tells a time of zero, and then that packet's decode time, which lies
/// before zero by as much as pictures are reordered. Nobody sees a tenth of a second.
pub const PROGRESS_BACK_SECONDS: f64 = 0.15;

/// Loudness is told to 0.1 LU, and decoders round differently.
pub const LOUDNESS: f64 = 0.11;

/// How long Jellyfin waits between `q` and the kill.
pub const QUIT_SECONDS: u64 = 5;

/// How long after a process's end its pipes may stay open and its helpers live. The kernel kills
/// with the parent at once; a loaded machine takes a moment to clean up.
pub const END_SECONDS: u64 = 3;
