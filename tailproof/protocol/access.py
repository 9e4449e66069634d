"""What an adapter says about keys and secrets: which routes and streams a server publishes, where a key is shown, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tailproof.waiting import Budget

KeyPlace = Literal["header", "query", "cookie", "bearer", "first-message"]
"""Where a key is shown: a field of the head of its own, the query, a cookie, `Authorization: Bearer`, or the first message of a
stream."""


SpoiledWord = Literal["model-key", "secret"]
"""What stands in a request that must be rejected: a key of the model, or a secret for a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One route or stream that a server has."""

    kind: Literal["route", "stream"]
    method: str
    path: str
    """As it is published, or as the adapter asks for it."""
    target: str
    """As it is asked for: the path with everything filled in."""
    places: Sequence[KeyPlace] = ("header",)
    """Where this release takes a key for it."""
    open: str = ""
    """Where it stands that anybody may ask for it; empty when a key is needed."""
    field: str = ""
    """The name of the field of the head, where it is not the usual one."""
    body: bytes | None = None
    reads: bool = False
    """It can be asked for with the right key: it answers with 2xx and changes nothing."""
    opens: bool = False
    """It can be asked for with the right key, too, and changes nothing; what it answers is its own matter, but no refusal of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of it. `body` is the answer, or the first message of a stream; it is looked at and never kept."""

    code: int = 0
    body: bytes | bytearray = field(default=b"", repr=False)
    error: str = ""
    cut: bool = False


class Access(Protocol):
    """Keys and secrets of one running server. Safe from several threads; nothing raises for what a server does."""

    key: str
    """The right one; empty when the server asks for none."""

    def doors(
        self, conversation: str, *, workspace: str, dormant: bool, budget: Budget
    ) -> tuple[Heard, Sequence[Door]]:
        """Every route that the server itself publishes or that the adapter asks it for, and every stream that it has, filled in with a
        conversation that may be changed and lost. Those that end it come last."""

    def knock(self, door: Door, key: str | None, place: KeyPlace, budget: Budget) -> Heard:
        """Ask for it. None shows no key at all. A stream is given up after its first message, or when it says nothing for long."""

    def knock_again(self, door: Door, place: KeyPlace, budget: Budget) -> Heard:
        """Ask for a route without a key, over a connection on which it was served with the right one just now."""

    def spoiled(self, conversation: str, what: SpoiledWord, secret: str, budget: Budget) -> Sequence[tuple[str, Heard]]:
        """Requests that the server must reject, each with the secret where one belongs: what they are called, and what came."""

    def downloads(self, conversation: str, budget: Budget) -> Sequence[tuple[str, Heard]]:
        """Whatever shows or hands out a conversation as a whole; archives are given unpacked, a file at a time."""
