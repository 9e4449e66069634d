# Sourced by docker/cluster.sh: how a cluster ends. There is one way, and it does not need any of its daemons to be alive.

bring_down() {
    needs_root down
    one_at_a_time
    sweep
    say "is down"
}

sweep() { # Idempotent; says and does nothing when there is nothing
    # What is not in $RUN has one name on a machine, whoever made it.
    other=$(pgrep -x kubelet | while read -r pid; do grep -qF "$RUN/" "/proc/$pid/cmdline" || echo "$pid"; done | head -n 1)
    [ -z "$other" ] || fail "another kubelet runs on this machine (pid $other): use its cluster, or end it first"
    rm -f "$KUBECONFIG"
    for daemon in kube-controller-manager kube-scheduler kubelet kube-apiserver etcd; do end_daemon "$daemon"; done
    # Containers first: without their shims they would be nobody's.
    end_group
    end_daemon containerd
    end_shims
    remove_sandboxes
    unmount_below "$RUN"
    remove_group
    if [ -s "$RUN/settings.before" ]; then
        while IFS== read -r key value; do sysctl -qw "$key=$value"; done <"$RUN/settings.before"
    fi
    remove_outside
    rm -rf --one-file-system "$RUN"
}

group_members() {
    for place in $(cgroup_places); do
        [ -d "$place/$GROUP" ] && find "$place/$GROUP" -name cgroup.procs -exec cat {} + 2>/dev/null
    done | sort -u
}

end_group() { # every process in a pod, until there is none
    tries=100
    while members=$(group_members) && [ -n "$members" ]; do
        [ "$tries" -gt 0 ] || fail "these processes of pods cannot be ended:" $members
        tries=$((tries - 1))
        # shellcheck disable=SC2086
        kill -KILL $members 2>/dev/null || true
        thaw
        sleep 0.1
    done
}

thaw() { # a frozen process takes no signal
    find /sys/fs/cgroup/freezer/$GROUP -name freezer.state 2>/dev/null | while read -r state; do echo THAWED >"$state" 2>/dev/null || true; done
    find /sys/fs/cgroup/$GROUP -name cgroup.freeze 2>/dev/null | while read -r state; do echo 0 >"$state" 2>/dev/null || true; done
}

end_shims() { # they outlive containerd; ours have its socket in their command line
    for pid in $(pgrep -f "containerd-shim.* -address $RUN/containerd.sock" || true); do
        kill -KILL "$pid" 2>/dev/null || true
        gone_within 50 "$pid" || fail "the shim $pid cannot be ended"
    done
    cat "$RUN"/containerd/state/io.containerd.runtime.v2.task/*/*/address 2>/dev/null | tr ' ' '\n' | sed 's/unix:\/\//\n/g' \
        | while read -r socket; do case $socket in /run/containerd/s/*) rm -f "$socket" ;; esac; done
}

remove_sandboxes() { # the network namespaces of pods: the plugins' own records tell which are ours
    for record in /var/lib/cni/results/"$NETWORK"-*; do
        [ -e "$record" ] || continue
        for place in $(grep -oE '/(var/)?run/netns/cni-[0-9a-f-]+' "$record" | sort -u); do
            umount -l "$place" 2>/dev/null || true
            rm -f "$place"
        done
        pod=${record#/var/lib/cni/results/"$NETWORK"-}
        rm -f "$record" /var/lib/cni/results/cni-loopback-"${pod%-eth0}"-lo
    done
    if ip link show "$BRIDGE" >/dev/null 2>&1; then ip link del "$BRIDGE"; fi
}

unmount_below() { # unmount_below DIRECTORY
    awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | while read -r place; do umount -l "$place" || true; done
}

remove_group() {
    for place in $(cgroup_places); do
        [ -d "$place/$GROUP" ] || continue
        find "$place/$GROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

remove_outside() { # what the kubelet and the plugins put elsewhere, and the directories that are empty then
    rm -rf /var/lib/kubelet/device-plugins /tmp/hostpath_pv
    find /var/log/containers -lname "$RUN/*" -delete 2>/dev/null || true
    for place in /var/log/containers /var/lib/kubelet /var/lib/cni/results /var/lib/cni /run/netns; do
        rmdir "$place" 2>/dev/null || true
    done
}
