//! What this program itself says, among what ffmpeg says.

use std::fmt::Display;
use std::io::Write;

/// Says something in one line on standard error, and in one piece. Whoever stops reading there ends
/// nothing.
pub fn announce(words: impl Display) {
    let line = line(&words.to_string());
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// On one line, whatever names hold.
fn line(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("segue-ffmpeg: {}\n", words.replace(char::is_control, "?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_the_line() {
        assert_eq!(line("a\nb\u{1b}[1m  c"), "segue-ffmpeg: a b?[1m c\n");
    }
}
