"""HTTP through the wire: keep-alive, every framing of a body, upgrades, and each HTTP rule on and healed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from wire_stage import SECONDS, exchanges, ids, raw_server, subscriber, wait_count, wire_to

from tailproof.waiting import Budget
from tailproof.wire.handle import Wire
from tailproof.wire.rules import Rule

ASKED: list[bytes] = []
ANSWERS = {
    b"/length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n",
    b"/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/same": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"/continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"/large": b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000,
    b"/refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    b"/close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
}


def _talk(sock: socket.socket) -> None:
    """A keep-alive server that reads requests by the letter; `POST` bodies by Content-Length or chunked."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].split(b" ")
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            while not data.endswith(b"0\r\n\r\n"):
                data += sock.recv(65536)
            body, data = data, b""
        else:
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            while len(data) < length:
                data += sock.recv(65536)
            body, data = data[:length], data[length:]
        ASKED.append(b"%b %b %d" % (method, path, len(body)))
        answer = ANSWERS[path.partition(b"?")[0]]
        sock.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == b"HEAD" else answer)
        if b"Connection: close" in answer:
            return


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with raw_server(_talk) as port:
        yield port


@pytest.fixture
def wire(upstream: int, tmp_path: Path) -> Iterator[Wire]:
    ASKED.clear()
    with wire_to(upstream, tmp_path) as running:
        yield running


@pytest.fixture
def client(wire: Wire) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=wire.url, timeout=SECONDS, trust_env=False) as asking:
        yield asking


def rule(does: str, **options: object) -> Rule:
    return Rule.from_options("r", does, options)


def read_all(sock: socket.socket) -> bytes:
    sock.settimeout(SECONDS)
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


def test_keep_alive_carries_many_exchanges_of_every_framing(wire: Wire, client: httpx.Client, tmp_path: Path) -> None:
    for path, code, body in (
        ("/length", 200, "hello"),
        ("/chunked", 200, "hello"),
        ("/empty", 204, ""),
        ("/same", 304, ""),
        ("/continue", 200, "hello"),
        ("/length?token=CANARY", 200, "hello"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (code, body)
    assert client.head("/length").headers["content-length"] == "5"
    assert client.post("/length", content=b"b" * 200_000).text == "hello"
    assert client.post("/length", content=iter([b"a" * 70_000, b"b" * 70_000])).text == "hello"
    assert len(client.get("/large").content) == 3_000_000
    assert client.get("/close").text == "hello"
    assert wire.counters()["connections"] == 1
    wire.stop()
    seen = [(r.method, r.path, r.code, r.done) for r in exchanges(tmp_path)]
    assert seen[0] == ("GET", "/length", 200, "passed")
    assert seen[5] == ("GET", "/length?token=…", 200, "passed")
    assert len(seen) == 11
    assert {r.conn for r in exchanges(tmp_path)} == {1}


def test_bytes_come_through_exactly_also_pipelined_and_in_single_bytes(wire: Wire) -> None:
    asked = b"GET /length HTTP/1.1\r\nhost:  x \r\nX-Odd: \xe9\r\n\r\nHEAD /length HTTP/1.1\r\n\r\nGET /chunked HTTP/1.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", wire.port)) as sock:
        for position in range(len(asked)):
            sock.sendall(asked[position : position + 1])
        sock.shutdown(socket.SHUT_WR)
        head = ANSWERS[b"/length"].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        assert read_all(sock) == ANSWERS[b"/length"] + head + ANSWERS[b"/chunked"]


def test_an_upgrade_that_is_refused_stays_http(wire: Wire, tmp_path: Path) -> None:
    asked = b"GET /refused HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with socket.create_connection(("127.0.0.1", wire.port)) as sock:
        sock.sendall(asked + b"GET /close HTTP/1.1\r\n\r\n")
        assert read_all(sock) == ANSWERS[b"/refused"] + ANSWERS[b"/close"]
    wire.stop()
    assert [(r.code, r.done) for r in exchanges(tmp_path)] == [(403, "passed"), (200, "passed")]


