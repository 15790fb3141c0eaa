//! Times in settings: `20s`, `500ms`, `2m`.

use std::time::Duration;

/// More than anybody would wait for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Reads a time; the error says what one looks like.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write seconds (20s), milliseconds or minutes");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let time = match unit.trim_start() {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(wrong()),
    };
    match time <= LONGEST {
        true => Ok(time),
        false => Err(format!("'{text}' is more than a day: write less")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_so_that_nobody_has_to_guess_it() {
        assert_eq!(parse("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse("500 ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        for wrong in ["", "20", "s", "-1s", "1.5s", "2h", "99999999999999999999s", "1441m"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
