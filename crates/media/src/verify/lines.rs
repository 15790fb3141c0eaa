//! Reads a playlist's lines by the letter of RFC 8216 section 4.
//!
//! The m3u8-rs parser passes over what it does not understand (a garbled EXTINF is a comment to
//! it) and keeps durations in 32 bits: what is wrong, and how long segments exactly are, is
//! decided here. Unknown tags and comments are no faults: clients must ignore them.

use segue_model::Time;

/// What the lines say by themselves.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Each EXTINF that a URI follows: its value and what its last digit stands for.
    pub(super) durations: Vec<(Time, Time)>,
    /// EXT-X-TARGETDURATION.
    pub(super) target: Option<u64>,
    /// What is wrong, with line numbers.
    pub(super) faults: Vec<String>,
    /// The text without what m3u8-rs trips over: byte order mark, titles (it takes a comma in one
    /// for the end of the line).
    pub(super) cleaned: String,
}

#[derive(Default)]
struct Reader {
    out: Lines,
    number: usize,
    pending: Option<(Time, Time)>,
    variant_pending: bool,
    has_media_tags: bool,
    has_multivariant_tags: bool,
    ended: bool,
    range_without_offset: bool,
    ranges_end_in: Option<String>,
}

/// Reads all lines; `bytes` begin with `#EXTM3U` (after a byte order mark, if any).
pub(super) fn read(bytes: &[u8]) -> Lines {
    let mut reader = Reader::default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            reader.out.faults.push("it is not UTF-8".to_owned());
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            reader.out.faults.push("it begins with a byte order mark".to_owned());
            rest
        }
        None => &text,
    };
    for line in text.lines() {
        reader.number += 1;
        reader.line(line.trim_end_matches('\r'));
    }
    reader.finish()
}

impl Reader {
    fn fault(&mut self, what: &str) {
        let number = self.number;
        self.out.faults.push(format!("line {number}: {what}"));
    }

    fn line(&mut self, line: &str) {
        let mut kept = line;
        if self.number == 1 && line.trim_end() != "#EXTM3U" {
            self.fault("the first line is not just #EXTM3U");
        }
        if let Some(tag) = line.strip_prefix("#EXT") {
            let (name, value) = tag.split_once(':').map_or((tag, None), |(n, v)| (n, Some(v)));
            self.tag(name.trim_end(), value);
            if name == "INF"
                && let Some(comma) = line.find(',')
            {
                kept = &line[..=comma];
            }
        } else if !line.starts_with('#') && !line.trim().is_empty() {
            self.uri(line);
        }
        self.out.cleaned.push_str(kept);
        self.out.cleaned.push('\n');
    }

    fn tag(&mut self, name: &str, value: Option<&str>) {
        match name {
            "INF" => self.duration(value.unwrap_or_default()),
            "-X-TARGETDURATION" => {
                self.has_media_tags = true;
                match value.and_then(|value| value.trim().parse().ok()) {
                    Some(target) if self.out.target.is_none() => self.out.target = Some(target),
                    Some(_) => self.fault("a second EXT-X-TARGETDURATION"),
                    None => self.fault("EXT-X-TARGETDURATION is not a whole number"),
                }
            }
            "-X-VERSION" | "-X-MEDIA-SEQUENCE" | "-X-DISCONTINUITY-SEQUENCE"
                if value.is_none_or(|value| value.trim().parse::<u64>().is_err()) =>
            {
                self.fault(&format!("EXT{name} is not a whole number"));
            }
            "-X-BYTERANGE" => match value.and_then(byte_range) {
                Some((_, offset)) => self.range_without_offset = offset.is_none(),
                None => self.fault("EXT-X-BYTERANGE is not length@offset"),
            },
            "-X-MAP" if !value.is_some_and(|value| value.contains("URI=\"")) => {
                self.fault("EXT-X-MAP without a quoted URI");
            }
            "-X-PLAYLIST-TYPE" if !matches!(value.map(str::trim), Some("VOD" | "EVENT")) => {
                self.fault("EXT-X-PLAYLIST-TYPE is neither VOD nor EVENT");
            }
            "-X-ENDLIST" => self.ended = true,
            "-X-STREAM-INF" => self.variant(value.unwrap_or_default()),
            "-X-MEDIA" => {
                self.has_multivariant_tags = true;
                let value = value.unwrap_or_default();
                if !["TYPE=", "GROUP-ID=\"", "NAME=\""].iter().all(|part| value.contains(part)) {
                    self.fault("EXT-X-MEDIA without TYPE, GROUP-ID or NAME");
                }
            }
            _ => {}
        }
    }

