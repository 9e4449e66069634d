"""A stream source and a sink that cost next to nothing, so that what stands between them is what gets measured.

The source speaks just enough HTTP to accept an upgrade and then sends frames that were built before; the sink knows how many
bytes must come and does not look at them, except in the paced mode, where each frame carries the moment it was sent.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

CHUNK = 1 << 20
BATCH_BYTES = 512 << 10
STAMP_AT = 120
"""Where in the payload of a paced frame its time stamp stands: 20 digits, behind id and timestamp of the event."""
KINDS = (b"ActionEvent", b"ObservationEvent", b"MessageEvent", b"ConversationStateUpdateEvent", b"StreamingDeltaEvent")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def event(size: int, number: int) -> bytes:
    """A JSON event of exactly `size` bytes with the field order of real ones: id first, kind last."""
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    identity = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    head = f'{{"id":"{identity}","timestamp":"2026-11-21T14:25:04.684879","source":"agent","stamp":"'.encode()
    tail = b'","kind":"%b"}' % KINDS[number % len(KINDS)]
    return head + b"0" * (size - len(head) - len(tail)) + tail


def frame(payload: bytes) -> bytes:
    """An unmasked text frame."""
    if len(payload) < 1 << 16:
        return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
    return b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload


def frame_size(size: int) -> int:
    """Bytes of a frame with `size` bytes of payload (at least 126)."""
    return size + (4 if size < 1 << 16 else 10)


def serve(listener: socket.socket) -> None:
    """Answer upgrades for ever: `/flood?size=&count=` as fast as it goes, `/pace?size=&count=&rate=` evenly."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_serve_one, args=(sock,), daemon=True).start()


def _serve_one(sock: socket.socket) -> None:
    with sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        path, _, query = head.split(b" ", 2)[1].decode().partition("?")
        asked = {name: int(values[0]) for name, values in parse_qs(query).items()}
        key = next(
            line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )
        try:
            (_pace if path == "/pace" else _flood)(sock, **asked)
            while sock.recv(65536):
                pass
        except OSError:
            return  # the sink has seen enough


def _flood(sock: socket.socket, size: int, count: int) -> None:
    sock.recv(1)  # the sink says when
    per_batch = max(1, BATCH_BYTES // frame_size(size))
    batch = b"".join(frame(event(size, number)) for number in range(per_batch))
    for _ in range(count // per_batch):
        sock.sendall(batch)
    sock.sendall(batch[: (count % per_batch) * frame_size(size)])


def _pace(sock: socket.socket, size: int, count: int, rate: int) -> None:
    sock.recv(1)
    body = bytearray(frame(event(size, 0)))
    at = frame_size(size) - size + STAMP_AT
    start = time.monotonic_ns()
    for number in range(count):
        due = start + number * 1_000_000_000 // rate
        while (left := due - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        body[at : at + 20] = b"%020d" % time.monotonic_ns()
        sock.sendall(body)


@contextmanager
def source() -> Iterator[int]:
    """A source in its own process; gives its port."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), "source"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def open_stream(port: int, path: str) -> tuple[socket.socket, bytes]:
    """A subscribed socket on loopback, and what came with the head of the answer."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError(f"the upgrade on port {port} was not answered: {head[:80]!r}")
        head += more
    head, _, rest = head.partition(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(f"the upgrade on port {port} was refused: {head[:80]!r}")
    return sock, rest


GO = b"\x81\x81\x00\x00\x00\x00g"
"""A masked text frame of one byte, after which the source sends."""


def flood(port: int, size: int, count: int, *, bytes_per_s: int = 0) -> float:
    """Seconds until `count` frames have come, read at no more than `bytes_per_s` when that is given."""
    sock, rest = open_stream(port, f"/flood?size={size}&count={count}")
    with sock:
        buffer = bytearray(CHUNK)
        left = count * frame_size(size) - len(rest)
        began = time.perf_counter()
        sock.sendall(GO)
        total = 0
        while left > 0:
            got = sock.recv_into(buffer, 65536 if bytes_per_s else CHUNK)
            if not got:
                raise ConnectionError(f"{left} bytes are missing")
            left -= got
            total += got
            if bytes_per_s and (ahead := total / bytes_per_s - (time.perf_counter() - began)) > 0:
                time.sleep(ahead)
        return time.perf_counter() - began


def pace(port: int, size: int, count: int, rate: int) -> list[float]:
    """The latency of each of `count` frames sent evenly, in seconds, sorted."""
    sock, rest = open_stream(port, f"/pace?size={size}&count={count}&rate={rate}")
    whole = frame_size(size)
    at = whole - size + STAMP_AT
    found: list[float] = []
    with sock:
        sock.sendall(GO)
        while len(found) < count:
            more = sock.recv(CHUNK)
            now = time.monotonic_ns()
            if not more:
                raise ConnectionError(f"{count - len(found)} frames are missing")
            rest += more
            while len(rest) >= whole:
                found.append((now - int(rest[at : at + 20])) / 1e9)
                rest = rest[whole:]
    return sorted(found)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=64) as place:
        sys.stdout.write(f"{place.getsockname()[1]}\n")
        sys.stdout.flush()
        serve(place)
