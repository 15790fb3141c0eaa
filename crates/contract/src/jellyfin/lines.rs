//! Jellyfin's command lines (12.x), each as the one string that Jellyfin writes.

use std::path::Path;

use super::words::escaped;

/// How a stream's segments are packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// `X%d.ts`.
    Ts,
    /// `X%d.mp4` with the header `X-1.mp4`.
    Fmp4,
}

impl Container {
    /// Segments' extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::Fmp4 => "mp4",
        }
    }
}

/// What is made of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Encoded by libx264.
    X264,
    /// Encoded by libx264 as hardware encoders are told to: keyframes by counting, a bit rate.
    X264Counted,
    /// `h264_qsv`.
    Qsv,
    /// `h264_nvenc`.
    Nvenc,
    /// `h264_vaapi`.
    Vaapi,
    /// Copied.
    Copy,
    /// Left out: music.
    None,
}

impl Picture {
    /// What an ffmpeg without that hardware runs to make the same.
    pub fn stand_in(self) -> Self {
        match self {
            Self::Qsv | Self::Nvenc => Self::X264Counted,
            Self::Vaapi => Self::X264,
            other => other,
        }
    }
}

/// An HLS line (`DynamicHlsController.GetCommandLineArguments`).
#[derive(Clone, Debug)]
pub struct Hls<'a> {
    /// What is played.
    pub film: &'a Path,
    /// How segments are packaged.
    pub container: Container,
    /// What becomes of the picture.
    pub picture: Picture,
    /// Which stream is the sound, by its number in the film.
    pub sound: u32,
    /// Whether sound is copied.
    pub sound_copied: bool,
    /// Whether it is a live stream: an event playlist, and input at its own speed.
    pub live: bool,
}

