//! ffmpeg's line of figures, which media servers read from standard error.

use std::time::Duration;

use segue_ffmpeg::number::clock;
use segue_model::Time;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Frames so far; `None` without a picture.
    pub frames: Option<u64>,
    /// How much of the film that is.
    pub media: Time,
    /// How long it took.
    pub elapsed: Duration,
    /// Nothing comes after it.
    pub last: bool,
}

impl Stats {
    /// As ffmpeg's `print_report` writes it, with the end of the line. Quality and size are not known,
    /// and are what ffmpeg writes for HLS.
    pub fn line(&self) -> String {
        let Stats { frames, media, elapsed, last } = *self;
        let seconds = elapsed.as_secs_f64();
        let size = if last { "Lsize" } else { "size" };
        let pictures = frames.map(|frames| {
            let fps = if seconds > 0.5 { frames as f64 / seconds } else { 0.0 };
            let digits = usize::from(fps < 9.95);
            let quality = if last { "-1.0" } else { "0.0" };
            format!("frame={frames:5} fps={fps:3.digits$} q={quality} ")
        });
        let pictures = pictures.unwrap_or_default();
        let speed = if seconds > 0.0 { media.as_secs_f64() / seconds } else { 0.0 };
        let end = if last { '\n' } else { '\r' };
        let time = clock(media);
        let speed = three_digits(speed);
        format!("{pictures}{size}=N/A time={time} bitrate=N/A speed={speed:>4}x    {end}")
    }
}

/// C's `%.3g`.
fn three_digits(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return "0".to_owned();
    }
    let exponent = format!("{value:.2e}");
    let exponent = exponent.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    let trimmed = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if (-4..3).contains(&exponent) {
        return trimmed(format!("{value:.*}", usize::try_from(2 - exponent).unwrap_or(0)));
    }
    let mantissa = trimmed(format!("{:.2}", value / 10f64.powi(exponent)));
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_ffmpeg_writes_them() {
        let stats = |frames, ms: i64, elapsed, last| {
            let (media, elapsed) = (Time::from_millis(ms), Duration::from_millis(elapsed));
            Stats { frames: Some(frames), media, elapsed, last }.line()
        };
        assert_eq!(
            stats(125, 5_170, 517, false),
            "frame=  125 fps=242 q=0.0 size=N/A time=00:00:05.17 bitrate=N/A speed=  10x    \r"
        );
        assert_eq!(
            stats(0, 0, 0, false),
            "frame=    0 fps=0.0 q=0.0 size=N/A time=00:00:00.00 bitrate=N/A speed=   0x    \r"
        );
        assert_eq!(
            stats(480, 3_723_450, 2_687_000, true),
            "frame=  480 fps=0.2 q=-1.0 Lsize=N/A time=01:02:03.45 bitrate=N/A speed=1.39x    \n"
        );
    }

    #[test]
    fn sound_alone_has_no_frames() {
        let (media, elapsed) = (Time::from_secs(3), Duration::from_secs(1));
        let stats = Stats { frames: None, media, elapsed, last: false };
        assert_eq!(stats.line(), "size=N/A time=00:00:03.00 bitrate=N/A speed=   3x    \r");
    }

    #[test]
    fn numbers_are_as_c_writes_them() {
        let written = [0.0, 0.5, 7.428, 9.996, 61.05, 219.4, 1234.0, 0.012_34, 0.000_012_34];
        let written: Vec<String> = written.into_iter().map(three_digits).collect();
        let c = ["0", "0.5", "7.43", "10", "61", "219", "1.23e+03", "0.0123", "1.23e-05"];
        assert_eq!(written, c);
    }
}
