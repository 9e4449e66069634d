"""What each rule does to a stream of server-sent events, seen by a client of HTTP that knows nothing of us."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from wire_stage import SECONDS, event, exchanges, frames, journal, raw_server, wire_to

from tailproof.history.records import Note
from tailproof.history.server_records import Stream
from tailproof.incoming.sse import EventStream
from tailproof.waiting import Budget
from tailproof.wire.events import EventScanner
from tailproof.wire.handle import Wire
from tailproof.wire.rules import Rule

END = {"n": 4}


def rule(does: str, **options: object) -> Rule:
    return Rule.from_options("r", does, options)


def _written(body: bytes, *, chunked: bool) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body) if chunked else body


def talk(sock: socket.socket) -> None:
    """`GET /how/N`: events 0 to N-1, each with a comment before it and some with a name and an id of their own, then the end:
    `whole` in chunks, `plain` without them, `broken` in chunks without the last one, `stays` until the client goes, `split` byte by
    byte."""
    with sock.makefile("rb") as lines:
        asked = lines.readline().split()[1].decode().split("/")
        while lines.readline().strip():
            pass
        how, count = asked[1], int(asked[2])
        chunked = how != "plain"
        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nKeep-Alive: timeout=5\r\n"
            + coding
            + b"\r\n"
        )
        for number in range(count):
            text = f": ping\n\nevent: step\nid: {number}\ndata: {event(number)}\n\n".encode()
            for piece in (text,) if how != "split" else (text[at : at + 1] for at in range(len(text))):
                sock.sendall(_written(piece, chunked=chunked))
        if how in ("whole", "split"):
            sock.sendall(b"0\r\n\r\n")
        if how == "stays":
            lines.readline()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with raw_server(talk) as port:
        yield port


@pytest.fixture
def wire(port: int, tmp_path: Path) -> Iterator[Wire]:
    with wire_to(port, tmp_path) as running:
        yield running


@contextmanager
def subscribed(wire: Wire, how: str = "whole", count: int = 5) -> Iterator[Iterator[str]]:
    """The ids of the events that come, as they come."""

    def ids(lines: Iterator[str]) -> Iterator[str]:
        return (json.loads(line.removeprefix("data: "))["id"] for line in lines if line.startswith("data: "))

    with httpx.stream("GET", f"http://127.0.0.1:{wire.port}/{how}/{count}", timeout=SECONDS) as answer:
        assert answer.status_code == 200
        yield ids(answer.iter_lines())


def ended(wire: Wire) -> None:
    """Every connection is."""
    Budget(SECONDS).wait_for("every connection to end", lambda: not wire.counters()["open"])


@pytest.mark.parametrize("how", ["whole", "plain", "split"])
def test_without_rules_everything_passes_and_is_journaled(wire: Wire, tmp_path: Path, how: str) -> None:
    with subscribed(wire, how) as ids:
        assert list(ids) == ["e0", "e1", "e2", "e3", "e4"]
    wire.stop()
    assert [one for one in frames(tmp_path) if one[1] == "passed"] == [(f"e{n}", "passed") for n in range(5)]
    assert [one.stage for one in journal(tmp_path) if isinstance(one, Stream)] == ["opened", "closed"]
    assert [(one.code, one.done) for one in exchanges(tmp_path)] == [(200, "passed")]
    counters = wire.counters()
    assert counters["down.frames_in"] == counters["down.frames_out"] == 5
    assert counters["streams"] == 1


def test_an_answer_that_breaks_off_breaks_off_for_the_client(wire: Wire, tmp_path: Path) -> None:
    with subscribed(wire, "broken", 2) as ids:
        assert [next(ids), next(ids)] == ["e0", "e1"]
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            next(ids)
    wire.stop()
    (closed,) = [one for one in journal(tmp_path) if isinstance(one, Stream) and one.stage == "closed"]
    assert closed.code == 1006


def test_one_that_the_client_leaves_ends_in_order(wire: Wire, tmp_path: Path) -> None:
    with subscribed(wire, "stays", 2) as ids:
        assert [next(ids), next(ids)] == ["e0", "e1"]
    ended(wire)
    wire.stop()
    (closed,) = [one for one in journal(tmp_path) if isinstance(one, Stream) and one.stage == "closed"]
    assert closed.code == 1000


@pytest.mark.parametrize(
    ("match", "left"),
    [
        ({"name": "Observation"}, ["e0", "e2", "e4"]),
        ({"nth": 2}, ["e0", "e2", "e3", "e4"]),
        ({"field": {"n": 3}}, ["e0", "e1", "e2", "e4"]),
        ({"from": 1, "to": 3}, ["e0", "e4"]),
        ({"route": "/whole/*"}, []),
        ({"route": "/other/*"}, ["e0", "e1", "e2", "e3", "e4"]),
    ],
    ids=json.dumps,
)
def test_match_means_exactly_these_events(wire: Wire, match: dict[str, object], left: list[str]) -> None:
    wire.add(rule("drop", match=match))
    with subscribed(wire) as ids:
        assert list(ids) == left
    assert wire.counters().get("rule.r.dropped", 0) == 5 - len(left)


def test_the_last_events_before_the_end_are_dropped(wire: Wire) -> None:
    wire.add(rule("drop-last", count=2, until={"field": END}))
    with subscribed(wire) as ids:
        assert list(ids) == ["e0", "e1", "e4"]
    assert wire.counters()["rule.r.done"] == 1


def test_duplicated_and_reordered(wire: Wire) -> None:
    wire.add(rule("duplicate", match={"nth": 2}))
    with subscribed(wire) as ids:
        assert list(ids) == ["e0", "e1", "e1", "e2", "e3", "e4"]
    wire.remove("r")
    wire.add(rule("reorder", count=2, times=1))
    with subscribed(wire) as ids:
        assert list(ids) == ["e1", "e0", "e2", "e3", "e4"]


def test_held_until_it_is_healed(wire: Wire) -> None:
    wire.add(rule("hold", match={"from": 3}))
    with subscribed(wire) as ids:
        assert [next(ids) for _ in range(3)] == ["e0", "e1", "e2"]
        wire.wait_fired("r", Budget(SECONDS), times=2)
        wire.remove("r")
        assert list(ids) == ["e3", "e4"]


@pytest.mark.parametrize(
    ("how", "error"),
    [("rst", httpx.ReadError), ("fin", httpx.RemoteProtocolError), ("close", None)],
)
def test_cut_in_front_of_an_event(wire: Wire, tmp_path: Path, how: str, error: type[Exception] | None) -> None:
    wire.add(rule("cut", how=how, match={"field": {"n": 2}}))
    with subscribed(wire, "stays") as ids:
        if error is None:
            assert list(ids) == ["e0", "e1"]
        else:
            with pytest.raises(error):
                list(ids)
    ended(wire)
    wire.stop()
    (closed,) = [one for one in journal(tmp_path) if isinstance(one, Stream) and one.stage == "closed"]
    assert (closed.code, closed.reason) == (1011 if how == "close" else 1006, f"cut by rule r ({how})")


def test_silence_swallows_events(wire: Wire) -> None:
    wire.add(rule("silence", match={"nth": 3}))
    with subscribed(wire) as ids:
        assert list(ids) == ["e0", "e1"]


def test_a_subscription_is_refused_before_it_is_one(wire: Wire) -> None:
    wire.add(rule("status", code=503))
    answer = httpx.get(f"http://127.0.0.1:{wire.port}/whole/5", timeout=SECONDS)
    assert answer.status_code == 503


def test_what_is_changed_is_said(wire: Wire, tmp_path: Path) -> None:
    with httpx.stream("GET", f"http://127.0.0.1:{wire.port}/whole/1", timeout=SECONDS) as answer:
        answer.read()
    assert answer.headers["connection"] == "close"
    assert "keep-alive" not in answer.headers
    wire.stop()
    notes = [one.text for one in journal(tmp_path) if isinstance(one, Note)]
    assert notes == ["connection 1: it is closed behind its stream of events"]


def test_an_answer_of_events_whose_end_is_said_is_any_other_answer(tmp_path: Path) -> None:
    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: x\n\n")

    with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
        answer = httpx.get(f"http://127.0.0.1:{wire.port}/", timeout=SECONDS)
        assert answer.text == "data: x\n\n"
        assert wire.counters()["streams"] == 0


def test_our_own_subscriber_reads_it(wire: Wire) -> None:
    stream = EventStream(f"http://127.0.0.1:{wire.port}", "/split/3", {})
    stream.open(Budget(SECONDS))
    assert [json.loads(stream.receive() or b"{}")["id"] for _ in range(3)] == ["e0", "e1", "e2"]
    assert stream.receive() is None
    assert stream.close() == (1000, "the stream ended")


def test_events_of_every_line_break_are_told_apart_wherever_they_are_cut() -> None:
    text = b'data: {"id":"a","kind":"K"}\n\n: no\n\ndata: x\r\n\r\nid: 3\rdata: y\rdata: z\r\r'
    for cut in range(len(text) + 1):
        scanner = EventScanner()
        units = [*scanner.scan(text[:cut]), *scanner.scan(text[cut:])]
        assert [(unit[1], unit[2], unit[3], unit[4]) for unit in units] == [
            (1, 21, b"a", b"K"),
            (9, 4, b"", b"comment"),
            (1, 1, b"", b""),
            (1, 3, b"", b""),
        ]
        assert scanner.between
        assert scanner.frames == 3
