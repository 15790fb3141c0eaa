//! What a program says of its files, in the caller's words: the caller knows neither this worker's
//! directories nor the addresses that inputs are read from. Pure.

/// How files are called here.
#[derive(Clone, Debug, Default)]
pub struct Here {
    /// The root of the tree in which the caller's paths mean the same.
    pub tree: String,
    /// What stands before the number of an input, a slash and its name.
    pub inputs: Vec<String>,
}

/// Puts the caller's names back into a stream of text that comes in pieces.
#[derive(Debug, Default)]
pub struct Names {
    here: Here,
    /// An input's name here, behind its number, and the caller's.
    names: Vec<(String, String)>,
    /// What may be the beginning of a name.
    held: Vec<u8>,
}

/// What stands at a place of the text.
enum Found<'a> {
    /// So many bytes, which the caller calls that.
    Name(usize, &'a str),
    /// Perhaps a name, if more came.
    Perhaps,
    Nothing,
}

impl Names {
    /// Of inputs that have names here and others with the caller.
    pub fn new(here: Here, names: Vec<(String, String)>) -> Names {
        Names { here, names, held: Vec::new() }
    }

    /// What can be said once `bytes` came.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut said = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while let Some(byte) = self.held.get(at) {
            match self.find(&self.held[at..]) {
                Found::Name(length, name) => {
                    said.extend_from_slice(name.as_bytes());
                    at += length;
                }
                Found::Perhaps => break,
                Found::Nothing => {
                    said.push(*byte);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        said
    }

    /// What is left when nothing more comes.
    pub fn end(self) -> Vec<u8> {
        self.held
    }

    fn find(&self, text: &[u8]) -> Found<'_> {
        let tree = self.here.tree.as_bytes();
        if !tree.is_empty() && text.starts_with(tree) {
            return Found::Name(tree.len(), "");
        }
        for before in &self.here.inputs {
            if let Some(behind) = text.strip_prefix(before.as_bytes()) {
                return match self.input(behind) {
                    Found::Name(length, name) => Found::Name(before.len() + length, name),
                    other => other,
                };
            }
        }
        let begins = |name: &[u8]| name.len() > text.len() && name.starts_with(text);
        match begins(tree) || self.here.inputs.iter().any(|before| begins(before.as_bytes())) {
            true => Found::Perhaps,
            false => Found::Nothing,
        }
    }

    /// The input whose number and name stand here.
    fn input(&self, text: &[u8]) -> Found<'_> {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&text[..digits]).ok().and_then(|it| it.parse().ok());
        let known = number.and_then(|number: usize| self.names.get(number));
        if digits == text.len() && (digits == 0 || known.is_some()) {
            return Found::Perhaps;
        }
        let Some((here, caller)) = known else { return Found::Nothing };
        match text[digits..].strip_prefix(b"/") {
            Some(name) if name.starts_with(here.as_bytes()) => {
                Found::Name(digits + 1 + here.len(), caller)
            }
            Some(name) if here.as_bytes().starts_with(name) => Found::Perhaps,
            _ => Found::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let inputs = ["/w/1/inputs/", "http://127.0.0.1:9/x/"].map(str::to_owned).to_vec();
        let names = [("a.mkv", "/films/ä.mkv"), ("b", "b c")];
        let names = names.map(|(here, caller)| (here.to_owned(), caller.to_owned()));
        Names::new(Here { tree: "/w/1/tree".to_owned(), inputs }, names.to_vec())
    }

    #[test]
    fn names_are_the_callers_however_the_text_is_cut() {
        let text = b"'/w/1/inputs/0/a.mkv', /w/1/tree/m/x: no http://127.0.0.1:9/x/1/b /w/2 \
                     /w/1/inputs/7/a /w/1/inputs/1/a /w/1/inputs/ http://1/inputs/0";
        let due = "'/films/ä.mkv', /m/x: no b c /w/2 \
                   /w/1/inputs/7/a /w/1/inputs/1/a /w/1/inputs/ http://1/inputs/0";
        for size in 1..text.len() {
            let mut names = names();
            let mut said: Vec<u8> = text.chunks(size).flat_map(|piece| names.pass(piece)).collect();
            said.extend(names.end());
            assert_eq!(said, due.as_bytes(), "in pieces of {size}");
        }
    }

    #[test]
    fn nothing_is_held_that_begins_no_name() {
        let mut names = names();
        assert_eq!(names.pass(b"frame=  1 time=0\r"), b"frame=  1 time=0\r");
        assert_eq!(names.pass(b"/w/1/in"), b"");
        assert_eq!(names.pass(b"/"), b"/w/1/in");
        assert_eq!(names.end(), b"/");
        assert_eq!(Names::default().pass(b"/w"), b"/w");
    }
}
