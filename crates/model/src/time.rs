//! Exact rational seconds.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time or a duration in seconds, as a reduced fraction with a positive denominator.
///
/// Boundaries, frame rates and timestamps are computed in fractions so that two processes never
/// disagree by a rounding. A result whose terms do not fit in 64 bits (it takes time bases that no
/// real file has) is rounded to the nearest nanosecond instead of overflowing.
///
/// Also used for plain ratios such as frame rates: `Time::new(24000, 1001)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Time {
    num: i64,
    den: i64,
}

const NANOS: i128 = 1_000_000_000;

impl Time {
    /// Zero seconds.
    pub const ZERO: Time = Time { num: 0, den: 1 };

    /// Half a second.
    pub const HALF: Time = Time { num: 1, den: 2 };

    /// `num / den` seconds.
    ///
    /// # Panics
    /// If `den` is zero: callers check what they read from outside.
    pub fn new(num: i64, den: i64) -> Time {
        assert!(den != 0, "a time with denominator 0");
        Time::reduce(i128::from(num), i128::from(den))
    }

    /// Whole seconds.
    pub const fn from_secs(secs: i64) -> Time {
        Time { num: secs, den: 1 }
    }

    /// Whole milliseconds.
    pub fn from_millis(millis: i64) -> Time {
        Time::new(millis, 1000)
    }

    /// `ticks` of a clock that ticks `time_base` seconds apart, as containers count.
    pub fn from_ticks(ticks: i64, time_base: Time) -> Time {
        Time::from_secs(ticks) * time_base
    }

    /// The reduced numerator.
    pub fn num(self) -> i64 {
        self.num
    }

    /// The reduced denominator; always positive.
    pub fn den(self) -> i64 {
        self.den
    }

    /// For display and estimates only; decisions are made on the exact value.
    pub fn as_secs_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// How many ticks of `rate` per second this is, rounded to the nearest (halves away from zero).
    pub fn to_ticks(self, rate: i64) -> i64 {
        // Not by way of a product of times: one of many ticks may have lost its fraction.
        clamp(nearest(i128::from(self.num) * i128::from(rate), i128::from(self.den)))
    }

    /// The nearest integer, halves away from zero.
    pub fn round(self) -> i64 {
        clamp(nearest(i128::from(self.num), i128::from(self.den)))
    }

    /// The largest integer not above.
    pub fn floor(self) -> i64 {
        self.num.div_euclid(self.den)
    }

    /// The smallest integer not below.
    pub fn ceil(self) -> i64 {
        clamp(-(-i128::from(self.num)).div_euclid(i128::from(self.den)))
    }

    /// Without its sign.
    pub fn abs(self) -> Time {
        if self.num < 0 { -self } else { self }
    }

    /// `1 / self`, or `None` for zero.
    pub fn recip(self) -> Option<Time> {
        (self.num != 0).then(|| Time::new(self.den, self.num))
    }

    /// Greater than zero.
    pub fn is_positive(self) -> bool {
        self.num > 0
    }

    fn reduce(num: i128, den: i128) -> Time {
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs()).max(1) as i128;
        let sign = if den < 0 { -1 } else { 1 };
        let (num, den) = (sign * num / divisor, sign * den / divisor);
        match (i64::try_from(num), i64::try_from(den)) {
            (Ok(num), Ok(den)) => Time { num, den },
            _ => {
                let whole = num.div_euclid(den);
                let rest = num.rem_euclid(den);
                // `rest < den`, but its product with a billion may pass 128 bits: drop low bits
                // of both first, far below a nanosecond.
                let shift = (den.ilog2() as i32 - 90).max(0);
                let nanos = ((rest >> shift) * NANOS + (den >> shift) / 2) / (den >> shift).max(1);
                let total = whole.saturating_mul(NANOS).saturating_add(nanos);
                if i64::try_from(total).is_ok() {
                    Time::reduce(total, NANOS)
                } else {
                    Time { num: clamp(whole), den: 1 }
                }
            }
        }
    }
}

/// `num / den` (positive) to the nearest integer, halves away from zero.
fn nearest(num: i128, den: i128) -> i128 {
    let (whole, rest) = (num / den, num % den);
    if rest.abs() * 2 >= den { whole + num.signum() } else { whole }
}

fn clamp(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Add for Time {
    type Output = Time;
    fn add(self, other: Time) -> Time {
        let (a, b) = (i128::from(self.den), i128::from(other.den));
        Time::reduce(i128::from(self.num) * b + i128::from(other.num) * a, a * b)
    }
}

impl Sub for Time {
    type Output = Time;
    fn sub(self, other: Time) -> Time {
        self + -other
    }
}

impl Neg for Time {
    type Output = Time;
    fn neg(self) -> Time {
        Time::reduce(-i128::from(self.num), i128::from(self.den))
    }
}

impl Mul for Time {
    type Output = Time;
    fn mul(self, other: Time) -> Time {
        Time::reduce(
            i128::from(self.num) * i128::from(other.num),
            i128::from(self.den) * i128::from(other.den),
        )
    }
}

impl Mul<i64> for Time {
    type Output = Time;
    fn mul(self, count: i64) -> Time {
        self * Time::from_secs(count)
    }
}

/// # Panics
/// When dividing by zero, as integers do.
impl Div for Time {
    type Output = Time;
    fn div(self, other: Time) -> Time {
        assert!(other.num != 0, "division of a time by zero");
        Time::reduce(
            i128::from(self.num) * i128::from(other.den),
            i128::from(self.den) * i128::from(other.num),
        )
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Time) -> Ordering {
        let left = i128::from(self.num) * i128::from(other.den);
        left.cmp(&(i128::from(other.num) * i128::from(self.den)))
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Time) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `5`, `1001/24000`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 {
            write!(f, "{}", self.num)
        } else {
            write!(f, "{}/{}", self.num, self.den)
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What [`Time::from_str`] could not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number of seconds: write 2, 2.5 or 1001/500")]
pub struct ParseTimeError(String);

/// Reads `2`, `-0.5`, `2.002` and `1001/500`.
impl FromStr for Time {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<Time, ParseTimeError> {
        let wrong = || ParseTimeError(text.to_owned());
        if let Some((num, den)) = text.split_once('/') {
            let num = num.parse().map_err(|_| wrong())?;
            return match den.parse() {
                Ok(den) if den > 0 => Ok(Time::new(num, den)),
                _ => Err(wrong()),
            };
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{decimals}");
        let unsigned = digits.strip_prefix('-').unwrap_or(&digits);
        let sane = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
        let scale = u32::try_from(decimals.len()).ok().and_then(|n| 10_i64.checked_pow(n));
        match (sane, digits.parse(), scale) {
            (true, Ok(num), Some(scale)) => Ok(Time::new(num, scale)),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
