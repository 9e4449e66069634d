"""A server as a plain process on this machine: `pypi:VERSION` and `src:DIR`, and any program that an adapter can launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tailproof.protocol.adapter import Adapter
from tailproof.provision.installations import Installation
from tailproof.targets import own_clock as clocks
from tailproof.targets import own_disk as disks
from tailproof.targets.process_server import ProcessServer
from tailproof.targets.target import Plan, TargetError
from tailproof.waiting import Budget

CAPABILITIES = frozenset({"restart", "kill", "pause", "disk", "model", "deferred-init", "tool-journal"})


class ProcessTarget:
    """Starts servers with an interpreter and the arguments of the adapter.

    `provide` finds or builds the installation, once per check. `program` replaces the module that the adapter launches, for
    another server of the same protocol: `("/path/to/server.py",)`. `own_clock`: it runs with libfaketime.
    """

    def __init__(
        self,
        spec: str,
        *,
        adapter: Adapter,
        provide: Callable[[Budget], Installation],
        version: str = "",
        program: Sequence[str] = (),
        own_clock: bool = False,
    ) -> None:
        self.capabilities = CAPABILITIES | disks.CAPABILITY | (clocks.CAPABILITY if own_clock else frozenset())
        self.spec = spec
        self.version = version
        self.facts: Mapping[str, str] = {}
        self.adapter = adapter
        self._provide = provide
        self._program = tuple(program)
        self._installation: Installation | None = None

    def prepare(self, budget: Budget) -> None:
        """Find or build the installation. Raises TargetError."""
        self._installation = self._provide(budget)
        self.version = self._installation.version
        self.facts = self._installation.facts

    def server(self, plan: Plan) -> ProcessServer:
        """A server for one trial. Raises TargetError when the target was not prepared."""
        if self._installation is None:
            raise TargetError(f"{self.spec} was not prepared")
        if plan.memory_bytes:
            raise TargetError(f"{self.spec} is a plain process and takes no memory limit: use docker:IMAGE")
        return ProcessServer(
            plan,
            adapter=self.adapter,
            interpreter=self._installation.interpreter,
            version=self.version,
            program=self._program,
        )
