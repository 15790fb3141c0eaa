//! GPUs by their path: the other place has its own.

use super::{Piece, Word};

const DIRECTORY: &str = "/dev/dri/";

/// A value in which each `/dev/dri/renderD128` or `/dev/dri/card0` is the other place's GPU.
pub(super) fn word(value: &str) -> Word {
    let mut word = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find(DIRECTORY) {
        let node = &rest[at + DIRECTORY.len()..];
        let end = node.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(node.len());
        if at > 0 {
            word.push(Piece::Text(rest[..at].to_owned()));
        }
        word.push(Piece::Device);
        rest = &node[end..];
    }
    if !rest.is_empty() || word.is_empty() {
        word.push(Piece::Text(rest.to_owned()));
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_wherever_it_stands() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let qsv = "qsv=qs:hw,child_device=/dev/dri/renderD129,child_device_type=vaapi";
        let expected =
            [text("qsv=qs:hw,child_device="), Piece::Device, text(",child_device_type=vaapi")];
        assert_eq!(word(qsv), expected);
        assert_eq!(word("/dev/dri/card0"), [Piece::Device]);
        assert_eq!(word("vaapi=va:,driver=iHD"), [text("vaapi=va:,driver=iHD")]);
        assert_eq!(word(""), [text("")]);
    }
}
