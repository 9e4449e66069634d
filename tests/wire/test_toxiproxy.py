"""The driver of Toxiproxy: what is asked is in force, measurable, and gone when removed."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from wire_stage import SECONDS, raw_server

from tailproof.waiting import Budget
from tailproof.wire import toxiproxy
from tailproof.wire.toxiproxy import Toxic, ToxicType, Toxiproxy, ToxiproxyError


def _echo(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.fixture
def path() -> Iterator[Toxiproxy]:
    """A Toxiproxy in front of an echo server."""
    with raw_server(_echo) as port, Toxiproxy.start(Budget(SECONDS)) as server:
        server.proxy("trial-1", f"127.0.0.1:{port}")
        yield server


def knock(port: int, data: bytes) -> bytes:
    """What comes back for `data`, until as much has come or the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as sock:
        sock.sendall(data)
        got = b""
        while len(got) < len(data) and (more := sock.recv(65536)):
            got += more
        return got


@pytest.mark.toxiproxy
def test_without_toxics_bytes_come_through(path: Toxiproxy) -> None:
    assert knock(path.port, b"hello") == b"hello"
    assert path.toxics() == {}


@pytest.mark.toxiproxy
def test_limit_data_cuts_off_and_its_removal_heals(path: Toxiproxy) -> None:
    path.add("cut", "limit_data", "downstream", {"bytes": 3})
    assert path.toxics()["cut"] == Toxic(name="cut", type="limit_data", attributes={"bytes": 3})
    assert knock(path.port, b"hello") == b"hel"
    path.remove("cut")
    assert path.toxics() == {}
    assert knock(path.port, b"hello") == b"hello"


@pytest.mark.toxiproxy
def test_reset_peer_resets_and_the_proxy_is_made_anew_on_its_port(path: Toxiproxy) -> None:
    port = path.port
    path.add("lag", "latency", "upstream", {"latency": 1, "jitter": 0})
    path.add("reset", "reset_peer", "downstream", {"timeout": 0})
    with pytest.raises(ConnectionResetError):
        knock(port, b"hello")
    assert path.remove("reset") is False
    assert path.port == port
    assert set(path.toxics()) == {"lag"}
    assert knock(port, b"hello") == b"hello"


@pytest.mark.toxiproxy
@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 5, "jitter": 0}),
        ("bandwidth", {"rate": 1000}),
        ("slicer", {"average_size": 10, "size_variation": 0, "delay": 1}),
        ("timeout", {"timeout": 100}),
    ],
)
def test_every_toxic_is_read_back_and_healed(path: Toxiproxy, kind: ToxicType, attributes: dict[str, int]) -> None:
    path.add("t", kind, "downstream", attributes)
    assert path.toxics()["t"].attributes == attributes
    path.remove("t")
    assert knock(path.port, b"x" * 1000) == b"x" * 1000


@pytest.mark.toxiproxy
def test_a_proxy_made_with_toxics_has_them_from_its_first_connection(path: Toxiproxy) -> None:
    with raw_server(_echo) as port, Toxiproxy.start(Budget(SECONDS)) as other:
        cut = Toxic(name="cut", type="limit_data", attributes={"bytes": 1})
        assert knock(other.proxy("trial-2", f"127.0.0.1:{port}", (cut,)), b"hello") == b"h"
        assert knock(path.port, b"hello") == b"hello", "each trial has a server of its own"


@pytest.mark.toxiproxy
def test_a_server_that_is_gone_is_said(path: Toxiproxy) -> None:
    path.stop()
    with pytest.raises(ToxiproxyError, match="Toxiproxy did not look up"):
        path.add("t", "latency", "downstream", {"latency": 1})


@pytest.mark.toxiproxy
def test_it_is_asked_directly_whatever_proxy_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with raw_server(_echo) as port, Toxiproxy.start(Budget(SECONDS)) as server:
            assert knock(server.proxy("trial-3", f"127.0.0.1:{port}"), b"hello") == b"hello"


def _fails(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


def _hangs(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


@pytest.mark.parametrize(
    ("answer", "said"), [(_fails, "500 Server Error: Oops"), (_hangs, "Timeout")], ids=["fails", "hangs"]
)
def test_a_server_that_does_not_do_it_is_said(
    answer: Callable[[socket.socket], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toxiproxy, "CALL_S", 0.5)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    says = pytest.raises(ToxiproxyError, match=rf"^Toxiproxy did not create \(trial-4\): .*{said}")
    with process, raw_server(answer) as port, Toxiproxy(process, port) as server, says:
        server.proxy("trial-4", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("kind", "attributes", "said"), [("lag", {}, "no type 'lag'"), ("latency", {"late": 1}, "latency knows no late")]
)
def test_a_wrong_toxic_is_said_before_anything_is_asked(kind: ToxicType, attributes: dict[str, int], said: str) -> None:
    with pytest.raises(ToxiproxyError, match=said):
        Toxic(name="t", type=kind, attributes=attributes).check()
