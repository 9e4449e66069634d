"""Servers that say what nobody can follow, or more than anybody can keep, through the wire: it passes as it came, and memory is bounded."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from wire_stage import SECONDS, exchanges, raw_server, wait_count, wire_to

from tailproof.incoming.limits import ENDLESS_S, INFORMATIONAL
from tailproof.wire.armed import FrameMatch
from tailproof.wire.framing import PING, TEXT, Scanner, frame
from tailproof.wire.handle import Wire
from tailproof.wire.peek import TAIL_BYTES, peek
from tailproof.wire.rules import Match, Rule

OK = b"HTTP/1.1 200 OK\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ASKS = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
SUBSCRIBES = b"GET /sockets/events/1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
GIGABYTE = (1 << 30).to_bytes(8, "big")
PIECE = bytes(1 << 20)
PIECES = 192
MOST_GROWTH_MB = 120
"""A lane keeps 16 MB at each of several places, and Python has copies of them."""

FLAWED = {
    "no-http": (b"hello, I am no HTTP\r\n\r\nand more", "misshapen", 0),
    "status-of-letters": (b"HTTP/1.1 abc OK\r\n\r\n", "misshapen", 0),
    "header-without-a-name": (OK + b": x\r\n\r\nbody", "misshapen", 0),
    "head-without-an-end": (OK + b"X: " + b"x" * 200_000, "too-large", 0),
    "length-of-6000-digits": (OK + b"Content-Length: " + b"9" * 6000 + b"\r\n\r\nbody", "misshapen", 200),
    "length-and-chunks": (
        OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "misshapen",
        200,
    ),
    "length-below-zero": (OK + b"Content-Length: -5\r\n\r\nbody", "misshapen", 200),
    "chunk-below-zero": (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nbody\r\n0\r\n\r\n", "misshapen", 200),
    "chunk-of-6000-digits": (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 6000 + b"\r\nbody", "misshapen", 200),
    "chunk-of-letters": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nbody", "misshapen", 200),
}


def _read_all(sock: socket.socket) -> bytes:
    sock.settimeout(SECONDS)
    said = bytearray()
    while more := sock.recv(1 << 20):
        said += more
    return bytes(said)


@pytest.mark.parametrize(("said", "flaw", "code"), FLAWED.values(), ids=FLAWED)
def test_what_cannot_be_followed_reaches_the_client_as_it_came(
    said: bytes, flaw: str, code: int, tmp_path: Path
) -> None:
    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(said)

    with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
        with socket.create_connection(("127.0.0.1", wire.port)) as client:
            client.sendall(ASKS)
            assert _read_all(client) == said
        wire.stop()
    (exchange,) = exchanges(tmp_path)
    assert (exchange.flaw, exchange.code, exchange.done) == (flaw, code, "passed")
    assert exchange.error.startswith("the answer has")


def test_answers_of_1xx_for_ever_are_told(tmp_path: Path) -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\n" * (INFORMATIONAL + 1)

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(said)

    with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
        with socket.create_connection(("127.0.0.1", wire.port)) as client:
            client.sendall(ASKS)
            assert _read_all(client) == said
        wire.stop()
    (exchange,) = exchanges(tmp_path)
    assert (exchange.flaw, exchange.code) == ("endless", 0)
    assert exchange.error == "more than 100 answers of 1xx came and none behind them"


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("text", [b'{"id": "\xff"}', b'{"x": ' + DEEP + b"}"], ids=["not-utf-8", "deep"])
def test_a_message_that_cannot_be_read_has_no_name_and_meets_no_rule(text: bytes) -> None:
    assert peek(text, text[-TAIL_BYTES:], whole=True) == (b"", b"")
    message = frame(TEXT, text)
    (unit,) = Scanner().scan(message)
    assert not FrameMatch(Match(field={"id": "e1"})).meets(0, unit, message, Scanner())


def _peak_mb(wire: Wire) -> float:
    status = Path(f"/proc/{wire.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _pieces(begin: bytes) -> Callable[[socket.socket], None]:
    """A server of streams that says `begin`, and then very much more."""

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        with suppress(OSError):  # the wire or the client has had enough
            sock.sendall(UPGRADED + begin)
            for _ in range(PIECES):
                sock.sendall(PIECE)

    return talk


@contextmanager
def _subscribed(wire: Wire) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(SUBSCRIBES)
        yield client


STREAMS = {
    "message-of-1-GB": bytes([0x80 | TEXT, 127]) + GIGABYTE,
    "ping-of-1-GB": bytes([0x80 | PING, 127]) + GIGABYTE,
}
HOLD = Rule.from_options("r", "hold", {"direction": "down"})


@pytest.mark.parametrize("ruled", [False, True], ids=["no-rule", "under-a-rule"])
@pytest.mark.parametrize("begin", STREAMS.values(), ids=STREAMS)
def test_a_header_that_announces_a_gigabyte_takes_no_gigabyte(begin: bytes, ruled: bool, tmp_path: Path) -> None:
    with raw_server(_pieces(begin)) as port, wire_to(port, tmp_path) as wire:
        before = _peak_mb(wire)
        if ruled:
            wire.add(HOLD)
        with _subscribed(wire) as client:
            got = 0
            while more := client.recv(1 << 20):
                got += len(more)
            assert got == len(UPGRADED + begin) + PIECES * len(PIECE)
        assert _peak_mb(wire) - before < MOST_GROWTH_MB


def test_a_flood_of_empty_messages_that_a_rule_holds_is_not_read_for_ever(tmp_path: Path) -> None:
    flood = frame(TEXT, b"") * (1 << 15)

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.settimeout(1.0)
        with suppress(OSError):  # nobody reads on, as is right
            sock.sendall(UPGRADED)
            for _ in range(100):
                sock.sendall(flood)

    with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
        before = _peak_mb(wire)
        wire.add(HOLD)
        with _subscribed(wire):
            wait_count(wire, "paused", 1)
            assert wire.counters()["down.frames_in"] < 200_000
        assert _peak_mb(wire) - before < MOST_GROWTH_MB


def test_a_head_that_dripped_until_the_client_gave_up_is_told(tmp_path: Path) -> None:
    given_up = threading.Event()

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 2")
        given_up.wait(2 * ENDLESS_S)

    with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
        with socket.create_connection(("127.0.0.1", wire.port)) as client:
            client.sendall(ASKS)
            client.settimeout(ENDLESS_S + 0.5)
            with pytest.raises(TimeoutError):
                client.recv(1)
        given_up.set()
        wire.stop()
    (exchange,) = exchanges(tmp_path)
    assert (exchange.flaw, exchange.done, exchange.ended_by) == ("endless", "broken", "client")
    assert exchange.error.startswith("the head did not end within 1")
