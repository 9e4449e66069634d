"""What is this message called? Finds `id` and kind of a JSON event without decoding it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tailproof.incoming.json import UNREADABLE, decoder
from tailproof.protocol.naming import Naming

HEAD_BYTES = 128
TAIL_BYTES = 96
MOST_CHARS = 128
NAMED_BYTES = 1 << 20
"""A message of a protocol that names its messages in its own way (`Naming`) is decoded for its name up to this size."""

PLAIN = rb"[ !#-\[\]-~]"  # printable ASCII that is in JSON as it is
_id = re.compile(rb'\s*\{\s*"id"\s*:\s*"(' + PLAIN + rb'{1,128})"').match
_tail = re.compile(rb'"kind"\s*:\s*"(' + PLAIN + rb'{1,64})"\s*\}\s*').fullmatch
_pair = re.compile(
    rb'\s*[{,]\s*"(' + PLAIN + rb'{1,64})"\s*:\s*(?:"(' + PLAIN + rb'{0,128})"|[-+.\deE]+|true|false|null)(?=\s*[,}])'
).match
known_tails: dict[bytes, bytes] = {}
"""The tails seen so far -> the name in them, empty for one that names nothing for certain."""
_MOST_TAILS = 1024


class _Named(msgspec.Struct):
    id: object = ""
    kind: object = ""
    type: object = ""
    event: object = ""


_decode = decoder(_Named).decode


def named(naming: Naming, payload: bytes) -> tuple[bytes, bytes]:
    """`(id, name)` as `peek` has them, of a message that has them somewhere else; it is decoded as a whole, up to `NAMED_BYTES`."""
    if len(payload) > NAMED_BYTES:
        return b"", b""
    try:
        body = msgspec.json.decode(payload)
    except UNREADABLE:
        return b"", b""
    return escaped(_word_at(body, naming.identity)), escaped(_word_at(body, naming.name))


def _word_at(body: Any, path: str) -> object:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return str(body) if isinstance(body, int) and not isinstance(body, bool) else body


def escaped(text: object) -> bytes:
    """A string as it stands between the quotes of a JSON text; empty for what is no string, and for one longer than any name: to cut
    it could leave half of a secret in it."""
    return msgspec.json.encode(text)[1:-1] if isinstance(text, str) and len(text) <= MOST_CHARS else b""


def name_at_end(tail: bytes) -> bytes:
    """The kind in a tail such as `"kind":"Message"}`; empty when the end of the payload says nothing certain.

    Only the last brace may follow, so the pair belongs to the outermost object and never to something inside it.
    """
    name = known_tails.get(tail)
    if name is None:
        found = _tail(tail)
        name = found[1] if found else b""
        if len(known_tails) >= _MOST_TAILS:
            known_tails.clear()
        known_tails[tail] = name
    return name


def peek(head: bytes, tail: bytes, *, whole: bool) -> tuple[bytes, bytes]:
    """`(id, name)` of a message, both as they are in JSON; empty when unknown.

    `head` and `tail` are the beginning and the end of the payload. With `whole`, `head` is all of it, and it is decoded
    as a last resort. Keys that name a message: `kind`, else `type`, else `event`.
    """
    if head[:1] not in (b"{", b" ", b"\n", b"\r", b"\t"):
        return b"", b""
    start = tail.rfind(b'"kind"')
    name = name_at_end(tail[start:]) if start >= 0 else b""
    found = _id(head)
    if found and name:
        return found[1], name
    pairs: dict[bytes, bytes] = {}
    at = 0
    while pair := _pair(head, at):
        pairs.setdefault(pair[1], pair[2] or b"")
        at = pair.end()
    identity = found[1] if found else pairs.get(b"id", b"")
    name = name or pairs.get(b"kind", b"") or (b"" if whole else pairs.get(b"type", b"") or pairs.get(b"event", b""))
    if whole and not (identity and name):
        try:
            named = _decode(head)
        except UNREADABLE:
            return identity, name
        identity = identity or escaped(named.id)
        name = name or escaped(named.kind) or escaped(named.type) or escaped(named.event)
    return identity, name
