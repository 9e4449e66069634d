"""One WebSocket to servers that send odd things: what is odd is said, memory stays where it is, and closing takes seconds."""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Iterator

import pytest

from tailproof.incoming import websocket as incoming
from tailproof.incoming.limits import CONTROL_FRAMES, MESSAGE_BYTES, MESSAGE_FRAMES, Unsound
from tailproof.incoming.stream import HowSent
from tailproof.incoming.websocket import CLOSE_S, Refused, WebSocket
from tailproof.waiting import Budget
from tests.incoming.odd_servers import Says, drip, flood, frame, server

TEXT, CONT, CLOSE, PING = 1, 0, 8, 9
SOON_S = CLOSE_S + 3.0
GROWS_KB = 120_000


def opened(port: int) -> WebSocket:
    socket = WebSocket(f"ws://127.0.0.1:{port}/x", {})
    socket.open(Budget(20))
    return socket


def read(socket: WebSocket) -> list[bytes]:
    return [bytes(message) for message in iter(socket.receive, None)]


def test_messages_come_whole_and_the_end_is_told() -> None:
    pieces = (
        frame(TEXT, b"one") + frame(TEXT, b"t", fin=False) + frame(PING, b"?"),
        frame(CONT, b"wo"),
        frame(CLOSE, b"\x0f\xa1no"),
    )
    with server(lambda: pieces, websocket=True) as port:
        socket = opened(port)
        assert read(socket) == [b"one", b"two"]
        assert socket.close() == (4001, "no")


@pytest.mark.parametrize("how", ["text", "binary", "ping"])
def test_nothing_is_said_to_who_has_said_goodbye(how: HowSent) -> None:
    with server(lambda: (frame(TEXT, b"one"), frame(CLOSE, b"\x0f\xa1no")), websocket=True) as port:
        socket = opened(port)
        assert read(socket) == [b"one"]
        with pytest.raises(OSError, match="connection is"):
            socket.say(how, b"still there?", Budget(5))
        assert socket.close() == (4001, "no")


def test_who_ends_it_with_the_handshake_says_how_although_a_key_is_to_be_sent() -> None:
    with server(lambda: (frame(CLOSE, b"\x0f\xa1no"),), websocket=True) as port:
        socket = WebSocket(f"ws://127.0.0.1:{port}/x", {}, first=["a key"])
        socket.open(Budget(20))
        assert read(socket) == []
        assert socket.close() == (4001, "no")


def test_a_connection_that_is_lost_has_no_code() -> None:
    with server(lambda: (frame(TEXT, b"one"), b"\x81\x05ha"), websocket=True) as port:
        socket = opened(port)
        assert read(socket) == [b"one"]
        assert socket.close() == (1006, "the connection was lost")


@pytest.mark.parametrize(
    ("says", "flaw", "says_what"),
    [
        (flood(frame(TEXT, length=1 << 30), b"x" * 65536), "too-large", "a message is longer than 16 MB"),
        (flood(b"", frame(TEXT, length=(1 << 63) - 1)), "too-large", "a message is longer than 16 MB"),
        (
            flood(frame(TEXT, b"x", fin=False), frame(CONT, b"x" * 65536, fin=False)),
            "too-large",
            "a message is longer than 16 MB",
        ),
        (
            flood(frame(TEXT, fin=False), frame(CONT, fin=False)),
            "too-large",
            f"a message came in more than {MESSAGE_FRAMES} frames",
        ),
        (flood(b"", frame(PING) * 1000), "too-large", f"more than {CONTROL_FRAMES} pings and pongs"),
        (flood(b"", frame(PING, b"x" * 126)), "misshapen", "what came is no WebSocket"),
        (lambda: (frame(CONT, b"x"),), "misshapen", "what came is no WebSocket"),
        (lambda: (frame(3, b"x"),), "misshapen", "what came is no WebSocket"),
        (lambda: (b"\xf1\x01x",), "misshapen", "what came is no WebSocket"),
        (lambda: (b"\x81\x81abcdx",), "misshapen", "what came is no WebSocket"),
        (lambda: (frame(CLOSE, b"\x00\x01"),), "misshapen", "what came is no WebSocket"),
        (lambda: (b"HTTP/1.1 500 No\r\n\r\n" * 10,), "misshapen", "what came is no WebSocket"),
    ],
    ids=[
        *("a-header-of-1-GB", "the-longest-header", "frames-for-ever", "empty-frames-for-ever", "pings", "a-long-ping"),
        *("no-beginning", "no-opcode", "reserved-bits", "masked", "close-code", "http"),
    ],
)
def test_what_is_odd_is_said_in_bounded_memory(says: Says, flaw: str, says_what: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with server(says, websocket=True) as port:
        socket = opened(port)
        with pytest.raises(Unsound, match=says_what) as raised:
            read(socket)
        began = time.monotonic()
        socket.close()
    assert raised.value.flaw == flaw
    assert time.monotonic() - began < SOON_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWS_KB


def test_what_came_whole_before_is_taken() -> None:
    with server(lambda: (frame(TEXT, b"one") + frame(3),), websocket=True) as port:
        socket = opened(port)
        assert socket.receive() == b"one"
        with pytest.raises(Unsound):
            socket.receive()
        socket.close()


def test_a_message_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "REQUEST_S", 1.0)
    with server(drip(frame(TEXT, b"{", length=1000), b" "), websocket=True) as port:
        socket = opened(port)
        with pytest.raises(Unsound, match="a message did not end within 1 s"):
            read(socket)
        socket.close()


