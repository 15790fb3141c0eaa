//! Decides where a film is cut into segments. Never looks at media: duration and keyframes come
//! in as exact times on the job's axis. Start at [`timeline`].
//!
//! The cumulative rule is the one of ffmpeg's hls muxer (`hls_write_packet`: a cut needs a video
//! keyframe whose distance from the stream's start is at least `hls_time` times the number of the
//! segment being written) and of Jellyfin's `ComputeSegments`, which must agree because Jellyfin
//! writes the playlist before ffmpeg has made the segments. Where targets fall behind, after a
//! long gap between keyframes, both cut at every keyframe until they have caught up, and so do we.
//! What is left to differ:
//! - ffmpeg counts from the first packet of any stream, as the job's axis does, but its first
//!   EXTINF counts from the first *picture*: when sound starts earlier, ours is longer by that.
//! - ffmpeg's last EXTINF ends with the last picture's packet; ours with the film.
//! - Jellyfin counts from the container's zero instead of the first packet, rounds keyframes to
//!   100 ns, and ends a film whose stated duration lies before its last keyframe at that keyframe.

use segue_model::{BoundaryRule, Time, Timeline, TimelineError};

/// Why a film cannot be cut as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryError {
    /// A film that ends where it starts, or before.
    #[error("a film of {0} s cannot be cut: the source has no picture or sound to speak of")]
    Duration(Time),
    /// Segments need a length.
    #[error("a segment length of {0} s cannot be cut to: ask for 0.5 to 30 seconds")]
    Segment(Time),
    /// A keyframe rule for a source without keyframes.
    #[error(
        "the source has no keyframes to cut at (no picture, or no index of it): cut by time \
         instead, with the boundary rule `grid`"
    )]
    NoKeyframes,
    /// More than a timeline holds.
    #[error(
        "a film of {duration} s in segments of {segment} s takes more than {max} of them: ask for \
         longer segments",
        max = Timeline::SEGMENTS_MAX
    )]
    TooMany {
        /// How long the film is.
        duration: Time,
        /// How long segments should be.
        segment: Time,
    },
    /// Times so fine that two boundaries cannot be told apart in 64-bit fractions.
    #[error("the source's timestamps are too fine to cut by; ask for longer segments")]
    Unrepresentable(#[source] TimelineError),
}

/// Cuts a film of `duration` by `rule`, from 0 to exactly `duration`.
///
/// `keyframes` rise, on the job's axis; rules that count seconds take no notice of them. Those before
/// 0, at or after the end, or not after the previous boundary are passed over.
pub fn timeline(
    rule: BoundaryRule,
    duration: Time,
    keyframes: &[Time],
) -> Result<Timeline, BoundaryError> {
    let film = Film { duration, last: duration, counts_from: Time::ZERO };
    timeline_to(rule, film, keyframes)
}

/// What is known of a film that is cut by seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Film {
    pub(crate) duration: Time,
    /// When the last picture (or packet of sound, where there is none) comes:
    /// [`BoundaryRule::Multiples`] does not cut after that.
    pub(crate) last: Time,
    /// What rules that count seconds count from; what comes before is in the first segment.
    pub(crate) counts_from: Time,
}

/// As [`timeline`], for a film of which more is known.
pub(crate) fn timeline_to(
    rule: BoundaryRule,
    film: Film,
    keyframes: &[Time],
) -> Result<Timeline, BoundaryError> {
    let duration = film.duration;
    if !duration.is_positive() {
        return Err(BoundaryError::Duration(duration));
    }
    let segment = rule.segment();
    if !segment.is_positive() {
        return Err(BoundaryError::Segment(segment));
    }
    let counts_seconds = matches!(rule, BoundaryRule::Grid { .. } | BoundaryRule::Multiples { .. });
    if keyframes.is_empty() && !counts_seconds {
        return Err(BoundaryError::NoKeyframes);
    }
    let boundaries = match rule {
        BoundaryRule::Grid { segment } => grid(segment, film)?,
        BoundaryRule::Multiples { segment } => multiples(segment, film)?,
        BoundaryRule::KeyframesGreedy { segment } => {
            at_keyframes(duration, keyframes, |_, previous| previous + segment)
        }
        BoundaryRule::KeyframesCumulative { segment } => {
            at_keyframes(duration, keyframes, |cuts, _| segment * (cuts + 1))
        }
    };
    Timeline::new(boundaries).map_err(|error| match error {
        TimelineError::TooLong(_) => BoundaryError::TooMany { duration, segment },
        error => BoundaryError::Unrepresentable(error),
    })
}

/// Every `segment` seconds; a tail shorter than a quarter of that goes with the segment before.
///
/// A runt costs a player a request and an encoder a start for a few frames, and its rate control
/// has no room to work in.
fn grid(segment: Time, film: Film) -> Result<Vec<Time>, BoundaryError> {
    let Film { duration, counts_from, .. } = film;
    let whole = ((duration - counts_from) / segment).floor().max(0);
    if whole >= Timeline::SEGMENTS_MAX as i64 {
        return Err(BoundaryError::TooMany { duration, segment });
    }
    let tail = duration - counts_from - segment * whole;
    let runt = tail * 4 < segment && whole > 0;
    let starts = if runt { whole } else { whole + 1 };
    Ok(cut(segment, film, starts))
}

/// Every `segment` seconds, as long as something comes then: ffmpeg's muxer cuts at a picture, so that
/// what is left behind the last one goes with the segment before.
fn multiples(segment: Time, film: Film) -> Result<Vec<Time>, BoundaryError> {
    let Film { duration, last, counts_from } = film;
    let whole = ((last.min(duration) - counts_from) / segment).floor().max(0);
    if whole >= Timeline::SEGMENTS_MAX as i64 {
        return Err(BoundaryError::TooMany { duration, segment });
    }
    Ok(cut(segment, film, whole + 1))
}

/// So many segments, as long as something comes in them.
fn cut(segment: Time, film: Film, segments: i64) -> Vec<Time> {
    let start = |n| if n == 0 { Time::ZERO } else { film.counts_from + segment * n };
    let starts = (0..segments.max(1)).map(start).filter(|start| *start < film.duration);
    starts.chain([film.duration]).collect()
}

/// At the first keyframe not before each target, which follows from the number of cuts made so
/// far and the last boundary.
fn at_keyframes(
    duration: Time,
    keyframes: &[Time],
    target: impl Fn(i64, Time) -> Time,
) -> Vec<Time> {
    let mut boundaries = vec![Time::ZERO];
    let mut previous = Time::ZERO;
    for &keyframe in keyframes {
        let cuts = boundaries.len() as i64 - 1;
        let after = keyframe > previous && keyframe < duration;
        if after && keyframe >= target(cuts, previous) {
            boundaries.push(keyframe);
            previous = keyframe;
        }
    }
    boundaries.push(duration);
    boundaries
}
