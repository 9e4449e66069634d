"""A server in a pod: `k8s:IMAGE`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing

from docker.errors import ImageNotFound

from tailproof.cluster.bring import bring
from tailproof.cluster.reach import TRIALS_NEED, check_nodes, check_rights, connect, is_ours, release, second_witness
from tailproof.protocol.adapter import Launcher
from tailproof.provision.engine import connect as connect_engine
from tailproof.provision.engine import engine_does
from tailproof.provision.images import VERSION_LABEL
from tailproof.targets import container_processes
from tailproof.targets.pod_holder import NEEDED, PodRelease
from tailproof.targets.pod_server import PodServer
from tailproof.targets.target import Plan, TargetError
from tailproof.waiting import Budget

CAPABILITIES = frozenset(
    {
        "restart",
        "kill",
        "pause",
        "oom",
        "container",
        "new-host",
        "disk",
        "model",
        "deferred-init",
        "tool-journal",
        "pod",
    }
)


class PodTarget:
    """Starts a pod for each server, in a namespace of its own, in the cluster that the kubeconfig names.

    The image comes from the Docker engine of this machine: it tells which program the image starts, which no cluster tells anybody, and
    it is brought into a cluster of `docker/cluster.sh`; any other one has to get it from a registry. `spec` is how it was asked for:
    `k8s:IMAGE`. Where nobody sees the node (it is another machine, or the harness is not root), the second witness of a death is a
    program inside the pod, and no node is drained that is somebody else's.
    """

    capabilities: frozenset[str] = CAPABILITIES

    def __init__(
        self,
        spec: str,
        image: str,
        *,
        adapter: Launcher,
        earlier: Callable[[], str] | None = None,
    ) -> None:
        """`earlier` builds the image of the release before it, if there is one, and says how it is called. Raises Unavailable."""
        self.spec = spec
        self.version = ""
        self.facts: Mapping[str, str] = {}
        self.adapter = adapter
        self._image = image
        self._pull = ""
        self._own: PodRelease | None = None
        self._give_earlier = earlier
        self._earlier: PodRelease | None = None
        if is_ours():
            self.capabilities |= {"drain"}
            if os.geteuid() == 0:
                self.capabilities |= {container_processes.CAPABILITY}
        if earlier is not None:
            self.capabilities |= {"earlier-release"}

    def prepare(self, budget: Budget, *, earlier: bool = False) -> None:
        """Find cluster and image, and bring the one into the other. Raises TargetError, ClusterError, EngineError."""
        with closing(connect()) as cluster:
            check_rights(cluster, (*TRIALS_NEED, *(NEEDED if earlier else ())))
            check_nodes(cluster)
            self._own, digest = _release_of(self._image)
            self.version = self._own.version
            self.facts = {"image": digest, "kubernetes": release(cluster), "deaths": second_witness(cluster)}
            self._pull = "Never" if cluster.ours else "IfNotPresent"
            images = [self._own.image]
            if earlier and self._give_earlier is not None:
                self._earlier, digest = _release_of(self._give_earlier())
                self.facts = {**self.facts, "earlier": self._earlier.version, "earlier image": digest}
                images.append(self._earlier.image)
            for image in images if cluster.sees_node else ():
                bring(image, budget)

    def server(self, plan: Plan) -> PodServer:
        """A server for one trial. Raises TargetError when the target was not prepared."""
        if self._own is None:
            raise TargetError(f"{self.spec} was not prepared")
        if plan.begins_as_earlier and self._earlier is None:
            raise TargetError(f"{self.spec} was not prepared to begin as the release before it")
        return PodServer(plan, adapter=self.adapter, own=self._own, earlier=self._earlier, pull=self._pull)


def _release_of(image: str) -> tuple[PodRelease, str]:
    """What an image of this machine's engine is, and its digest. Raises TargetError, EngineError."""
    with closing(connect_engine()) as engine, engine_does(f"looking for the image {image}"):
        try:
            found = engine.images.get(image)
        except ImageNotFound:
            raise TargetError(
                f"the Docker engine has no image {image}: pull it, or build it with `tailproof image build VERSION`"
            ) from None
        entrypoint = tuple(found.attrs["Config"].get("Entrypoint") or ())
        version = found.labels.get(VERSION_LABEL) or found.labels.get("org.opencontainers.image.version", "")
        digest = (found.attrs.get("RepoDigests") or [found.id])[0]
    if not entrypoint:
        raise TargetError(f"the image {image} has no entrypoint to which `--host` and `--port` could be given")
    return PodRelease(image=image, entrypoint=entrypoint, version=version), digest
