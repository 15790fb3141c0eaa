#!/usr/bin/env bash
# Holds the code to what ARCHITECTURE.md says about who may depend on whom, and to the rules that no
# compiler knows. Says everything that is wrong, then fails.
set -euo pipefail
cd "$(dirname "$0")/.."

faults=0
fault() {
    printf 'arrows: %s\n' "$1" >&2
    faults=$((faults + 1))
}

# Every package, and the packages of ours that it may depend on, tests apart.
declare -Ar MAY_USE=(
    [segue-model]=''
    [segue-hls]='segue-model'
    [segue-dispatch]='segue-model'
    [segue-api]='segue-model'
    [segue-store]='segue-model segue-hls'
    [segue-media]='segue-model segue-hls'
    [segue-ffmpeg]='segue-model'
    [segue-drop-in]='segue-model segue-hls segue-api segue-ffmpeg'
    [segue-scheduler]='segue-model segue-hls segue-dispatch segue-api segue-store'
    [segue-worker]='segue-model segue-hls segue-dispatch segue-api segue-store segue-media'
    [segue]='segue-model segue-hls segue-dispatch segue-api segue-store segue-media segue-scheduler segue-worker segue-ffmpeg segue-drop-in'
    [segue-bench]='segue-model segue-hls segue-api segue-media'
    [segue-lab]=''
    [segue-contract]='segue-model segue-ffmpeg'
    [segue-s3-lab]=''
)
# Dependencies that these packages must not have, however indirectly.
readonly PURE='segue-model segue-hls segue-dispatch segue-ffmpeg segue-lab segue-contract'
readonly NOT_IN_PURE='tokio|ffmpeg-next|ffmpeg-sys-next'
# Neither may these: what they decide is replayed from a seed.
readonly NOT_IN_DISPATCH='rand|fastrand|getrandom'

[ -f Cargo.lock ] || fault 'Cargo.lock is missing: it belongs to the repository'

manifests=(crates/*/Cargo.toml scheduler/Cargo.toml worker/Cargo.toml)
[ ! -f benches/Cargo.toml ] || manifests+=(benches/Cargo.toml)
name_in() { sed -n 's/^name = "\(.*\)"/\1/p' "$1" | head -n1; }

for manifest in "${manifests[@]}"; do
    name=$(name_in "$manifest")
    directory=$(basename "$(dirname "$manifest")")
    if [ -z "${MAY_USE[$name]+known}" ]; then
        fault "$name is new: say in ARCHITECTURE.md and scripts/arrows.sh what it may use"
        continue
    fi
    if [[ $name =~ (^|-)(core|common|utils?)$ || $directory =~ ^(core|common|utils?)$ ]]; then
        fault "$name: no crate is called core, common or util; call it by what it does"
    fi
    used=$(cargo tree --locked -p "$name" -e normal,build --prefix none --no-dedupe | sort -u)
    while read -r other _ path; do
        [[ $path == *"($PWD/"* ]] && [ "$other" != "$name" ] || continue
        [[ " ${MAY_USE[$name]} " == *" $other "* ]] || fault "$name must not depend on $other"
    done <<<"$used"
    if [[ " $PURE " == *" $name "* ]]; then
        while read -r other; do
            [ -z "$other" ] || fault "$name must not depend on $other, not even through others"
        done < <(cut -d' ' -f1 <<<"$used" | grep -xE "$NOT_IN_PURE")
    fi
    if [ "$name" = segue-dispatch ] && cut -d' ' -f1 <<<"$used" | grep -qxE "$NOT_IN_DISPATCH"; then
        fault "$name draws no random numbers: ${NOT_IN_DISPATCH//|/, } are not for it"
    fi
done

# Who names libav's bindings. cargo tells it for tests and build scripts, too.
for binding in ffmpeg-next:segue-media ffmpeg-sys-next:ffmpeg-next; do
    users=$(cargo tree --locked --workspace -e normal,build,dev -i "${binding%:*}" --depth 1 --prefix none |
        cut -d' ' -f1 | grep -vxF "${binding%:*}" | sort -u)
    [ "$users" = "${binding#*:}" ] ||
        fault "${binding%:*} is linked by ${users//$'\n'/ and }: only ${binding#*:} may"
done

# Where the compiler forbids it, nothing else needs to look; tests are crates of their own.
for root in crates/*/src/{lib,main}.rs {scheduler,worker,benches}/src/{lib,main}.rs; do
    case $root in crates/media/*) continue ;; esac
    [ ! -f "$root" ] || grep -qx '#!\[forbid(unsafe_code)\]' "$root" ||
        fault "$root lacks #![forbid(unsafe_code)]: only crates/media may be unsafe"
done
sources=(crates scheduler worker)
[ ! -d benches ] || sources+=(benches)
while IFS= read -r line; do
    fault "unsafe outside crates/media: $line"
done < <(grep -rnE --include='*.rs' '^[^"/]*\bunsafe( |\{|$)' "${sources[@]}" | grep -v '^crates/media/')

while IFS= read -r line; do
    fault "no I/O, clock or thread in model, hls and dispatch: $line"
done < <(grep -rnE --include='*.rs' 'std::(env|fs|net|process|thread)\b|\b(Instant|SystemTime)\b' \
    crates/model/src crates/hls/src crates/dispatch/src)

while IFS= read -r line; do
    fault "dispatch must decide the same from the same seed, a hash table's order does not: $line"
done < <(grep -rnE --include='*.rs' '\bHash(Map|Set)\b' crates/dispatch/src)

while IFS= read -r file; do
    length=$(grep -c '' "$file")
    [ "$length" -le 600 ] ||
        fault "$file has $length lines, 600 are allowed: some concept in it is missing a name"
done < <(find crates/*/src scheduler/src worker/src -name '*.rs')

# A build that may change Cargo.lock is not the build that was tested.
while IFS= read -r line; do
    fault "cargo without --locked: $line"
done < <(grep -nE '^[^#]*\bcargo (bench|build|clippy|doc|run|test|tree) ' Makefile .ci/run scripts/*.sh |
    grep -v -- '--locked\|--version')

if [ "$faults" -gt 0 ]; then
    exit 1
fi
echo "arrows: all point the right way (${#manifests[@]} packages)"
