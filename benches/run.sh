#!/bin/sh
# Builds what is measured, and measures it: benches/run.sh [BENCH [--quick] [--rounds N]]
# BENCH: quality, restarts, engine, first-segment, joins, exact; of the pool: kills, two-workers,
# submits, many-jobs; of the drop-in: questions, overhead, serve, ten-minutes, drop-in-kill. Without
# one, all of them but restarts. `questions` and `overhead` take --rffmpeg DIRECTORY, a checkout of that
# peer, which takes turns with the others then. Tables go to standard output, progress to standard error.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked -p segue -p segue-drop-in -p segue-bench >&2
target="${CARGO_TARGET_DIR:-target}"
[ $# -gt 0 ] || set -- all
exec "$target/release/segue-bench" "$@"
