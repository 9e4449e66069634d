"""Servers for trials: a new one, or one that an earlier trial on the same target left in good order.

A scenario with a fault of the server, or one that wants a server of its own, always gets a new one, and nobody gets it
afterwards. A server is kept only by a trial that came to its end without a missed deadline, and its conversation is deleted
first. How many trials it has served is in the header of each history (`server_trials`), so that a stranger can tell a fresh
server from a used one.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tailproof.history.plan import PROBE, Filesystem, is_of_the_path
from tailproof.history.record import Record
from tailproof.history.recorder import Witness
from tailproof.history.records import Life
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.ownership.owners import Owner
from tailproof.ownership.scratch import scratch
from tailproof.scenario.schema import Scenario, ServerPlan
from tailproof.targets.target import Plan, Server, Target, TargetError

OPEN = 0o777
"""The mode of a tool journal: harness and tools may be different users, and both write and remove in it."""


def may_share(scenario: Scenario) -> bool:
    """Whether a scenario leaves its server as it found it, and asks for nothing special of it."""
    return (
        scenario.server == ServerPlan()
        and scenario.seeded is None
        and all(is_of_the_path(plan.fault) for plan in scenario.faults)
        # Whoever tries keys leaves them in the log of a server that logs addresses, and it is the next trial that would be accused of it.
        and not any(act.kind == PROBE for act in scenario.acts)
        and not any(call.leaves for turn in scenario.script for call in turn.tools or ())
    )


class EngineRelay:
    """Where a server writes its lives: into the history of the trial that has it now, nowhere between two trials."""

    def __init__(self) -> None:
        self._witness: Witness | None = None

    def point(self, witness: Witness | None) -> None:
        """From now on into this history."""
        self._witness = witness

    def write(self, record: Record) -> None:
        """Append a record, if there is a trial."""
        if self._witness is not None:
            self._witness.write(record)


@dataclass(slots=True, kw_only=True, eq=False)
class PooledServer:
    """A server with what belongs to it for as long as it lives, whoever's trial it plays in."""

    spec: str
    owner: Owner
    keys: Mapping[str, str]
    """`session key` and `server secret`: fixed when the server was made."""
    directory: Path
    """Its own scratch directory, which outlives the trial's."""
    shared: bool
    masker: Masker
    """For everything that is said of the server, whoever says it."""
    engine: EngineRelay = field(default_factory=EngineRelay)
    pod: EngineRelay = field(default_factory=EngineRelay)
    server: Server | None = None
    trials: int = 0
    """How many trials it has been taken for, this one included."""

    def make(
        self,
        target: Target,
        *,
        environment: Mapping[str, str],
        memory_bytes: int,
        processes: int = 0,
        own_clock: bool = False,
        own_disk: Filesystem = "",
        begins_as_earlier: bool = False,
    ) -> Server:
        """The server, not yet started; the one that is there when it was taken from the pool."""
        if self.server is None:
            journal = self.directory / "journal"
            journal.mkdir()
            journal.chmod(OPEN)
            self.server = target.server(
                Plan(
                    owner=self.owner,
                    directory=self.directory / "server",
                    journal=journal,
                    key=self.keys["session key"],
                    secret=self.keys["server secret"],
                    environment=environment,
                    memory_bytes=memory_bytes,
                    processes=processes,
                    own_clock=own_clock,
                    own_disk=own_disk,
                    begins_as_earlier=begins_as_earlier,
                    engine=self.engine,
                    pod=self.pod,
                )
            )
        return self.server

    def tell(self, engine: Witness | None, pod: Witness | None) -> None:
        """From now on into these: what the engine sees of the server, and what the API server says of its pod."""
        self.engine.point(engine)
        self.pod.point(pod)

    def journal(self, trial: str) -> tuple[Path, str]:
        """The tool journal of one trial: on this host, and as the tools see it."""
        assert self.server is not None, "a journal is shown to a server that was made"
        if not self.shared:
            return self.directory / "journal", self.server.journal
        mine = self.directory / "journal" / trial
        mine.mkdir()
        mine.chmod(OPEN)
        return mine, f"{self.server.journal}/{trial}"

    def check_journal(self, journal: Path) -> None:
        """Raises TargetError when the tools, which may run as another user, could not write there: no trial must begin so."""
        for place in dict.fromkeys((self.directory / "journal", journal)):
            mode = place.stat().st_mode & 0o777
            if mode != OPEN:
                raise TargetError(f"the tool journal is not open to the server's user: {place.name} has mode {mode:o}")

    def greet(self) -> None:
        """Tell the history of this trial about a life that began before it."""
        assert self.server is not None, "only a server that lives is greeted"
        self.engine.write(
            Life(
                "started",
                self.server.epoch,
                host=socket.gethostname(),
                pid=self.server.server_pid(),
                place="kept",
                detail=f"trial {self.trials} of this server",
            )
        )

    def remove(self) -> None:
        """Remove the server and its directory. Idempotent."""
        if self.server is not None:
            self.server.remove()
        self.tell(None, None)
        shutil.rmtree(self.directory, ignore_errors=True)


class ServerPool:
    """Idle servers of one supervisor. Safe from several threads."""

    def __init__(self, most: int) -> None:
        """`most` is how many may be idle at a time."""
        self._most = most
        self._idle: list[PooledServer] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self, spec: str, owner: Owner, *, shared: bool, key: Callable[[], str]) -> PooledServer:
        """An idle server of this target when the trial may share one, else room for a new one."""
        found = self._find(spec) if shared else None
        if found is None:
            keys = {"session key": key(), "server secret": secrets.token_hex(16)}
            found = PooledServer(
                spec=spec,
                owner=owner,
                keys=keys,
                directory=scratch(owner),
                shared=shared,
                masker=Masker({**secrets_of_environment(), **keys}),
            )
        found.trials += 1
        return found

    def give_back(self, server: PooledServer, *, fit: bool) -> None:
        """At the end of its trial: keep it for the next one if it is fit, or remove it."""
        spare: list[PooledServer] = [server]
        if fit and server.shared and server.server is not None and server.server.alive():
            with self._lock:
                if not self._closed:
                    server.tell(None, None)
                    self._idle.append(server)
                    excess = max(0, len(self._idle) - self._most)
                    spare, self._idle = self._idle[:excess], self._idle[excess:]
        for one in spare:
            one.remove()

    def close(self) -> None:
        """Remove what is idle; what is given back later is removed, too."""
        with self._lock:
            self._closed = True
            spare, self._idle = self._idle, []
        for one in spare:
            one.remove()

    def _find(self, spec: str) -> PooledServer | None:
        dead: list[PooledServer] = []
        found = None
        with self._lock:
            for one in [one for one in self._idle if one.spec == spec]:
                self._idle.remove(one)
                if one.server is not None and one.server.alive():
                    found = one
                    break
                dead.append(one)
        for one in dead:
            one.remove()
        return found
