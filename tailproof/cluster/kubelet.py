"""The kubelet of a node that is this machine: which process it is, and whether the API server hears of it."""

from __future__ import annotations

import os

from kubernetes import client

from tailproof.cluster.reach import Cluster, is_ours, own_kubeconfig
from tailproof.cluster.refusals import ClusterError
from tailproof.ownership.owners import began

CAPABILITY = "own-kubelet"
_LEASES = "kube-node-lease"


def is_ours_to_stop() -> bool:
    """The kubelet of the cluster that is meant runs on this machine, for trials, and we may signal it."""
    return is_ours() and os.geteuid() == 0


def pid_of_kubelet() -> int:
    """Of the cluster of `docker/cluster.sh`. Raises ClusterError: it does not run."""
    run = own_kubeconfig().parent
    try:
        pid, since = map(int, (run / "kubelet.pid").read_text().split())
        # Another process may have its number.
        if began(pid) != since:
            raise ProcessLookupError(pid)
    except (OSError, ValueError):
        raise ClusterError("the kubelet of the cluster does not run: sudo sh docker/cluster.sh up") from None
    return pid


def heard_last(cluster: Cluster, node: str) -> str:
    """When the API server heard of the node's kubelet last, by the clock of the node: the time of its lease. Raises ClusterError."""
    leases = client.CoordinationV1Api(cluster.api)
    lease = cluster.ask(f"reading the lease of the node {node}", leases.read_namespaced_lease, node, _LEASES)
    return str(lease["spec"].get("renewTime", ""))
