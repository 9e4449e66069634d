"""The namespace of a trial: everything that it makes in a cluster stands in it and goes with it."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tailproof.cluster.notes import forget, take_note
from tailproof.cluster.reach import TIMEOUT_S, Cluster
from tailproof.cluster.refusals import AlreadyThere, NotThere
from tailproof.ownership.marks import OWNER_LABEL, TRIAL_LABEL
from tailproof.ownership.owners import Owner
from tailproof.waiting import Budget

MACHINE_LABEL = "tailproof.machine"
"""Several machines may use one cluster, and only that which made a namespace can tell whether its owner lives."""


_ENDS_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class OwnedNamespace:
    """A namespace with our mark, made by this machine."""

    name: str
    owner: Owner
    ending: bool
    """It is being removed already, and for no longer than that takes."""


def machine() -> str:
    """This machine, as a label may have it."""
    try:
        known = Path("/etc/machine-id").read_text().strip()
    except OSError:
        known = ""
    return hashlib.sha256(f"{known} {socket.gethostname()}".encode()).hexdigest()[:16]


def marks_of(owner: Owner) -> dict[str, Mapping[str, str]]:
    """`labels` and `annotations` for whatever is made in a cluster. A label takes no colon: who the owner is stands in an
    annotation."""
    return {
        "labels": {TRIAL_LABEL: owner.trial, MACHINE_LABEL: machine()},
        "annotations": {OWNER_LABEL: owner.owner},
    }


def make_namespace(
    cluster: Cluster, name: str, owner: Owner, budget: Budget, *, labels: Mapping[str, str] | None = None
) -> None:
    """Marked from its first moment on, with these `labels`, too; returns when pods can be made in it. Raises ClusterError,
    DeadlineMissed, OSError."""
    marks = marks_of(owner)
    metadata = {"name": name, **marks, "labels": {**marks["labels"], **(labels or {})}}
    take_note(name, owner.owner, cluster.kubeconfig)
    cluster.ask(
        f"making the namespace {name}",
        cluster.core.create_namespace,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
    )
    budget.wait_for(
        f"the default account of the namespace {name}", lambda: _has_account(cluster, name), within=30, every=0.1
    )


def remove_namespace(cluster: Cluster, name: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Ask for its end and that of all in it. Pods are not left their grace: nobody waits for what they still have to say.
    Idempotent. Raises ClusterError."""
    with suppress(NotThere, AlreadyThere):  # somebody else has, or is about to
        cluster.ask(f"removing the namespace {name}", cluster.core.delete_namespace, name, timeout_s=timeout_s)
    # From now on no job starts another pod in it.
    with suppress(NotThere, AlreadyThere):
        cluster.ask(
            f"ending the pods of {name}",
            cluster.core.delete_collection_namespaced_pod,
            name,
            grace_period_seconds=0,
            timeout_s=timeout_s,
        )
        _let_go(cluster, name, timeout_s=timeout_s)
    forget(name)


def wait_removed(cluster: Cluster, name: str, budget: Budget) -> None:
    """Until the cluster holds it no more. Raises ClusterError, DeadlineMissed."""

    def gone() -> bool:
        try:
            cluster.ask(f"looking for the namespace {name}", cluster.core.read_namespace, name)
        except NotThere:
            return True
        return False

    budget.wait_for(f"the namespace {name} to be removed", gone, every=0.2)


def _let_go(cluster: Cluster, name: str, *, timeout_s: float) -> None:
    """A pod of a job stays until the job has counted it, and of a job that is gone nobody counts: the namespace would stay for ever."""
    listed = cluster.ask("looking for pods", cluster.core.list_namespaced_pod, name, timeout_s=timeout_s)
    for pod in listed["items"]:
        if pod["metadata"].get("finalizers"):
            with suppress(NotThere):
                cluster.ask(
                    f"letting the pod {pod['metadata']['name']} go",
                    cluster.core.patch_namespaced_pod,
                    pod["metadata"]["name"],
                    name,
                    {"metadata": {"finalizers": None}},
                    timeout_s=timeout_s,
                )


def owned_namespaces(cluster: Cluster, *, timeout_s: float = TIMEOUT_S) -> list[OwnedNamespace]:
    """Those with our mark that this machine made. Raises ClusterError."""
    listed = cluster.ask(
        "looking for what trials left",
        cluster.core.list_namespace,
        label_selector=f"{MACHINE_LABEL}={machine()}",
        timeout_s=timeout_s,
    )
    return [_owned(item["metadata"]) for item in listed["items"]]


def _owned(metadata: Mapping[str, Any]) -> OwnedNamespace:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    owner = Owner(trial=labels.get(TRIAL_LABEL, ""), owner=annotations.get(OWNER_LABEL, ""))
    return OwnedNamespace(str(metadata["name"]), owner, ending=_ends(metadata.get("deletionTimestamp")))


def _ends(asked: str | None) -> bool:
    if asked is None:
        return False
    since = datetime.now(UTC) - datetime.fromisoformat(asked)
    return since.total_seconds() < _ENDS_WITHIN_S


def _has_account(cluster: Cluster, name: str) -> bool:
    try:
        cluster.ask("looking for the default account", cluster.core.read_namespaced_service_account, "default", name)
    except NotThere:
        return False
    return True
