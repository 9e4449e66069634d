"""Pods: made, waited for, and ended in the ways in which a cluster ends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailproof.cluster import status
from tailproof.cluster.reach import TIMEOUT_S, Cluster
from tailproof.cluster.refusals import ClusterError, NotThere, cluster_does
from tailproof.history.pod_records import PodSeen
from tailproof.waiting import Budget

Json = Mapping[str, Any]


def make(cluster: Cluster, namespace: str, pod: Json) -> None:
    """Returns when the API server holds it. Raises ClusterError."""
    name = pod["metadata"]["name"]
    cluster.ask(f"making the pod {name}", cluster.core.create_namespaced_pod, namespace, pod)


def read(cluster: Cluster, namespace: str, name: str, *, timeout_s: float = TIMEOUT_S) -> Json | None:
    """None when the API server does not hold it. Raises ClusterError."""
    try:
        found: Json = cluster.ask(
            f"looking at the pod {name}", cluster.core.read_namespaced_pod, name, namespace, timeout_s=timeout_s
        )
    except NotThere:
        return None
    return found


def wait_for(
    cluster: Cluster, namespace: str, name: str, what: str, fits: Callable[[PodSeen], bool], budget: Budget
) -> PodSeen:
    """Until the status of the pod `fits`. Raises DeadlineMissed, which says what it waits for; ClusterError at once when it will
    never start, or is gone."""
    last: Json = {}

    def look() -> PodSeen | None:
        nonlocal last
        found = read(cluster, namespace, name)
        if found is None:
            raise NotThere(f"waiting for {what}: the pod {name} is gone")
        last = found
        if hindered := status.hindrance(found):
            raise ClusterError(f"the pod {name} cannot start: {hindered}")
        seen = status.seen(found)
        return seen if fits(seen) else None

    return budget.wait_for(what, look, saw=lambda: status.waits_for(last), every=0.1)


def wait_made(cluster: Cluster, namespace: str, name: str, budget: Budget, *, after: str = "") -> None:
    """Until the API server holds a pod of this name, and not that with the uid `after`. Raises DeadlineMissed, ClusterError."""

    def made() -> bool:
        found = read(cluster, namespace, name)
        return found is not None and found["metadata"]["uid"] != after

    budget.wait_for(f"the pod {name} to be made", made, every=0.1)


def running(seen: PodSeen) -> bool:
    """Every container of the pod that stays runs."""
    return seen.phase == "Running" and all(
        one.state == "running" or (one.state == "terminated" and one.exit_code == 0) for one in seen.containers.values()
    )


def delete(cluster: Cluster, namespace: str, name: str, *, grace_s: int | None = None) -> None:
    """Ask for its end: SIGTERM, then SIGKILL after the grace (that of the pod when None; 0 forgets it at once). Idempotent. Raises
    ClusterError."""
    options = {} if grace_s is None else {"grace_period_seconds": grace_s}
    try:
        cluster.ask(f"deleting the pod {name}", cluster.core.delete_namespaced_pod, name, namespace, **options)
    except NotThere:
        return


def evict(cluster: Cluster, namespace: str, name: str) -> None:
    """As a drain does it: by the eviction API, which keeps to disruption budgets. Raises ClusterError; a budget that forbids it is
    one (429)."""
    cluster.ask(
        f"evicting the pod {name}",
        cluster.core.create_namespaced_pod_eviction,
        name,
        namespace,
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}},
    )


def wait_gone(cluster: Cluster, namespace: str, name: str, budget: Budget, *, uid: str = "") -> None:
    """Until the API server holds it no more, or another one of its name. Raises DeadlineMissed, ClusterError."""

    def gone() -> bool:
        found = read(cluster, namespace, name)
        return found is None or (bool(uid) and found["metadata"]["uid"] != uid)

    budget.wait_for(f"the pod {name} to be gone", gone, every=0.1)


def cordon(cluster: Cluster, node: str, *, unschedulable: bool) -> None:
    """Keep new pods from a node, or let them on it again. Raises ClusterError."""
    cluster.ask(
        f"{'cordoning' if unschedulable else 'uncordoning'} the node {node}",
        cluster.core.patch_node,
        node,
        {"spec": {"unschedulable": unschedulable}},
    )


def log(cluster: Cluster, namespace: str, name: str, container: str, *, lines: int, before: bool = False) -> str:
    """The end of what a container wrote; with `before` the one that ran there before it was started again. Empty when there is none.
    Raises ClusterError."""
    with cluster_does(f"reading the log of {container}"):
        answer: Any = cluster.core.read_namespaced_pod_log(
            name,
            namespace,
            container=container,
            tail_lines=lines,
            previous=before,
            _preload_content=False,
            _request_timeout=30,
        )
        return answer.data.decode("utf-8", "replace") if answer.status == 200 else ""
