"""What an adapter has to say of the webhooks of its server: how it is told of a receiver, and what it posts there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tailproof.history.server_records import WholeEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksWanted:
    """What a server is told: where it posts events, and how it goes about it."""

    url: str
    """The receiver's base URL, without a slash at its end."""
    batch: int
    """So many events are posted at once; fewer when the first of them has waited for `flush_s` seconds."""
    flush_s: float
    retries: int
    """How often a batch is posted again at once, each time after `retry_s` seconds."""
    retry_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What one request to the receiver brought."""

    conversation: str = ""
    events: Sequence[WholeEvent] = ()
    """In the order of the batch; none for a request that is about something else."""


class Webhooks(Protocol):
    """The webhooks of one protocol."""

    key_field: str = ""
    """The field of the head, in lower case, in which a server shows its session key to the receiver; empty where it does not."""

    def environment(self, wanted: HooksWanted) -> Mapping[str, str]:
        """What tells a server all of that when it is started."""

    def posted(self, path: str, raw: bytes | bytearray) -> Posted:
        """What came to the receiver at `path` (below its base URL). Raises Unsound."""
