#!/usr/bin/env bash
# Runs every example of docs/api.md against a pool of real processes, and its Python client through
# what clients live through (tests/clients).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/terminal.sh
. scripts/terminal.sh

scratch=
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

heading "Building segue"
cargo build --locked -p segue
out=$(target_directory)/clients
mkdir -p "$out"

# Made again when the versions that it is of have changed.
venv=$out/venv
wanted=$(cat docs/examples/requirements.txt tests/clients/requirements.txt)
if [ "$(cat "$venv/made-of" 2>/dev/null)" != "$wanted" ]; then
    heading "Installing gRPC for Python into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || fail "python3 cannot make a virtual environment: scripts/setup.sh clients"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 10 \
        -r tests/clients/requirements.txt
    printf '%s\n' "$wanted" >"$venv/made-of"
fi

film=$out/film-12-seconds.mkv
scripts/film.sh "$film" 12 1280x720
scratch=$(mktemp -d "$out/run.XXXXXX")
# Of its own, so that a build that goes on meanwhile changes nothing here.
mkdir "$scratch/bin"
cp "$(target_directory)/debug/segue" "$scratch/bin/segue"
export PYTHONDONTWRITEBYTECODE=1
timeout --foreground 600 "$venv/bin/python" tests/clients/test.py "$scratch/bin/segue" "$film" "$scratch"
echo "${green}docs/api.md and its client are as the pool is${plain}"
