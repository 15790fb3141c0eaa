//! Which names are files here, and which are URLs.

/// The path that ffmpeg would open, if `name` is a file rather than a URL, a pipe or a device.
///
/// As ffmpeg's `url_find_protocol`: letters, digits, `+`, `-` and `.` before a colon are a
/// protocol, but one letter is a drive of Windows.
pub fn local(name: &str) -> Option<&str> {
    if let Some(path) = name.strip_prefix("file:") {
        return Some(path).filter(|path| !path.is_empty());
    }
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let end = name.find(|c| !scheme(c)).unwrap_or(name.len());
    let url = name[end..].starts_with(':') && end > 1;
    let special = name == "-" || name.is_empty() || name.starts_with("subfile,");
    (!url && !special).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_urls() {
        assert_eq!(local("file:/a b/c:d.mkv"), Some("/a b/c:d.mkv"));
        assert_eq!(local("file:C:\\a.mkv"), Some("C:\\a.mkv"));
        assert_eq!(local("C:\\a.mkv"), Some("C:\\a.mkv"));
        assert_eq!(local("/a/b:c.mkv"), Some("/a/b:c.mkv"));
        assert_eq!(local("[Group] film.mkv"), Some("[Group] film.mkv"));
        for url in ["http://host/a", "pipe:", "pipe:0", "-", "", "rtsp://x", "concat:a|b", "file:"]
        {
            assert_eq!(local(url), None, "{url}");
        }
    }
}