@pytest.mark.parametrize(("seconds", "flaw"), [(0.3, "endless"), (60.0, "")], ids=["long-ago", "just-now"])
def test_what_had_begun_long_before_it_was_ended_does_not_end(
    seconds: float, flaw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "ENDLESS_S", seconds)
    with server(drip(frame(TEXT, b"{", length=1000), b" "), websocket=True) as port:
        socket = opened(port)
        ender = threading.Timer(1.0, socket.end)
        ender.start()
        found = ""
        try:
            assert socket.receive() is None
        except Unsound as unsound:
            found = unsound.flaw
        assert found == flaw
        socket.close()
        ender.join()


def test_a_handshake_that_dripped_long_before_it_was_ended_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "ENDLESS_S", 0.3)
    with server(drip(b"HTTP/1.1 101 ", b"x")) as port:
        socket = WebSocket(f"ws://127.0.0.1:{port}/x", {})
        ender = threading.Timer(1.0, socket.end)
        ender.start()
        with pytest.raises(Unsound, match="the handshake did not end"):
            socket.open(Budget(20))
        socket.close()
        ender.join()


def _never_says_goodbye() -> Iterator[bytes]:
    yield frame(TEXT, b"one")
    yield from itertools.repeat(frame(TEXT, b"x" * 1000))


@pytest.mark.parametrize(
    "says",
    [drip(b"", b""), drip(b"", frame(TEXT, b"x")), _never_says_goodbye, flood(b"", frame(PING))],
    ids=["silent", "now-and-then", "flood", "pings"],
)
@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does-not-read"])
def test_closing_ends_within_seconds(says: Says, reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "CLOSE_S", 0.5)
    with server(says, websocket=True, reads=reads) as port:
        socket = opened(port)
        threading.Timer(0.3, socket.end).start()
        began = time.monotonic()
        try:
            while socket.receive() is not None:
                if time.monotonic() - began > SOON_S:
                    break
        except Unsound:
            pass
        socket.close()
    assert time.monotonic() - began < SOON_S + 1


@pytest.mark.parametrize(
    ("says", "raised", "says_what"),
    [
        (lambda: (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",), Refused, "403"),
        (flood(b"HTTP/1.1 101 Switching Protocols\r\n", b"X-A: b\r\n"), Unsound, "more than is taken"),
        (flood(b"HTTP/1.1 101 ", b"x" * 1000), Unsound, "more than is taken"),
        (flood(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 65536), Refused, "500"),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), Refused, "200"),
        (lambda: (b"HTTP/1.1 2000 OK\r\n\r\n",), Unsound, "what came is no handshake"),
        (lambda: (b"hello\r\n\r\n",), Unsound, "what came is no handshake"),
        (lambda: (b"HTTP/1.1 101 \xff\x00\r\n\r\n",), Unsound, "what came is no handshake"),
        (lambda: (b"HTTP/1.1 101 OK\r\n\r\n",), Unsound, "what came is no handshake"),
        (lambda: (), OSError, "connection closed"),
        (lambda: (b"HTTP/1.1 101 OK\r\n",), OSError, "connection closed"),
    ],
    ids=[
        "refused",
        "fields",
        "first-line",
        "body",
        "body-drips",
        "code",
        "no-http",
        "bytes",
        "no-upgrade",
        "nothing",
        "breaks-off",
    ],
)
def test_a_handshake_that_is_none_is_said(says: Says, raised: type[Exception], says_what: str) -> None:
    with server(says) as port:
        socket = WebSocket(f"ws://127.0.0.1:{port}/x", {})
        with pytest.raises(raised, match=says_what):
            socket.open(Budget(20))
        socket.close()


@pytest.mark.parametrize("slowly", [False, True], ids=["at-once", "byte-by-byte"])
def test_answers_of_1xx_before_the_handshake_say_nothing(slowly: bool) -> None:
    """RFC 9110, section 15.2: they come before the answer, and are no refusal."""
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    pieces = [bytes([byte]) for byte in before] if slowly else [before]
    with server(lambda: (), websocket=True, before=pieces) as port:
        opened(port).close()


def test_a_handshake_that_gets_answers_of_1xx_for_ever_is_said() -> None:
    with server(flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n")) as port:
        socket = WebSocket(f"ws://127.0.0.1:{port}/x", {})
        with pytest.raises(Unsound, match="more than 100 answers of 1xx came and none behind them") as raised:
            socket.open(Budget(20))
        socket.close()
    assert raised.value.flaw == "endless"


def test_a_handshake_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "REQUEST_S", 1.0)
    monkeypatch.setattr(incoming, "ENDLESS_S", 0.3)
    with server(drip(b"HTTP/1.1 101 ", b"x")) as port:
        socket = WebSocket(f"ws://127.0.0.1:{port}/x", {})
        with pytest.raises(Unsound, match="the handshake did not end within 1 s"):
            socket.open(Budget(20))
        socket.close()


def test_the_longest_message_that_is_taken_is_taken() -> None:
    with server(lambda: (frame(TEXT, b"x" * MESSAGE_BYTES),), websocket=True) as port:
        socket = opened(port)
        assert [len(message) for message in read(socket)] == [MESSAGE_BYTES]
        socket.close()
