#!/usr/bin/env bash
# Makes HLS whose every segment comes from a process of its own, in random order, and plays it with
# players that are not ours (tests/players).
#
#   scripts/players.sh          one film, as transport streams and as fMP4: what CI does
#   scripts/players.sh long     more of both: a longer film, a ladder, other lengths and boundaries
#
# SEED=n repeats an order.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."
# shellcheck source=scripts/terminal.sh
. scripts/terminal.sh

seed=${SEED:-$RANDOM}
RANDOM=$seed

scratch=
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# Numbers below $1, one per line, in an order that only the seed decides.
shuffled() {
    local number
    for ((number = 0; number < $1; number++)); do
        printf '%05d %05d\n' "$RANDOM" "$number"
    done | sort | cut -d' ' -f2
}

# Makes the film whole, then each segment again by a run of segue that finds nothing missing but
# that. What players get then has as many makers as segments.
scatter() {
    local film=$1 out=$2 number segments orders=() makers
    shift 2
    rm -rf "$out"
    "$segue" transcode "$film" --to "$out" --quiet "$@"
    segments=("$out"/*/00000.*)
    segments=("${segments[0]%/*}"/[0-9]*)
    mapfile -t orders < <(shuffled ${#segments[@]})
    for number in "${orders[@]}"; do
        rm "$out"/*/"$number".*
        "$segue" transcode "$film" --to "$out" --json "$@"
    done >"$scratch/events"
    # From each line about a segment: its number and its maker's.
    makers=$(sed -n 's/.*"event":"segment".*"index":\([0-9]*\).*"pid":\([0-9]*\).*/\1 \2/p' "$scratch/events" |
        sort -u)
    [ "$(grep -c . <<<"$makers")" -eq ${#segments[@]} ] &&
        [ "$(cut -d' ' -f2 <<<"$makers" | sort -u | grep -c .)" -eq ${#segments[@]} ] ||
        fail "not every segment has a maker of its own:" "$makers"
    echo "${#segments[@]} segments by as many processes, made in this order: ${orders[*]}"
}

play() {
    local name=$1
    shift
    heading "$name (SEED=$seed)"
    scatter "$film" "$out/$name" "$@"
    "$segue" verify "$out/$name/master.m3u8"
    tests/players/run.sh "$out/$name"
}

if [ -z "${CHROMIUM:-}" ]; then
    for name in chromium chromium-browser google-chrome; do
        if CHROMIUM=$(command -v "$name"); then break; fi
    done
    export CHROMIUM
fi

heading "Building segue"
cargo build --locked -p segue
target=$(target_directory)
out=$target/players
mkdir -p "$out"
scratch=$(mktemp -d "$out/run.XXXXXX")
# Of its own, so that a build that goes on meanwhile changes nothing here.
cp "$target/debug/segue" "$scratch/segue"
segue=$scratch/segue

case ${1:-short} in
short)
    film=$out/film-12-seconds.mkv
    scripts/film.sh "$film" 12 640x360
    play ts --rendition 360p --rendition 180p
    play fmp4 --rendition 360p --rendition 180p --packaging fmp4
    ;;
long)
    film=$out/film-60-seconds.mkv
    scripts/film.sh "$film" 60 1280x720
    ladder=(--rendition 720p --rendition 480p --rendition 240p)
    for packaging in ts fmp4; do
        play "$packaging" "${ladder[@]}" --packaging "$packaging"
        play "$packaging-short-segments" --rendition 360p --segment-length 1 --packaging "$packaging"
        play "$packaging-long-segments" --rendition 360p --segment-length 6 --packaging "$packaging"
        play "$packaging-keyframes" --rendition 360p --boundaries keyframes-cumulative \
            --packaging "$packaging"
        play "$packaging-silent" --rendition 360p --no-audio --packaging "$packaging"
    done
    ;;
*) fail "short or long, not '$1'" ;;
esac
echo
echo "${green}every player played everything to its end without a word${plain}"
