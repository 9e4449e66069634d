"""Who makes the pods of a server: the harness, one after the other, or a StatefulSet, whose controller makes the next one by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kubernetes import client

from tailproof.cluster import pods
from tailproof.cluster.reach import Cluster, Right
from tailproof.targets.pod_spec import SERVER, Json, stateful_set

REVISION_LABEL = "controller-revision-hash"
"""By which the controller says of which template a pod is."""
NEEDED: Sequence[Right] = (("create", "apps", "statefulsets"), ("update", "apps", "statefulsets"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRelease:
    """What a server is of: an image, and how it is started."""

    image: str
    entrypoint: Sequence[str]
    version: str


class Holder(Protocol):
    """Makes the pods of one server."""

    @property
    def name(self) -> str:
        """That of the next pod."""

    def make(self, release: PodRelease) -> None:
        """See to a pod of this release. Raises ClusterError."""


class OneByOne:
    """Each pod has a name of its own, and nobody but the harness makes it."""

    def __init__(self, cluster: Cluster, namespace: str, spec: Callable[[str, PodRelease], Json]) -> None:
        self._cluster, self._namespace, self._spec = cluster, namespace, spec
        self._made = 0

    @property
    def name(self) -> str:
        """That of the next pod."""
        return f"{SERVER}-{self._made}"

    def make(self, release: PodRelease) -> None:
        """Another one, of this release. Raises ClusterError."""
        pods.make(self._cluster, self._namespace, self._spec(self.name, release))
        self._made += 1


class StatefulSet:
    """All pods have the same name, and so the same host name. Another release is a rolling update: the controller ends the pod and makes
    the next one of the new template."""

    name = f"{SERVER}-0"

    def __init__(self, cluster: Cluster, namespace: str, spec: Callable[[str, PodRelease], Json]) -> None:
        self._cluster, self._namespace, self._spec = cluster, namespace, spec
        self._apps = client.AppsV1Api(cluster.api)
        self._release: PodRelease | None = None

    def make(self, release: PodRelease) -> None:
        """Make the set, or change its template; nothing is to be done where the controller does it. Raises ClusterError."""
        if release == self._release:
            return
        wanted = stateful_set(self._spec(self.name, release))
        if self._release is None:
            make = self._apps.create_namespaced_stateful_set
            self._cluster.ask(f"making the stateful set {SERVER}", make, self._namespace, wanted)
        else:
            change = self._apps.replace_namespaced_stateful_set
            self._cluster.ask(f"updating the stateful set {SERVER}", change, SERVER, self._namespace, wanted)
        self._release = release
