"""Servers that say one odd thing to whoever asks."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Says = Callable[[], Iterable[bytes]]
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@contextmanager
def server(
    says: Says, *, websocket: bool = False, reads: bool = True, ready: bool = False, before: Iterable[bytes] = ()
) -> Iterator[int]:
    """A server that reads the head of a request and then says this, piece by piece; gives its port. A piece that is empty is a pause.

    With `websocket` the handshake comes first, and `before` it these pieces; one that does not read (`reads`) leaves in the kernel what
    it is told. One that is `ready` says that at once, as a good server does.
    """
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def talk(sock: socket.socket) -> None:
        with sock:
            head = b""
            while b"\r\n\r\n" not in head:
                part = sock.recv(65536)
                if not part:
                    return
                head += part
            if ready and head.startswith(b"GET /ready "):
                sock.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
                return
            for piece in before:
                sock.sendall(piece)
            if websocket:
                sock.sendall(_agreed(head))
            try:
                for piece in says():
                    if ended.is_set():
                        return
                    if piece:
                        sock.sendall(piece)
                    elif _gone(sock, reads, ended):
                        return
                if reads:
                    # One that is closed over bytes that nobody read is reset, and what was said last may be lost with it.
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
            except OSError:
                return  # whoever asked has heard enough

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(20)
            threads.append(threading.Thread(target=talk, args=(sock,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (acceptor, *threads):
                thread.join(20)


def drip(head: bytes, piece: bytes) -> Says:
    """The head, and then a piece every now and then, for ever."""

    def says() -> Iterator[bytes]:
        yield head
        for _ in itertools.count():
            yield b""
            yield piece

    return says


def flood(head: bytes, piece: bytes) -> Says:
    """The head, and then pieces as fast as they are taken, for ever."""
    return lambda: itertools.chain([head], itertools.repeat(piece))


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, length: int | None = None) -> bytes:
    """A frame of a server; `length` is what it announces."""
    size = len(payload) if length is None else length
    first = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return first + bytes([size]) + payload
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


def _gone(sock: socket.socket, reads: bool, ended: threading.Event) -> bool:
    """A pause, in which a server that reads notices that the other side has gone."""
    if not reads:
        return ended.wait(0.05)
    sock.settimeout(0.05)
    try:
        return sock.recv(65536) == b""
    except TimeoutError:
        return False
    finally:
        sock.settimeout(20)


def _agreed(head: bytes) -> bytes:
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
