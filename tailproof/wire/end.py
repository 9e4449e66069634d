"""One socket of a connection: writes at once, queues what the kernel does not take, and says when to stop reading.

Plain sockets with the loop's readers and writers, not transports: a write is on its way when `send` returns (no copy, no
second queue whose size nobody sees), RST and FIN are ours to choose, and pausing takes effect at once under any loop.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable

CHUNK = 512 << 10
"""Read at once. Half of it costs a tenth more CPU at 2 kB frames, twice as much gains nothing."""
DISCARD_S = 5.0
"""How long an end that has sent its FIN waits for the other side's."""
UNSENT_TRIES = 200


class End:
    """One side of a connection, client's or server's. `received`, `ended` (`fin` or `rst`) and `drained` are called from
    the loop, never from inside `send`; `gone` once, when the socket is closed, whoever closed it."""

    __slots__ = (
        "_discard", "_drained", "_ended", "_fd", "_gone", "_linger", "_loop", "_over", "_paused", "_pending", "_reading",
        "_received", "_shut", "_sock", "_want_shut", "blocked", "bytes_in", "bytes_out", "closed", "pauses", "pending_bytes",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        *,
        received: Callable[[bytes], None],
        ended: Callable[[str], None],
        drained: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._received = received
        self._ended = ended
        self._drained = drained
        self._gone = gone
        self._pending: deque[memoryview] = deque()
        self._paused: set[str] = set()
        self._reading = False
        self._over = False
        self._shut = False
        self._want_shut = False
        self._discard = False
        self._linger: asyncio.TimerHandle | None = None
        self.pending_bytes = 0
        self.blocked = False
        """The kernel takes no more: what is sent is queued here until `drained`."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.pauses = 0
        self.closed = False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listen()

    @property
    def over(self) -> bool:
        """The other side has ended it."""
        return self._over

    def send(self, data: bytes) -> None:
        """Write, or queue behind what is queued. Silently without effect on a closed end, as on any broken connection."""
        if self.closed or self._shut or self._want_shut or not data:
            return
        self.bytes_out += len(data)
        if not self.blocked:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._loop.call_soon(self._break)
                return
            if sent == len(data):
                return
            self.blocked = True
            self._loop.add_writer(self._fd, self._writable)
            self._pending.append(memoryview(data)[sent:])
            self.pending_bytes += len(data) - sent
        else:
            self._pending.append(memoryview(data))
            self.pending_bytes += len(data)

    def pause(self, why: str) -> None:
        """Stop reading until every reason to has been taken back."""
        if not self._paused:
            self.pauses += 1
        self._paused.add(why)
        self._listen()

    def resume(self, why: str) -> None:
        """Take one reason back."""
        if why in self._paused:
            self._paused.discard(why)
            self._listen()

    def shut(self) -> None:
        """FIN once everything queued is sent; the other side may still talk."""
        if self.closed or self._shut:
            return
        self._want_shut = True
        if self.blocked:
            return
        self._shut = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._loop.call_soon(self._break)
            return
        if self._over:
            self.close()

    def finish(self) -> None:
        """FIN once everything queued is sent, whatever the other side says from now on is thrown away, then close.

        A close with unread input would turn the FIN into an RST; hence the reading.
        """
        if self.closed:
            return
        self._discard = True
        self._paused.clear()
        self._listen()
        if self._linger is None:
            self._linger = self._loop.call_later(DISCARD_S, self.close)
        self.shut()

    def abort(self) -> None:
        """RST, now."""
        if not self.closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def when_sent(self, then: Callable[[], None], tries: int = UNSENT_TRIES) -> None:
        """Call `then` when the other side's kernel has everything, or after about 0.2 s: an RST would overtake it."""
        if self.closed or tries == 0 or not (self.blocked or self._unsent()):
            then()
        else:
            self._loop.call_later(0.001, self.when_sent, then, tries - 1)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self._linger is not None:
            self._linger.cancel()
        if self._reading:
            self._loop.remove_reader(self._fd)
        if self.blocked:
            self._loop.remove_writer(self._fd)
        self._pending.clear()
        self.pending_bytes = 0
        self._sock.close()
        self._gone()

    def _unsent(self) -> int:
        return int.from_bytes(fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4)), "little")

    def _listen(self) -> None:
        wanted = not (self._paused or self._over or self.closed)
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._loop.add_reader(self._fd, self._readable)
        elif not self.closed:
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        try:
            chunk = self._sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            return
        if self._discard:
            if not chunk:
                self.close()
            return
        if chunk:
            self.bytes_in += len(chunk)
            self._received(chunk)
            return
        self._over = True
        self._listen()
        self._ended("fin")
        if self._shut:
            self.close()

    def _writable(self) -> None:
        try:
            while self._pending:
                data = self._pending[0]
                sent = self._sock.send(data)
                self.pending_bytes -= sent
                if sent < len(data):
                    self._pending[0] = data[sent:]
                    return
                self._pending.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            return
        self.blocked = False
        self._loop.remove_writer(self._fd)
        if self._want_shut:
            self.shut()
        else:
            self._drained()

    def _break(self) -> None:
        if not self.closed:
            self._over = True
            self.close()
            if not self._discard:
                self._ended("rst")
