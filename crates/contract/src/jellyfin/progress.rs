//! What Jellyfin reads from standard error (`JobLogger.ParseLogLine`).

/// What one line told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// `fps=`.
    pub frames_per_second: Option<f64>,
    /// `time=`, in seconds.
    pub seconds: Option<f64>,
    /// `size=`, of which only kB counts.
    pub bytes: Option<i64>,
    /// `bitrate=`, of which only kbits/s counts.
    pub bits_per_second: Option<i64>,
}

/// Reads one line, as Jellyfin does, parting at single blanks.
pub fn told(line: &str) -> Told {
    let parts: Vec<&str> = line.split(' ').collect();
    let mut told = Told::default();
    for (at, part) in parts.iter().enumerate() {
        let value = part.rsplit('=').next().unwrap_or_default();
        let lower = part.to_ascii_lowercase();
        if lower == "fps=" {
            let next = parts.get(at + 1).and_then(|next| next.parse().ok());
            told.frames_per_second = next.or(told.frames_per_second);
        } else if lower.starts_with("fps=") {
            told.frames_per_second = value.parse().ok().or(told.frames_per_second);
        } else if lower.starts_with("time=") {
            told.seconds = time_span(value).or(told.seconds);
        } else if lower.starts_with("size=") {
            let lower = value.to_ascii_lowercase();
            let number = lower.contains("kb").then(|| lower.replace("kb", ""));
            let number = number.and_then(|number| number.trim().parse::<i64>().ok());
            told.bytes = number.map(|kilobytes| kilobytes * 1024).or(told.bytes);
        } else if lower.starts_with("bitrate=") {
            let lower = value.to_ascii_lowercase();
            let number = lower.contains("kbits/s").then(|| lower.replace("kbits/s", ""));
            let number = number.and_then(|number| number.trim().parse::<f64>().ok());
            told.bits_per_second =
                number.map(|rate| (rate * 1024.0).ceil() as i64).or(told.bits_per_second);
        }
    }
    told
}

/// .NET's `TimeSpan.TryParse`, invariant: `[-][d.]hh:mm[:ss[.fffffff]]`, each in its range, or days
/// alone. ffmpeg's hours beyond 23 are out of range, and `N/A` is nothing.
pub fn time_span(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let number = |text: &str, most: u32| -> Option<f64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = if digits { text.parse::<u32>().ok()? } else { return None };
        (value <= most).then(|| f64::from(value))
    };
    const MOST_DAYS: u32 = 10_675_199;
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match parts[..] {
        [days] => return number(days, MOST_DAYS).map(|days| sign * days * 86_400.0),
        [hours, minutes] => (hours, minutes, "0"),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let (days, hours) = match hours.split_once('.') {
        Some((days, hours)) => (number(days, MOST_DAYS)?, hours),
        None => (0.0, hours),
    };
    let (seconds, fraction) = match seconds.split_once('.') {
        Some((seconds, fraction)) if fraction.len() <= 7 => {
            (seconds, number(fraction, u32::MAX)? / 10f64.powi(fraction.len() as i32))
        }
        Some(_) => return None,
        None => (seconds, 0.0),
    };
    let whole = number(hours, 23)? * 3600.0 + number(minutes, 59)? * 60.0 + number(seconds, 59)?;
    Some(sign * (days * 86_400.0 + whole + fraction))
}

/// Cuts bytes into lines where .NET's `StreamReader` does: at CR, LF, or both.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
    after_return: bool,
}

impl Lines {
    /// The lines that end in `bytes`.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            let half = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if half => {}
                b'\n' | b'\r' => lines.push(self.end()),
                _ => self.rest.push(*byte),
            }
        }
        lines
    }

    /// What came after the last line's end.
    pub fn last(mut self) -> Option<String> {
        (!self.rest.is_empty()).then(|| self.end())
    }

    fn end(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, time_span, told};

    #[test]
    fn times_are_read_as_strictly_as_dotnet_does() {
        assert_eq!(time_span("00:01:02.50"), Some(62.5));
        assert_eq!(time_span("-00:00:00.04"), Some(-0.04));
        assert_eq!(time_span("1.02:00:00"), Some(93_600.0));
        for wrong in
            ["N/A", "24:00:00.00", "00:60:00", "00:00:61", "", "-577014:32:22.77", "1:2:3:4:5"]
        {
            assert_eq!(time_span(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_jellyfin_reads_is_read_from_a_line() {
        let line = "frame=  100 fps= 25 q=28.0 size=10000000kB time=00:00:04.16 bitrate=1971.8kbits/s speed=1x";
        let seen = told(line);
        assert_eq!(seen.frames_per_second, Some(25.0), "the number may be the next word");
        assert_eq!(seen.seconds, Some(4.16));
        assert_eq!(seen.bytes, Some(10_240_000_000));
        assert_eq!(seen.bits_per_second, Some(2_019_124));
        assert_eq!(told("size=    1024KiB time=N/A"), Default::default());
    }

    #[test]
    fn a_return_and_a_newline_each_end_a_line() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"a\rb\r"), ["a", "b"]);
        assert_eq!(lines.take(b"\nc\n\nd"), ["c", ""]);
        assert_eq!(lines.last().as_deref(), Some("d"));
    }
}
