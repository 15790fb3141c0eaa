#!/bin/sh
# Plays a directory of HLS with hls.js, GStreamer and mpv; see README.md.
set -eu
here=$(dirname "$0")
# The lock file names what must be there; npm writes its own copy of it once all is.
if ! [ "$here/node_modules/.package-lock.json" -nt "$here/package-lock.json" ]; then
    (cd "$here" && npm ci --loglevel=error && touch node_modules/.package-lock.json)
fi
exec node "$here/run.mjs" "$@"
