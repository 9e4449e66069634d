#!/bin/sh
# Makes the virtual environment of the harness, with uv in it: sh docker/python.sh DIRECTORY
set -eu
venv=$1

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in "${TAILPROOF_PYTHON:-}" python3.13 python3.12 python3.11 python3 "$HOME"/.pyenv/versions/3.1[1-9]*/bin/python; do
        if [ -n "$candidate" ] && fits "$candidate"; then command -v "$candidate"; return; fi
    done
    if command -v uv >/dev/null 2>&1; then uv python find '>=3.11' 2>/dev/null || true; fi
}

python=$(find_python)
if [ -z "$python" ]; then
    echo "tailproof needs a Python of at least 3.11: install one (apt-get install python3 python3-venv, pyenv or uv) or name it in TAILPROOF_PYTHON" >&2
    exit 2
fi
if [ -x "$venv/bin/python" ] && fits "$venv/bin/python" && [ -x "$venv/bin/uv" ]; then exit 0; fi
if ! "$python" -m venv --clear "$venv" 2>/dev/null; then
    if ! command -v uv >/dev/null 2>&1; then
        echo "$python cannot make virtual environments: install its venv module (apt-get install python3-venv) or uv" >&2
        exit 2
    fi
    uv venv -q --clear --seed --python "$python" "$venv"
fi
if ! "$venv/bin/python" -m pip install -q --disable-pip-version-check "$(grep -o '^uv==[^ ]*' requirements.lock)"; then
    echo "uv could not be installed from the package index: check the network and the settings of pip" >&2
    exit 2
fi
