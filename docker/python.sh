#!/bin/sh
# Makes the virtual environment of the harness, with uv in it: sh docker/python.sh DIRECTORY
#
# Needs no root and no package: a Python that cannot make environments is given pip from the package index.
set -eu
cd "$(dirname "$0")/.."
. docker/apt.sh
venv=$1

fail() { echo "$1" >&2; exit 2; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in "${TAILPROOF_PYTHON:-}" python3.13 python3.12 python3.11 python3 "$HOME"/.pyenv/versions/3.1[1-9]*/bin/python; do
        if [ -n "$candidate" ] && fits "$candidate"; then command -v "$candidate"; return; fi
    done
    if command -v uv >/dev/null 2>&1; then uv python find '>=3.11' 2>/dev/null || true; fi
}

make_environment() {
    "$python" -m venv --clear "$venv" >/dev/null 2>&1 && return
    if command -v uv >/dev/null 2>&1; then uv venv -q --clear --seed --python "$python" "$venv"; return; fi
    "$python" -m venv --clear --without-pip "$venv" 2>/dev/null \
        || fail "$python cannot make virtual environments: install its venv module (apt-get install python3-venv) or uv"
    "$venv/bin/python" docker/seed.py "$venv" \
        || fail "$python has no pip to install with: check the network, or install one (apt-get install python3-venv)"
}

if [ -x "$venv/bin/python" ] && fits "$venv/bin/python" && [ -x "$venv/bin/uv" ]; then exit 0; fi
python=$(find_python)
if [ -z "$python" ] && may_install; then
    log=$(mktemp)
    echo "installing python3, which the harness runs on"
    install_packages "$log" python3 python3-venv || echo "python3 could not be installed: $(tail -n 1 "$log")" >&2
    rm -f "$log"
    python=$(find_python)
fi
[ -n "$python" ] || fail "tailproof needs a Python of at least 3.11: install one (apt-get install python3 python3-venv, pyenv or uv) or name it in TAILPROOF_PYTHON"
make_environment
"$venv/bin/python" -m pip install -q --disable-pip-version-check "$(grep -o '^uv==[^ ]*' requirements.lock)" \
    || fail "uv could not be installed from the package index: check the network and the settings of pip"
