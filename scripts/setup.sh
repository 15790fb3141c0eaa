#!/usr/bin/env bash
# Installs what Segue needs on Debian 12 and Ubuntu, and nothing that is there already: then it
# needs neither root nor network.
#
#   scripts/setup.sh                    everything
#   scripts/setup.sh build test         some groups: build, lint, test, clients, players
set -euo pipefail

readonly RUST_AT_LEAST=1.94

# Each word is what must be there: `package`, or `package=command` when the command is what counts,
# wherever it comes from.
build=(
    make=make gcc=cc libc6-dev pkg-config=pkg-config clang=clang libclang-dev
    libavcodec-dev libavformat-dev libavfilter-dev libavutil-dev libswscale-dev libswresample-dev
)
test=(ffmpeg=ffmpeg iproute2=ip)
clients=(python3=python3 python3-venv curl=curl)
# Ubuntu has no package called chromium.
chromium=chromium
if grep -qs '^ID=ubuntu' /etc/os-release; then chromium=chromium-browser; fi
# nodejs of other makers brings npm along, and cannot be installed beside Debian's npm.
players=(
    "$chromium=${CHROMIUM:-$chromium}" nodejs=node npm=npm mpv=mpv gstreamer1.0-tools=gst-launch-1.0
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
)

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Does nothing about Rust but say what to do: whose toolchain it is, is not ours to decide.
check_rust() {
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is missing: install it from https://rustup.rs, open a new shell, and try again"
    local version
    version=$(rustc --version | cut -d' ' -f2)
    if [ "$(printf '%s\n' "$RUST_AT_LEAST" "${version%%-*}" | sort -V | head -n1)" != "$RUST_AT_LEAST" ]; then
        fail "Rust $version is too old, $RUST_AT_LEAST is needed: run 'rustup update stable'" \
            "(a distribution's own rustc cannot be updated like that: use https://rustup.rs)"
    fi
}

check_components() {
    local missing=()
    cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
    cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
    [ ${#missing[@]} -eq 0 ] && return
    command -v rustup >/dev/null || fail "missing: ${missing[*]} (parts of Rust's own tool set)"
    echo "setup: adding to Rust: ${missing[*]}"
    rustup component add "${missing[@]}"
}

is_there() {
    case $1 in
    *=*) command -v "${1#*=}" >/dev/null ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

missing_packages() {
    local word
    for word in "$@"; do
        is_there "$word" || printf '%s\n' "${word%%=*}"
    done
}

# A fresh machine's first run has been seen to die in dpkg, and the second to work.
apt_install() {
    local as_root=(env DEBIAN_FRONTEND=noninteractive)
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "not root, and there is no sudo: have somebody who is root run" \
                "  apt-get update && apt-get install -y --no-install-recommends $*"
        as_root=(sudo "${as_root[@]}")
    fi
    local get=("${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    "${get[@]}" update || "${get[@]}" update || fail "apt-get update failed: see its words above"
    if ! "${get[@]}" install -y --no-install-recommends "$@"; then
        echo "setup: that failed; once more" >&2
        "${as_root[@]}" dpkg --configure -a || true
        "${get[@]}" update || true
        "${get[@]}" install -y --no-install-recommends "$@" ||
            fail "apt-get install failed twice: see its words above"
    fi
}

main() {
    [ $# -gt 0 ] || set -- build lint test clients players
    local words=() group
    for group in "$@"; do
        case $group in
        build) words+=("${build[@]}") ;;
        lint) ;;
        test) words+=("${test[@]}") ;;
        clients) words+=("${clients[@]}") ;;
        players) words+=("${players[@]}") ;;
        *) fail "no group is called '$group': build, lint, test, clients, players" ;;
        esac
    done
    for group in "$@"; do
        case $group in
        build | test) check_rust ;;
        lint) check_rust && check_components ;;
        esac
    done

    if ! command -v apt-get >/dev/null; then
        echo "setup: this is neither Debian nor Ubuntu: what these packages hold must be there:" >&2
        echo "setup: ${words[*]%%=*}" >&2
        return
    fi
    local missing
    mapfile -t missing < <(missing_packages "${words[@]}")
    if [ ${#missing[@]} -eq 0 ]; then
        echo "setup: everything is there ($*)"
        return
    fi
    echo "setup: installing ${missing[*]}"
    apt_install "${missing[@]}"
    mapfile -t missing < <(missing_packages "${words[@]}")
    [ ${#missing[@]} -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
    echo "setup: done"
}

main "$@"