def test_what_is_not_http_ends_the_connection_with_a_note(wire: Wire, tmp_path: Path) -> None:
    with socket.create_connection(("127.0.0.1", wire.port)) as sock:
        sock.sendall(b"\x16\x03\x01\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read_all(sock)
    wire.stop()
    assert "no HTTP/1.x request line" in (tmp_path / "wire.jsonl").read_text()


def test_a_server_that_is_down_resets_and_is_reached_again_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with wire_to(port, tmp_path) as wire:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{wire.url}/length", trust_env=False)
        with socket.create_server(("127.0.0.1", port)) as place:
            import threading

            def serve() -> None:
                sock, _ = place.accept()
                with sock:
                    _talk(sock)

            server = threading.Thread(target=serve)
            server.start()
            assert httpx.get(f"{wire.url}/length", trust_env=False).text == "hello"
            server.join()
    assert [r.done for r in exchanges(tmp_path)] == ["broken", "passed"]


@pytest.mark.parametrize("does", ["delay-request", "delay-response"])
def test_delays_hold_back_one_side_and_healing_lets_go(
    wire: Wire, client: httpx.Client, tmp_path: Path, does: str
) -> None:
    wire.add(rule(does, seconds=0.05, match={"route": "/length", "method": "get"}))
    assert client.get("/length").text == "hello"
    assert client.head("/length").status_code == 200
    assert wire.counters()["rule.r.delayed"] == 1
    wire.remove("r")
    wire.add(rule(does, seconds=3600))
    with socket.create_connection(("127.0.0.1", wire.port)) as sock:
        sock.sendall(b"POST /close HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        wire.wait_fired("r", Budget(SECONDS))
        assert (b"POST /close 2" in ASKED) == (does == "delay-response")
        wire.remove("r")
        assert read_all(sock) == ANSWERS[b"/close"]
    wire.stop()
    assert [r.done for r in exchanges(tmp_path)] == ["delayed", "passed", "delayed"]


def test_hold_waits_for_its_release(wire: Wire) -> None:
    wire.add(rule("hold", on="http", match={"nth": 1}))
    with socket.create_connection(("127.0.0.1", wire.port)) as sock:
        sock.sendall(b"GET /close HTTP/1.1\r\n\r\n")
        wire.wait_fired("r", Budget(SECONDS))
        assert ASKED == []
        assert wire.release("r")
        assert read_all(sock) == ANSWERS[b"/close"]


def test_status_answers_itself_and_keeps_the_connection(wire: Wire, client: httpx.Client, tmp_path: Path) -> None:
    wire.add(rule("status", code=503, body='{"detail":"by rule"}', times=2))
    assert client.post("/length", content=b"x" * 100_000).json() == {"detail": "by rule"}
    assert client.head("/length").status_code == 503
    assert ASKED == []
    assert client.get("/length").text == "hello"
    assert wire.counters()["connections"] == 1
    wire.stop()
    assert [(r.code, r.done, r.rule) for r in exchanges(tmp_path)] == [
        (503, "refused", "r"),
        (503, "refused", "r"),
        (200, "passed", ""),
    ]


def test_reset_before_never_asks_the_server(wire: Wire, client: httpx.Client, tmp_path: Path) -> None:
    wire.add(rule("reset-before"))
    with pytest.raises(httpx.ReadError):
        client.get("/length")
    assert ASKED == []
    wire.remove("r")
    assert client.get("/length").text == "hello"
    wire.stop()
    assert [r.done for r in exchanges(tmp_path)] == ["reset-before", "passed"]


def test_reset_after_asks_the_server_and_keeps_its_answer(wire: Wire, client: httpx.Client, tmp_path: Path) -> None:
    wire.add(rule("reset-after"))
    with pytest.raises(httpx.ReadError):
        client.post("/length", content=b"abc")
    assert ASKED == [b"POST /length 3"]
    wire.remove("r")
    assert client.get("/length").text == "hello"
    wire.stop()
    assert [(r.code, r.done) for r in exchanges(tmp_path)] == [(200, "reset-after"), (200, "passed")]


@pytest.mark.parametrize("size", [0, 3])
def test_truncate_breaks_off_after_so_many_bytes(wire: Wire, client: httpx.Client, size: int) -> None:
    wire.add(rule("truncate", bytes=size))
    got = b""
    with pytest.raises(httpx.RemoteProtocolError), client.stream("GET", "/length") as answer:  # noqa: PT012
        for part in answer.iter_raw():
            got += part
    assert got == b"hello"[:size]
    wire.remove("r")
    assert client.get("/length").text == "hello"


def test_truncate_leaves_a_shorter_answer_whole(wire: Wire, client: httpx.Client) -> None:
    wire.add(rule("truncate", bytes=5))
    assert client.get("/length").text == "hello"
    assert wire.counters()["rule.r.done"] == 0


def test_black_hole_takes_the_request_and_says_nothing(wire: Wire, client: httpx.Client, tmp_path: Path) -> None:
    wire.add(rule("black-hole"))
    with pytest.raises(httpx.ReadTimeout):
        client.get("/length", timeout=0.1)
    assert wire.wait_fired("r", Budget(SECONDS)) == 1
    assert ASKED == []
    wire.remove("r")
    assert client.get("/length").text == "hello"
    wire.stop()
    assert [r.done for r in exchanges(tmp_path)] == ["black-hole", "passed"]


def test_what_a_black_hole_has_swallowed_is_reset_when_it_is_healed(wire: Wire, client: httpx.Client) -> None:
    wire.add(rule("black-hole", times=1))
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as waiting:
        waiting.sendall(b"GET /length HTTP/1.1\r\n\r\n")
        wire.wait_fired("r", Budget(SECONDS))
        assert client.get("/length").text == "hello", "the rule is spent, and what it took stays parked"
        wire.remove("r")
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)
    assert ASKED == [b"GET /length 0"]


def test_a_client_that_leaves_a_black_hole_is_forgotten(wire: Wire) -> None:
    wire.add(rule("black-hole"))
    with socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as waiting:
        waiting.sendall(b"GET /length HTTP/1.1\r\n\r\n")
        wire.wait_fired("r", Budget(SECONDS))
    Budget(SECONDS).wait_for("the connection to be forgotten", lambda: wire.counters()["open"] == 0)
    wire.remove("r")


def test_rules_on_the_upgrade_itself(streams: int, tmp_path: Path) -> None:
    with wire_to(streams, tmp_path) as wire:
        wire.add(rule("hold", on="http", match={"route": "/sockets/*"}))
        with socket.create_connection(("127.0.0.1", wire.port)) as sock:
            sock.sendall(
                b"GET /sockets/1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            wire.wait_fired("r", Budget(SECONDS))
            assert wire.counters()["streams"] == 0
            wire.remove("r")
            assert sock.recv(65536).startswith(b"HTTP/1.1 101")
            wait_count(wire, "streams", 1)
        with subscriber(wire) as stream:
            stream.send("2")
            assert ids(stream, 2) == ["e0", "e1"]
