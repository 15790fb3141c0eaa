//! What is compared and why Jellyfin would notice. Nothing is compared without a rule.

use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal: $why:literal;)*) => {
        /// A rule of the contract between a media server and the ffmpeg that it starts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Rule {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }

        impl Rule {
            /// All of them, in the order in which they are reported.
            pub const ALL: &[Rule] = &[$(Rule::$name,)*];

            /// What tables and records call it.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$name => $text,)* }
            }

            /// Why breaking it matters to Jellyfin.
            pub fn why(self) -> &'static str {
                match self { $(Rule::$name => $why,)* }
            }
        }
    };
}

rules! {
    /// How a process ended.
    ExitCode = "exit-code": "Jellyfin takes 0 for success: files of failed work are kept and served, and \
        good work that ends with another code is thrown away and done again";
    /// The last thing it said when it failed.
    ExitReason = "exit-reason": "the last words are all that a user finds in Jellyfin's log";
    /// Which processes had to be started for playback, and why.
    Starts = "starts": "each further start is a seek that the viewer waits for, or a loop of starts";
    /// A file that was waited for never became ready.
    NeverReady = "never-ready": "the request waits while the process lives, without a limit: a black screen";
    /// `q` did not end the process.
    QuitIgnored = "quit-ignored": "Jellyfin writes q and kills after 5 s: every seek and stop takes 5 s more, \
        and what the process holds is not given back";
    /// SIGTERM did not end the process.
    TerminateIgnored = "terminate-ignored": "service managers stop a media server's children with SIGTERM: \
        the shutdown hangs";
    /// The process reads nothing from its standard input.
    StdinClosed = "stdin-closed": "writing q or a pause key throws in Jellyfin, and the stop is skipped";
    /// Something else still runs after the process ended.
    Orphan = "orphan": "Jellyfin kills only its direct child: what outlives it goes on using the machine and \
        writing into files that the next process writes as well";
    /// Files changed after the process ended.
    WritesAfterEnd = "writes-after-end": "once the process has ended, Jellyfin serves all files as complete, or \
        deletes them and the directory fills with remains";
    /// A pipe stayed open after the process ended.
    PipesHeld = "pipes-held": "Jellyfin reads standard error (and a probe's output) to its end: it waits for ever";
    /// Words where none belong.
    StdoutNoise = "stdout-noise": "standard output is inherited: it ends up in the server's own log";
    /// A file name that Jellyfin cannot read a number from.
    ForeignName = "foreign-name": "int.Parse throws on it: every request for this stream becomes an error 500";
    /// Segments came into being in another order than their numbers', or with a gap.
    Order = "order": "that segment n + 1 exists is Jellyfin's only proof that n is complete";
    /// A segment was written to when its successor was there.
    ChangedLate = "changed-late": "Jellyfin sends segment n as soon as n + 1 exists: the viewer gets half of it";
    /// The bytes sent to the viewer are not the bytes that the file came to hold.
    ServedPartly = "served-partly": "the viewer got something else than what the file was to be";
    /// Newer segments have older modification times.
    ModifiedTimes = "modified-times": "the newest modification time tells Jellyfin where the process is: a wrong \
        one makes it start another process, or wait for one that will never come there";
    /// Files are left after Jellyfin deleted a stream's files, or came back.
    Remains = "remains": "the transcode directory fills up";
    /// Which files there are at the end.
    Names = "names": "Jellyfin computes file names and looks for exactly these";
    /// What a playlist says.
    Playlist = "playlist": "the playlist of a live stream is sent to players as it is";
    /// Whether progress could be read from standard error at all.
    ProgressSeen = "progress-seen": "without time= on standard error the dashboard stands still and throttling never begins";
    /// Progress went backwards.
    ProgressBackwards = "progress-backwards": "the dashboard jumps, and throttling resumes what it had just paused";
    /// Where progress ended.
    ProgressEnd = "progress-end": "throttling compares the last time= with what the viewer has fetched";
    /// Whether pausing held and resuming went on.
    Throttle = "throttle": "the throttler pauses to save space and resumes when the viewer comes near: either the \
        disk fills or the film stops";
    /// Codecs and their parameters.
    Streams = "streams": "Jellyfin told the player beforehand what it will get";
    /// When a file's first picture or sound is shown.
    FirstTimestamp = "first-timestamp": "Jellyfin computed where segment n begins: elsewhere, seeking and subtitles are off";
    /// Where a segment begins, seen from the first one of its run.
    Boundary = "boundary": "Jellyfin's own playlist gives each segment's length: the error adds up over a film";
    /// When the last picture or sound is shown.
    LastTimestamp = "last-timestamp": "an end that is missing is a film that stops early";
    /// How many pictures or packets of sound.
    Pictures = "pictures": "a lost or doubled picture at each join is seen as a stutter";
    /// How far apart pictures, or packets of sound, are within and across segments.
    Steps = "steps": "what is missing at a join is heard as a click and seen as a jump, what is doubled as an echo";
    /// Which pictures are keyframes.
    Keyframes = "keyframes": "a player that seeks into a segment begins with its first picture: it must be a keyframe";
    /// What decoding all of it in one go complains of.
    Decoding = "decoding": "what a decoder stumbles over is seen or heard";
    /// What Jellyfin learnt from a question.
    Answer = "answer": "it decides which codecs, filters and hardware are used, or what a film consists of";
    /// Bytes on standard output.
    Output = "output": "plugins read these bytes as they are";
    /// What a file holds.
    Content = "content": "subtitles and fonts are sent to players as they are, and a file that must stay is lost for good";
}
