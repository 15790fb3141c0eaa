// Plays one stream with hls.js and returns everything there is to complain of, as lines of text.
import Hls from "/hls.js/hls.mjs";

/** No hole larger than this many seconds, nor so much missing at the end. */
const HOLE = 0.1;

/** Reports of hls.js that any stream gives rise to, ffmpeg's own included. */
const NORMAL = new Set([
  // What a seek makes needless is not loaded any further.
  Hls.ErrorDetails.INTERNAL_ABORTED,
  // After a change of variant a segment may be loaded that was there already from the other.
  Hls.ErrorDetails.BUFFER_APPEND_NO_PROGRESS,
]);

/** Warnings of hls.js that any stream gives rise to. */
const NORMAL_WARNING = /appended \d+ times? without buffered range growth/;

/**
 * TS does not say how long a frame is shown. Where frames come irregularly, hls.js expects the
 * first of a segment sooner than it comes, and stretches the one before.
 */
const STRETCHED = /(AVC|HEVC): \d+ ms \(\d+dts\) hole between fragments detected/;

/**
 * hls.js puts its zero where *decoding* begins. Where there are B-frames, the first picture is
 * shown some frames later (two, at twelve a second): until then hls.js skips, and gives the sound
 * silence. That is no fault, but only at the very beginning.
 */
const BEGINNING = 0.25;

function isBeginning(text) {
  const filled = /Injecting \d+ audio frames @ (-?[\d.]+)s/.exec(text);
  const skipped = /(?:adjusting currentTime|seeking) from 0 to ([\d.]+)/.exec(text);
  const late = /media timestamps and playlist times differ by ([\d.]+)s/.exec(text);
  // Having skipped, hls.js goes a tenth of a second further to be sure.
  const least = [filled?.[1], late?.[1], skipped && skipped[1] - 0.1];
  return least.some((seconds) => Number(seconds ?? Infinity) < BEGINNING);
}

/** Whether the promise was kept within so many seconds; only a hang takes so long. */
function within(seconds, promise) {
  const late = new Promise((resolve) => setTimeout(() => resolve(false), seconds * 1000));
  return Promise.race([promise.then(() => true), late]);
}

function once(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}

/** Resolves as soon as `true` is found. */
function when(found) {
  return new Promise((resolve) => {
    const look = () => {
      if (found()) resolve();
      else setTimeout(look, 20);
    };
    look();
  });
}

function ranges({ buffered }) {
  return Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)]);
}

function described(video) {
  const parts = ranges(video).map(([from, to]) => `${from.toFixed(3)}-${to.toFixed(3)}`);
  return `at ${video.currentTime.toFixed(3)} s of ${video.duration} s, buffered ${parts.join(" ") || "nothing"}`;
}

/** Notes every error of the player and of the browser. */
function listen(hls, video, complaints) {
  hls.on(Hls.Events.ERROR, (_, data) => {
    const cause = data.reason ?? data.error?.message ?? "";
    if (!data.fatal && (NORMAL.has(data.details) || isBeginning(cause))) return;
    complaints.push(`${data.fatal ? "fatal " : ""}${data.details}: ${cause} (${described(video)})`);
  });
  video.addEventListener("error", () => {
    complaints.push(`the browser gave up: ${video.error?.message} (${described(video)})`);
  });
}

