"""From where on a subscription brings events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

From = Literal["now", "all", "cursor", "time"]
"""`now`: what happens from now on. `all`: the whole log first. `cursor` and `time`: first what the log has behind an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Where a subscriber left off. Behind an event, it is said in the three ways that a protocol may want to know it."""

    way: From = "now"
    event: str = ""
    """The id of the last event that the subscriber has; empty for `now` and `all`."""
    ts: str = ""
    """The time stamp of that event, as the server wrote it."""
    place: int = -1
    """The place of that event in the log, counted from 0."""


NOW = Since()
