// mpv: must play every variant to its end and seek without a word.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "./children.mjs";
import { places } from "./playlists.mjs";

const SEEKS = join(dirname(fileURLToPath(import.meta.url)), "seeks.lua");

const REMEDY = "apt-get install mpv";

const QUIETLY = ["--no-config", "--vo=null", "--ao=null", "--msg-level=all=warn"];

// As fast as decoding goes, sound included.
const FAST = ["--untimed", "--ao-null-untimed=yes"];

// Playing so fast, mpv may take its own haste for a slow machine.
const HASTE =
  /Audio\/Video desynchronisation detected|hardware, temporary CPU spikes|position will not match/;

// What libavformat says of itself whenever one seeks back, in any stream.
const SEEKING_BACK = /maybe the m3u8 list sequence have been wraped/;

// Before FFmpeg 8, its MP4 reader lost its way after a seek in HLS, in any stream.
const LIBAVFORMAT_THAT_SEEKS_IN_FMP4 = 62;

export async function mpv({ stream, server }) {
  const complaints = [];
  const play = async (variant, noise, ...more) => {
    const { stdout, stderr, complaints: failed } = await run(
      "mpv",
      [...QUIETLY, ...more, server.stream(variant)],
      { patience: 30 + 2 * stream.duration, remedy: REMEDY },
    );
    complaints.push(...failed);
    for (const line of `${stdout}\n${stderr}`.split("\n")) {
      if (line.trim() !== "" && !noise.test(line)) {
        complaints.push(`variant ${variant}: ${line.trim()}`);
      }
    }
  };
  const format = await libavformat();
  const seekable = !stream.fragmented || format >= LIBAVFORMAT_THAT_SEEKS_IN_FMP4;
  const to = places(stream.duration);
  const seeks = [`--script=${SEEKS}`, `--script-opts=places=${to.join(":")}`];
  for (const variant of stream.variants.keys()) {
    await play(variant, HASTE, ...FAST);
    if (seekable && to.length > 0) await play(variant, SEEKING_BACK, ...seeks);
  }
  const sought = seekable ? `${to.length} seeks each` : `no seeks: libavformat ${format} cannot in fMP4`;
  return {
    played: `${stream.variants.length} x ${stream.duration.toFixed(2)} s, ${sought}`,
    complaints,
  };
}

/** The major version of the library that reads HLS for mpv. */
async function libavformat() {
  const { stdout } = await run("mpv", ["--version"], { patience: 60, remedy: REMEDY });
  return Number(/libavformat\s+(\d+)\./.exec(stdout)?.[1] ?? 0);
}
