# How scripts speak, on a terminal and in a log. To be sourced.
# shellcheck shell=bash

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' plain=''
fi
readonly bold dim red green plain

# What comes next.
heading() { printf '\n%s==> %s%s\n' "$bold" "$1" "$plain"; }

# The end, and why.
fail() {
    printf '%s%s%s\n' "$red" "$1" "$plain" >&2
    [ $# -eq 1 ] || printf '%s\n' "${@:2}" >&2
    exit 1
}

# Where cargo puts things: not always ./target.
target_directory() {
    cargo metadata --format-version 1 --no-deps --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}
