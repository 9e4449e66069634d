"""Faults of the disk that takes nothing more: it is full, or it has become read-only. Reading goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import FULL_AT_START
from tailproof.targets.own_disk import LACK, DiskError
from tailproof.waiting import DeadlineMissed

DEAD_S = 15.0
"""How long a killed server may take until its death is seen."""
START_S = 90.0
"""How long it is waited for what becomes of a start without room."""
READY = "it was ready"


class _NoOptions(BaseModel):
    """`with:` of both: nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Refusing:
    """The filesystem of the server's data refuses every write. Proven by the write of somebody else, who is refused, and by what the
    kernel says."""

    scope = "disk"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"
    error: str
    """What a write gets."""

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        _NoOptions.model_validate(options)
        self._before: Mapping[str, int | str] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        if not {"disk", "restart"} <= capabilities:
            return "this target gives nobody its disk: use pypi:VERSION, src:DIR or docker:IMAGE"
        return None if "own-disk" in capabilities else LACK

    def inject(self, stage: Stage) -> None:
        self._before = stage.server.own_disk().look()
        self._begin(stage)

    def verify(self, stage: Stage) -> Proof:
        """Before it a write of ours was done, and now it is refused for this very reason."""
        after = stage.server.own_disk().look()
        counters = {
            **{f"{name} before": value for name, value in self._before.items()},
            **{f"{name} after": value for name, value in after.items()},
        }
        was, now = self._before.get("a write of ours"), after["a write of ours"]
        return Proof((was, now) == ("done", self.error), counters)

    def heal(self, stage: Stage) -> None:
        """Raises DiskError when it refuses all the same."""
        self._end(stage)
        now = stage.server.own_disk().look()["a write of ours"]
        if now != "done":
            raise DiskError(f"the server's disk still refuses what is written: {now}")

    def _begin(self, stage: Stage) -> None:
        raise NotImplementedError

    def _end(self, stage: Stage) -> None:
        raise NotImplementedError


class Full(_Refusing):
    """No room is left where the server keeps its data; what it frees itself it may use again."""

    name = "disk.full"
    error = "ENOSPC"

    def describe(self) -> str:
        return "the disk of the server's data is full"

    def _begin(self, stage: Stage) -> None:
        stage.server.own_disk().fill()

    def _end(self, stage: Stage) -> None:
        stage.server.own_disk().empty()


class FullAtStart(Full):
    """The server is killed, and finds no room when it is started again. It may serve or end; once there is room, it must serve."""

    name = FULL_AT_START
    ends_a_life = True
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity, options)
        self._pid = 0
        self._start = ""
        """What became of it."""

    def describe(self) -> str:
        return "the server is killed and started again while the disk of its data is full"

    def verify(self, stage: Stage) -> Proof:
        """The process from before is gone, and another is started in its place; then as of a full disk."""
        self._start_without_room(stage)
        proof = super().verify(stage)
        counters = {**proof.counters, "pid before": self._pid, "the start without room": self._start}
        return Proof(proof.proven and self._pid > 0 and bool(self._start), counters)

    def heal(self, stage: Stage) -> None:
        """There is room again. A server that is not ready then is started once more."""
        super().heal(stage)
        server = stage.server
        if server.alive() and self._start != READY:
            server.kill(scope="server", signal="KILL")
            server.wait_dead(stage.budget.part(DEAD_S))
        if not server.alive():
            server.restart(stage.budget, place="in-place")
        stage.ready()

    def _begin(self, stage: Stage) -> None:
        self._pid = stage.server.server_pid()
        stage.server.kill(scope="server", signal="KILL")
        stage.server.wait_dead(stage.budget.part(DEAD_S))
        super()._begin(stage)

    def _start_without_room(self, stage: Stage) -> None:
        server, api = stage.server, stage.company.api()
        server.restart(stage.budget, place="in-place")
        try:
            stage.budget.wait_for(
                "the server to be ready without room, or to end",
                lambda: not server.alive() or api.ready().ok,
                within=START_S,
                every=0.1,
            )
        except DeadlineMissed:
            self._start = f"neither ready nor ended within {START_S:g} s"
            return
        self._start = READY if server.alive() else "it ended"


class ReadOnly(_Refusing):
    """The filesystem of the server's data is mounted again as read-only, as the kernel does it after an error of the device."""

    name = "disk.read-only"
    error = "EROFS"

    def describe(self) -> str:
        return "the disk of the server's data becomes read-only"

    def _begin(self, stage: Stage) -> None:
        stage.server.own_disk().make_writable(False)

    def _end(self, stage: Stage) -> None:
        stage.server.own_disk().make_writable(True)
