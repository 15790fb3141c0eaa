//! One string becomes arguments, as .NET does it: Jellyfin never passes a list.

/// Splits as .NET's `ProcessStartInfo.Arguments` is split on Unix: blanks and tabs part words, `"`
/// quotes, `\"` is a quote, `""` within quotes is one, and any other backslash is only that.
pub fn split(line: &str) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        if matches!(characters[at], ' ' | '\t') {
            at += 1;
            continue;
        }
        let (mut word, mut quoted) = (String::new(), false);
        while at < characters.len() {
            let backslashes = characters[at..].iter().take_while(|c| **c == '\\').count();
            at += backslashes;
            if characters.get(at) == Some(&'"') {
                word.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 1 {
                    word.push('"');
                } else if quoted && characters.get(at + 1) == Some(&'"') {
                    word.push('"');
                    at += 1;
                } else {
                    quoted = !quoted;
                }
                at += 1;
                continue;
            }
            word.extend(std::iter::repeat_n('\\', backslashes));
            match characters.get(at) {
                Some(' ' | '\t') if !quoted => break,
                Some(character) => {
                    word.push(*character);
                    at += 1;
                }
                None => break,
            }
        }
        words.push(word);
    }
    words
}

/// Escapes a path that is to stand between quotes: quotes, and backslashes before quotes or the end
/// (`EscapeProcessArgument`).
pub fn escaped(path: &str) -> String {
    let mut out = String::new();
    let mut backslashes = 0;
    for character in path.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                out.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        out.push(character);
    }
    out.extend(std::iter::repeat_n('\\', backslashes));
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, split};

    #[test]
    fn only_double_quotes_quote_and_commas_keep_their_backslash() {
        let words = split(r#"-i file:"/a b/c.mkv" -vf "min(a\,b)"  -x '' -e "" "#);
        assert_eq!(words, ["-i", "file:/a b/c.mkv", "-vf", r"min(a\,b)", "-x", "''", "-e", ""]);
    }

    #[test]
    fn an_escaped_path_comes_out_as_it_was() {
        for path in [r#"a "quoted" b"#, r"ends\", r#"back\"slash"#, "new\nline", r"\\x"] {
            assert_eq!(split(&format!("-i \"{}\" -y", escaped(path))), ["-i", path, "-y"]);
        }
    }
}
