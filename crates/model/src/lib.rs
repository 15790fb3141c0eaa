//! Segue's vocabulary as plain types: what a source is, what a recipe says, which job the two
//! make, and how a job's timeline is cut into segments and spans.
//!
//! Nothing here does I/O, reads a clock, spawns a task or knows libav: every value can be made in
//! a test, sent over a wire and hashed. Start at [`Job`]; its identity is made in [`canonical`].

#![forbid(unsafe_code)]

pub mod canonical;
mod clock;
pub mod colour;
mod contract;
mod effort;
mod facts;
mod failure;
mod fields;
mod job;
mod mix;
pub mod pool;
mod recipe;
mod request;
mod source;
mod span;
mod time;
mod timeline;

pub use clock::FrameClock;
pub use contract::{H264Contract, H264Profile, h264_level};
pub use effort::{Effort, EffortError};
pub use facts::{
    AudioFacts, Colour, FieldOrder, FrameRate, KeyframeIndex, Orientation, SampleGrid, SourceFacts,
    StreamKind, VideoFacts,
};
pub use failure::{FailureClass, SpanFailure};
pub use fields::{Deinterlace, DeinterlaceMethod};
pub use job::{Job, JobId};
pub use mix::{Mix, MixError};
pub use recipe::{
    AudioCodec, AudioSettings, BitrateCap, BoundaryRule, CopiedCodec, Gain, Packaging, RateControl,
    Recipe, Rendition, VideoSettings,
};
pub use request::{
    AudioRequest, ChannelRequest, ColourLabels, FieldRequest, JobRequest, RenditionRequest,
    RequestError, Sizing, parse_bitrate,
};
pub use source::{Fingerprint, Hash, Revision, Source};
pub use span::{SegmentId, Span};
pub use time::Time;
pub use timeline::{Timeline, TimelineError};
