"""A fault of the disk that takes its time: whatever is written waits. Reading goes on."""

from __future__ import annotations

import threading
import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import SLOW
from tailproof.targets.own_disk import LACK, DiskError, OwnDisk
from tailproof.waiting import Cancelled, DeadlineMissed

GAP_S = 0.02
"""Between two freezes: what waited is written then."""
FROZEN_S = 20.0
"""How long the kernel may take to freeze it: it writes out first what it still has."""


class SlowOptions(BaseModel):
    """`with:` of `disk.slow`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(default=1.0, ge=0.1, le=10)
    """How long a write stands still at most."""


class Slow:
    """The kernel freezes the filesystem of the server's data again and again, and lets what waits through in between. Proven by the time
    that a write of somebody else takes."""

    name = SLOW
    scope = "disk"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = SlowOptions.model_validate(options)
        self._over = threading.Event()
        self._freezes = 0
        self._trouble = ""
        self._thread: threading.Thread | None = None
        self._before_s = 0.0

    def available(self, capabilities: frozenset[str]) -> str | None:
        if not {"disk", "restart"} <= capabilities:
            return "this target gives nobody its disk: use pypi:VERSION, src:DIR or docker:IMAGE"
        return None if "own-disk" in capabilities else LACK

    def describe(self) -> str:
        return f"whatever is written to the disk of the server's data waits for up to {self.options.seconds:g} s"

    def inject(self, stage: Stage) -> None:
        disk = stage.server.own_disk()
        self._before_s = _write_s(disk)
        self._thread = threading.Thread(target=self._freeze_and_thaw, args=(disk,), name=f"slow-{self.id}", daemon=True)
        self._thread.start()

    def verify(self, stage: Stage) -> Proof:
        """A write of ours took no time before, and takes most of that time now."""
        begun = self._freezes
        stage.budget.wait_for(
            "the server's disk to be frozen",
            lambda: self._freezes > begun or self._trouble,
            within=FROZEN_S,
            every=0.002,
        )
        if self._trouble:
            raise DiskError(self._trouble)
        during_s = _write_s(stage.server.own_disk())
        long_s = self.options.seconds / 2
        counters = {
            "a write of ours before, s": round(self._before_s, 3),
            "a write of ours meanwhile, s": round(during_s, 3),
            "times frozen": self._freezes,
        }
        return Proof(self._before_s < long_s <= during_s, counters)

    def heal(self, stage: Stage) -> None:
        """Raises DiskError when it stays frozen."""
        self._over.set()
        try:
            stage.budget.wait_for(
                "the server's disk to be thawed",
                lambda: self._thread is None or not self._thread.is_alive(),
                within=FROZEN_S,
            )
        except (Cancelled, DeadlineMissed):
            stage.server.own_disk().thaw()
            raise
        if self._trouble:
            raise DiskError(self._trouble)

    def _freeze_and_thaw(self, disk: OwnDisk) -> None:
        try:
            while not self._over.is_set():
                disk.freeze()
                self._freezes += 1
                self._over.wait(self.options.seconds)
                disk.thaw()
                self._over.wait(GAP_S)
        except DiskError as error:
            self._trouble = str(error)
        finally:
            disk.thaw()


def _write_s(disk: OwnDisk) -> float:
    began = time.monotonic()
    said = disk.look()["a write of ours"]
    if said != "done":
        raise DiskError(f"the server's disk refuses what is written: {said}")
    return time.monotonic() - began
