"""Real servers and clients of a few lines for the wire to stand between."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from tailproof.history.records import AnyRecord, Exchange, Frame
from tailproof.waiting import Budget
from tailproof.wire.handle import Wire

SECONDS = 20.0


def event(number: int, kind: str = "") -> str:
    """An event as a server writes it: id first, kind last."""
    body = {"id": f"e{number}", "n": number, "kind": kind or ("Action" if number % 2 == 0 else "Observation")}
    return json.dumps(body, separators=(",", ":"))


def _stream(ws: ServerConnection) -> None:
    """`N` -> events 0 to N-1; `close` -> close; anything else is sent back."""
    for message in ws:
        if isinstance(message, str) and message.isdecimal():
            for number in range(int(message)):
                ws.send(event(number))
        elif message == "close":
            ws.close(4001, "asked to")
        else:
            ws.send(message)


@contextmanager
def stream_server() -> Iterator[int]:
    """A WebSocket server; gives its port."""
    with serve(_stream, "127.0.0.1", 0, ping_interval=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that hands each accepted socket to `talk`, in a thread."""
    threads: list[threading.Thread] = []

    def one(sock: socket.socket) -> None:
        with sock:
            try:
                talk(sock)
            except OSError:
                return  # the other side has gone, as most of these tests want

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(SECONDS)
            threads.append(threading.Thread(target=one, args=(sock,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


@contextmanager
def wire_to(port: int, directory: Path) -> Iterator[Wire]:
    """A wire with its journal in `directory/wire.jsonl`."""
    with Wire.start(f"127.0.0.1:{port}", directory / "wire.jsonl") as wire:
        yield wire


@contextmanager
def subscriber(wire: Wire, path: str = "/sockets/events/1") -> Iterator[ClientConnection]:
    """A WebSocket client through the wire."""
    with connect(
        f"ws://127.0.0.1:{wire.port}{path}", ping_interval=None, max_size=None, close_timeout=1, proxy=None
    ) as client:
        yield client


def ids(client: ClientConnection, count: int) -> list[str]:
    """The ids of the next `count` events."""
    return [json.loads(client.recv(timeout=SECONDS))["id"] for _ in range(count)]


def journal(directory: Path) -> list[AnyRecord]:
    """All records that the wire has written."""
    decode = msgspec.json.Decoder(AnyRecord).decode
    return [decode(line) for line in (directory / "wire.jsonl").read_bytes().splitlines()]


def frames(directory: Path, *, direction: str = "down") -> list[tuple[str, str]]:
    """`(id, done)` of every frame record of one direction."""
    return [(r.id, r.done) for r in journal(directory) if isinstance(r, Frame) and r.direction == direction]


def exchanges(directory: Path) -> list[Exchange]:
    """The HTTP exchanges."""
    return [r for r in journal(directory) if isinstance(r, Exchange)]


def wait_count(wire: Wire, counter: str, least: int) -> int:
    """Until a counter of the wire has reached `least`."""
    return Budget(SECONDS).wait_for(
        f"{counter} to reach {least}",
        lambda: value if (value := wire.counters().get(counter, 0)) >= least else None,
        saw=lambda: str(wire.counters().get(counter)),
    )
