// What the checks must know of a stream before they play it: its variants and how long it is.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * @returns {{master: string, text: string, variants: {line: number, uri: string}[],
 *            duration: number, fragmented: boolean}} `duration` in seconds and whether segments
 *          are fMP4, both of the first variant
 */
export async function readStream(directory, master) {
  const text = await read(join(directory, master));
  const variants = variantsOf(text);
  if (variants.length === 0) throw new Error(`${master} lists no variant: nothing to play`);
  const media = await read(join(directory, dirname(master), variants[0].uri));
  const durations = [...media.matchAll(/^#EXTINF:([\d.]+)/gm)].map((match) => Number(match[1]));
  const duration = durations.reduce((sum, next) => sum + next, 0);
  return { master, text, variants, duration, fragmented: media.includes("#EXT-X-MAP:") };
}

async function read(path) {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${path} (${error.code}): is it a directory of HLS?`);
  }
}

function variantsOf(text) {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((content, line) => {
    if (!content.startsWith("#EXT-X-STREAM-INF:")) return [];
    const uri = lines.slice(line + 1).find((next) => next !== "" && !next.startsWith("#"));
    return uri === undefined ? [] : [{ line, uri }];
  });
}

/** The multivariant playlist with one variant left, so that any player plays that one. */
export function withOnly({ text, variants }, index) {
  const dropped = new Set();
  for (const [other, { line, uri }] of variants.entries()) {
    if (other !== index) dropped.add(line).add(text.split(/\r?\n/).indexOf(uri, line));
  }
  return text.split(/\r?\n/).filter((_, line) => !dropped.has(line)).join("\n");
}

/**
 * Three places to seek to: the same ones each time, one of them behind the one before.
 * All leave room to go on playing; films too short for that have none.
 */
export function places(duration) {
  if (duration < 1) return [];
  let seed = 20240229;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  const at = (from, to) => Number(((from + random() * (to - from)) * duration).toFixed(3));
  return [at(0.4, 0.6), at(0.65, 0.8), at(0.05, 0.3)];
}
