//! Makes what stands in for inputs, by the plain ffmpeg; kept, as making takes longer than playing.
//!
//! A film is a clip of eight seconds over and over, copied, so that hours cost seconds. In a clip
//! picture and sound begin and end together: its sound is whole packets, and its encoder's priming
//! is taken back, so that no container has to say so.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::bitmaps::sup;
use super::layout::{CLIP_SECONDS, Film, Stuff, Track};
use crate::error::ContractError;
use crate::films::SUBTITLES;
use crate::judge::Judge;

/// That makes whole packets of 1024 and of 1536 samples at 48 kHz.
const CLIP_SAMPLES: u32 = CLIP_SECONDS * 48000;

/// Inputs in a cache directory.
#[derive(Clone, Debug)]
pub struct Shelf {
    directory: PathBuf,
    judge: Judge,
}

impl Shelf {
    /// Of the films of one ffmpeg.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(directory: &Path, judge: &Judge) -> Result<Self, ContractError> {
        let version: String =
            judge.version()?.chars().filter(|c| c.is_ascii_alphanumeric()).take(40).collect();
        let directory = directory.join(format!("corpus-1-{version}"));
        fs::create_dir_all(&directory).map_err(ContractError::file(&directory))?;
        let directory = fs::canonicalize(&directory).map_err(ContractError::file(&directory))?;
        Ok(Self { directory, judge: judge.clone() })
    }

    /// The file, made now if it is not there. Several may want it at once.
    ///
    /// # Errors
    /// When the plain ffmpeg cannot make it.
    pub fn file(&self, stuff: &Stuff) -> Result<PathBuf, ContractError> {
        let lock = self.directory.join("lock");
        let lock = File::create(&lock).map_err(ContractError::file(&lock))?;
        lock.lock().map_err(ContractError::file(&self.directory))?;
        match stuff {
            Stuff::Film(film) => self.film(film),
            Stuff::Music(extension) => {
                let name = format!("music.{extension}");
                self.made(&name, "sine=f=330:r=44100:d=10", &["-ac", "2"])
            }
            Stuff::Still(extension) => {
                let name = format!("still.{extension}");
                self.made(&name, "testsrc2=s=128x72:d=1", &["-frames:v", "1", "-update", "1"])
            }
            Stuff::Words(extension) => {
                let words = self.words()?;
                if extension == "srt" {
                    return Ok(words);
                }
                let name = format!("words.{extension}");
                self.make(&name, &["-i", &words.display().to_string()])
            }
        }
    }

    fn words(&self) -> Result<PathBuf, ContractError> {
        let path = self.directory.join("words.srt");
        fs::write(&path, SUBTITLES).map_err(ContractError::file(&path))?;
        Ok(path)
    }

    fn made(&self, name: &str, source: &str, more: &[&str]) -> Result<PathBuf, ContractError> {
        self.make(name, &[&["-f", "lavfi", "-i", source], more].concat())
    }

    /// Runs a line whose last word is the name, which comes about whole or not at all.
    fn make(&self, name: &str, words: &[&str]) -> Result<PathBuf, ContractError> {
        let path = self.directory.join(name);
        if path.exists() {
            return Ok(path);
        }
        let half = format!("half-{name}");
        self.judge.make(&[words, &[&half]].concat(), &self.directory)?;
        fs::rename(self.directory.join(half), &path).map_err(ContractError::file(&path))?;
        Ok(path)
    }

    fn clip(&self, film: &Film) -> Result<PathBuf, ContractError> {
        let Film { rate, picture, sound, channels, .. } = film;
        // Samples of priming, and samples in a packet, of ffmpeg's encoders.
        let (priming, packet) = match *sound {
            "aac" => (1024, 1024),
            "flac" => (0, 4608),
            _ => (256, 1536),
        };
        let pictures = format!("testsrc2=s=128x72:r={rate}:d={CLIP_SECONDS}");
        let tone = format!("sine=f=440:r=48000:d={}", CLIP_SECONDS + 1);
        let keys = (2 * rate).to_string();
        let from_zero = format!("setts=ts=PTS+{priming}");
        let packets = (CLIP_SAMPLES / packet).to_string();
        let channels_word = channels.to_string();
        let mut words = vec!["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &tone];
        words.extend(["-c:v", picture, "-g", &keys, "-keyint_min", &keys, "-sc_threshold", "0"]);
        words.extend(["-pix_fmt", "yuv420p", "-threads", "1"]);
        words.extend(match *picture {
            "libx264" | "libx265" => &["-preset", "veryfast", "-bf", "2"][..],
            "libvpx-vp9" => &["-cpu-used", "8", "-deadline", "realtime"],
            _ => &[],
        });
        words.extend(["-c:a", sound, "-ac", &channels_word, "-bsf:a", &from_zero]);
        words.extend(["-frames:a", &packets]);
        let name = format!("clip-{rate}-{picture}-{sound}-{channels}.mp4");
        self.make(&name, &words)
    }

    fn film(&self, film: &Film) -> Result<PathBuf, ContractError> {
        let Film { format, rate, seconds, picture, sound, channels, tracks } = film;
        let letters: String = tracks.iter().map(letter).collect();
        let name = format!("{letters}-{seconds}-{rate}-{picture}-{sound}-{channels}.{format}");
        let path = self.directory.join(&name);
        if path.exists() {
            return Ok(path);
        }
        let clip = self.clip(film)?.display().to_string();
        let text = self.words()?.display().to_string();
        let loops = (seconds / CLIP_SECONDS - 1).to_string();
        let bitmaps = self.directory.join(format!("bitmaps-{seconds}.sup"));
        let bitmaps_word = bitmaps.display().to_string();
        let mut words = vec!["-stream_loop", &loops, "-i", &clip, "-i", &text];
        if tracks.contains(&Track::Bitmaps) {
            fs::write(&bitmaps, sup(*seconds)).map_err(ContractError::file(&bitmaps))?;
            words.extend(["-i", &bitmaps_word]);
        }
        let mut kinds = Vec::new();
        let mut fonts = 0;
        for track in tracks {
            match track {
                Track::Picture => words.extend(["-map", "0:v"]),
                Track::Sound => words.extend(["-map", "0:a"]),
                Track::Words => words.extend(["-map", "1:0"]),
                Track::Bitmaps => words.extend(["-map", "2:0"]),
                Track::Attachment => {
                    let letters = self.directory.join(format!("letters{fonts}.ttf"));
                    fs::write(&letters, "not really letters\n")
                        .map_err(ContractError::file(&letters))?;
                    kinds.push((letters.display().to_string(), format!("-metadata:s:t:{fonts}")));
                    fonts += 1;
                }
            }
        }
        for (letters, key) in &kinds {
            words.extend(["-attach", letters, key, "mimetype=application/x-truetype-font"]);
        }
        // Text stays text, and bitmaps are copied.
        words.extend(["-c", "copy"]);
        if *format == "mp4" {
            words.extend(["-c:s", "mov_text"]);
        }
        words.extend(["-f", format]);
        self.make(&name, &words)
    }
}

fn letter(track: &Track) -> char {
    match track {
        Track::Picture => 'v',
        Track::Sound => 'a',
        Track::Words => 's',
        Track::Bitmaps => 'b',
        Track::Attachment => 't',
    }
}
