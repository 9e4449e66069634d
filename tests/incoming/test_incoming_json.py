"""JSON of others: how deep is too deep, and that strings are not looked into."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tailproof.incoming.json import NotJson, decode
from tailproof.incoming.limits import DEPTH, Exceeded


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * DEPTH + b"]" * DEPTH,
        b"[" + b"[]," * 10_000 + b"{}]",
        b'"' + b"[" * 100_000 + b'"',
        rb'["\\\"' + b"[" * 100_000 + b'"]',
        b'{"a":"\\\\","b":[' + b"{}," * 500 + b'"["]}',
    ],
    ids=["as-deep-as-may-be", "wide", "in-a-string", "behind-an-escaped-quote", "behind-an-escaped-backslash"],
)
def test_what_is_not_too_deep_is_decoded(raw: bytes) -> None:
    decode(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
        b'{"a":' * (DEPTH + 1) + b"1" + b"}" * (DEPTH + 1),
        b"[" * 1_000_000,
        rb'["\\",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    ],
    ids=["lists", "objects", "never-closed", "behind-a-string"],
)
def test_what_is_too_deep_is_not_parsed(raw: bytes) -> None:
    with pytest.raises(Exceeded, match=f"nested deeper than {DEPTH}"):
        decode(raw)


@pytest.mark.parametrize("raw", [b"", b"nul", b'"\xff"', b"{} {}"])
def test_what_is_not_json_is_said(raw: bytes) -> None:
    with pytest.raises(NotJson):
        decode(raw)


def test_another_shape_is_said() -> None:
    with pytest.raises(NotJson, match="Expected `int`"):
        decode(b'"1"', int)


def test_a_shape_is_worked_out_by_one_thread_and_not_by_two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shape(msgspec.Struct):
        a: int = 0

    began, made, real = threading.Barrier(4), list[object](), msgspec.json.Decoder

    def worked_out(shape: type[Shape]) -> msgspec.json.Decoder[Shape]:
        made.append(shape)
        return real(shape)

    def ask(_: int) -> int:
        began.wait(10)
        return decode(b'{"a": 1}', Shape).a

    monkeypatch.setattr(msgspec.json, "Decoder", worked_out)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [1] * 4
    assert made == [Shape]
