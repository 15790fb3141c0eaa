//! What stands behind `-i`.

use super::{Name, Piece, Reader, Refusal, Side, Word, format_of, parted, prefix_of, refuse, text};
use crate::line::Group;
use crate::{filter, paths};

/// Formats that read a device of the machine they run on.
pub(super) const DEVICES: &[&str] = &[
    "alsa",
    "android_camera",
    "avfoundation",
    "bktr",
    "caca",
    "decklink",
    "dshow",
    "fbdev",
    "gdigrab",
    "iec61883",
    "jack",
    "kmsgrab",
    "libcdio",
    "libdc1394",
    "ndi",
    "openal",
    "opengl",
    "oss",
    "pulse",
    "sdl",
    "sdl2",
    "sndio",
    "v4l2",
    "video4linux2",
    "vfwcap",
    "x11grab",
    "xcbgrab",
    "xv",
];
/// Formats that name other files, in ways of their own.
const NAME_OTHERS: &[&str] =
    &["hls", "applehttp", "dash", "imf", "sdp", "vapoursynth", "avisynth", "image2pipe_list"];
const NAME_OTHERS_EXTENSIONS: &[&str] = &["m3u8", "m3u", "mpd", "sdp", "vpy", "avs"];
const PICTURES: &[&str] = &[
    "bmp", "dpx", "exr", "jpeg", "jpg", "pam", "pbm", "pcx", "pgm", "pgmyuv", "png", "ppm", "sgi",
    "sun", "tga", "tif", "tiff", "webp", "xwd", "j2k", "jp2", "jls",
];
/// Protocols that lead into the network.
const NETWORK: &[&str] = &[
    "ftp",
    "ftps",
    "gopher",
    "gophers",
    "hls+http",
    "hls+https",
    "http",
    "https",
    "httpproxy",
    "icecast",
    "mmsh",
    "mmst",
    "mms",
    "rtmp",
    "rtmpe",
    "rtmps",
    "rtmpt",
    "rtmpte",
    "rtmpts",
    "rtp",
    "rtsp",
    "rtsps",
    "sctp",
    "sftp",
    "smb",
    "srt",
    "srtp",
    "tcp",
    "tls",
    "udp",
    "udplite",
    "ipfs",
    "ipns",
];

/// Whether a name leads into the network.
pub(super) fn is_network(name: &str) -> bool {
    let scheme = name.split_once(':').map(|(scheme, _)| scheme.to_lowercase());
    scheme.is_some_and(|scheme| NETWORK.contains(&scheme.as_str()))
}

/// Directories in which there is nothing but what belongs to this machine.
pub(super) fn is_of_this_machine(path: &str) -> bool {
    ["/dev", "/proc", "/sys", "/run"].iter().any(|directory| {
        path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

impl Reader {
    pub(super) fn input(&mut self, group: &Group) -> Result<Word, Refusal> {
        let name = group.file.name.as_str();
        let (format, extension) = format_of(group);
        let said = |formats: &[&str]| format.is_some_and(|format| formats.contains(&format));
        let shown = format!("-i {name}");
        if format == Some("lavfi") {
            return match filter::parse(name) {
                Ok(graph) => self.graph(&graph, name),
                // ffmpeg says what is wrong with it.
                Err(_) => Ok(text(name)),
            };
        }
        if said(DEVICES) {
            return refuse(shown, "that is a device of this machine");
        }
        if matches!(name, "-" | "pipe:" | "pipe:0" | "fd:" | "/dev/stdin") {
            self.files.stdin = true;
            return Ok(text(if name == "/dev/stdin" { "pipe:0" } else { name }));
        }
        if is_network(name) {
            self.files.network.push(shown);
            return Ok(text(name));
        }
        let Some(path) = paths::local(name) else {
            return refuse(shown, "what that protocol opens is not known");
        };
        let prefix = prefix_of(name).0;
        let whole = self.absolute(path);
        if is_of_this_machine(&whole) {
            return refuse(shown, "that belongs to this machine");
        }
        if said(NAME_OTHERS)
            || (format.is_none() && NAME_OTHERS_EXTENSIONS.contains(&extension.as_str()))
        {
            return refuse(shown, "it names other files, which are not looked for");
        }
        if format == Some("concat") || (format.is_none() && extension == "ffconcat") {
            return Ok(self.concat(group, path, prefix));
        }
        if extension == "idx" || (extension == "sub" && format == Some("vobsub")) {
            // One of the two says where in the other the pictures are.
            let stem = &whole[..whole.len() - 3];
            self.add_side(Side::File(format!("{stem}idx")));
            self.add_side(Side::File(format!("{stem}sub")));
            return Ok(self.in_tree(path, prefix));
        }
        let pictures =
            said(&["image2"]) || (format.is_none() && PICTURES.contains(&extension.as_str()));
        let glob = group.options.iter().any(|o| o.name == "pattern_type" && o.text() == "glob");
        let (directory, file) = parted(&whole);
        if pictures && (glob || Name::pattern(&file) != Name::Exactly(file.clone())) {
            let name = if glob { Name::glob(&file) } else { Name::pattern(&file) };
            self.add_side(Side::Matching { directory, name });
            return Ok(self.in_tree(path, prefix));
        }
        Ok(vec![Piece::Input(self.add_input(name))])
    }

    /// A list is read where it is written; what it names is opened as inputs are.
    fn concat(&mut self, group: &Group, path: &str, prefix: &str) -> Word {
        let set = |name: &str| group.options.iter().rev().find(|option| option.name == name);
        let unsafe_names = set("safe").is_some_and(|option| option.text() == "0");
        self.add_side(Side::Concat { path: self.absolute(path), unsafe_names });
        // Inputs have names that are not safe in its sense, and may come by the loopback.
        if !unsafe_names {
            self.files.words.extend([text("-safe"), text("0")]);
        }
        if set("protocol_whitelist").is_none() {
            let protocols = "file,http,tcp,crypto,data";
            self.files.words.extend([text("-protocol_whitelist"), text(protocols)]);
        }
        self.in_tree(path, prefix)
    }
}
