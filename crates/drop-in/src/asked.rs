//! What this program was called with.

use std::ffi::OsString;

use segue_ffmpeg::{Answer, CommandLine, Decision, Program, Surroundings, decide_words};

/// What this program was called with.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which program it stands for.
    pub program: Program,
    /// The words behind the name, as they came.
    pub words: Vec<OsString>,
}

impl Asked {
    /// From all arguments, the name first.
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Asked {
        let mut words: Vec<OsString> = arguments.into_iter().collect();
        let name = if words.is_empty() { OsString::new() } else { words.remove(0) };
        Asked { program: Program::of(&name.to_string_lossy()), words }
    }

    /// Without a first word, and for the program that the next one names, if it does.
    pub fn explained(mut self) -> Asked {
        self.words.remove(0);
        let named = self.words.first().map(|word| word.to_string_lossy().into_owned());
        if let Some(named) = named.filter(|named| Program::is_named_by(named)) {
            self.program = Program::of(&named);
            self.words.remove(0);
        }
        self
    }

    /// The words as text; what is not UTF-8 in them is replaced. Good enough to tell what is asked,
    /// and not to do it.
    pub fn text(&self) -> Vec<String> {
        self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// The first word that is not UTF-8.
    pub fn not_text(&self) -> Option<&OsString> {
        self.words.iter().find(|word| word.to_str().is_none())
    }

    /// The line that the words are; `None`: ffmpeg refuses to split them.
    pub fn line(&self) -> Option<CommandLine> {
        CommandLine::parse(self.program, &self.text()).ok()
    }

    /// What is to be done with it.
    pub fn decide(&self) -> Decision {
        let decision = decide_words(self.program, &self.text(), Surroundings::default());
        match self.not_text() {
            // The name of a film that is not what it seems is not handed to others.
            Some(word) if decision.answer == Answer::Job => Decision {
                answer: Answer::Command,
                because: format!("{word:?} is not UTF-8, and a job's words are"),
                job: None,
                ..decision
            },
            _ => decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn asked(words: &[&[u8]]) -> Asked {
        Asked::new(words.iter().map(|word| OsString::from_vec(word.to_vec())))
    }

    #[test]
    fn the_name_says_which_program_it_is() {
        assert_eq!(asked(&[b"/usr/bin/ffprobe.sh", b"x"]).program, Program::Ffprobe);
        assert_eq!(asked(&[b"/usr/bin/segue-ffmpeg", b"x"]).program, Program::Ffmpeg);
        assert_eq!(asked(&[]).program, Program::Ffmpeg);
    }

    #[test]
    fn who_wants_it_explained_may_name_the_program() {
        let asked = asked(&[b"segue-ffmpeg", b"--segue-explain", b"ffprobe", b"a.mkv"]).explained();
        assert_eq!((asked.program, asked.text()), (Program::Ffprobe, vec!["a.mkv".to_owned()]));
    }

    #[test]
    fn words_that_are_no_text_are_never_a_job() {
        let line: Vec<&[u8]> = "ffmpeg -i file:/media/a.mkv -map_metadata -1 -map_chapters -1 -map 0:0 -map 0:1 -map -0:s -codec:v:0 libx264 \
                                -crf 23 -maxrate 3000000 -bufsize 6000000 -force_key_frames:0 \
                                expr:gte(t,n_forced*3) -codec:a:0 aac -ac 2 -ab 256000 -copyts \
                                -avoid_negative_ts disabled -f hls -hls_time 3 -hls_segment_type \
                                mpegts -start_number 0 -hls_segment_filename /t/x%d.ts \
                                -hls_playlist_type vod -hls_list_size 0 -y /t/x.m3u8"
            .split(' ')
            .map(str::as_bytes)
            .collect();
        assert_eq!(asked(&line).decide().answer, Answer::Job, "{}", asked(&line).decide().because);
        let mut odd = line.clone();
        odd[2] = b"file:/media/\xff.mkv";
        let decision = asked(&odd).decide();
        assert_eq!(decision.answer, Answer::Command);
        assert!(decision.because.contains("not UTF-8"), "{}", decision.because);
        assert_eq!(asked(&odd).words[1], OsString::from_vec(b"file:/media/\xff.mkv".to_vec()));
    }
}
