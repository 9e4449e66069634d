"""A server in a pod: `k8s:IMAGE`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing

from docker.errors import ImageNotFound

from tailproof.cluster.bring import bring
from tailproof.cluster.reach import check_nodes, check_rights, connect, release
from tailproof.protocol.adapter import Launcher
from tailproof.provision.engine import connect as connect_engine
from tailproof.provision.engine import engine_does
from tailproof.provision.images import VERSION_LABEL
from tailproof.targets.pod_server import PodServer
from tailproof.targets.target import Plan, TargetError
from tailproof.waiting import Budget

CAPABILITIES = frozenset(
    {"restart", "kill", "pause", "oom", "new-container", "disk", "model", "deferred-init", "tool-journal", "pod"}
)


class PodTarget:
    """Starts a pod for each server, in a namespace of its own, in the cluster that the kubeconfig names.

    The image comes from the Docker engine of this machine: it tells which program the image starts, which no cluster tells anybody, and
    it is brought into a cluster of `docker/cluster.sh`. `spec` is how it was asked for: `k8s:IMAGE`.
    """

    capabilities: frozenset[str] = CAPABILITIES

    def __init__(self, spec: str, image: str, *, adapter: Launcher) -> None:
        self.spec = spec
        self.version = ""
        self.facts: Mapping[str, str] = {}
        self.adapter = adapter
        self._image = image
        self._pull = ""
        self._entrypoint: Sequence[str] = ()

    def prepare(self, budget: Budget, *, earlier: bool = False) -> None:
        """Find cluster and image, and bring the one into the other. Raises TargetError, ClusterError, EngineError."""
        with closing(connect()) as cluster:
            check_rights(cluster)
            check_nodes(cluster)
            if not cluster.ours:
                raise TargetError(
                    f"the cluster of {cluster.kubeconfig} was not made by docker/cluster.sh: its nodes are other machines, whose kernels "
                    f"this harness cannot ask, and a pod's word for its own death is not enough"
                )
            if os.geteuid() != 0:
                raise TargetError(f"{self.spec} needs root: only it may signal the processes of pods on this node")
            self._look_at_image()
            self._pull = "Never"
            bring(self._image, budget)
            self.facts = {**self.facts, "kubernetes": release(cluster)}

    def server(self, plan: Plan) -> PodServer:
        """A server for one trial. Raises TargetError when the target was not prepared."""
        if not self._entrypoint:
            raise TargetError(f"{self.spec} was not prepared")
        return PodServer(
            plan,
            adapter=self.adapter,
            image=self._image,
            pull=self._pull,
            entrypoint=self._entrypoint,
            version=self.version,
        )

    def _look_at_image(self) -> None:
        with closing(connect_engine()) as engine, engine_does(f"looking for the image {self._image}"):
            try:
                image = engine.images.get(self._image)
            except ImageNotFound:
                raise TargetError(
                    f"the Docker engine has no image {self._image}: pull it, or build it with `tailproof image build VERSION`"
                ) from None
            self._entrypoint = tuple(image.attrs["Config"].get("Entrypoint") or ())
            self.version = image.labels.get(VERSION_LABEL) or image.labels.get("org.opencontainers.image.version", "")
            self.facts = {"image": (image.attrs.get("RepoDigests") or [image.id])[0]}
        if not self._entrypoint:
            raise TargetError(
                f"the image {self._image} has no entrypoint to which `--host` and `--port` could be given"
            )
