#!/usr/bin/env bash
# Checks that documents speak of what exists: files they link to or name, make's targets, and, given
# the program, its commands and options.
#
#   scripts/documents.sh [SEGUE]
set -euo pipefail
cd "$(dirname "$0")/.."

segue=${1:-}
faults=0
fault() {
    printf 'documents: %s\n' "$1" >&2
    faults=$((faults + 1))
}

mapfile -t documents < <(find . -name '*.md' -not -path '*/node_modules/*' -not -path './target/*' | sort)

for document in "${documents[@]}"; do
    # [text](path) and [text](path#place); addresses and places of the same document are not ours.
    while IFS= read -r link; do
        path=${link%%#*}
        [ -z "$path" ] || [ -e "$(dirname "$document")/$path" ] || fault "$document: no $link"
    done < <(grep -oE '\]\([^)[:space:]]+\)' "$document" | sed 's/^](//; s/)$//' | grep -vE '^[a-z]+:' || true)

    # `crates/media/src/span` and such, wherever the document lies.
    while IFS= read -r path; do
        [ -e "$path" ] || fault "$document: no $path"
    done < <(grep -oE '`(crates|scheduler|worker|scripts|tests|benches|\.ci)/[A-Za-z0-9_./-]+`' "$document" | tr -d '`' || true)

    while IFS= read -r target; do
        grep -qE "^$target:" Makefile || fault "$document: make has no target $target"
    done < <(grep -oE '(^|`)make [a-z]+' "$document" | sed 's/.*make //' | sort -u || true)
done

# Lines of examples that call the program, as far as the first comment or pipe.
[ -z "$segue" ] || while read -r words; do
    read -ra words <<<"$words"
    command=${words[1]:-}
    case $command in -*) continue ;; esac
    if ! help=$("$segue" "$command" --help 2>/dev/null); then
        fault "README.md: segue has no command $command"
        continue
    fi
    for word in "${words[@]:2}"; do
        [[ $word != --* ]] || grep -qE -- "(^|[ ,])${word%%=*}([ =,]|$)" <<<"$help" ||
            fault "README.md: segue $command has no option $word"
    done
done < <(grep -oE '(^|`|\$ )segue [^`#|]+' README.md | sed 's/^[^s]*//')

if [ "$faults" -gt 0 ]; then
    exit 1
fi
echo "documents: all that ${#documents[@]} of them name is there"
