"""Server-sent events of servers that send odd things: what is odd is said, memory stays where it is, and ending takes seconds."""

from __future__ import annotations

import resource
import threading
import time

import pytest

from tailproof.incoming import sse as incoming
from tailproof.incoming.limits import MESSAGE_BYTES, Unsound
from tailproof.incoming.sse import EventStream
from tailproof.incoming.stream import Refused
from tailproof.waiting import Budget
from tests.incoming.odd_servers import Says, drip, flood, server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
SOON_S = 5.0
GROWS_KB = 120_000


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


def opened(port: int) -> EventStream:
    stream = EventStream(f"http://127.0.0.1:{port}", "/feed", {})
    stream.open(Budget(20))
    return stream


def read(stream: EventStream) -> list[bytes]:
    return list(iter(stream.receive, None))


@pytest.mark.parametrize(
    ("pieces", "messages", "end"),
    [
        ((HEAD + b"data: one\n\ndata: t", b"wo\r", b"\n\r", b"\n"), [b"one", b"two"], (1000, "the stream ended")),
        ((CHUNKED, chunk(b"data: a\ndata:  b\n\n"), b"0\r\n\r\n"), [b"a\n b"], (1000, "the stream ended")),
        ((CHUNKED, chunk(b"data: a\n\n")), [b"a"], (1006, "the connection was lost")),
        ((HEAD + b": no\n\nid: 1\nevent: x\n\nretry: 5\ndata:\n\ndata: half",), [b""], (1000, "the stream ended")),
        (
            (b"HTTP/1.1 102 Wait\r\n\r\n" + HEAD + b"data: one\r\rdata: two\r\r",),
            [b"one", b"two"],
            (1000, "the stream ended"),
        ),
    ],
    ids=["in pieces", "chunks", "breaks off", "says nothing", "1xx first"],
)
def test_messages_come_whole_and_the_end_is_told(
    pieces: tuple[bytes, ...], messages: list[bytes], end: tuple[int, str]
) -> None:
    with server(lambda: pieces) as port:
        stream = opened(port)
        assert read(stream) == messages
        assert stream.close() == end


@pytest.mark.parametrize(
    ("says", "raised", "says_what"),
    [
        (lambda: (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",), Refused, "403"),
        (
            lambda: (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",),
            Unsound,
            "the answer is text/html, not text/event",
        ),
        (lambda: (b"HTTP/1.1 200 OK\r\n\r\n",), Unsound, "the answer is of no type"),
        (lambda: (b"hello\r\n\r\n",), Unsound, "what came is no HTTP"),
        (flood(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), Unsound, "the head is longer than 64 kB"),
        (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), Unsound, "more than 100 answers of 1xx"),
        (lambda: (), OSError, "closed without an answer"),
    ],
    ids=["refused", "a page", "no type", "no http", "fields", "1xx", "nothing"],
)
def test_an_answer_that_is_no_stream_is_said(says: Says, raised: type[Exception], says_what: str) -> None:
    with server(says) as port:
        stream = EventStream(f"http://127.0.0.1:{port}", "/feed", {})
        with pytest.raises(raised, match=says_what):
            stream.open(Budget(20))
        stream.close()


def test_a_message_without_an_end_is_too_large() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with server(flood(HEAD + b"data: ", b"x" * 65536)) as port:
        stream = opened(port)
        with pytest.raises(Unsound, match=f"a message is longer than {MESSAGE_BYTES >> 20} MB"):
            read(stream)
        stream.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWS_KB


def test_a_message_that_drips_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "REQUEST_S", 0.5)
    with server(drip(HEAD, b"x")) as port:
        stream = opened(port)
        with pytest.raises(Unsound, match="a message did not end within"):
            read(stream)
        stream.close()


@pytest.mark.parametrize(
    "says", [drip(HEAD, b": still here\n\n"), flood(HEAD, b": still here\n\n")], ids=["now and then", "flood"]
)
def test_it_ends_from_this_side_whatever_comes(says: Says) -> None:
    with server(says) as port:
        stream = opened(port)
        ender = threading.Timer(0.2, stream.end)
        ender.start()
        began = time.monotonic()
        assert read(stream) == []
        assert stream.close() == (1000, "closed by the harness")
        assert time.monotonic() - began < SOON_S
        ender.join()
