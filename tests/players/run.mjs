// Plays a directory of HLS with players that are not ours, and says who complained of what.
// Decided here: which players play, and the exit code. What counts as a complaint is each
// player's own file's business. Never here: judging bytes; that is `segue verify`'s.
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { gstreamer } from "./gstreamer.mjs";
import { hlsJs } from "./hlsjs.mjs";
import { mpv } from "./mpv.mjs";
import { readStream } from "./playlists.mjs";
import { serve } from "./serve.mjs";

const PLAYERS = { "hls.js": hlsJs, gstreamer, mpv };

const USAGE = `usage: run.sh DIR [--only PLAYER] [--master NAME] [--rate N]
  DIR            a directory with a multivariant playlist
  --only PLAYER  ${Object.keys(PLAYERS).join(", ")}; may be repeated
  --master NAME  the playlist's name (master.m3u8)
  --rate N       how many times faster than life hls.js plays (4)
  --irregular    frames do not come at a constant rate (matters to hls.js with TS)`;

function asked() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: "string", multiple: true, default: Object.keys(PLAYERS) },
      master: { type: "string", default: "master.m3u8" },
      rate: { type: "string", default: "4" },
      irregular: { type: "boolean", default: false },
    },
  });
  const unknown = values.only.filter((name) => !(name in PLAYERS));
  const rate = Number(values.rate);
  if (positionals.length !== 1 || unknown.length > 0 || !(rate > 0 && rate <= 16)) {
    throw new Error(unknown.length > 0 ? `no player is called ${unknown}` : "one DIR, please");
  }
  const { only, master, irregular } = values;
  return { directory: resolve(positionals[0]), only, master, rate, irregular };
}

async function main() {
  let wanted;
  try {
    wanted = asked();
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
  const stream = await readStream(wanted.directory, wanted.master);
  const server = await serve(wanted.directory, stream);
  let complained = false;
  try {
    for (const name of wanted.only) {
      const began = Date.now();
      const { played, complaints } = await PLAYERS[name]({ stream, server, ...wanted });
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      console.log(`${name.padEnd(10)} ${complaints.length ? "FAIL" : "ok  "} ${played} (${seconds} s)`);
      for (const complaint of shortened(complaints)) console.log(`           ${complaint}`);
      complained ||= complaints.length > 0;
    }
  } finally {
    server.close();
  }
  return complained ? 1 : 0;
}

/** Complaints that differ in nothing but numbers, as those of a hundred joins do, are said once. */
function shortened(complaints) {
  const alike = new Map();
  for (const complaint of complaints) {
    const kind = complaint.replace(/\d+(\.\d+)?|0x[0-9a-f]+/g, "#");
    alike.set(kind, [...(alike.get(kind) ?? []), complaint]);
  }
  return [...alike.values()].map(([first, ...more]) => {
    return more.length > 0 ? `${first} (and ${more.length} like it)` : first;
  });
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error.message);
    process.exit(2);
  },
);
