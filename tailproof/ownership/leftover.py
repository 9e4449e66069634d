"""Something that stands on this machine with our mark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tailproof.ownership.owners import Owner

Kind = Literal["process", "container", "network", "volume", "namespace", "scratch directory"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """One such thing, and how it is removed. `remove` raises OSError, Unavailable, DeadlineMissed."""

    kind: Kind
    name: str
    owner: Owner
    remove: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" (trial {self.owner.trial})" if self.owner.trial else "")
