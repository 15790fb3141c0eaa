//! The plain ffmpeg and ffprobe: they make the films, and look at what came out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::error::ContractError;

/// A plain ffmpeg and the ffprobe beside it.
#[derive(Clone, Debug)]
pub struct Judge {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
}

/// A stream of a file, as far as players care.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// `video`, `audio` or `subtitle`.
    pub kind: String,
    /// Codec and its parameters, in words.
    pub parameters: String,
    /// The level of the picture.
    pub level: Option<i64>,
    /// Its packets, in the order in which they are shown.
    pub packets: Vec<Packet>,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packet {
    /// When it is shown, in seconds.
    pub shown: f64,
    /// Whether it is a keyframe.
    pub key: bool,
}

/// ffprobe as Jellyfin finds it: the last component of ffmpeg's path, with `ffmpeg...` replaced by
/// `ffprobe` and the extension kept (`ME.FfprobePathRegex`).
pub fn sibling(ffmpeg: &Path) -> PathBuf {
    let extension = ffmpeg.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    ffmpeg.with_file_name(format!("ffprobe{}", extension.unwrap_or_default()))
}

impl Judge {
    /// By the path of its ffmpeg.
    pub fn new(ffmpeg: &Path) -> Self {
        Self { ffmpeg: ffmpeg.to_owned(), ffprobe: sibling(ffmpeg) }
    }

    /// What its ffmpeg says it is: films are kept by it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn version(&self) -> Result<String, ContractError> {
        let (said, _) = self.ran(&self.ffmpeg, &["-version".as_ref()], Path::new("/"))?;
        Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
    }

    /// Runs its ffmpeg in a directory, and needs it to succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn make(&self, words: &[&str], directory: &Path) -> Result<(), ContractError> {
        let common = ["-nostdin", "-hide_banner", "-v", "error", "-y"];
        let words: Vec<&OsStr> = common.iter().chain(words).map(OsStr::new).collect();
        self.ran(&self.ffmpeg, &words, directory).map(|_| ())
    }

    /// Decodes all of a file or playlist and returns what there is to complain of.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn complaints(&self, path: &Path) -> Result<Vec<String>, ContractError> {
        let output = Command::new(&self.ffmpeg)
            .args(["-nostdin", "-hide_banner", "-v", "error", "-copyts", "-i"])
            .arg(path)
            .args([
                "-map",
                "0:v?",
                "-map",
                "0:a?",
                "-fps_mode",
                "passthrough",
                "-enc_time_base:v",
                "-1",
            ])
            .args(["-f", "null", "-"])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| ContractError::Start { program: self.ffmpeg.clone(), source })?;
        Ok(String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect())
    }

    /// The streams of a file and their packets; nothing if it cannot be read.
    ///
    /// # Errors
    /// When ffprobe cannot be run.
    pub fn tracks(&self, path: &Path) -> Result<Option<Vec<Track>>, ContractError> {
        let words =
            ["-v", "fatal", "-show_streams", "-show_packets", "-of", "json", "-show_entries"];
        let entries = "packet=stream_index,pts_time,flags:stream=index,codec_type,codec_name,profile,level,width,height,sample_aspect_ratio,pix_fmt,sample_rate,channels";
        let output = Command::new(&self.ffprobe)
            .args(words)
            .arg(entries)
            .arg("-i")
            .arg(path)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| ContractError::Start { program: self.ffprobe.clone(), source })?;
        let Ok(json) = serde_json::from_slice::<Json>(&output.stdout) else { return Ok(None) };
        Ok(tracks(&json))
    }

    fn ran(
        &self,
        program: &Path,
        words: &[&OsStr],
        directory: &Path,
    ) -> Result<(Vec<u8>, String), ContractError> {
        let output = Command::new(program)
            .args(words)
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| ContractError::Start { program: program.to_owned(), source })?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Ok((output.stdout, words));
        }
        Err(ContractError::Judge { program: program.to_owned(), words: words.trim().to_owned() })
    }
}

fn tracks(json: &Json) -> Option<Vec<Track>> {
    let streams = json["streams"].as_array().filter(|streams| !streams.is_empty())?;
    let mut tracks = Vec::new();
    for stream in streams {
        let text = |key: &str| match &stream[key] {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let keys = [
            "codec_name",
            "profile",
            "width",
            "height",
            "sample_aspect_ratio",
            "pix_fmt",
            "sample_rate",
            "channels",
        ];
        let parameters: Vec<String> = keys.into_iter().filter_map(text).collect();
        let mut packets: Vec<Packet> = json["packets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|packet| packet["stream_index"] == stream["index"])
            .filter_map(|packet| {
                let shown = packet["pts_time"].as_str()?.parse().ok()?;
                Some(Packet { shown, key: packet["flags"].as_str()?.starts_with('K') })
            })
            .collect();
        packets.sort_by(|one, two| one.shown.total_cmp(&two.shown));
        tracks.push(Track {
            kind: text("codec_type").unwrap_or_default(),
            parameters: parameters.join(" "),
            level: stream["level"].as_i64().filter(|level| *level > 0),
            packets,
        });
    }
    Some(tracks)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::sibling;

    #[test]
    fn ffprobe_is_looked_for_where_jellyfin_does() {
        for (ffmpeg, ffprobe) in [
            ("/a.b/ffmpeg", "/a.b/ffprobe"),
            ("/a/ffmpeg.sh", "/a/ffprobe.sh"),
            ("/a/ffmpeg-wrapper", "/a/ffprobe"),
        ] {
            assert_eq!(sibling(Path::new(ffmpeg)), Path::new(ffprobe));
        }
    }
}
