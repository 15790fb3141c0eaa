//! A picture asked for: its size and bit rate, as people write them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::RequestError;
use crate::Time;

/// One picture asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenditionRequest {
    /// How large.
    pub sizing: Sizing,
    /// Bits per second; when not given, what suits the size.
    pub bitrate: Option<u64>,
}

/// How large a picture is asked for. Its shape is the source's, unless it is said exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizing {
    /// As large as the source.
    Source,
    /// As large as fits into a 16:9 frame of so many rows (upright for upright sources).
    Rows(u32),
    /// As large as fits into so many columns and rows.
    Within(u32, u32),
    /// Exactly so many columns and rows, whatever the source's shape, and larger than it if need be.
    Exactly {
        /// Columns; even.
        width: u32,
        /// Rows; even.
        height: u32,
        /// Width of a pixel over its height.
        sample_aspect: Time,
    },
}

impl FromStr for RenditionRequest {
    type Err = RequestError;

    /// Reads `720p`, `720p@3M`, `1280x720@3000k`, `source@8M`, `=720x576:64/45`.
    fn from_str(text: &str) -> Result<RenditionRequest, RequestError> {
        let malformed = || RequestError::Malformed(text.to_owned());
        let digits = |part: &str| -> Result<u32, RequestError> {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(malformed());
            }
            part.parse().map_err(|_| RequestError::Size(text.to_owned()))
        };
        let (size, bitrate) = match text.split_once('@') {
            Some((size, bitrate)) => (size, Some(bitrate)),
            None => (text, None),
        };
        let sizing = if size == "source" {
            Sizing::Source
        } else if let Some(rows) = size.strip_suffix('p') {
            Sizing::Rows(digits(rows)?)
        } else if let Some(exact) = size.strip_prefix('=') {
            let (size, sample_aspect) = match exact.split_once(':') {
                Some((size, shape)) => (size, shape.parse().map_err(|_| malformed())?),
                None => (exact, Time::from_secs(1)),
            };
            let (width, height) = size.split_once('x').ok_or_else(malformed)?;
            Sizing::Exactly { width: digits(width)?, height: digits(height)?, sample_aspect }
        } else {
            let (width, height) = size.split_once('x').ok_or_else(malformed)?;
            Sizing::Within(digits(width)?, digits(height)?)
        };
        let bitrate = match bitrate {
            None => None,
            Some(bitrate) => Some(parse_bitrate(bitrate).ok_or_else(malformed)?),
        };
        let request = RenditionRequest { sizing, bitrate };
        request.check(text)?;
        Ok(request)
    }
}

/// Columns and rows that a picture may have.
pub(super) const SIDES: RangeInclusive<u32> = 16..=8192;

impl RenditionRequest {
    /// Whether an encoder takes it; `text` is what to call it if not.
    pub(super) fn check(self, text: &str) -> Result<(), RequestError> {
        let side_ok = |side: u32| SIDES.contains(&side);
        let sane = match self.sizing {
            Sizing::Source => true,
            Sizing::Rows(rows) => side_ok(rows),
            Sizing::Within(width, height) => side_ok(width) && side_ok(height),
            Sizing::Exactly { width, height, sample_aspect } => {
                let even = |side: u32| side_ok(side) && side.is_multiple_of(2);
                // Wider or narrower ones come from no real film.
                if !(Time::new(1, 100)..=Time::from_secs(100)).contains(&sample_aspect) {
                    return Err(RequestError::Shape(text.to_owned()));
                }
                if !even(width) || !even(height) {
                    return Err(RequestError::ExactSize(text.to_owned()));
                }
                true
            }
        };
        if !sane {
            return Err(RequestError::Size(text.to_owned()));
        }
        match self.bitrate {
            Some(bits) if !(50_000..=200_000_000).contains(&bits) => {
                Err(RequestError::Bitrate(text.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// As [`RenditionRequest::from_str`] reads it.
impl fmt::Display for RenditionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sizing {
            Sizing::Source => f.write_str("source")?,
            Sizing::Rows(rows) => write!(f, "{rows}p")?,
            Sizing::Within(width, height) => write!(f, "{width}x{height}")?,
            Sizing::Exactly { width, height, sample_aspect } => {
                write!(f, "={width}x{height}")?;
                if sample_aspect != Time::from_secs(1) {
                    write!(f, ":{sample_aspect}")?;
                }
            }
        }
        match self.bitrate {
            Some(bits) => write!(f, "@{bits}"),
            None => Ok(()),
        }
    }
}

/// Bits per second from `3M`, `2.5M`, `800k` or `800000`; `None` if it is neither.
pub fn parse_bitrate(text: &str) -> Option<u64> {
    let (number, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1_000),
        b'm' | b'M' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    // A time may be a fraction; a bit rate is written with decimals.
    let value = number.parse::<Time>().ok().filter(|_| !number.contains('/'))? * scale;
    u64::try_from(value.round()).ok()
}

/// The largest even size of the source's shape that fits.
pub(super) fn fit((width, height): (u32, u32), sizing: Sizing) -> (u32, u32) {
    let (box_width, box_height) = match sizing {
        Sizing::Source => (width, height),
        Sizing::Within(columns, rows) => (columns, rows),
        Sizing::Exactly { width, height, .. } => return (width, height),
        Sizing::Rows(rows) => {
            let columns = (rows * 16).div_ceil(9);
            if height > width { (rows, columns) } else { (columns, rows) }
        }
    };
    let ratio = |a: u32, b: u32| Time::new(i64::from(a), i64::from(b.max(1)));
    let scale = ratio(box_width, width).min(ratio(box_height, height));
    let even = |side: u32, most: u32| {
        let exact = scale * i64::from(side);
        let nearest = (exact / Time::from_secs(2)).round() * 2;
        // An odd box is filled up to its last even row.
        nearest.clamp(16, i64::from((most & !1).max(16))) as u32
    };
    (even(width, box_width), even(height, box_height))
}

/// Bits per second that suit a size at good quality: 6 Mb/s at 1080p, and as the 3/4th power of
/// the number of pixels around it; in steps of 50 kb/s.
pub(super) fn suitable_bitrate(width: u32, height: u32) -> u64 {
    let pixels = f64::from(width) * f64::from(height);
    let bits = 6_000_000.0 * (pixels / (1920.0 * 1080.0)).powf(0.75);
    ((bits / 50_000.0).round() as u64 * 50_000).max(100_000)
}
