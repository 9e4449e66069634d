"""A server in a container: `docker:IMAGE`."""

from __future__ import annotations

from collections.abc import Mapping

from docker.errors import ImageNotFound

from tailproof.protocol.adapter import Launcher
from tailproof.provision.base_image import pull
from tailproof.provision.engine import connect, engine_does
from tailproof.provision.images import VERSION_LABEL
from tailproof.provision.recipe import ImageRecipe
from tailproof.targets import container_processes, own_clock, own_disk
from tailproof.targets.container_server import ContainerServer
from tailproof.targets.target import Plan, TargetError
from tailproof.waiting import Budget

CAPABILITIES = frozenset(
    {
        "restart",
        "kill",
        "pause",
        "oom",
        "process-limit",
        "container",
        "new-host",
        "disk",
        "model",
        "deferred-init",
        "tool-journal",
        "twin",
    }
)


class ContainerTarget:
    """Starts containers on the host's network: no published port, no firewall, and the model is reached on loopback.

    Every trial has its own port there, and the container gets a host name of its own all the same. An image of `recipe` that is not
    there is built by the user, who is told how. `spec` is how it was asked for: `KIND:IMAGE`.
    """

    capabilities: frozenset[str] = (
        CAPABILITIES | {container_processes.CAPABILITY} | own_disk.CAPABILITY | own_clock.capability()
    )

    def __init__(self, spec: str, image: str, *, adapter: Launcher, recipe: ImageRecipe) -> None:
        self.spec = spec
        self.version = ""
        self.facts: Mapping[str, str] = {}
        self._image = image
        self._recipe = recipe
        self._identity = ""
        self.adapter = adapter

    def prepare(self, budget: Budget, *, earlier: bool = False) -> None:
        """Find the image, or pull it when a registry may have it. Raises TargetError that says how to get it."""
        engine = connect()
        try:
            with engine_does(f"looking for the image {self._image}"):
                try:
                    image = engine.images.get(self._image)
                except ImageNotFound:
                    self._pull(engine)
                    image = engine.images.get(self._image)
                release = engine.version()["Version"]
        finally:
            engine.close()
        if not image.attrs["Config"].get("Entrypoint"):
            raise TargetError(
                f"the image {self._image} has no entrypoint to which `--host` and `--port` could be given"
            )
        self._identity = image.id
        self.version = image.labels.get(VERSION_LABEL) or image.labels.get("org.opencontainers.image.version", "")
        digests = image.attrs.get("RepoDigests") or [image.id]
        self.facts = {"image": digests[0], "engine": release}

    def server(self, plan: Plan) -> ContainerServer:
        """A server for one trial. Raises TargetError when the target was not prepared."""
        if not self._identity:
            raise TargetError(f"{self.spec} was not prepared")
        return ContainerServer(plan, adapter=self.adapter, image=self._identity, version=self.version)

    def _pull(self, engine: object) -> None:
        repository, _, version = self._image.rpartition(":")
        binary = self._recipe.binary is not None and repository == self._recipe.binary.repository
        own = binary or repository == self._recipe.repository
        how = f"tailproof image build {self._recipe.releases.spec(version if own else 'VERSION')}"
        how += " --shape binary" if binary else ""
        if own:
            raise TargetError(f"the engine has no image {self._image}: build it with `{how}`")
        if self._image.startswith("sha256:"):
            raise TargetError(f"the engine has no image {self._image}")
        refused = pull(engine, self._image)
        if refused:
            raise TargetError(
                f"the engine has no image {self._image} and {refused}; an image of a release can be built here: `{how}`"
            )
