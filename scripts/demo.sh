#!/usr/bin/env bash
# Shows what Segue is for: three workers make a film into HLS, one of them is killed half way, and
# nobody can tell. Fails if any of that does not happen. Run it by `make demo`, whose settings are:
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
data=
watcher=
pool=
ended() {
    local code=$? process
    trap '' INT TERM
    for process in $watcher $pool; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    [ -z "$scratch" ] || rm -rf "$scratch"
    if [ "$code" -eq 130 ]; then
        [ -z "$data" ] || rm -rf "$data"
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

# The process of a worker, by its name.
process_of() {
    local proc pid argument
    for proc in /proc/[0-9]*; do
        pid=${proc#/proc/}
        [ "$(parent_of "$pid")" = "$pool" ] || continue
        while IFS= read -r -d '' argument; do
            if [ "$argument" = "--name=$1" ]; then echo "$pid"; fi
        done <"$proc/cmdline"
    done
}

# A worker that is at work, its first segment and its last.
at_work() {
    "$segue" job "$1" --scheduler "$url" |
        sed -n 's/^\(worker-[0-9]*\) *\([0-9]*\)-\([0-9]*\) .*/\1 \2 \3/p' | head -n1
}

# Whether a segment is there in every size.
is_stored() {
    local files=("$data"/store/jobs/*/*/"$(printf '%05d.ts' "$1")")
    [ ${#files[@]} -eq "$sizes" ]
}

# Waits until half of the film is there, kills a worker that is at work on it, and sees how long the
# segment that it owed next takes to be there all the same. Runs beside the transcode, and leaves what
# it did in $scratch.
kill_half_way() {
    local half=$1 there=() job worker='' segment last process since
    while [ ${#there[@]} -lt "$half" ]; do
        sleep 0.05
        there=("$data"/store/jobs/*/*/[0-9]*.ts)
    done
    job=$(basename "$(dirname "$(dirname "${there[0]}")")")
    until [ -n "$worker" ]; do
        # Finished meanwhile: nobody is left to kill.
        [ ! -e "$data/store/jobs/$job/master.m3u8" ] || return 0
        read -r worker segment last <<<"$(at_work "$job")" || true
    done
    process=$(process_of "$worker")
    kill -KILL "$process"
    since=$(date +%s%N)
    ls -1i "$data"/store/jobs/*/*/[0-9]*.ts >"$scratch/before"
    # Over the progress bars, which draw themselves anew below.
    [ -t 2 ] && printf '\r\e[K' >&2
    echo "${red}kill -KILL $process${plain}: $worker, at work, with half of all segments there" >&2
    while is_stored "$segment" && [ "$segment" -lt "$last" ]; do segment=$((segment + 1)); done
    until is_stored "$segment"; do sleep 0.01; done
    echo "$worker $process $segment $((($(date +%s%N) - since) / 1000000))" >"$scratch/killed"
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
    fail "the film is too short to kill a worker half way: choose one of 16 seconds or more"
fi
renditions=()
if [ "${height:-0}" -gt 480 ]; then
    renditions=(--rendition source --rendition 480p)
elif [ "${height:-0}" -gt 240 ]; then
    renditions=(--rendition source --rendition 240p)
fi
sizes=$((${#renditions[@]} > 0 ? 2 : 1))
files=$((segments * sizes))

data=$target/demo/pool
rm -rf "$data"
heading "segue up --data $data --workers 3"
"$segue" up --data "$data" --workers 3 --listen 127.0.0.1:0 >"$scratch/up" 2>"$scratch/log" &
pool=$!
until grep -q '^Segue is up' "$scratch/up"; do
    [ -n "$(parent_of "$pool")" ] || fail "it does not come up: $(tail -n3 "$scratch/log")"
    sleep 0.1
done
url=$(grep -o 'http://[^ ]*' "$scratch/up" | head -n1)
"$segue" workers --scheduler "$url"

heading "segue transcode ... --scheduler $url ${renditions[*]}"
echo "${dim}half way, one of the three workers will be killed${plain}"
kill_half_way $((files / 2)) &
watcher=$!
# In the foreground: Ctrl-C reaches it, and it sees the terminal.
"$segue" transcode "$film" --scheduler "$url" "${renditions[@]}"

wait "$watcher" || fail "the watcher failed"
watcher=
[ -s "$scratch/killed" ] || fail "no worker was killed: the demonstration shows nothing"
read -r worker process segment gap <"$scratch/killed"
grep -q "^$worker: ended" "$scratch/log" || fail "$worker was killed, but nobody noticed"
"$segue" workers --scheduler "$url"
kill "$pool"
wait "$pool" || fail "the pool did not end well: $(tail -n3 "$scratch/log")"
pool=

playlist=$(echo "$data"/store/jobs/*/master.m3u8)
heading "segue verify $playlist"
"$segue" verify "$playlist"

ls -1i "$data"/store/jobs/*/*/[0-9]*.ts >"$scratch/after"
kept=$(grep -cxFf "$scratch/before" "$scratch/after" || true)
all=$(grep -c . "$scratch/after")
[ "$kept" -eq "$(grep -c . "$scratch/before")" ] || fail "segments that were there were made again"
heading 'What happened'
cat <<END
  ${red}killed${plain}      $worker, process $process, with SIGKILL, half way; its own processes ended with it
  ${green}gap${plain}         segment $segment, which it owed next, was there $gap ms later, from another worker
  ${green}kept${plain}        the $kept segments that were there by then: not one was touched again
  ${green}verified${plain}    all $all segments: every frame and sample in its place, nothing at the joins
END
heading "Watch it"
cat <<END
  mpv '$playlist'
  or: ffplay '$playlist'
END
