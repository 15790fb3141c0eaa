#!/usr/bin/env bash
# Shows what Segue is for: a film becomes HLS, a span process is killed half way, and nobody can
# tell. Fails if any of that does not happen. Run it by `make demo`, whose settings are:
#
#   SEGUE_DEMO_FILE     a film of yours; otherwise a sample is made
#   SEGUE_DEMO_PROFILE  release (default), or dev: a quick build, a short sample
set -euo pipefail
shopt -s nullglob

film=${SEGUE_DEMO_FILE:-}
profile=${SEGUE_DEMO_PROFILE:-release}
if [ -n "$film" ]; then
    film=$(realpath -- "$film")
fi
cd "$(dirname "$0")/.."
# shellcheck source=scripts/terminal.sh
. scripts/terminal.sh

case $profile in
release) seconds=120 ;;
dev) seconds=20 ;;
*) fail "PROFILE=$profile: one of release, dev" ;;
esac
if [ -n "$film" ] && ! [ -f "$film" ]; then
    fail "FILE=$film: no such file"
fi

scratch=
watcher=
out=
ended() {
    local code=$?
    trap '' INT TERM
    if [ -n "$watcher" ]; then
        kill "$watcher" 2>/dev/null || true
        wait "$watcher" 2>/dev/null || true
    fi
    [ -z "$scratch" ] || rm -rf "$scratch"
    if [ "$code" -eq 130 ]; then
        [ -z "$out" ] || rm -rf "$out"
        echo "demo: interrupted, and cleaned up" >&2
    fi
}
trap ended EXIT
trap 'exit 130' INT TERM

# The parent of a process, by its number; nothing when it is gone.
parent_of() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    # The name in brackets may hold anything.
    stat=${stat##*) }
    # shellcheck disable=SC2086 # Fields, parted by blanks.
    set -- $stat
    [ "$1" = Z ] || echo "$2"
}

# The living children of a process whose program is ours.
children_of() {
    local proc pid
    for proc in /proc/[0-9]*; do
        pid=${proc#/proc/}
        if [ "$(parent_of "$pid")" = "$1" ] && [ "$proc/exe" -ef "$segue" ]; then
            echo "$pid"
        fi
    done
}

# Waits until half of the film is there, takes a process away from it, and sees which one comes in
# its place. Runs beside segue, and leaves what it did in $scratch.
kill_half_way() {
    local half=$1 all=$2 parent='' child='' there=() before
    while [ ${#there[@]} -lt "$half" ]; do
        sleep 0.05
        there=("$out"/*/[0-9]*.ts)
    done
    read -r parent _ <<<"$(children_of "$$")"
    until [ -n "$child" ]; do
        # They come and go, but while work is left, segue has at least one.
        read -r child _ <<<"$(children_of "$parent")"
        [ -n "$child" ] || sleep 0.01
    done
    ls -1i "$out"/*/[0-9]*.ts >"$scratch/before"
    before=$(children_of "$parent")
    kill -KILL "$child"
    echo "$child" >"$scratch/killed"
    # Over the progress bar, which draws itself anew below.
    [ -t 2 ] && printf '\r\e[K' >&2
    echo "${red}kill -KILL $child${plain}: a span process at work, with half of $all segments there" >&2
    while [ -n "$(parent_of "$parent")" ]; do
        if children_of "$parent" | grep -vxF "$before" >"$scratch/successor"; then break; fi
        sleep 0.05
    done
}

heading "Looking for what is needed"
if [ -n "$film" ]; then scripts/setup.sh build; else scripts/setup.sh build test; fi

heading "Building segue ($profile; the first time takes a few minutes)"
target=$(target_directory)
case $profile in
release) cargo build --locked -p segue --release && segue=$target/release/segue ;;
dev) cargo build --locked -p segue && segue=$target/debug/segue ;;
esac

mkdir -p "$target/demo"
scratch=$(mktemp -d "$target/demo/run.XXXXXX")
# Of its own: a build that goes on meanwhile must not take it away, or make it unrecognisable.
cp "$segue" "$scratch/segue"
segue=$scratch/segue
if [ -z "$film" ]; then
    film=$target/demo/sample-$seconds-seconds.mkv
    heading "Making a film of $seconds seconds, 1080p with sound"
    if [ -e "$film" ]; then echo "it is there already: $film"; else scripts/film.sh "$film" "$seconds"; fi
fi

heading "segue probe"
"$segue" probe "$film"
"$segue" probe "$film" --json >"$scratch/probe"
segments=$(sed -n 's/^  "segments": \([0-9]*\),*$/\1/p' "$scratch/probe")
height=$(sed -n '/^  "recipe"/,$ s/^ *"height": \([0-9]*\),*$/\1/p' "$scratch/probe" | head -n1)
[ -n "$segments" ] || fail "segue cannot make HLS from $film: its reason is above"
if [ "$segments" -lt 8 ]; then
    fail "the film is too short to kill a process half way: choose one of 16 seconds or more"
fi
renditions=()
if [ "${height:-0}" -gt 480 ]; then
    renditions=(--rendition source --rendition 480p)
elif [ "${height:-0}" -gt 240 ]; then
    renditions=(--rendition source --rendition 240p)
fi
files=$segments
[ ${#renditions[@]} -eq 0 ] || files=$((segments * 2))

out=$target/demo/hls
rm -rf "$out"
heading "segue transcode ... --to $out ${renditions[*]}"
echo "${dim}half way, one of its span processes will be killed${plain}"
kill_half_way $((files / 2)) "$files" &
watcher=$!
# In the foreground: Ctrl-C reaches it, and it sees the terminal.
"$segue" transcode "$film" --to "$out" "${renditions[@]}" | tee "$scratch/said"

[ -s "$scratch/killed" ] || fail "no process was killed: the demonstration shows nothing"
wait "$watcher" || fail "the watcher failed"
watcher=
killed=$(cat "$scratch/killed")
grep -q 'died on the way' "$scratch/said" ||
    fail "process $killed was killed, but segue did not notice"

heading "segue verify $out/master.m3u8"
"$segue" verify "$out/master.m3u8"

ls -1i "$out"/*/[0-9]*.ts >"$scratch/after"
kept=$(grep -cxFf "$scratch/before" "$scratch/after" || true)
all=$(grep -c . "$scratch/after")
[ "$kept" -eq "$(grep -c . "$scratch/before")" ] || fail "segments that were there were made again"
successor=$(head -n1 "$scratch/successor")
heading "What happened"
cat <<END
  ${red}killed${plain}      span process $killed, with SIGKILL, half way
  ${green}kept${plain}        the $kept segments that were there by then: not one was touched again
  ${green}made again${plain}  only what it had begun and not delivered${successor:+; process $successor took its place}
  ${green}verified${plain}    all $all segments: every frame and sample in its place, nothing at the joins
END
heading "Watch it"
cat <<END
  mpv '$out/master.m3u8'
  or: ffplay '$out/master.m3u8'
END
