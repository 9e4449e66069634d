"""A server as a plain process on this machine: `pypi:VERSION` and `src:DIR`, and any program that an adapter can launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tailproof.protocol.adapter import Launcher
from tailproof.provision.installations import Installation
from tailproof.targets import own_clock as clocks
from tailproof.targets import own_disk as disks
from tailproof.targets import own_host as hosts
from tailproof.targets.process_server import ProcessServer, Release
from tailproof.targets.target import Plan, TargetError
from tailproof.waiting import Budget

CAPABILITIES = frozenset({"restart", "kill", "pause", "disk", "model", "deferred-init", "tool-journal", "twin"})


class ProcessTarget:
    """Starts servers with an interpreter and the arguments of the adapter.

    `provide` finds or builds the installation, once per check. `program` replaces the module that the adapter launches, for
    another server of the same protocol: `("/path/to/server.py",)`. `earlier` gives the release before it.
    """

    def __init__(
        self,
        spec: str,
        *,
        adapter: Launcher,
        provide: Callable[[Budget], Installation],
        version: str = "",
        program: Sequence[str] = (),
        earlier: Callable[[Budget], Release] | None = None,
    ) -> None:
        self.capabilities = CAPABILITIES | disks.CAPABILITY | hosts.CAPABILITY | clocks.capability()
        self.spec = spec
        self.version = version
        self.facts: Mapping[str, str] = {}
        self.adapter = adapter
        self._provide = provide
        self._program = tuple(program)
        self._installation: Installation | None = None
        self._give_earlier = earlier
        self._earlier: Release | None = None
        if earlier is not None:
            self.capabilities |= {"earlier-release"}

    def prepare(self, budget: Budget, *, earlier: bool = False) -> None:
        """Find or build the installation. Raises TargetError."""
        self._installation = self._provide(budget)
        self.version = self._installation.version
        self.facts = self._installation.facts
        if earlier and self._give_earlier is not None:
            self._earlier = self._give_earlier(budget)
            self.facts = {**self.facts, "earlier": self._earlier.version}

    def server(self, plan: Plan) -> ProcessServer:
        """A server for one trial. Raises TargetError when the target was not prepared."""
        if self._installation is None:
            raise TargetError(f"{self.spec} was not prepared")
        if plan.memory_bytes:
            raise TargetError(f"{self.spec} is a plain process and takes no memory limit: use docker:IMAGE")
        if plan.processes:
            raise TargetError(f"{self.spec} is a plain process and takes no limit of processes: use docker:IMAGE")
        if plan.begins_as_earlier and self._earlier is None:
            raise TargetError(f"{self.spec} has no release before it that was prepared")
        own = Release(interpreter=self._installation.interpreter, version=self.version, program=self._program)
        return ProcessServer(plan, adapter=self.adapter, own=own, earlier=self._earlier)
