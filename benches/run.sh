#!/bin/sh
# Builds what is measured, and measures it: benches/run.sh [BENCH [--quick] [--rounds N]]
# Without a bench, all of them. Tables go to standard output, progress to standard error.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked -p segue -p segue-bench >&2
target="${CARGO_TARGET_DIR:-target}"
[ $# -gt 0 ] || set -- all
exec "$target/release/segue-bench" "$@"
