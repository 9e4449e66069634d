#!/bin/sh
# A Kubernetes of one node on this machine, for those who have none: a real API server, a real kubelet, real OOM kills.
#
#   sh docker/cluster.sh build        fetch the binaries' sources from the Go module proxy and build them: 11 minutes on two cores,
#                                     once for each version; goes on where it was stopped
#   sudo sh docker/cluster.sh up      start it (10 s; builds first if that was not done); does nothing when it is up
#   sudo sh docker/cluster.sh load IMAGE...   bring images of the Docker engine into it, under the same names
#   sh docker/cluster.sh status       say whether it is up, and where its kubeconfig is
#   sudo sh docker/cluster.sh down    end it and leave nothing, also after a crash
#
# Everything is on loopback. Pods have an address that this machine cannot reach, and reach nothing outside: traffic goes through
# port-forward, exec and attach. Ends with 0, or with one sentence and 2.
set -eu
umask 022
cd "$(dirname "$0")/.."
. docker/apt.sh

CLUSTER=${TAILPROOF_CACHE:-$HOME/.cache/tailproof}/cluster
VERSION=$(sed -n 's/^require k8s.io\/kubernetes //p' docker/cluster/go.mod)
BIN=$CLUSTER/$VERSION
RUN=$CLUSTER/run
KUBECONFIG=$RUN/kubeconfig
PKI=$RUN/pki
NODE=localhost
API_PORT=16443 ETCD_PORT=23790 KUBELET_PORT=10250
# Its own group, so that what is in it may be ended whatever else runs containers here.
GROUP=tailproof-cluster
BRIDGE=tailproof0
NETWORK=tailproof-pods
PAUSE_IMAGE=tailproof.local/pause:1
# Started in this order, ended in the reverse of it.
DAEMONS="containerd etcd kube-apiserver kubelet kube-scheduler kube-controller-manager"
BUILT="etcd kubelet kube-scheduler kube-controller-manager kube-apiserver"

fail() { echo "docker/cluster.sh: $1" >&2; exit 2; }

say() { echo "docker/cluster.sh $1"; }

needs_root() { [ "$(id -u)" = 0 ] || fail "$1 needs root: sudo sh docker/cluster.sh $1"; }

one_at_a_time() {
    mkdir -p "$CLUSTER"
    exec 9>"$CLUSTER/.lock"
    flock -w 1800 9 || fail "another docker/cluster.sh has been at work for half an hour: $CLUSTER/.lock"
}

api() { # api PATH [CURL-OPTION...]
    path=$1
    shift
    curl -fsS -m 5 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" "$@" "https://127.0.0.1:$API_PORT$path"
}

node_ready() { api "/api/v1/nodes/$NODE" | tr -d ' \n' | grep -q '"type":"Ready","status":"True"'; }

is_up() {
    for daemon in $DAEMONS; do runs "$daemon" || return 1; done
    api /readyz >/dev/null 2>&1 && node_ready 2>/dev/null
}

bring_up() {
    needs_root up
    one_at_a_time
    if is_up; then say "is up: export KUBECONFIG=$KUBECONFIG"; return; fi
    install_what_it_runs_on
    if ! built; then build; fi
    # What a crash left would be in the way.
    sweep
    start
    say "is up, Kubernetes $VERSION: export KUBECONFIG=$KUBECONFIG"
}

status() {
    if is_up; then
        say "is up, Kubernetes $VERSION: export KUBECONFIG=$KUBECONFIG"
    elif built; then
        fail "no cluster is up; it is built: sudo sh docker/cluster.sh up"
    else
        fail "no cluster is up and none is built: sudo sh docker/cluster.sh up (11 minutes the first time)"
    fi
}

load() { # load IMAGE...
    needs_root load
    [ $# -gt 0 ] || fail "load IMAGE...: which images of the Docker engine?"
    one_at_a_time
    is_up || fail "no cluster is up to load an image into: sudo sh docker/cluster.sh up"
    for image in "$@"; do
        id=$(docker image inspect -f '{{.Id}}' "$image" 2>/dev/null) \
            || fail "the Docker engine has no image $image (docker images)"
        # A name with a tag is repeated as it is; its mark holds which image that was.
        mark=$RUN/images/$(printf %s "$image" | tr '/:' '__')
        if [ -s "$mark" ] && [ "$(cat "$mark")" = "$id" ]; then say "has $image"; continue; fi
        docker save "$image" | containers images import - >"$RUN/log/load.log" 2>&1 \
            || fail "$image could not be brought in, see $RUN/log/load.log"
        mkdir -p "$RUN/images"
        echo "$id" >"$mark"
        say "loaded $image"
    done
}

containers() { ctr -a "$RUN/containerd.sock" -n k8s.io "$@"; }

. docker/cluster/build.sh
. docker/cluster/daemons.sh
. docker/cluster/up.sh
. docker/cluster/down.sh

[ $# -gt 0 ] || { echo "docker/cluster.sh build, up, down, status or load IMAGE..." >&2; exit 64; }
verb=$1
shift
case $verb in
    build) one_at_a_time; if built; then say "has Kubernetes $VERSION built in $BIN"; else build; fi ;;
    up) bring_up ;;
    down) bring_down ;;
    status) status ;;
    load) load "$@" ;;
    *) echo "docker/cluster.sh: build, up, down, status or load IMAGE..., not $verb" >&2; exit 64 ;;
esac
