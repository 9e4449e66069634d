#!/bin/sh
# Brings what `make check` or `make test` needs beside the environment of the harness: sh docker/needs.sh check|test BIN
#
# The doctor says what is missing, this says what would be installed and why, and installs it: Debian packages and an engine
# as root on Debian and Ubuntu, what is built from source for anybody. With TAILPROOF_INSTALL=no nothing is brought. What is
# missing in the end is said, and what needs it is not run; with TAILPROOF_NO_SKIPS=1 that is a failure (2) instead.
# Says and does nothing when all is there.
set -eu
cd "$(dirname "$0")/.."
. docker/apt.sh
goal=$1 bin=$2

# The order in which it is brought. Names are the doctor's.
case $goal in
    check) needs="git tmux faketime toxiproxy server-python" ;;
    test) needs="git tmux faketime toxiproxy server-python node chromium mmdebstrap engine" ;;
    *) echo "docker/needs.sh: check or test, not $goal" >&2; exit 64 ;;
esac

missing() { # missing NEED...: a line for each that is not here, NEED|what it is needed for|what brings it
    "$bin/python" -m tailproof.doctor "$@"
}

packages_of() {
    case $1 in
        git | tmux | chromium) echo "$1" ;;
        node) echo "nodejs npm" ;;
        faketime) echo "libfaketime" ;;
        mmdebstrap) echo "mmdebstrap debian-archive-keyring" ;;
    esac
}

say() { echo "make $goal $1"; }

bring_packages() { # bring_packages NEED...
    packages=""
    for need in "$@"; do packages="$packages $(packages_of "$need")"; done
    log=$(mktemp)
    # shellcheck disable=SC2086
    install_packages "$log" $packages || echo "apt-get did not install$packages: $(grep '^E:' "$log" | tail -n 1)" >&2
    rm -f "$log"
}

build_toxiproxy() {
    command -v go >/dev/null 2>&1 || return 0
    say "builds Toxiproxy with Go: $1"
    "$bin/python" -c '
import sys
from tailproof.provision.errors import Unavailable
from tailproof.provision.toxiproxy import build
from tailproof.waiting import Budget
try:
    build(Budget(600))
except Unavailable as error:
    sys.exit(str(error))' || true
}

fetch_python() {
    say "fetches Python 3.13 with uv: $1"
    said=$("$bin/uv" --no-progress python install 3.13 2>&1) || echo "$said" | grep -m 1 -i error >&2 || true
}

bring_engine() {
    # Who names an engine elsewhere wants that one.
    [ -z "${DOCKER_HOST:-}" ] && may_install || return 0
    say "installs and starts a Docker engine: $1"
    sh docker/engine.sh || true
}

bring() { # bring NEED WHY
    case $1 in
        toxiproxy) build_toxiproxy "$2" ;;
        server-python) fetch_python "$2" ;;
        engine) bring_engine "$2" ;;
    esac </dev/null
}

# shellcheck disable=SC2086
lacks=$(missing $needs)
[ -n "$lacks" ] || exit 0
if [ "${TAILPROOF_INSTALL:-yes}" != no ]; then
    wanted=""
    while IFS='|' read -r need why _; do
        packages=$(packages_of "$need")
        if [ -n "$packages" ] && may_install; then
            say "installs $packages: $why"
            wanted="$wanted $need"
        fi
    done <<LACKS
$lacks
LACKS
    # shellcheck disable=SC2086
    [ -z "$wanted" ] || bring_packages $wanted
    while IFS='|' read -r need why _; do
        bring "$need" "$why"
    done <<LACKS
$lacks
LACKS
    # shellcheck disable=SC2086
    lacks=$(missing $needs)
    [ -n "$lacks" ] || exit 0
fi
while IFS='|' read -r need why remedy; do
    say "goes on without $need, needed for $why. What brings it: $remedy" >&2
done <<LACKS
$lacks
LACKS
if [ -n "${TAILPROOF_NO_SKIPS:-}" ]; then
    echo "make $goal: TAILPROOF_NO_SKIPS is set and something is missing" >&2
    exit 2
fi
