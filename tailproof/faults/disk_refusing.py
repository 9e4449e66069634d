"""Faults of the disk that takes nothing more: it is full, or it has become read-only. Reading goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tailproof.faults.fault import Proof, Stage
from tailproof.targets.own_disk import LACK, DiskError


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
