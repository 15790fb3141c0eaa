//! What stands before `-i`, and the file itself.

use segue_model::{DeinterlaceMethod, Time};

use crate::expression::Expression;
use crate::finding::{Meaning, differs, immaterial, prevents, understood, unknown};
use crate::job::picture::{Fit, Scaling, Step};
use crate::job::{Rotation, Source};
use crate::line::Opt;
use crate::number;
use crate::paths;

/// What is known of the input so far.
#[derive(Debug)]
pub(super) struct Input {
    pub seek: Option<Time>,
    pub format: Option<String>,
    pub rotation: Rotation,
    pub source: Option<Source>,
    /// What the decoder does besides.
    pub cuvid: Cuvid,
}

/// Containers that are films, in the names of ffmpeg's demuxers.
const CONTAINERS: [&str; 34] = [
    "3g2",
    "3gp",
    "aac",
    "ac3",
    "aiff",
    "asf",
    "avi",
    "dv",
    "eac3",
    "flac",
    "flv",
    "gxf",
    "h264",
    "hevc",
    "ivf",
    "m4a",
    "matroska",
    "matroska,webm",
    "mj2",
    "mov",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "mp3",
    "mp4",
    "mpeg",
    "mpegts",
    "mpegvideo",
    "mxf",
    "nut",
    "ogg",
    "rm",
    "wav",
    "webm",
    "wtv",
    "wv",
];

impl Input {
    pub fn new() -> Input {
        Input {
            seek: None,
            format: None,
            rotation: Rotation::Upright,
            source: None,
            cuvid: Cuvid::default(),
        }
    }

    /// The file.
    pub fn file(&mut self, name: &str) -> Meaning {
        let Some(path) = paths::local(name) else {
            return prevents("is no file: sources of jobs are files that workers can read, too");
        };
        self.source = Some(Source { path: path.to_owned(), format: self.format.clone() });
        understood(format!("the source, {path}"))
    }

    pub fn option(&mut self, option: &Opt) -> Meaning {
        let text = option.text();
        match option.name.as_str() {
            _ if option.from_file => prevents("its value is in a file that Segue does not read"),
            "ss" => match number::time(text).filter(|time| *time >= Time::ZERO) {
                Some(time) => {
                    self.seek = Some(time);
                    understood(format!("wanted from {} s on", time.as_secs_f64()))
                }
                None => prevents("is no time from the start"),
            },
            "f" if CONTAINERS.contains(&text) => {
                self.format = Some(text.to_owned());
                understood("the source's container, which it must be")
            }
            "f" => prevents(format!("`{text}` is no container of films")),
            "analyzeduration" | "probesize" | "fpsprobesize" => {
                immaterial("how far ffmpeg looks for streams; workers look as far as it takes")
            }
            "fflags" => self.flags(text),
            "hwaccel"
            | "hwaccel_device"
            | "hwaccel_output_format"
            | "hwaccel_flags"
            | "extra_hw_frames"
            | "afbc" => {
                immaterial("how the caller would decode; each worker uses its own hardware")
            }
            "c" | "codec" | "vcodec" | "acodec" => {
                self.cuvid.named |= text.ends_with("_cuvid");
                decoder(text)
            }
            "resize" | "deint" | "drop_second_field" => self.cuvid.option(option),
            "surfaces" | "gpu" => {
                immaterial("how the caller would decode; each worker uses its own hardware")
            }
            "threads" | "thread_queue_size" | "thread_type" => {
                immaterial("threads; workers have their own number")
            }
            "autorotate" => {
                self.rotation = match (self.rotation, option.negated || text == "0") {
                    (Rotation::Ignored, _) => Rotation::Ignored,
                    (_, true) => Rotation::Told,
                    (_, false) => Rotation::Upright,
                };
                understood("whether a source that says it is turned is shown upright")
            }
            "display_rotation" if number::number(text) == Some(0.0) => {
                self.rotation = Rotation::Ignored;
                understood("what the source says about being turned is ignored")
            }
            "accurate_seek" if option.negated => differs(
                "ffmpeg would begin at the keyframe before the seek; a job begins at the segment's \
                 boundary, where the caller's playlist says",
            ),
            "accurate_seek" => immaterial("is so without it"),
            "re" | "readrate" | "readrate_initial_burst" | "readrate_catchup" => {
                immaterial("how fast ffmpeg reads; a pool makes what is watched, in time")
            }
            "canvas_size" => immaterial("for subtitles that are drawn, of which there are none"),
            "user_agent"
            | "referer"
            | "headers"
            | "reconnect"
            | "reconnect_at_eof"
            | "reconnect_streamed"
            | "reconnect_delay_max"
            | "rtsp_transport"
            | "rtsp_flags" => immaterial("for sources that are URLs"),
            "dump_attachment" => prevents("writes attachments of the source into files"),
            "t" | "to" | "sseof" => prevents("reads a part of the source, and jobs are of all"),
            "itsoffset" | "itsscale" => prevents("changes the source's timestamps"),
            "stream_loop" if text == "0" => immaterial("is so without it"),
            _ => unknown(),
        }
    }