    fn duration(&mut self, value: &str) {
        self.has_media_tags = true;
        if self.pending.is_some() {
            self.fault("EXTINF again before a URI");
        }
        let number = match value.split_once(',') {
            Some((number, _)) => number,
            None => {
                self.fault("EXTINF without a comma after the duration");
                value
            }
        };
        // A segment whose duration cannot be read still is one: keep the count right.
        self.pending = Some(decimal(number.trim()).unwrap_or_else(|| {
            self.fault(&format!("EXTINF:{value} is not a duration"));
            (Time::ZERO, Time::from_secs(i64::from(u32::MAX)))
        }));
    }

    fn variant(&mut self, value: &str) {
        self.has_multivariant_tags = true;
        if self.variant_pending {
            self.fault("EXT-X-STREAM-INF again before a URI");
        }
        let bandwidth = value
            .split(',')
            .find_map(|attribute| attribute.trim().strip_prefix("BANDWIDTH="))
            .and_then(|value| value.parse::<u64>().ok());
        if bandwidth.is_none() {
            self.fault("EXT-X-STREAM-INF without a whole number for BANDWIDTH");
        }
        self.variant_pending = true;
    }

    fn uri(&mut self, line: &str) {
        if self.ended {
            self.fault("a segment after EXT-X-ENDLIST");
        }
        if self.range_without_offset && self.ranges_end_in.as_deref() != Some(line) {
            self.fault("EXT-X-BYTERANGE without an offset, and the segment before is another file");
        }
        self.range_without_offset = false;
        self.ranges_end_in = Some(line.to_owned());
        if std::mem::take(&mut self.variant_pending) {
            return;
        }
        match self.pending.take() {
            Some(duration) => self.out.durations.push(duration),
            None => self.fault(&format!("{line} has no EXTINF or EXT-X-STREAM-INF before it")),
        }
    }

    fn finish(mut self) -> Lines {
        if self.pending.is_some() {
            self.fault("the last EXTINF has no URI");
        }
        if self.variant_pending {
            self.fault("the last EXT-X-STREAM-INF has no URI");
        }
        if self.has_media_tags && self.has_multivariant_tags {
            self.out.faults.push("tags of media and multivariant playlists are mixed".to_owned());
        }
        if self.has_media_tags && self.out.target.is_none() && !self.has_multivariant_tags {
            self.out.faults.push("no usable EXT-X-TARGETDURATION".to_owned());
        }
        self.out
    }
}

/// `length@offset` or `length`.
pub(super) fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.trim().split_once('@') {
        Some((length, offset)) => Some((length.parse().ok()?, Some(offset.parse().ok()?))),
        None => Some((text.trim().parse().ok()?, None)),
    }
}

/// A decimal as a fraction, and what its last digit stands for.
fn decimal(text: &str) -> Option<(Time, Time)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || text.ends_with('.') {
        return None;
    }
    // Nine digits are nanoseconds: more carry nothing.
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10_i64.pow(fraction.len() as u32);
    let whole: i64 = whole.parse::<u32>().ok()?.into();
    let fraction: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some((Time::from_secs(whole) + Time::new(fraction, scale), Time::new(1, scale)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.000000,\na.ts\n\
                         #EXTINF:1.96,a title, with a comma\nb.ts\n#EXT-X-ENDLIST\n";

    #[test]
    fn durations_are_read_exactly_and_titles_dropped() {
        let lines = read(CLEAN.as_bytes());
        assert_eq!(lines.faults, Vec::<String>::new());
        assert_eq!(
            lines.durations,
            [(Time::from_secs(2), Time::new(1, 1_000_000)), (Time::new(49, 25), Time::new(1, 100))]
        );
        assert!(lines.cleaned.contains("#EXTINF:1.96,\nb.ts\n"));
    }

    #[test]
    fn each_malformed_line_is_named() {
        for (clean, broken, line) in [
            ("#EXTINF:1.96,", "#EXTINF:1.9x,", "line 6"),
            ("#EXTINF:1.96,", "#EXTINF:-1.96,", "line 6"),
            ("#EXTINF:1.96,", "#EXTINF:1.96 ", "line 6"),
            ("#EXTINF:1.96,", "# 1.96,", "line 7"),
            ("TARGETDURATION:2", "TARGETDURATION:two", "line 3"),
            ("VERSION:3", "VERSION:three", "line 2"),
            ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXTINF:2,\nc.ts\n", "line 10"),
            ("#EXTINF:2.000000,", "#EXT-X-BYTERANGE:9x@1\n#EXTINF:2.000000,", "line 4"),
            ("#EXTINF:2.000000,", "#EXT-X-BYTERANGE:9\n#EXTINF:2.000000,", "line 6"),
        ] {
            assert!(CLEAN.contains(clean));
            let faults = read(CLEAN.replacen(clean, broken, 1).as_bytes()).faults;
            assert!(faults.iter().any(|fault| fault.starts_with(line)), "{broken}: {faults:?}");
        }
    }
}
