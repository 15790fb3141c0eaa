//! Answers that were given before, bit for bit.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Kept;

/// No answer of ffmpeg's is nearly as long: a longer one is not kept.
const LENGTH_MAX: u64 = 4 * 1024 * 1024;
/// So many different questions are remembered.
const ANSWERS_MAX: usize = 256;
/// Who asks something first is waited for so long, as the answer is ours, too.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the name of an answer begins with.
const PREFIX: &str = "answer-";
const LAST: &str = "answered-by";
const HASH: usize = 32;

/// What a program that was asked has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code.
    pub code: u8,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// Who answers: a program that is replaced is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    path: PathBuf,
    size: u64,
    mtime: (i64, i64),
}

impl Identity {
    /// Who the program at a path is; `None`: nobody is there.
    pub fn of(path: &Path) -> Option<Identity> {
        let metadata = path.metadata().ok()?;
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        Some(Identity { path: path.to_owned(), size: metadata.len(), mtime })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.size as i64, self.mtime.0, self.mtime.1] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.path.as_os_str().as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Identity> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(i64::from_le_bytes(bytes))
        };
        let (size, mtime) = (number(0)? as u64, (number(8)?, number(16)?));
        let path = OsString::from_vec(bytes.get(24..)?.to_vec()).into();
        Some(Identity { path, size, mtime })
    }
}

/// What an answer is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Of a question: its words, who answers, and all else that the answer depends on.
    pub fn new<'a>(
        words: impl IntoIterator<Item = &'a OsStr>,
        identity: &Identity,
        depends: impl IntoIterator<Item = &'a [u8]>,
    ) -> Key {
        let mut hasher = blake3::Hasher::new();
        let mut take = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        take(&identity.to_bytes());
        words.into_iter().for_each(|word| take(word.as_bytes()));
        take(b"depends");
        depends.into_iter().for_each(take);
        Key(format!("{PREFIX}{}", hasher.finalize().to_hex()))
    }
}

impl Kept {
    /// The answer that was kept, if there is one and it is whole.
    pub fn answer(&self, key: &Key) -> Option<Answer> {
        let bytes = self.read(&key.0, LENGTH_MAX)?;
        let (hash, rest) = bytes.split_at_checked(HASH)?;
        if blake3::hash(rest).as_bytes() != hash {
            return None;
        }
        let (code, rest) = rest.split_first()?;
        let (length, rest) = rest.split_at_checked(8)?;
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let (stdout, stderr) = rest.split_at_checked(length)?;
        Some(Answer { code: *code, stdout: stdout.to_vec(), stderr: stderr.to_vec() })
    }

    /// Keeps an answer, and who gave it.
    pub fn keep_answer(&self, key: &Key, identity: &Identity, answer: &Answer) {
        let Answer { code, stdout, stderr } = answer;
        let mut bytes = vec![0; HASH];
        bytes.push(*code);
        bytes.extend((stdout.len() as u64).to_le_bytes());
        bytes.extend(stdout);
        bytes.extend(stderr);
        let hash = blake3::hash(&bytes[HASH..]);
        bytes[..HASH].copy_from_slice(hash.as_bytes());
        // Whoever cannot keep it asks again.
        if bytes.len() as u64 <= LENGTH_MAX && self.write(&key.0, &bytes).is_ok() {
            let _ = self.write(LAST, &identity.to_bytes());
            self.tidy();
        }
    }

    /// Who answered last: when ffmpeg is just being replaced, or was taken away, what it said still
    /// holds.
    pub fn answered_by(&self) -> Option<Identity> {
        Identity::from_bytes(&self.read(LAST, 64 * 1024)?)
    }

    /// Waits for whoever asks something just now, so that hundreds at once start one ffmpeg and not
    /// hundreds. The lock ends with what is returned.
    pub fn ask_alone(&self) -> Option<File> {
        let path = self.directory().ok()?.join("asking.lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path).ok()?;
        let since = Instant::now();
        while lock.try_lock().is_err() {
            if since.elapsed() > PATIENCE {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(lock)
    }

    /// Removes the oldest answers beyond a number, and what killed processes left half-written.
    fn tidy(&self) {
        let Some(entries) = self.existing().and_then(|directory| directory.read_dir().ok()) else {
            return;
        };
        let mut answers: Vec<(SystemTime, PathBuf)> = Vec::new();
        let long_ago = SystemTime::now() - Duration::from_secs(600);
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Ok(written) = entry.metadata().and_then(|metadata| metadata.modified()) else {
                continue;
            };
            if name.as_bytes().starts_with(PREFIX.as_bytes()) {
                answers.push((written, entry.path()));
            } else if name.as_bytes().starts_with(b".") && written < long_ago {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        answers.sort();
        let surplus = answers.len().saturating_sub(ANSWERS_MAX);
        for (_, path) in &answers[..surplus] {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_directory;
    use super::*;

    fn key(words: &[&str], identity: &Identity) -> Key {
        Key::new(words.iter().map(OsStr::new), identity, [])
    }

    fn identity() -> Identity {
        Identity { path: "/usr/bin/ffmpeg".into(), size: 7, mtime: (-1, 5) }
    }

    fn answer(text: &str) -> Answer {
        Answer { code: 3, stdout: text.into(), stderr: vec![0, 255, b'\n'] }
    }

    #[test]
    fn an_answer_comes_back_bit_for_bit() {
        let directory = tempfile::tempdir().unwrap();
        let kept = in_directory(&directory.path().join("kept"));
        let key = key(&["-version"], &identity());
        assert_eq!(kept.answer(&key), None);
        kept.keep_answer(&key, &identity(), &answer("ffmpeg version"));
        assert_eq!(kept.answer(&key), Some(answer("ffmpeg version")));
        assert_eq!(kept.answered_by(), Some(identity()));
    }

    #[test]
    fn another_question_or_another_ffmpeg_is_another_answer() {
        let ours = key(&["-h", "full"], &identity());
        let newer = Identity { mtime: (0, 5), ..identity() };
        assert_ne!(ours, key(&["-h", "full"], &newer));
        assert_ne!(ours, key(&["-hfull"], &identity()));
        assert_ne!(ours, key(&["-h", "full", ""], &identity()));
        let words = ["-h", "full"];
        let with = |value: &'static str| {
            Key::new(words.iter().map(OsStr::new), &identity(), [value.as_bytes()])
        };
        assert_ne!(with("a"), with("b"));
    }

    #[test]
    fn a_damaged_answer_is_none_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("kept");
        let kept = in_directory(&place);
        let key = key(&["-version"], &identity());
        kept.keep_answer(&key, &identity(), &answer("ffmpeg version"));
        let file = place.join(&key.0);
        let whole = std::fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            assert_eq!(kept.answer(&key), None, "byte {at}");
            std::fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(kept.answer(&key), None, "cut at {at}");
        }
    }

    #[test]
    fn old_answers_make_way_for_new_ones() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("kept");
        let kept = in_directory(&place);
        for number in 0..ANSWERS_MAX + 20 {
            let key = key(&[&number.to_string()], &identity());
            kept.keep_answer(&key, &identity(), &answer("x"));
        }
        let count = place.read_dir().unwrap().flatten();
        let count =
            count.filter(|e| e.file_name().as_bytes().starts_with(PREFIX.as_bytes())).count();
        assert_eq!(count, ANSWERS_MAX);
    }
}
