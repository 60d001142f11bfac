#!/bin/sh
# make_environment.sh PYTHON FOLDER PINS: a virtual environment with exactly the pinned packages.
# Whatever stops it, Ctrl-C included, leaves no folder behind and says one sentence.
set -u
python=$1 folder=$2 pins=$3
another="name another: make PYTHON=/path/to/python3"

refuse() {
    echo "Error: $1" >&2
    exit 2
}

undo() {
    rm -rf "$folder" "$log"
}

explain() {
    if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        refuse "a package does not match its hash in $pins; try again, or check the package index"
    elif grep -qE 'Retrying \(|Failed to establish|Max retries|Temporary failure in name' "$log"; then
        refuse "the package index cannot be reached and nothing is cached; check the network or PIP_INDEX_URL"
    fi
    refuse "cannot install $pins: $(sed -n 's/^ERROR: //p' "$log" | head -n 1)"
}

command -v "$python" >/dev/null 2>&1 ||
    refuse "$python is not on this machine; install Python 3.11 or newer, or $another"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    refuse "$python is $("$python" --version 2>&1), but Tailrace needs Python 3.11 or newer; $another"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    refuse "$python lacks the venv module; install it (Debian and Ubuntu: apt install python3-venv), or $another"

log=$(mktemp) || refuse "no temporary file can be made; is the disk full?"
trap 'undo; trap - INT; kill -s INT $$' INT
trap 'undo; exit 143' TERM HUP
trap undo EXIT
echo "Setting up $folder (once, about a minute)"
"$python" -m venv --clear "$folder" >"$log" 2>&1 || refuse "$python cannot make $folder: $(tail -n 1 "$log")"
"$folder/bin/python" -m pip install --no-input --progress-bar off --retries 2 --require-hashes \
    --requirement "$pins" >"$log" 2>&1 || explain
trap - EXIT
rm -f "$log"
