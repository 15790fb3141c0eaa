//! What a file may be called: a name, or a pattern that a muxer fills in.

/// What a file may be called within its directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Only so.
    Exactly(String),
    /// So, with numbers or words of the muxer's in it: parts between which something stands.
    Pattern(Vec<Part>),
    /// Anything that begins so.
    Beginning(String),
    /// Anything at all.
    Any,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// A number, with its sign.
    Number,
    /// Anything.
    Anything,
}

impl Name {
    /// Of a name with `%d`, `%05d`, `%v`, or the letters of strftime.
    pub fn pattern(text: &str) -> Name {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                plain.push(c);
                continue;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                plain.push('%');
                continue;
            }
            while chars.next_if(char::is_ascii_digit).is_some() {}
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(match chars.next() {
                Some('d') => Part::Number,
                Some(_) => Part::Anything,
                None => Part::Text("%".to_owned()),
            });
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        match &parts[..] {
            [Part::Text(name)] => Name::Exactly(name.clone()),
            _ => Name::Pattern(parts),
        }
    }

    /// Of a shell's pattern; only `*` and `?` are told, anything else stands for anything.
    pub fn glob(text: &str) -> Name {
        let mut parts = Vec::new();
        for (at, plain) in text.split(['*', '?', '[', '{']).enumerate() {
            if at > 0 {
                parts.push(Part::Anything);
            }
            let whole = !plain.contains([']', '}', '\\']);
            match plain.is_empty() {
                false if whole => parts.push(Part::Text(plain.to_owned())),
                false => parts.push(Part::Anything),
                true => {}
            }
        }
        Name::Pattern(parts)
    }

    /// Whether a file may be called so.
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Name::Exactly(only) => name == only,
            Name::Pattern(parts) => fits(parts, name),
            Name::Beginning(beginning) => name.starts_with(beginning.as_str()),
            Name::Any => true,
        }
    }

    /// The number in a name that fits, if the pattern has one.
    pub fn number_in(&self, name: &str) -> Option<i64> {
        let Name::Pattern(parts) = self else { return None };
        let at = parts.iter().position(|part| *part == Part::Number)?;
        let [Part::Text(before)] = &parts[..at] else {
            return (at == 0).then(|| number(name).0).flatten();
        };
        number(name.strip_prefix(before.as_str())?).0
    }
}

/// The number that a text begins with, and the rest.
fn number(text: &str) -> (Option<i64>, &str) {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let end = text.len() - unsigned.len() + digits;
    (text[..end].parse().ok().filter(|_| digits > 0), &text[end..])
}

fn fits(parts: &[Part], name: &str) -> bool {
    match parts.split_first() {
        None => name.is_empty(),
        Some((Part::Text(text), rest)) => {
            name.strip_prefix(text.as_str()).is_some_and(|left| fits(rest, left))
        }
        Some((Part::Number, rest)) => {
            matches!(number(name), (Some(_), left) if fits(rest, left))
        }
        Some((Part::Anything, rest)) => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| fits(rest, &name[at..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fill_a_pattern_in() {
        let name = Name::pattern("ab%%c%05d.ts");
        assert!(name.fits("ab%c00001.ts") && name.fits("ab%c123456.ts") && name.fits("ab%c-1.ts"));
        assert!(!name.fits("ab%c.ts") && !name.fits("ab%c1.ts.tmp") && !name.fits("xab%c1.ts"));
        assert_eq!(name.number_in("ab%c00012.ts"), Some(12));
    }

    #[test]
    fn other_letters_stand_for_anything() {
        let name = Name::pattern("v%v_%d.m4s");
        assert!(name.fits("vlow_3.m4s") && !name.fits("vlow_x.m4s"));
        assert!(Name::glob("a*.j?g").fits("a12.jpg"));
        assert_eq!(Name::pattern("plain"), Name::Exactly("plain".to_owned()));
    }
}
