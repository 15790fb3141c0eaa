//! The playlist of a run that went on, with what came before it: ffmpeg writes one at the end, of what
//! that run made.

use std::fmt::Write;

use segue_model::Time;

const SEQUENCE: &str = "#EXT-X-MEDIA-SEQUENCE:";
const LONGEST: &str = "#EXT-X-TARGETDURATION:";
const ENTRY: &str = "#EXTINF:";

/// A playlist of segments from the last of these on, with those before it: their names, and when each
/// begins. The first has the number `first`; `begins` says when another one begins, if it is there.
/// `None` if it is not such a playlist.
pub(super) fn whole(
    text: &str,
    first: i64,
    segments: &[(String, Time)],
    begins: impl Fn(&str) -> Option<Time>,
) -> Option<String> {
    let (resumed, earlier) = segments.split_last()?;
    let number = first.checked_add(i64::try_from(earlier.len()).ok()?)?;
    let (header, listed) = text.split_at(text.find(ENTRY)?);
    // What stands before names there stands before all of them.
    let mut names = listed.lines().filter(|line| !line.starts_with('#'));
    let base = names.next()?.strip_suffix(resumed.0.as_str())?;
    if !header.lines().any(|line| line == format!("{SEQUENCE}{number}")) {
        return None;
    }
    let lengths: Vec<Time> = segments.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    // The run may have had pictures before the first of its first segment: that is as long as it is.
    let next = names.next().and_then(|name| begins(name.strip_prefix(base)?));
    let (_, behind) = listed.split_once('\n')?;
    let resumed_for = match next {
        Some(next) => entry(next - resumed.1)?,
        None => listed[..listed.len() - behind.len()].to_owned(),
    };
    let mut all = String::new();
    for line in header.lines() {
        let longest = line.strip_prefix(LONGEST).and_then(|seconds| seconds.parse().ok());
        let line = match longest {
            _ if line.starts_with(SEQUENCE) => format!("{SEQUENCE}{first}"),
            // Whole seconds, to the nearest.
            Some(seconds) => {
                let longest = lengths.iter().map(|length| length.round()).max();
                format!("{LONGEST}{}", longest.unwrap_or(seconds).max(seconds))
            }
            None => line.to_owned(),
        };
        writeln!(all, "{line}").ok()?;
    }
    for ((name, _), length) in earlier.iter().zip(&lengths) {
        writeln!(all, "{}{base}{name}", entry(*length)?).ok()?;
    }
    Some(all + &resumed_for + behind)
}

fn entry(length: Time) -> Option<String> {
    let micros = (length * 1_000_000).round();
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    (micros >= 0).then(|| format!("{ENTRY}{seconds}.{rest:06},\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n";
    const MAP: &str = "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"a-1.mp4\"\n";
    const REST: &str = "#EXTINF:2.002000,\nhls/a7.mp4\n#EXTINF:0.500500,\nhls/a8.mp4\n\
        #EXT-X-ENDLIST\n";

    fn segments(begins: &[Time]) -> Vec<(String, Time)> {
        (5..).zip(begins).map(|(number, begin)| (format!("a{number}.mp4"), *begin)).collect()
    }

    fn text(sequence: i64) -> String {
        format!("{HEADER}#EXT-X-MEDIA-SEQUENCE:{sequence}\n{MAP}{REST}")
    }

    #[test]
    fn what_came_before_is_put_before() {
        let begins = [Time::new(1, 2), Time::new(1, 2) + Time::new(24_024, 12_000)];
        let begins = segments(&[begins[0], begins[1], begins[1] + Time::new(8, 3)]);
        let all = whole(&text(7), 5, &begins, |_| None).unwrap();
        let longer = HEADER.replace("DURATION:2", "DURATION:3");
        let due = format!(
            "{longer}#EXT-X-MEDIA-SEQUENCE:5\n{MAP}#EXTINF:2.002000,\nhls/a5.mp4\n\
             #EXTINF:2.666667,\nhls/a6.mp4\n{REST}"
        );
        assert_eq!(all, due);
        // Its own first one began earlier than what is there.
        let next = |name: &str| (name == "a8.mp4").then_some(begins[2].1 + Time::new(3, 2));
        let shorter = due.replace("2.002000,\nhls/a7", "1.500000,\nhls/a7");
        assert_eq!(whole(&text(7), 5, &begins, next), Some(shorter));
    }

    #[test]
    fn what_is_no_playlist_from_there_on_is_left() {
        let begins = segments(&[0, 2, 4].map(Time::from_secs));
        assert!(whole(&text(7), 5, &begins, |_| None).is_some());
        assert_eq!(whole(&text(8), 5, &begins, |_| None), None);
        assert_eq!(whole(&text(7).replace("a7", "b7"), 5, &begins, |_| None), None);
        assert_eq!(whole("#EXTM3U\n", 5, &begins, |_| None), None);
        assert_eq!(whole("#EXTINF:", 5, &begins, |_| None), None);
        assert_eq!(whole(&text(7), 5, &segments(&[4, 2, 4].map(Time::from_secs)), |_| None), None);
        assert_eq!(whole(&text(7), 5, &[], |_| None), None);
    }
}