impl Hls<'_> {
    /// A segment's length: 6 for copies, 3 for what is encoded or live.
    pub fn segment_seconds(&self) -> u32 {
        if self.picture == Picture::Copy && !self.live { 6 } else { 3 }
    }

    /// The line that begins with segment `number` of the stream `id` in `directory`.
    pub fn line(&self, directory: &Path, id: &str, number: i32) -> String {
        let mut line = String::new();
        line.push_str(match self.live {
            true => "-analyzeduration 3000000 -probesize 1G",
            false => "-analyzeduration 200M -probesize 1G",
        });
        if number > 0 {
            let copied = if self.picture == Picture::Copy { 0.5 } else { 0.0 };
            let seconds = f64::from(number) * f64::from(self.segment_seconds()) + copied;
            line.push_str(&format!(" -ss {}", clock(seconds)));
        }
        if self.live {
            line.push_str(" -re -fflags +igndts+genpts");
        } else if self.picture == Picture::Copy {
            line.push_str(" -fflags +genpts");
        }
        line.push_str(self.devices());
        line.push_str(&format!(" -i file:\"{}\"", text(self.film)));
        if matches!(self.picture, Picture::Qsv | Picture::Nvenc | Picture::Vaapi) {
            line.push_str(" -noautoscale");
        }
        line.push_str(" -map_metadata -1 -map_chapters -1 -threads 0");
        if self.picture != Picture::None {
            line.push_str(&format!(" -map 0:0 -map 0:{} -map -0:s", self.sound));
        }
        line.push_str(&self.codecs());
        if self.live && self.container == Container::Ts {
            line.push_str(" -flags -global_header");
        }
        line.push_str(match (self.picture, self.sound_copied) {
            (Picture::None, _) => " -vn -acodec aac -ab 128000 -ac 2",
            (_, true) => " -codec:a:0 copy",
            (_, false) => " -codec:a:0 aac -ac 2 -ab 128000",
        });
        let stem = format!("{}/{}", text(directory), escaped(id));
        line.push_str(" -copyts -avoid_negative_ts disabled -max_muxing_queue_size 2048 -f hls -max_delay 5000000");
        line.push_str(&format!(" -hls_time {}", self.segment_seconds()));
        match self.container {
            Container::Ts => line.push_str(" -hls_segment_type mpegts"),
            Container::Fmp4 => line.push_str(&format!(
                " -hls_segment_type fmp4 -hls_fmp4_init_filename \"{}-1.mp4\"",
                escaped(id)
            )),
        }
        line.push_str(&format!(" -start_number {number}"));
        if self.live {
            line.push_str(&format!(" -hls_base_url \"hls/{}/\"", escaped(id)));
        }
        let (extension, kind) =
            (self.container.extension(), if self.live { "event" } else { "vod" });
        line.push_str(&format!(
            " -hls_segment_filename \"{stem}%d.{extension}\" -hls_playlist_type {kind} -hls_list_size 0"
        ));
        if self.container == Container::Fmp4 {
            line.push_str(" -hls_segment_options movflags=+frag_discont+skip_sidx");
        }
        line.push_str(&format!(" -y \"{stem}.m3u8\""));
        line
    }

    fn devices(&self) -> &'static str {
        match self.picture {
            Picture::Qsv => {
                " -init_hw_device vaapi=va:,vendor_id=0x8086,driver=iHD -init_hw_device qsv=qs@va \
                 -filter_hw_device qs -hwaccel vaapi -hwaccel_output_format vaapi -noautorotate"
            }
            Picture::Nvenc => {
                " -init_hw_device cuda=cu:0 -filter_hw_device cu -hwaccel cuda -hwaccel_output_format cuda \
                 -noautorotate -hwaccel_flags +unsafe_output -threads 1"
            }
            Picture::Vaapi => {
                " -init_hw_device vaapi=va:/dev/dri/renderD128 -filter_hw_device va -hwaccel vaapi \
                 -hwaccel_output_format vaapi -noautorotate"
            }
            _ => "",
        }
    }

    fn codecs(&self) -> String {
        const COLOURS: &str = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709";
        const SCALE: &str = r"scale=trunc(min(max(iw\,ih*a)\,min(320\,180*a))/2)*2:trunc(min(max(iw/a\,ih)\,min(320/a\,180))/2)*2";
        const RATE: &str = "-b:v 1000000 -maxrate 1000000 -bufsize 2000000 -profile:v:0 high";
        const COUNTED: &str = "-g:v:0 72 -keyint_min:v:0 72";
        const FORCED: &str = "-force_key_frames:0 \"expr:gte(t,n_forced*3)\"";
        const X264: &str = "-x264opts:0 subme=0:me_range=16:rc_lookahead=10:me=hex:open_gop=0";
        let preset = if self.live { "superfast" } else { "veryfast" };
        let encoded = |settings: String, filter: String| {
            format!(" -codec:v:0 {settings} -vf \"{COLOURS},{filter}\"")
        };
        match self.picture {
            Picture::X264 => encoded(
                format!(
                    "libx264 -preset {preset} -crf 23 -maxrate 1000000 -bufsize 2000000 -profile:v:0 high -level 51 \
                     {X264} {FORCED} -sc_threshold:v:0 0"
                ),
                format!("{SCALE},format=yuv420p"),
            ),
            Picture::X264Counted => encoded(
                format!("libx264 -preset {preset} {RATE} -level 51 {X264} {COUNTED} -sc_threshold:v:0 0"),
                format!("{SCALE},format=yuv420p"),
            ),
            Picture::Qsv => encoded(
                format!("h264_qsv -preset {preset} {RATE} -level 51 {COUNTED}"),
                "scale_vaapi=w=320:h=180:format=nv12:extra_hw_frames=24,hwmap=derive_device=qsv,format=qsv".into(),
            ),
            Picture::Nvenc => encoded(
                format!("h264_nvenc -preset p1 {RATE} {COUNTED}"),
                "scale_cuda=format=yuv420p".into(),
            ),
            Picture::Vaapi => encoded(
                format!("h264_vaapi -rc_mode VBR {RATE} {FORCED}"),
                "scale_vaapi=w=320:h=180:format=nv12:extra_hw_frames=24".into(),
            ),
            Picture::Copy => " -codec:v:0 copy -bsf:v h264_mp4toannexb -start_at_zero".to_owned(),
            Picture::None => String::new(),
        }
    }
}

