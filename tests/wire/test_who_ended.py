"""Who ended a connection whose exchange never came to its end, and when the server heard of a request."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wire_stage import SECONDS, exchanges, raw_server, wire_to

from tailproof.history.records import Exchange
from tailproof.waiting import Budget
from tailproof.wire.handle import Wire
from tailproof.wire.rules import Rule

REQUEST = b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
RST = struct.pack("ii", 1, 0)


class Upstream:
    """Reads one request, then does what a test asks for."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.act: Callable[[socket.socket], None] = lambda sock: None

    def talk(self, sock: socket.socket) -> None:
        got = b""
        while not got.endswith(b"ab"):
            more = sock.recv(65536)
            if not more:
                return
            got += more
        self.asked.set()
        self.act(sock)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def wire(upstream: Upstream, tmp_path: Path) -> Iterator[Wire]:
    with raw_server(upstream.talk) as port, wire_to(port, tmp_path) as running:
        yield running


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    sock.close()


def only(wire: Wire, place: Path) -> Exchange:
    """The one exchange, once the wire has ended."""
    wire.stop()
    (exchange,) = exchanges(place)
    return exchange


def is_written(wire: Wire, place: Path) -> None:
    def written() -> bool:
        wire.sync()
        return bool(exchanges(place))

    Budget(SECONDS).wait_for("the exchange to be written", written)


@pytest.mark.parametrize(
    "end",
    [lambda sock: None, reset, lambda sock: sock.sendall(ANSWER[:-2])],
    ids=["fin", "rst", "in-its-answer"],
)
def test_a_server_that_ends_before_its_answer_is_whole(
    wire: Wire, upstream: Upstream, tmp_path: Path, end: Callable[[socket.socket], None]
) -> None:
    upstream.act = end
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST)
        is_written(wire, tmp_path)
    exchange = only(wire, tmp_path)
    assert (exchange.done, exchange.ended_by) == ("broken", "server")
    assert exchange.began_ns <= exchange.passed_ns <= exchange.t_ns


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with wire_to(port, tmp_path) as wire:
        with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
            client.sendall(REQUEST)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        exchange = only(wire, tmp_path)
    assert (exchange.done, exchange.ended_by, exchange.code) == ("broken", "server", 0)


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["fin", "rst"])
def test_a_client_that_gives_up_first(
    wire: Wire, upstream: Upstream, tmp_path: Path, end: Callable[[socket.socket], None]
) -> None:
    upstream.act = lambda sock: sock.recv(1) and None  # until it hears of the end
    client = socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS)
    client.sendall(REQUEST)
    assert upstream.asked.wait(SECONDS)
    end(client)
    is_written(wire, tmp_path)
    exchange = only(wire, tmp_path)
    assert (exchange.done, exchange.ended_by) == ("broken", "client")


def test_a_client_that_gives_up_before_its_request_is_whole(wire: Wire, tmp_path: Path) -> None:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST[:-1])
    is_written(wire, tmp_path)
    assert only(wire, tmp_path).ended_by == "client"


def test_nobody_is_blamed_for_the_end_of_the_wire_itself(wire: Wire, upstream: Upstream, tmp_path: Path) -> None:
    upstream.act = lambda sock: sock.recv(1) and None
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST)
        assert upstream.asked.wait(SECONDS)
        exchange = only(wire, tmp_path)
    assert (exchange.done, exchange.ended_by, exchange.rule) == ("broken", "", "")


def test_what_a_rule_tears_off_names_the_rule_and_blames_nobody(wire: Wire, upstream: Upstream, tmp_path: Path) -> None:
    upstream.act = lambda sock: sock.recv(1) and None
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST)
        assert upstream.asked.wait(SECONDS)
        wire.add(Rule.from_options("outage", "down", {}))
        exchange = only(wire, tmp_path)
    assert (exchange.done, exchange.ended_by, exchange.rule) == ("broken", "", "outage")


def test_a_whole_answer_blames_nobody_for_the_end_behind_it(wire: Wire, upstream: Upstream, tmp_path: Path) -> None:
    upstream.act = lambda sock: sock.sendall(ANSWER)
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST)
        assert client.makefile("rb").read(len(ANSWER)) == ANSWER
    exchange = only(wire, tmp_path)
    assert (exchange.done, exchange.ended_by) == ("passed", "")


def test_a_held_request_is_passed_on_when_it_is_let_go(wire: Wire, upstream: Upstream, tmp_path: Path) -> None:
    upstream.act = lambda sock: sock.sendall(ANSWER)
    wire.add(Rule.from_options("r", "delay-request", {"seconds": 0.2}))
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST)
        assert client.makefile("rb").read(len(ANSWER)) == ANSWER
    exchange = only(wire, tmp_path)
    assert exchange.done == "delayed"
    assert exchange.passed_ns - exchange.began_ns >= 0.2e9


@pytest.mark.parametrize("does", ["status", "black-hole", "reset-before"])
def test_what_never_reaches_the_server_was_never_passed_on(wire: Wire, tmp_path: Path, does: str) -> None:
    wire.add(Rule.from_options("r", does, {"code": 503} if does == "status" else {}))
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as client:
        client.sendall(REQUEST)
        wire.wait_fired("r", Budget(SECONDS))
    assert only(wire, tmp_path).passed_ns == 0
