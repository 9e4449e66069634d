"""What one reading of the log of a conversation brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailproof.history.server_records import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One reading of the log through the pages of the server. The events are without their bodies, which are recorded."""

    reading: str
    events: Sequence[Event]
    count: int
    complete: bool
    error: str = ""
