# Sourced by docker/cluster.sh: how its daemons are configured and started.

# What the kubelet sets for the whole machine; `sweep` sets it back.
SETTINGS="vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes"

install_what_it_runs_on() {
    lacks=""
    for pair in containerd:containerd ctr:containerd runc:runc openssl:openssl curl:curl ip:iproute2 flock:util-linux sysctl:procps; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || lacks="$lacks ${pair##*:}"
    done
    [ -x "$(plugins)/bridge" ] || lacks="$lacks containernetworking-plugins"
    [ -n "$lacks" ] || return 0
    may_install || fail "a cluster needs$lacks: install them"
    say "installs$lacks"
    log=$(mktemp)
    # shellcheck disable=SC2086
    install_packages "$log" $lacks || fail "$(grep '^E:' "$log" | tail -n 1)"
    rm -f "$log"
}

plugins() { # where the programs are that give pods a network
    for place in /usr/lib/cni /opt/cni/bin; do
        if [ -x "$place/bridge" ]; then echo "$place"; return; fi
    done
    echo /usr/lib/cni
}

start() {
    # The kernel has room for 107 bytes of a socket's path, and containerd's longest is this.
    longest=$RUN/kubelet/pod-resources/1234567890.sock
    [ ${#longest} -lt 107 ] || fail "$RUN is too long a path for sockets: set TAILPROOF_CACHE to a shorter one"
    mkdir -p "$RUN/log" "$RUN/cni" "$RUN/kubelet" "$RUN/etcd" "$RUN/containerd"
    mkdir -m 700 "$PKI"
    remember_settings
    make_keys
    make_groups
    write_containerd_config
    write_kubelet_config
    start_daemons
}

remember_settings() {
    for key in $SETTINGS; do
        if value=$(sysctl -n "$key" 2>/dev/null); then echo "$key=$value"; fi
    done >"$RUN/settings.before"
}

make_keys() {
    new_key "$PKI/ca.key"
    openssl req -x509 -new -key "$PKI/ca.key" -days 3650 -subj /CN=tailproof-cluster -out "$PKI/ca.crt"
    certify apiserver /CN=kube-apiserver "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc"
    certify kubelet-server "/CN=$NODE" "subjectAltName=IP:127.0.0.1,DNS:$NODE"
    for pair in admin:/O=system:masters/CN=admin "kubelet:/O=system:nodes/CN=system:node:$NODE" \
        controllers:/CN=system:kube-controller-manager scheduler:/CN=system:kube-scheduler; do
        certify "${pair%%:*}" "${pair#*:}" extendedKeyUsage=clientAuth
        write_kubeconfig "${pair%%:*}" >"$PKI/${pair%%:*}.conf"
    done
    new_key "$PKI/accounts.key"
    chmod 600 "$PKI"/*.key "$PKI"/*.conf
}

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

certify() { # certify NAME SUBJECT EXTENSIONS
    new_key "$PKI/$1.key"
    openssl req -new -key "$PKI/$1.key" -subj "$2" -out "$PKI/$1.csr"
    printf '%s\n' "$3" >"$PKI/$1.ext"
    openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 3650 -out "$PKI/$1.crt" \
        -extfile "$PKI/$1.ext" 2>/dev/null
}

write_kubeconfig() { # write_kubeconfig NAME: for the user of that certificate. Keys are named and not in it: clients would copy them
    cat <<YAML
apiVersion: v1
kind: Config
clusters: [{name: tailproof, cluster: {server: "https://127.0.0.1:$API_PORT", certificate-authority: "$PKI/ca.crt"}}]
users: [{name: $1, user: {client-certificate: "$PKI/$1.crt", client-key: "$PKI/$1.key"}}]
contexts: [{name: tailproof, context: {cluster: tailproof, user: $1}}]
current-context: tailproof
YAML
}

cgroup_places() { # every place of the machine's control groups in which ours has to stand
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; else
        for place in /sys/fs/cgroup/*/; do
            # Controllers that are mounted together have one place and several names.
            if [ -e "$place/cgroup.procs" ] && [ ! -L "${place%/}" ]; then echo "${place%/}"; fi
        done
    fi
}

make_groups() {
    for place in $(cgroup_places); do
        mkdir -p "$place/$GROUP"
        # In one hierarchy for all, a group has the controllers that its parents hand on.
        if [ -e "$place/cgroup.controllers" ] && [ "$place" = /sys/fs/cgroup ]; then
            for controller in $(cat "$place/cgroup.controllers"); do
                echo "+$controller" >"$place/cgroup.subtree_control" 2>/dev/null || true
            done
        fi
        # All pods together would have the share of one process. A test runs beside others, and its servers have deadlines.
        if [ -e "$place/$GROUP/cpu.shares" ]; then echo $((1024 * $(nproc) * 2)) >"$place/$GROUP/cpu.shares"; fi
        if [ -e "$place/$GROUP/cpu.weight" ]; then echo $((100 * $(nproc) * 2)) >"$place/$GROUP/cpu.weight"; fi
        # The kubelet takes a group without processors for none.
        for name in cpuset.cpus cpuset.mems; do
            if [ -e "$place/$GROUP/$name" ] && [ -z "$(cat "$place/$GROUP/$name")" ] && [ -n "$(cat "$place/$name" 2>/dev/null)" ]; then
                cat "$place/$name" >"$place/$GROUP/$name"
            fi
        done
    done
}

write_containerd_config() {
    cat >"$RUN/containerd.toml" <<TOML
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  # A machine may not have the right to make a process harder to kill, and every sandbox would fail for it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "$RUN/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$(plugins)"
    conf_dir = "$RUN/cni"
TOML
    # Without a gateway on the bridge this machine has no way in, and pods have no way out.
    cat >"$RUN/cni/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "$NETWORK", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": false, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$RUN/addresses", "ranges": [[{"subnet": "10.244.0.0/22"}]]}}]}
JSON
}

write_kubelet_config() {
    cat >"$RUN/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $KUBELET_PORT
healthzBindAddress: 127.0.0.1
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$GROUP
failSwapOn: false
failCgroupV1: false
makeIPTablesUtilChains: false
# A trial decides what memory its pods have, not a nearly full machine.
evictionHard: {memory.available: "1Mi", nodefs.available: "1%", nodefs.inodesFree: "0%", imagefs.available: "1%"}
# No image comes back from a registry.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
imageMinimumGCAge: 8760h
resolvConf: ""
clusterDomain: cluster.local
tlsCertFile: $PKI/kubelet-server.crt
tlsPrivateKeyFile: $PKI/kubelet-server.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: AlwaysAllow}
nodeStatusUpdateFrequency: 2s
podLogsDir: $RUN/pod-logs
volumePluginDir: $RUN/volume-plugins
YAML
}

start_daemons() {
    launch containerd containerd --config "$RUN/containerd.toml"
    launch etcd "$BIN/etcd" --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level=warn \
        --listen-client-urls "http://127.0.0.1:$ETCD_PORT" --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
        --listen-peer-urls "http://127.0.0.1:$((ETCD_PORT + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((ETCD_PORT + 1))" \
        --initial-cluster "default=http://127.0.0.1:$((ETCD_PORT + 1))"
    must "containerd to answer" 30 containers version
    containers images import "$BIN/pause.tar" >"$RUN/log/pause.log" 2>&1 || fail "the pause image could not be loaded, see $RUN/log/pause.log"
    must "etcd to answer" 30 curl -fsS -m 2 "http://127.0.0.1:$ETCD_PORT/health"
    launch kube-apiserver "$BIN/kube-apiserver" --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
        --bind-address=127.0.0.1 --secure-port="$API_PORT" --advertise-address=127.0.0.1 --endpoint-reconciler-type=none \
        --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
        --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/24 \
        --service-account-key-file="$PKI/accounts.key" --service-account-signing-key-file="$PKI/accounts.key" \
        --authorization-mode=Node,RBAC --anonymous-auth=false --disable-admission-plugins=DefaultIngressClass \
        --kubelet-client-certificate="$PKI/admin.crt" --kubelet-client-key="$PKI/admin.key" \
        --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=Hostname
    must "the API server to be ready" 90 api /readyz
    launch kubelet "$BIN/kubelet" --config="$RUN/kubelet.yaml" --kubeconfig="$PKI/kubelet.conf" --root-dir="$RUN/kubelet" \
        --cert-dir="$PKI" --hostname-override="$NODE"
    launch kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$PKI/scheduler.conf" --bind-address=127.0.0.1 --leader-elect=false \
        --authentication-kubeconfig="$PKI/scheduler.conf" --authorization-kubeconfig="$PKI/scheduler.conf" --authentication-skip-lookup=true
    # Without credentials of their own the controllers may not bind a pod's account, and pods stay pending on a ready node.
    launch kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig="$PKI/controllers.conf" --bind-address=127.0.0.1 \
        --leader-elect=false --authentication-kubeconfig="$PKI/controllers.conf" --authorization-kubeconfig="$PKI/controllers.conf" \
        --authentication-skip-lookup=true --use-service-account-credentials=true --root-ca-file="$PKI/ca.crt" \
        --service-account-private-key-file="$PKI/accounts.key" --enable-hostpath-provisioner=true \
        --flex-volume-plugin-dir="$RUN/volume-plugins" --controllers="$CONTROLLERS"
    must "the node to be ready" 90 node_ready
    api /apis/storage.k8s.io/v1/storageclasses -o /dev/null -H "Content-Type: application/json" -d '{"apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass", "metadata": {"name": "directory", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/host-path", "reclaimPolicy": "Delete"}' || fail "the class of volumes could not be made"
    must "the default account" 60 api /api/v1/namespaces/default/serviceaccounts/default
    # It appears when it works: whoever finds it finds a cluster.
    cp -p "$PKI/admin.conf" "$KUBECONFIG.new"
    mv "$KUBECONFIG.new" "$KUBECONFIG"
}

CONTROLLERS=job-controller,statefulset-controller,disruption-controller,resourcequota-controller,node-lifecycle-controller
CONTROLLERS=$CONTROLLERS,taint-eviction-controller,pod-garbage-collector-controller,garbage-collector-controller,namespace-controller
CONTROLLERS=$CONTROLLERS,serviceaccount-controller,root-ca-certificate-publisher-controller,ttl-after-finished-controller
CONTROLLERS=$CONTROLLERS,clusterrole-aggregation-controller,persistentvolume-binder-controller
CONTROLLERS=$CONTROLLERS,persistentvolumeclaim-protection-controller,persistentvolume-protection-controller
