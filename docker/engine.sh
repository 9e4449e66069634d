#!/bin/sh
# Makes a Docker engine answer on this machine: installs one from Debian packages when there is none and starts it, also
# after one was killed. Brings mmdebstrap, too, with which `tailproof image build` makes the base image where no registry is
# reached. Does nothing when one answers and mmdebstrap is there. Ends with 0 when one answers, else with one sentence and 2.
#
#   sudo sh docker/engine.sh
set -eu
. "$(dirname "$0")/apt.sh"

SOCKET=/var/run/docker.sock
LOG=${TAILPROOF_ENGINE_LOG:-/var/log/tailproof-dockerd.log}
SECONDS_TO_START=60

fail() { echo "docker/engine.sh: $1" >&2; exit 2; }

answers() { curl -fsS -m 5 -o /dev/null --unix-socket "$SOCKET" http://localhost/_ping 2>/dev/null; }

# A pid file whose process is gone, or is another program by now, stops the next engine from starting.
lives() { # lives PIDFILE PROGRAM
    [ -s "$1" ] && pid=$(cat "$1") && [ -e "/proc/$pid/comm" ] && [ "$(cat "/proc/$pid/comm")" = "$2" ]
}

install_engine() {
    command -v apt-get >/dev/null 2>&1 || fail "there is no dockerd and no apt-get to install it: install Docker by hand"
    may_install || fail "there is no dockerd, and TAILPROOF_INSTALL=no forbids to install one"
    echo "docker/engine.sh installs docker.io and what it needs"
    : >"$LOG"
    # shellcheck disable=SC2046
    # A package's own start of the service fails where there is no init; the engine is started below.
    install_packages "$LOG" docker.io iptables ca-certificates curl $(what_images_are_made_with) \
        || fail "docker.io could not be installed, see $LOG"
}

# The keys of Debian are not those of Ubuntu, and without them mmdebstrap trusts no package.
what_images_are_made_with() { command -v mmdebstrap >/dev/null 2>&1 || echo mmdebstrap debian-archive-keyring; }

ready() { # an engine answers; an image is built without mmdebstrap, too, where a registry is reached
    more=$(what_images_are_made_with)
    [ -n "$more" ] || exit 0
    # shellcheck disable=SC2086
    if may_install && echo "docker/engine.sh installs $more: images where no registry is reached" && install_packages "$LOG" $more; then exit 0; fi
    echo "docker/engine.sh: mmdebstrap is missing, so images need a registry that is reached: apt-get install $more" >&2
    exit 0
}

in_chroot() { # the directory of a chroot is no mount of its own, and a container cannot turn its root away from it
    [ -r /proc/self/mountinfo ] && ! awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo
}

mount_cgroups() {
    # Machines without systemd may have an empty /sys/fs/cgroup; the engine cannot limit memory without it.
    [ -e /sys/fs/cgroup/cgroup.controllers ] && return
    if [ -e /sys/fs/cgroup/memory/cgroup.procs ]; then return; fi
    mountpoint -q /sys/fs/cgroup || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for controller in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
        mkdir -p "/sys/fs/cgroup/$controller"
        mountpoint -q "/sys/fs/cgroup/$controller" \
            || mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" 2>/dev/null \
            || rmdir "/sys/fs/cgroup/$controller"
    done
}

sweep() {
    # What a killed engine leaves: its pid file and socket, and its own containerd, which keeps the next one from starting.
    managed=/var/run/docker/containerd/containerd.pid
    if lives "$managed" containerd; then
        kill "$(cat "$managed")"
        n=0
        while lives "$managed" containerd && [ $n -lt 50 ]; do n=$((n + 1)); sleep 0.2; done
        if lives "$managed" containerd; then kill -9 "$(cat "$managed")"; fi
    fi
    rm -f "$managed" /var/run/docker/containerd/*.sock /var/run/docker/containerd/*.sock.ttrpc
    rm -rf /var/run/docker.pid "$SOCKET"  # the socket may be a directory: somebody mounted it when it was not there
}

wait_for_answer() { # wait_for_answer [PID]: until the engine answers, or that process is gone
    deadline=$(($(date +%s) + SECONDS_TO_START))
    until answers; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        if [ -n "${1:-}" ] && ! [ -e "/proc/$1" ]; then return 1; fi
        sleep 0.5
    done
}

if command -v curl >/dev/null 2>&1 && answers; then ready; fi
[ "$(id -u)" = 0 ] || fail "no Docker engine answers at $SOCKET, and starting one needs root: sudo sh docker/engine.sh"
if in_chroot; then fail "this is a chroot, in which no container starts: run it outside"; fi
command -v dockerd >/dev/null 2>&1 && command -v curl >/dev/null 2>&1 || install_engine
if [ -d /run/systemd/system ]; then
    systemctl start docker >>"$LOG" 2>&1 || fail "systemd could not start docker: journalctl -u docker"
    wait_for_answer || fail "the engine that systemd started does not answer: journalctl -u docker"
    ready
fi
if lives /var/run/docker.pid dockerd && wait_for_answer "$(cat /var/run/docker.pid)"; then ready; fi
if lives /var/run/docker.pid dockerd; then
    fail "a dockerd runs (pid $(cat /var/run/docker.pid)) but does not answer within ${SECONDS_TO_START} s: end it, then try again"
fi
sweep
mount_cgroups
setsid dockerd >>"$LOG" 2>&1 </dev/null &
wait_for_answer $! || fail "dockerd did not start: $(grep -E 'level=(error|fatal)|failed' "$LOG" | tail -n 1 | cut -c1-300)"
ready