    fn flags(&mut self, text: &str) -> Meaning {
        let known = ["genpts", "igndts", "ignidx", "fastseek"];
        // Without a sign the value replaces all flags instead of adding one.
        let flags: Option<Vec<&str>> = text.strip_prefix('+').map(|text| text.split('+').collect());
        match flags {
            Some(flags) if flags.iter().all(|flag| known.contains(flag)) => immaterial(
                "how ffmpeg mends timestamps; the engine goes by when pictures are shown",
            ),
            _ => prevents("changes what is read from the source"),
        }
    }
}

/// What NVIDIA's decoders do besides, as Jellyfin had them do until 10.7.
#[derive(Debug, Default)]
pub(super) struct Cuvid {
    /// One of them is named.
    named: bool,
    /// Something of this was said.
    said: bool,
    size: Option<(Expression, Expression)>,
    deinterlaces: bool,
    drops_second_field: bool,
}

impl Cuvid {
    fn option(&mut self, option: &Opt) -> Meaning {
        self.said = true;
        let text = option.text();
        match option.name.as_str() {
            "resize" => {
                let side = |text: &str| {
                    let number = number::count(text).filter(|side| (1..=16_384).contains(side))?;
                    Expression::parse(&number.to_string(), &[]).ok()
                };
                let sides = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
                self.size = sides;
                match self.size {
                    Some(_) => understood(format!("scaled to {text}")),
                    None => prevents("is no size"),
                }
            }
            "deint" => {
                self.deinterlaces = !matches!(text, "0" | "weave");
                match text {
                    "0" | "weave" => immaterial("is so without it"),
                    "1" | "bob" | "2" | "adaptive" => understood("deinterlaced"),
                    _ => unknown(),
                }
            }
            _ => match number::truth(text) {
                Some(drops) => {
                    self.drops_second_field = drops;
                    understood("a frame of each pair of fields")
                }
                None => unknown(),
            },
        }
    }

    /// Whether it was asked of a decoder that has no such options.
    pub fn is_misplaced(&self) -> bool {
        self.said && !self.named
    }

    /// Whether they scale, which comes before a picture is turned upright.
    pub fn scales(&self) -> bool {
        self.size.is_some()
    }

    /// What is done to pictures before anything else.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let every_field = !self.drops_second_field;
        let method = DeinterlaceMethod::Bwdif;
        // They know which frames are interlaced.
        let fields = Step::Deinterlace { method, every_field, marked_only: true };
        let size = self.size.clone().map(|(width, height)| {
            Step::Scale(Scaling { width, height, fit: Fit::Stretch, divisible_by: 1 })
        });
        self.deinterlaces.then_some(fields).into_iter().chain(size)
    }
}

fn decoder(name: &str) -> Meaning {
    let suffixes = ["_cuvid", "_qsv", "_mmal", "_rkmpp", "_v4l2m2m", "_mediacodec", "_omx", "_amf"];
    let software = [
        "h264",
        "hevc",
        "av1",
        "vp8",
        "vp9",
        "mpeg2video",
        "mpeg4",
        "vc1",
        "libdav1d",
        "libvpx",
        "libvpx-vp9",
        "aac",
        "ac3",
        "eac3",
        "dca",
        "flac",
        "mp3",
        "opus",
        "vorbis",
        "truehd",
    ];
    if suffixes.iter().any(|suffix| name.ends_with(suffix)) || software.contains(&name) {
        immaterial("which decoder the caller would use; each worker uses its own")
    } else {
        prevents(format!("asks for the decoder `{name}`, which Segue does not know"))
    }
}
