#!/bin/sh
# Types the two commands of the README in a Debian tree that has Python, git, make and nothing else, without root and then as
# root: sh docker/bare.sh [DIRECTORY]
#
# Needs root and mmdebstrap. What this machine reaches its package registries with (certificates, proxies, settings of apt and
# pip) goes into the tree; nothing else does. All of it runs in namespaces of its own and goes with them. The tree is made
# below DIRECTORY, on which 3 GB are free (default: the usual place for temporary files), and removed.
set -eu
cd "$(dirname "$0")/.."

SUITE=trixie
PACKAGES=python3,git,make,ca-certificates
# Tests that need much and little: some are run, some are not for want of Toxiproxy or of an engine.
SLICE="tests/guarantees tests/scenario tests/wire/test_toxiproxy.py tests/targets/test_container_target.py tests/targets/test_own_clock.py"

# What of the gate depends on the tools and rights that somebody has: terminals, clocks, disks, hosts. .ci/run plays all of it elsewhere.
SCENARIOS="calm clock-step-back clock-step-over-restart-back disk-full disk-full-at-start-idle disk-read-only hooks-calm kill-tool-running kills-its-shell restart-idle restart-new-host stop-tool-running stream-lag"

fail() { echo "docker/bare.sh: $1" >&2; exit 2; }

copy_settings() { # copy_settings TREE
    apt-config dump Acquire >"$1/etc/apt/apt.conf.d/99machine"
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt \
        "${SSL_CERT_FILE:-}" "${PIP_CERT:-}" "${PIP_CONFIG_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
        [ -f "$file" ] || continue
        mkdir -p "$1$(dirname "$file")"
        rm -f "$1$file"
        cp -L "$file" "$1$file"
        chmod a+r "$1$file"
    done
    env | grep -E '^(PIP_(CERT|CONFIG_FILE|INDEX_URL|EXTRA_INDEX_URL|DEFAULT_TIMEOUT)|UV_(DEFAULT_INDEX|INDEX|INDEX_URL)|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GOPROXY|(http|https|no|all)_proxy|(HTTP|HTTPS|NO|ALL)_PROXY)=' \
        | sed "s/'/'\\\\''/g; s/=\(.*\)/='\1'/; s/^/export /" >"$1/machine.env" || true
}

make_tree() { # make_tree TREE
    mmdebstrap --quiet --variant=minbase --include="$PACKAGES" "$SUITE" "$1" \
        || fail "mmdebstrap could not make a Debian tree"
    copy_settings "$1"
    echo "tester:x:1000:1000::/home/tester:/bin/sh" >>"$1/etc/passwd"
    echo "tester:x:1000:" >>"$1/etc/group"
    mkdir -p "$1/home/tester"
    for home in home/tester root; do git clone -q --no-hardlinks . "$1/$home/tailproof"; done
    chown -R 1000:1000 "$1/home/tester"
}

mount_kernel() { # mount_kernel TREE: what a machine has from its kernel, except the devices of disks and the engine's cgroups
    mount -t proc proc "$1/proc"
    mount -t tmpfs -o mode=755 dev "$1/dev"
    mkdir "$1/dev/pts" "$1/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$1/dev/pts"
    mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
    ln -s pts/ptmx "$1/dev/ptmx"
    ln -s /proc/self/fd "$1/dev/fd"
    for device in null zero full random urandom tty; do
        : >"$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
    done
}

types() { # types WHO UID HOME COMMAND: what it says, its exit code, how long it took
    printf '\n-- %s$ %s\n' "$1" "$4"
    began=$(date +%s)
    code=0
    chroot --userspec="$2:$2" --groups="" "$tree" /usr/bin/env -i HOME="$3" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 /bin/sh -c '. /machine.env; cd ~/tailproof && eval "$1"' sh "$4" </dev/null || code=$?
    echo "-- exit $code after $(($(date +%s) - began)) s"
    [ "$code" = 0 ] || fail "$4 ended with $code ($1)"
}

if [ "${1:-}" = --inside ]; then
    tree=$2
    mount --make-rprivate /
    mount_kernel "$tree"
    for who in "tester 1000 /home/tester" "root 0 /root"; do
        # shellcheck disable=SC2086
        set -- $who
        types "$1" "$2" "$3" "make check SCENARIOS='$SCENARIOS'"
        types "$1" "$2" "$3" "make test SLICE='$SLICE'"
    done
    exit 0
fi

[ "$(id -u)" = 0 ] || fail "making a tree and entering it needs root"
command -v mmdebstrap >/dev/null 2>&1 || fail "mmdebstrap is not here: sh docker/engine.sh brings it"
place=$(mktemp -d -p "${1:-${TMPDIR:-/tmp}}" tailproof-bare-XXXXXX)
trap 'rm -rf --one-file-system "$place"' EXIT
trap 'exit 2' INT TERM
began=$(date +%s)
make_tree "$place/tree"
echo "a Debian $SUITE tree with $PACKAGES was made in $(($(date +%s) - began)) s"
# Whatever is started and mounted in there ends with the first process of these namespaces.
unshare --mount --pid --fork --kill-child sh docker/bare.sh --inside "$place/tree"
echo "the two commands work in a bare tree: $(($(date +%s) - began)) s in all"
