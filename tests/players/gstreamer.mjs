// GStreamer: both of its playbins (they have different HLS demuxers) must come to the end with
// sound in one piece and pictures in order, and with no warning but those listed here.
import { run } from "./children.mjs";

// Said of any stream, ffmpeg's own included: they tell of GStreamer 1.22, not of the stream.
const NOISES = [
  // Messages it cannot write down.
  /No value transform to serialize field/,
  // playbin tries the newer demuxer first, which only playbin3 can use.
  /Element requires a streams-aware context/,
  /Couldn't set hlsdemux2-\d+ to READY/,
  // Picture and sound of one segment each: there is nothing to synchronize by.
  /Could not synchronize media playlists/,
  // x264's version in a comment is longer than the parser likes.
  /broken\/invalid nal Type: 6 SEI, Size: \d+ will be dropped/,
];

// Sound may lie this many nanoseconds off the end of what came before: rounding to 90 kHz.
const ROUNDING = 50_000;

const remedy =
  "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad} gstreamer1.0-libav";

export async function gstreamer({ stream, server }) {
  // The first GStreamer on a machine looks at all its plugins, and has words for some.
  await run("gst-launch-1.0", ["fakesrc", "num-buffers=1", "!", "fakesink"], { patience: 120, remedy });
  const complaints = [];
  for (const variant of stream.variants.keys()) {
    for (const playbin of ["playbin", "playbin3"]) {
      const found = await play(playbin, server.stream(variant), stream.duration);
      complaints.push(...found.map((words) => `variant ${variant}, ${playbin}: ${words}`));
    }
  }
  return {
    played: `${stream.variants.length} x ${stream.duration.toFixed(2)} s by playbin and playbin3`,
    complaints,
  };
}

async function play(playbin, url, duration) {
  const sink = (name) => `${name}-sink=fakesink name=${name} sync=false`;
  const { stdout, stderr, complaints } = await run(
    "gst-launch-1.0",
    [playbin, `uri=${url}`, sink("video"), sink("audio")],
    {
      patience: 30 + 2 * duration,
      // Warnings, and every buffer that is handed on. (A fakesink's own messages would do, but
      // some are lost when the next buffer is quicker than the printing.)
      environment: { GST_DEBUG: "2,GST_SCHEDULING:5", GST_DEBUG_NO_COLOR: "1", LC_ALL: "C" },
      remedy,
    },
  );
  const lines = stderr.split("\n");
  const warnings = lines.filter((line) => /^\S+\s+\d+\s+0x[0-9a-f]+ (WARN|ERROR)/.test(line));
  complaints.push(...warnings.filter((line) => !NOISES.some((noise) => noise.test(line))).map(said));
  complaints.push(...`${stdout}\n${stderr}`.split("\n").filter((line) => /^(WARNING|ERROR):/.test(line)));
  if (!/^Got EOS from element "playbin/m.test(stdout)) complaints.push("never came to the end");
  const [pictures, sounds] = ["video", "audio"].map((name) => buffers(lines, name));
  if (pictures.length + sounds.length === 0) complaints.push("neither picture nor sound came out");
  complaints.push(...interruptions("picture", pictures), ...interruptions("sound", sounds));
  complaints.push(...holes(sounds));
  const all = pictures.length > 0 ? pictures : sounds;
  const length = all.length > 0 ? (all.at(-1).end - all[0].start) / 1e9 : duration;
  if (Math.abs(length - duration) > 0.1) {
    complaints.push(`${length.toFixed(3)} s came out, the playlist has ${duration.toFixed(3)} s`);
  }
  return complaints;
}

/** A line of the debug log without its time, process and thread. */
function said(line) {
  return line.replace(/^\S+\s+\d+\s+0x[0-9a-f]+\s+/, "").replace(/\s+/g, " ");
}

/** What a sink got, in nanoseconds. */
function buffers(lines, sink) {
  const pattern = new RegExp(
    `<${sink}:sink> calling chainfunction .*, pts (\\S+), dts \\S+, dur (\\S+), .*flags (0x[0-9a-f]+)`,
  );
  const DISCONT = 0x40;
  return lines.flatMap((line) => {
    const match = line.includes(":sink> calling") && pattern.exec(line);
    if (!match) return [];
    const start = nanoseconds(match[1]);
    return [{ start, end: start + nanoseconds(match[2]), discont: (Number(match[3]) & DISCONT) !== 0 }];
  });
}

function nanoseconds(clock) {
  const [hours, minutes, seconds] = clock.split(":").map(Number);
  return Math.round((hours * 3600 + minutes * 60 + seconds) * 1e9);
}

function interruptions(name, run) {
  return run.slice(1).flatMap((buffer, index) => {
    const at = `at ${((buffer.start - run[0].start) / 1e9).toFixed(3)} s`;
    if (buffer.discont) return [`${name} is interrupted ${at}`];
    return buffer.start > run[index].start ? [] : [`${name} steps back ${at}`];
  });
}

function holes(sounds) {
  return sounds.slice(1).flatMap((buffer, index) => {
    const hole = buffer.start - sounds[index].end;
    const at = `${((buffer.start - sounds[0].start) / 1e9).toFixed(3)} s`;
    if (Math.abs(hole) <= ROUNDING) return [];
    return [`sound has a ${hole > 0 ? "hole" : "lap"} of ${Math.abs(hole / 1e6).toFixed(2)} ms at ${at}`];
  });
}
