"""One attachment to an agent as it passes the edge: carried byte by byte, and ended in the ways in which connections end."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Literal

How = Literal["fin", "rst", "stall", "half"]
"""Ended in order, ended with a reset, nothing moves any more, or one direction alone ends."""
When = Literal["now", "each-line", "each"]
"""Those that are open; each one that comes, with its first line; each one that comes, after a moment."""
_CHUNK = 64 << 10
_TICK_S = 0.05
_LINE = b'"seq"'


class Attachment:
    """Both directions, until one of them ends or it is dropped."""

    def __init__(
        self,
        client: socket.socket,
        upstream: socket.socket,
        *,
        stalls: Callable[[], bool],
        on_line: Callable[[Attachment], None],
    ) -> None:
        """`stalls` says whether nothing moves now; `on_line` is told when a line of the agent has been passed on."""
        self._client = client
        self._upstream = upstream
        self._stalls = stalls
        self._on_line = on_line
        self._upstream_lock = threading.Lock()
        self._over = threading.Event()
        self._stalled = threading.Event()
        self._tail = b""
        self.code = 0
        """What the handshake was answered with; 0 for nothing yet."""
        self.down_bytes = 0
        """Bytes of frames that came from the agent's side after the handshake, the empty ones that open it left out."""
        self.up_bytes = 0
        self.done: Literal["upgraded", "broken", "truncated", "black-hole"] = "upgraded"

    def carry(self) -> None:
        """Returns when it has ended."""
        up = threading.Thread(target=self._pump, args=(self._client, self._upstream, self._up), daemon=True)
        up.start()
        self._pump(self._upstream, self._client, self._down)
        self._over.set()
        for one in (self._client, self._upstream):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        up.join(1)
        self._upstream.close()

    def drop(self, how: How) -> None:
        """From any thread."""
        if how == "stall":
            self.done = "black-hole"
            self._stalled.set()
            return
        self.done = "truncated"
        if how == "half":
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_WR)
            return
        if how == "rst":
            with suppress(OSError):
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._over.set()

    def _pump(self, source: socket.socket, sink: socket.socket, look: Callable[[bytes], None]) -> None:
        try:
            while (data := self._received(source)) is not None:
                self._await_motion()
                with self._alone(sink):
                    sink.sendall(data)
                look(data)
        except OSError:
            pass  # one end is gone, and so is the other
        finally:
            self._over.set()

    def _received(self, source: socket.socket) -> bytes | None:
        """What came; None when it has ended. Raises OSError."""
        while not self._over.is_set():
            self._await_motion()
            if not _pending(source) and not select.select([source], [], [], _TICK_S)[0]:
                continue
            try:
                with self._alone(source):
                    return source.recv(_CHUNK) or None
            except ssl.SSLWantReadError:
                continue  # not yet a whole record
        return None

    def _alone(self, end: socket.socket) -> AbstractContextManager[object]:
        """Nobody reads from a TLS connection while somebody else writes to it."""
        return self._upstream_lock if end is self._upstream else nullcontext()

    def _await_motion(self) -> None:
        """While nothing moves, what came is kept."""
        while (self._stalls() or self._stalled.is_set()) and not self._over.wait(_TICK_S):
            continue

    def _up(self, data: bytes) -> None:
        self.up_bytes += len(data)

    def _down(self, data: bytes) -> None:
        if not self.code:
            first, _, data = data.partition(b"\r\n\r\n")
            self.code = int(first.split(b" ", 2)[1]) if first.startswith(b"HTTP/") else 0
        found = (self._tail + data).count(_LINE)
        self._tail = (self._tail + data)[-len(_LINE) + 1 :]
        if found:
            self.down_bytes += len(data)
            self._on_line(self)


def _pending(source: socket.socket) -> bool:
    """A record of TLS may have been taken off the socket whole."""
    return isinstance(source, ssl.SSLSocket) and source.pending() > 0
