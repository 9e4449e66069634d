"""JSON of others. A parser that counts on the stack, or a caller that walks what it got, must never meet a bottomless one."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, TypeVar, overload

import msgspec

from tailproof.incoming.limits import DEPTH, VALUES, Exceeded, Misshapen

T = TypeVar("T")

_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_WORKING_OUT = threading.Lock()

PIECE_BYTES = 1 << 20
SAYS_CHARS = 200
UNREADABLE = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What msgspec raises for what is not JSON, not UTF-8, or nested too deep even for a field that nobody asked for."""


class NotJson(Misshapen):
    """Not JSON, or not of the shape that was asked for; the message says where."""


@overload
def decode(raw: bytes | bytearray) -> Any: ...
@overload
def decode(raw: bytes | bytearray, shape: type[T], *, outline: bool = False, values: int = VALUES) -> T: ...
def decode(raw: bytes | bytearray, shape: Any = Any, *, outline: bool = False, values: int = VALUES) -> Any:
    """`raw` as `shape`. An `outline` is a shape that nobody walks into: what may be deep stays `msgspec.Raw` and is measured when it
    is decoded, which spares a look at each byte of a long page.

    Raises:
        NotJson: it is something else.
        Exceeded: nested deeper than `limits.DEPTH`, or of more than so many `values`.
    """
    if not outline or raw.count(b",") > values:
        measure(raw, values)
    try:
        return decoder(shape).decode(raw)
    except RecursionError as error:
        raise Exceeded(f"JSON is nested deeper than {DEPTH}") from error
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise NotJson(str(error)[:SAYS_CHARS]) from error


@overload
def decoder(shape: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def decoder(shape: Any) -> msgspec.json.Decoder[Any]: ...
def decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a shape, of others or of ours. msgspec works out a shape when it is first asked for, and the process crashes when two
    threads ask for the same one at once: here one does, and the others wait."""
    with _WORKING_OUT:
        if shape not in _DECODERS:
            _DECODERS[shape] = msgspec.json.Decoder(shape)
        return _DECODERS[shape]


def converted(data: Any, shape: type[T]) -> T:
    """Plain data as `shape`. Raises msgspec.ValidationError."""
    decoder(shape)
    return msgspec.convert(data, shape)


def measure(raw: bytes | bytearray, values: int = VALUES) -> None:
    """Look at the brackets and commas outside of strings. Every pass over `raw` is one in C: pages are long. Raises Exceeded."""
    deep = raw.count(b"{") + raw.count(b"[") > DEPTH
    if not deep and raw.count(b",") <= values:
        return
    bare = _STRING.sub(b"", b"".join(_marks(raw)))
    if bare.count(b",") > values:
        raise Exceeded(f"JSON has more than {values} values")
    if _deeper(bare.translate(_ONE_KIND, b',"')):
        raise Exceeded(f"JSON is nested deeper than {DEPTH}")


def _marks(raw: bytes | bytearray) -> Iterator[bytes]:
    """Brackets, commas and quotes, but for quotes that are escaped; piece by piece, a copy of all of it would be as large."""
    start = 0
    while start < len(raw):
        end = start + PIECE_BYTES
        while raw[end - 1 : end] == b"\\":  # what stands behind it belongs to it
            end += 1
        piece = bytes(raw[start:end])
        yield piece.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS)
        start = end


def _deeper(brackets: bytes) -> bool:
    for _ in range(DEPTH):
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            break
        brackets = inner
    return brackets.count(b"[") > DEPTH or b"[]" in brackets


_NO_MARKS = bytes(set(range(256)) - set(b'{}[],"'))
_STRING = re.compile(b'"[^"]*"')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