/** For playing without seeks: after one, frames from before it may still be reported. */
function watchForStepsBack(video, complaints) {
  let shown = -1;
  const frame = (_, { mediaTime }) => {
    if (mediaTime < shown) complaints.push(`picture went back from ${shown} s to ${mediaTime} s`);
    shown = mediaTime;
    video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
}

function open({ url, irregular }, settings, complaints) {
  const video = document.querySelector("video");
  video.muted = true;
  const tell = (...words) => {
    const text = words.join(" ");
    if (NORMAL_WARNING.test(text) || isBeginning(text)) return;
    if (irregular && STRETCHED.test(text)) return;
    complaints.push(`hls.js warns: ${text}`);
  };
  const silent = () => {};
  const logger = { trace: silent, debug: silent, log: silent, info: silent, warn: tell, error: tell };
  const hls = new Hls({ debug: logger, ...settings });
  listen(hls, video, complaints);
  const loaded = new Promise((resolve) => {
    hls.once(Hls.Events.LEVEL_LOADED, (_, { details }) => resolve(details.totalduration));
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return { hls, video, loaded };
}

/** From the beginning to the end, keeping all of it buffered. */
async function playThrough({ rate, changing, ...wishes }, complaints) {
  // Larger than any film in the tests: nothing is thrown away or waits to be loaded.
  const everything = { maxBufferLength: 36_000, maxMaxBufferLength: 36_000, maxBufferSize: 2 ** 40 };
  const { hls, video, loaded } = open(wishes, { ...everything, backBufferLength: Infinity }, complaints);
  if (changing) changeAtEverySegment(hls, complaints);
  const duration = await Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, 30_000))]);
  if (duration === undefined) return complaints.push("no playlist was loaded");
  watchForStepsBack(video, complaints);
  const ended = once(video, "ended");
  // At the pace of life until all is loaded: what is waited for then is missing, not late.
  if (!(await within(30, video.play()))) return complaints.push(`never began (${described(video)})`);
  video.addEventListener("waiting", () => {
    // With more to play at hand it is the processor that is late; a real stall is hls.js's to
    // report, and does not come to the end.
    const ahead = ranges(video).some(([from, to]) => from <= video.currentTime && to > video.currentTime + 0.5);
    if (!ahead && video.currentTime < duration - 0.5) complaints.push(`stalled (${described(video)})`);
  });
  const complete = when(() => ranges(video).at(-1)?.[1] >= duration - HOLE);
  if (!(await within(30 + duration, complete))) {
    complaints.push(`not everything was loaded (${described(video)})`);
  }
  video.playbackRate = rate;
  if (!(await within(30 + (4 * duration) / rate, ended))) {
    complaints.push(`never came to the end (${described(video)})`);
  }
  judgeBuffer(video, duration, complaints);
  const { corruptedVideoFrames = 0 } = video.getVideoPlaybackQuality();
  if (corruptedVideoFrames > 0) complaints.push(`${corruptedVideoFrames} corrupted frames`);
  hls.destroy();
}

/** Every segment from another variant than the one before; one at a time, so that none loaded
 * ahead is thrown away. */
function changeAtEverySegment(hls, complaints) {
  const isMedia = (frag) => frag.type === "main" && frag.sn !== "initSegment";
  const lengths = hls.config.maxMaxBufferLength;
  hls.once(Hls.Events.MANIFEST_PARSED, () => (hls.loadLevel = 0));
  hls.on(Hls.Events.FRAG_LOADING, (_, { frag }) => {
    if (isMedia(frag)) hls.config.maxMaxBufferLength = 0.001;
  });
  const variants = new Set();
  hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => {
    if (!isMedia(frag)) return;
    variants.add(frag.level);
    hls.loadLevel = (frag.level + 1) % hls.levels.length;
    hls.config.maxMaxBufferLength = lengths;
  });
  hls.on(Hls.Events.BUFFER_EOS, () => {
    if (variants.size < 2) complaints.push("variants were never changed");
  });
}

function judgeBuffer(video, duration, complaints) {
  const whole = ranges(video);
  for (let index = 1; index < whole.length; index += 1) {
    const [from, to] = [whole[index - 1][1], whole[index][0]];
    complaints.push(`a hole in the buffer from ${from.toFixed(3)} s to ${to.toFixed(3)} s`);
  }
  if (whole.length === 0) return;
  if (whole[0][0] > BEGINNING) complaints.push(`the buffer begins at ${whole[0][0].toFixed(3)} s`);
  const end = whole.at(-1)[1];
  if (end < duration - HOLE || end > duration + BEGINNING) {
    complaints.push(`the buffer ends at ${end.toFixed(3)} s, the playlist at ${duration.toFixed(3)} s`);
  }
}

/** With next to nothing buffered, so that every seek has to load. */
async function playPlaces({ places, ...wishes }, complaints) {
  const little = { maxBufferLength: 3, maxMaxBufferLength: 3, backBufferLength: 0 };
  const { hls, video } = open(wishes, little, complaints);
  if (!(await within(30, video.play()))) return complaints.push(`never began (${described(video)})`);
  for (const place of places) {
    const sought = once(video, "seeked");
    video.currentTime = place;
    if (!(await within(30, sought))) complaints.push(`sought ${place} s in vain (${described(video)})`);
    const onwards = Math.min(place + 1, video.duration - HOLE);
    if (!(await within(30, when(() => video.currentTime >= onwards || video.ended)))) {
      complaints.push(`did not play on from ${place} s (${described(video)})`);
    }
  }
  hls.destroy();
}

window.watch = async (wishes) => {
  const complaints = [];
  try {
    await (wishes.places ? playPlaces : playThrough)(wishes, complaints);
  } catch (error) {
    complaints.push(`playing failed: ${error.message}`);
  }
  return complaints;
};
