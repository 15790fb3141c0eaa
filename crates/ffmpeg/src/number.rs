//! ffmpeg's spellings of times, numbers and switches.

use segue_model::Time;

use crate::expression::Expression;

/// A time: `90`, `1.5`, `00:01:30.5`, `250ms`, `-1`; exact. `None` for what ffmpeg refuses.
pub fn time(text: &str) -> Option<Time> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, unit) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, Time::new(1, 1000))
    } else if let Some(digits) = text.strip_suffix("us") {
        (digits, Time::new(1, 1_000_000))
    } else {
        (text.strip_suffix('s').unwrap_or(text), Time::from_secs(1))
    };
    let mut parts = digits.rsplit(':');
    let seconds = decimal(parts.next()?)?;
    let minutes = parts.next().map_or(Some(0), whole)?;
    let hours = parts.next().map_or(Some(0), whole)?;
    let clock = digits.contains(':');
    if parts.next().is_some() || (clock && (digits != text || seconds >= Time::from_secs(60))) {
        return None;
    }
    let value = (seconds + Time::from_secs(minutes * 60 + hours * 3600)) * unit;
    Some(if negative { -value } else { value })
}

fn whole(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Digits with a point, exactly; past microseconds ffmpeg takes no notice, and nor does this.
fn decimal(text: &str) -> Option<Time> {
    let (whole_part, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole_part = if whole_part.is_empty() && !fraction.is_empty() { "0" } else { whole_part };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(Time::from_secs(whole(whole_part)?) + Time::new(micros.parse().ok()?, 1_000_000))
}

/// `hh:mm:ss.cc`, rounded down as ffmpeg does.
pub fn clock(time: Time) -> String {
    let hundredths = (time * 100).floor().max(0);
    let (seconds, rest) = (hundredths / 100, hundredths % 100);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{rest:02}", seconds % 60)
}

/// A number that may be an expression: `3M`, `2*1000`.
pub fn number(text: &str) -> Option<f64> {
    Expression::constant(text).filter(|value| value.is_finite())
}

/// A whole number from 0 on.
pub fn count(text: &str) -> Option<u64> {
    let value = number(text)?;
    ((0.0..1e18).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

/// Yes or no, as options of filters and codecs take it.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "y" | "yes" | "enable" | "enabled" | "on" => Some(true),
        "0" | "false" | "n" | "no" | "disable" | "disabled" | "off" => Some(false),
        _ => None,
    }
}

/// A frame rate: `25`, `23.976`, `30000/1001`, `ntsc`; exact as written.
pub fn rate(text: &str) -> Option<Time> {
    let value = match text {
        "ntsc" => Time::new(30_000, 1001),
        "pal" => Time::from_secs(25),
        "film" => Time::from_secs(24),
        "ntsc-film" => Time::new(24_000, 1001),
        _ => match text.split_once(['/', ':']) {
            Some((over, under)) => {
                let (over, under) = (whole(over)?, whole(under)?);
                if under == 0 {
                    return None;
                }
                Time::new(over, under)
            }
            None => text.parse().ok().filter(|_| !text.contains('/'))?,
        },
    };
    (value.is_positive() && value <= Time::from_secs(1000)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact() {
        assert_eq!(time("00:25:54.000"), Some(Time::from_secs(1554)));
        assert_eq!(time("16.000"), Some(Time::from_secs(16)));
        assert_eq!(time("00:08:14.598"), Some(Time::new(494_598, 1000)));
        assert_eq!(time("250ms"), Some(Time::new(1, 4)));
        assert_eq!(time("90:30"), Some(Time::from_secs(5430)));
        assert_eq!(time("-1"), Some(Time::from_secs(-1)));
        for text in ["", ":", "1:2:3:4", "a", "1:60", "1.x", "99999999999"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_may_be_short_or_sums() {
        assert_eq!(count("20121k"), Some(20_121_000));
        assert_eq!(count("6M"), Some(6_000_000));
        assert_eq!(count("-1"), None);
        assert_eq!(count("1.5"), None);
        assert_eq!(number("23.976"), Some(23.976));
    }

    #[test]
    fn frame_rates_are_exact() {
        assert_eq!(rate("30000/1001"), Some(Time::new(30_000, 1001)));
        assert_eq!(rate("25"), Some(Time::from_secs(25)));
        assert_eq!(rate("1/0"), None);
        assert_eq!(rate("0"), None);
    }
}
