"""The list of a server's conversations, as somebody reads it page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tailproof.protocol.adapter import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One conversation, as the list shows it."""

    conversation: str
    status: str
    """The raw status."""
    created: str
    """When it was created, as the server writes its times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of the list. `cursor` is opaque; empty when there is no further page."""

    answer: Answer
    items: Sequence[Listed] = ()
    cursor: str = ""