/// A path between quotes.
pub fn text(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// `hh:mm:ss.fff`.
pub fn clock(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as u64;
    let (rest, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// One growing file (`GetProgressiveVideoFullCommandLine`); the extension says what it becomes.
pub fn progressive(film: &Path, output: &Path) -> String {
    let (film, to) = (text(film), text(output));
    let extension = output.extension().unwrap_or_default().to_string_lossy();
    if extension == "mp3" {
        return format!(
            "-analyzeduration 200M -probesize 1G -i file:\"{film}\" -threads 0 -vn -ab 128000 -ac 2 \
             -id3v2_version 3 -write_id3v1 1 -y \"{to}\""
        );
    }
    let fragments = if extension == "mp4" {
        " -f mp4 -movflags frag_keyframe+empty_moov+delay_moov"
    } else {
        ""
    };
    let bsf = if extension == "ts" { " -bsf:v h264_mp4toannexb" } else { "" };
    format!(
        "-analyzeduration 200M -probesize 1G -i file:\"{film}\" -map 0:0 -map 0:1 -map -0:s -codec:v:0 libx264{bsf} \
         -force_key_frames \"expr:gte(t,n_forced*5)\" -vf \"format=yuv420p\" -copyts -avoid_negative_ts disabled -start_at_zero -preset veryfast \
         -crf 23 -maxrate 1000000 -bufsize 2000000 -profile:v:0 high -level 51 -map_metadata -1 -map_chapters -1 -threads 0 -codec:a:0 aac -ac 2 \
         -ab 128000{fragments} -y \"{to}\""
    )
}

/// A picture in intervals (`ExtractVideoImagesOnIntervalInternal`).
pub fn trickplay(film: &Path, directory: &Path) -> String {
    format!(
        "-loglevel error -threads 1 -i file:\"{}\" -map 0:0 -an -sn -vf \"fps=0.2,scale=w=160:h=90,format=yuvj420p\" \
         -threads 1 -c:v mjpeg -qscale:v 4 -fps_mode passthrough -f image2 \"{}/%08d.jpg\"",
        text(film),
        text(directory)
    )
}

/// One picture (`ExtractImageInternal`), whose filter stands unquoted: the best of 24 for a poster,
/// or the one at a chapter's time.
pub fn image(film: &Path, output: &Path, at: Option<f64>) -> String {
    let seek = at.map(|at| format!("-ss {} ", clock(at))).unwrap_or_default();
    let best = if at.is_none() { ",thumbnail=n=24" } else { "" };
    format!(
        "{seek}-i file:\"{}\" -map 0:0 -threads 1 -v quiet -vframes 1 -vf scale=round(iw*sar/2)*2:round(ih/2)*2{best} \
         -fps_mode auto -f image2 \"{}\"",
        text(film),
        text(output)
    )
}

/// A live recording (`EncodedRecorder.GetCommandLineArgs`).
pub fn recording(film: &Path, output: &Path) -> String {
    format!(
        "-async 1 -fflags +genpts -re -analyzeduration 5000000 -i \"{}\" -codec:v:0 copy -fflags +genpts -map_metadata -1 \
         -map_chapters -1 -threads 0 -codec:a:0 copy -sn -y \"{}\"",
        text(film),
        text(output)
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Container, Hls, Picture, clock};
    use crate::jellyfin::words::split;

    /// The order of options is that of lines in public reports (Jellyfin 10.10, jellyfin-052).
    #[test]
    fn an_encode_line_is_as_jellyfin_writes_it() {
        let line = Hls {
            film: Path::new("/f/a b.mkv"),
            container: Container::Fmp4,
            picture: Picture::X264,
            sound: 1,
            sound_copied: false,
            live: false,
        };
        let words = split(&line.line(Path::new("/t"), "abc", 4));
        let expected = "-analyzeduration 200M -probesize 1G -ss 00:00:12.000 -i file:/f/a_b.mkv -map_metadata -1 \
            -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s -codec:v:0 libx264 -preset veryfast -crf 23 \
            -maxrate 1000000 -bufsize 2000000 -profile:v:0 high -level 51 -x264opts:0 \
            subme=0:me_range=16:rc_lookahead=10:me=hex:open_gop=0 -force_key_frames:0 expr:gte(t,n_forced*3) \
            -sc_threshold:v:0 0 -vf setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,\
            scale=trunc(min(max(iw\\,ih*a)\\,min(320\\,180*a))/2)*2:trunc(min(max(iw/a\\,ih)\\,min(320/a\\,180))/2)*2,\
            format=yuv420p -codec:a:0 aac -ac 2 -ab 128000 -copyts -avoid_negative_ts disabled \
            -max_muxing_queue_size 2048 -f hls -max_delay 5000000 -hls_time 3 -hls_segment_type fmp4 \
            -hls_fmp4_init_filename abc-1.mp4 -start_number 4 -hls_segment_filename /t/abc%d.mp4 \
            -hls_playlist_type vod -hls_list_size 0 -hls_segment_options movflags=+frag_discont+skip_sidx -y /t/abc.m3u8";
        let expected: Vec<_> =
            expected.split_whitespace().map(|word| word.replace("a_b", "a b")).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn times_are_written_to_the_millisecond() {
        assert_eq!(clock(3723.5), "01:02:03.500");
    }
}
