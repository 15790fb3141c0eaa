//! The films that are played: small, made by the plain ffmpeg at run time, and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::ContractError;
use crate::judge::Judge;

/// Films in a cache directory.
#[derive(Clone, Debug)]
pub struct Films {
    directory: PathBuf,
}

/// A film's subtitles, which are looked for in what comes out.
pub const SUBTITLES: &str = "1\n00:00:01,000 --> 00:00:03,000\nFirst words\n\n2\n00:00:05,500 --> 00:00:08,000\nSecond words: é, ü, 字\n\n";

const CHAPTERS: &str = ";FFMETADATA1\ntitle=Film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=10000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=10000\nEND=30000\ntitle=Two\n";

impl Films {
    /// Makes those that are missing. Several may do so at once.
    ///
    /// # Errors
    /// When the plain ffmpeg cannot, or the directory cannot be written to.
    pub fn new(directory: &Path, judge: &Judge) -> Result<Self, ContractError> {
        let version: String =
            judge.version()?.chars().filter(|c| c.is_ascii_alphanumeric()).take(40).collect();
        let kept = directory.join(format!("3-{version}"));
        let failed = || ContractError::file(&kept);
        fs::create_dir_all(&kept).map_err(failed())?;
        let kept = fs::canonicalize(&kept).map_err(failed())?;
        let lock = kept.join("lock");
        let lock = File::create(&lock).map_err(ContractError::file(&lock))?;
        lock.lock().map_err(failed())?;
        let films = Self { directory: kept };
        films.make(judge)?;
        Ok(films)
    }

    /// 30 s, 320x180, 24 a second; sound in English (1) and German (2), SubRip (3) and ASS (4)
    /// subtitles, two attachments, two chapters; a keyframe every two seconds.
    pub fn film(&self) -> PathBuf {
        self.directory.join("film.mkv")
    }

    /// Five minutes of picture and sound.
    pub fn long(&self) -> PathBuf {
        self.directory.join("long.mkv")
    }

    /// Ten seconds of the same.
    pub fn brief(&self) -> PathBuf {
        self.directory.join("brief.ts")
    }

    /// 20 s of music.
    pub fn music(&self) -> PathBuf {
        self.directory.join("music.flac")
    }

    /// Subtitles in a file of their own.
    pub fn subtitles(&self) -> PathBuf {
        self.directory.join("words.ass")
    }

    /// A file that is no film.
    pub fn text(&self) -> PathBuf {
        self.directory.join("text.mkv")
    }

    fn make(&self, judge: &Judge) -> Result<(), ContractError> {
        let write = |name: &str, text: &str| {
            let path = self.directory.join(name);
            fs::write(&path, text).map_err(ContractError::file(&path))
        };
        if self.text().exists() {
            return Ok(());
        }
        write("words.srt", SUBTITLES)?;
        write("chapters.txt", CHAPTERS)?;
        write("letters.ttf", "not really letters\n")?;
        write("more letters.otf", "nor are these\n")?;
        let make =
            |line: &str| judge.make(&line.split_whitespace().collect::<Vec<_>>(), &self.directory);
        make("-i words.srt words.ass")?;
        make(
            "-f lavfi -i testsrc2=s=320x180:r=24:d=30 \
             -f lavfi -i aevalsrc=0.2*sin(2*PI*t*(300+20*t))|0.2*sin(2*PI*t*(500+10*t)):s=48000:d=30 \
             -f lavfi -i sine=f=220:r=48000:d=30 -i words.srt -i words.ass -i chapters.txt \
             -map 0 -map 1 -map 2 -map 3 -map 4 -map_metadata 5 -map_chapters 5 \
             -c:v libx264 -preset veryfast -g 48 -keyint_min 48 -sc_threshold 0 -bf 2 -pix_fmt yuv420p -threads 1 \
             -c:a aac -ac 2 -b:a 96k -c:s:0 srt -c:s:1 ass \
             -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:s:0 language=eng \
             -attach letters.ttf -metadata:s:t:0 mimetype=application/x-truetype-font bare.mkv",
        )?;
        // A name with a blank cannot stand in the line above.
        let second = [
            "-i",
            "bare.mkv",
            "-map",
            "0",
            "-c",
            "copy",
            "-attach",
            "more letters.otf",
            "-metadata:s:t:1",
            "mimetype=font/otf",
            "film.mkv",
        ];
        judge.make(&second, &self.directory)?;
        // Encoded as a whole: a film over and over has uneven pictures where it begins anew, of which
        // no job is made.
        make(
            "-f lavfi -i testsrc2=s=320x180:r=24:d=300 -f lavfi -i sine=f=220:r=48000:d=300 \
             -c:v libx264 -preset ultrafast -g 48 -pix_fmt yuv420p -c:a aac -ac 2 -b:a 96k long.mkv",
        )?;
        make("-i bare.mkv -map 0:0 -map 0:1 -c copy -t 10 brief.ts")?;
        make("-f lavfi -i sine=f=330:r=44100:d=20 -ac 2 -metadata title=Music music.flac")?;
        // Last: it tells that all are there.
        write("text.mkv", "This is no film.\n")
    }
}
