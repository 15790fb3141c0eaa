//! What a media server types into ffmpeg's standard input.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `q`: end in good order.
    Quit,
    /// `p`, or `c` with its question open: make no more for now.
    Pause,
    /// `u`, or the end of the line after `c`: go on.
    Resume,
    /// `?`: what the keys are.
    Help,
    /// `c`, whose question is to be printed; also pauses.
    Command,
}

/// Reads keys as ffmpeg does: each is a byte, and only after `c` there is a line.
#[derive(Debug, Default)]
pub struct Keys {
    in_command: bool,
}

/// What `?` prints, with the two keys that jellyfin-ffmpeg adds; media servers look for the exact words.
pub const HELP: &str = "key    function
?      show this help
+      increase verbosity
-      decrease verbosity
c      Send command to first matching filter supporting it
C      Send/Queue command to all matching filters
D      cycle through available debug modes
h      dump packets/hex press to cycle through the 3 states
p      pause transcoding
q      quit
s      Show QP histogram
u      unpause transcoding
";

/// What `c` asks.
pub const COMMAND_PROMPT: &str = "\nEnter command: <target>|all <time>|-1 <command>[ <argument>]\n";

impl Keys {
    /// What a byte asks for; `None` for those that change nothing of a job.
    pub fn press(&mut self, byte: u8) -> Option<Key> {
        if self.in_command {
            let ended = matches!(byte, b'\n' | b'\r');
            self.in_command = !ended;
            return ended.then_some(Key::Resume);
        }
        match byte {
            b'q' => Some(Key::Quit),
            b'p' => Some(Key::Pause),
            b'u' => Some(Key::Resume),
            b'?' => Some(Key::Help),
            // While ffmpeg waits for the rest of this line it makes nothing, which media servers
            // use as a pause.
            b'c' | b'C' => {
                self.in_command = true;
                Some(Key::Command)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Keys};

    fn pressed(text: &str) -> Vec<Key> {
        let mut keys = Keys::default();
        text.bytes().filter_map(|byte| keys.press(byte)).collect()
    }

    #[test]
    fn jellyfin_pauses_with_p_and_u_or_with_c_and_a_line() {
        assert_eq!(pressed("pu"), [Key::Pause, Key::Resume]);
        assert_eq!(pressed("c\n"), [Key::Command, Key::Resume]);
        assert_eq!(pressed("q\n"), [Key::Quit]);
    }

    #[test]
    fn a_command_swallows_other_keys() {
        assert_eq!(pressed("cq\nq"), [Key::Command, Key::Resume, Key::Quit]);
    }

    #[test]
    fn what_means_nothing_for_a_job_does_nothing() {
        assert_eq!(pressed("+-hsD \n"), []);
    }
}
