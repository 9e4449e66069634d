"""What the OpenHands agent-server says of its conversations: pages of the list, and several by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tailproof.incoming import json
from tailproof.incoming.words import number, word
from tailproof.protocol.listing import Listed


class _Item(msgspec.Struct):
    id: Any = ""
    execution_status: Any = ""
    created_at: Any = ""


class _Page(msgspec.Struct):
    items: list[_Item]
    next_page_id: Any = None


def page(raw: bytes | bytearray) -> tuple[Sequence[Listed], str]:
    """The conversations of a page, and the cursor of the next one. Raises Unsound."""
    found = json.decode(raw, _Page)
    return [_listed(item) for item in found.items], word(found.next_page_id or "", "the cursor")


def several(raw: bytes | bytearray) -> Sequence[Listed | None]:
    """Conversations that were asked for by their ids; None for one that the server does not know. Raises Unsound."""
    found = json.decode(raw, list[_Item | None])
    return [None if item is None else _listed(item) for item in found]


def count(raw: bytes | bytearray) -> int:
    """How many. Raises Unsound."""
    return number(json.decode(raw), "the count of conversations")


def _listed(item: _Item) -> Listed:
    return Listed(
        conversation=word(item.id, "the id of a conversation"),
        status=word(item.execution_status or "", "the status of a conversation"),
        created=word(item.created_at or "", "the time of a conversation"),
    )
