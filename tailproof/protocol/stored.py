"""Where a server keeps what it stored of a conversation: for faults that damage it while the server is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tailproof.history.record import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event, in a file of its own."""

    id: str
    role: Role
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The files of one conversation."""

    events: Sequence[StoredEvent]
    """In log order, those that can be read."""
    state: Path
    """What the server begins with when it is started again, its status among it."""
