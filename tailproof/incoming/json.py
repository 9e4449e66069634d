"""JSON of others. A parser that counts on the stack, or a caller that walks what it got, must never meet a bottomless one."""

from __future__ import annotations

import re
from typing import Any, TypeVar, overload

import msgspec

from tailproof.incoming.limits import DEPTH, Exceeded

T = TypeVar("T")


class NotJson(Exception):
    """Not JSON, or not of the shape that was asked for; the message says where."""


@overload
def decode(raw: bytes) -> Any: ...
@overload
def decode(raw: bytes, shape: type[T]) -> T: ...
def decode(raw: bytes, shape: Any = Any) -> Any:
    """`raw` as `shape`.

    Raises:
        NotJson: it is something else.
        Exceeded: nested deeper than `limits.DEPTH`.
    """
    if _deeper(raw, DEPTH):
        raise Exceeded(f"JSON is nested deeper than {DEPTH}")
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotJson(str(error)) from error


def _deeper(raw: bytes, limit: int) -> bool:
    """Whether brackets stand deeper inside each other, strings left out. Every pass over `raw` is one in C: pages are long."""
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return False
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS)
    bare = _STRING.sub(b"", bare).translate(_ONE_KIND)
    for _ in range(limit):
        inner = bare.replace(b"[]", b"")
        if len(inner) == len(bare):
            break
        bare = inner
    return bare.count(b"[") > limit or b"[]" in bare


_NO_MARKS = bytes(set(range(256)) - set(b'{}[]"'))
_STRING = re.compile(b'"[^"]*"')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
