// A small web server on loopback: the stream, the page that plays it, and hls.js.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

import { withOnly } from "./playlists.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));

const TYPES = {
  ".m3u8": "application/vnd.apple.mpegurl",
  ".ts": "video/mp2t",
  ".m4s": "video/iso.segment",
  ".mp4": "video/mp4",
  ".aac": "audio/aac",
  ".vtt": "text/vtt",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
};

/**
 * Serves until `close()`. `stream(index)` is the address of the multivariant playlist with only
 * that variant; without an index it has them all.
 */
export async function serve(directory, stream) {
  const roots = {
    media: directory,
    page: join(HERE, "page"),
    "hls.js": join(HERE, "node_modules/hls.js/dist"),
  };
  const server = createServer((request, response) => {
    answer(roots, stream, request, response).catch((error) => response.destroy(error));
  });
  await new Promise((resolve, reject) => {
    // A connection closed for idleness while a slow player is about to use it again would look like
    // a missing segment.
    server.keepAliveTimeout = 0;
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const base = `http://127.0.0.1:${server.address().port}`;
  return {
    page: `${base}/page/index.html`,
    stream: (variant) =>
      `${base}/media/${stream.master}${variant === undefined ? "" : `?variant=${variant}`}`,
    close: () => {
      server.close();
      server.closeAllConnections?.();
    },
  };
}

async function answer(roots, stream, request, response) {
  const url = new URL(request.url, "http://127.0.0.1");
  const [, root, ...rest] = normalize(decodeURIComponent(url.pathname)).split("/");
  const variant = url.searchParams.get("variant");
  if (root === "media" && rest.join("/") === normalize(stream.master) && variant !== null) {
    response.writeHead(200, { "content-type": TYPES[".m3u8"] });
    response.end(withOnly(stream, Number(variant)));
    return;
  }
  const path = Object.hasOwn(roots, root) ? join(roots[root], ...rest) : undefined;
  const file = path && (await stat(path).catch(() => undefined));
  if (!file?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  const range = rangeOf(request.headers.range, file.size);
  if (range === undefined) {
    response.writeHead(416, { "content-range": `bytes */${file.size}` }).end();
    return;
  }
  const headers = {
    "content-type": type,
    "content-length": range.end - range.start + 1,
    "accept-ranges": "bytes",
    "cache-control": "no-store",
  };
  if (range.partial) headers["content-range"] = `bytes ${range.start}-${range.end}/${file.size}`;
  response.writeHead(range.partial ? 206 : 200, headers);
  if (request.method === "HEAD" || file.size === 0) response.end();
  else {
    // Players hang up in the middle of a segment; `pipeline` then closes the file too.
    await pipeline(createReadStream(path, range), response).catch(() => response.destroy());
  }
}

/** The bytes a Range header asks for, both ends included; undefined when there are none. */
function rangeOf(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) {
    return { start: 0, end: size - 1, partial: false };
  }
  const start = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = match[1] === "" || match[2] === "" ? size - 1 : Math.min(size - 1, Number(match[2]));
  return start <= last ? { start, end: last, partial: true } : undefined;
}
