"""One connection to a server. Every wait on it ends: at its deadline, when the trial is cancelled, or when somebody interrupts it."""

from __future__ import annotations

import base64
import fcntl
import os
import select
import socket
import ssl
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import h11

from tailproof.incoming.limits import HEAD_BYTES
from tailproof.incoming.route import Route, Unreachable
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

CHUNK = 64 << 10
SLICE_S = 0.1
"""How long a wait goes without a look at who wants it to end."""
_BLOCKED = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is, and how it is talked to there."""

    host: str
    port: int
    tls: bool
    path: str
    """What stands before every path; without a slash at its end."""
    route: Route
    authorization: str = ""
    """The header that a user and a password in the URL stand for."""

    @classmethod
    def of(cls, url: str) -> Address:
        """`http`, `https`, `ws` and `wss`. Raises ValueError."""
        parts = urlsplit(url)
        tls = parts.scheme in ("https", "wss")
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (443 if tls else 80),
            tls=tls,
            path=parts.path.rstrip("/"),
            route=Route.of(url),
            authorization=f"Basic {base64.b64encode(user.encode()).decode()}" if parts.username else "",
        )

    @property
    def named(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What the kernel tells of a connection that nobody reads."""

    unread: int
    """Bytes that have come."""
    ended: bool
    """The other side has ended it."""
    unsent: int
    """Bytes that the other side has said and its kernel could not send; 0 where that is none of this machine."""


class Connection:
    """Used by one thread, interrupted by any. Each method raises OSError when the connection is broken, DeadlineMissed, and Cancelled
    when the budget was cancelled or the connection interrupted."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._sock: socket.socket | None = None
        self._interrupted = False

    def open(self, budget: Budget) -> None:
        """Connect, and agree on TLS where the address wants it. Raises Unreachable, too: of the proxy, or of a file of certificates."""
        self.reach(budget)
        if self._address.tls:
            self._secure(self._open_socket(), budget)

    def reach(self, budget: Budget) -> socket.socket:
        """As `open`, before anything was said of TLS; through the proxy if there is one."""
        sock = self._connect(*self._address.route.hop, budget)
        if self._address.route.proxy:
            self._ask_for_a_tunnel(budget)
        return sock

    def _connect(self, host: str, port: int, budget: Budget) -> socket.socket:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(f"{host[:100]!r} is no name of a host") from error
        for place, (family, kind, protocol, _, address) in enumerate(found, 1):
            sock = socket.socket(family, kind, protocol)
            self._sock = sock
            sock.setblocking(False)
            try:
                with suppress(*_BLOCKED):
                    sock.connect(address)
                self._wait(select.POLLOUT, budget)
                broken = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if broken:
                    raise OSError(broken, os.strerror(broken))
                break
            except OSError:
                sock.close()
                if place == len(found):
                    raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _ask_for_a_tunnel(self, budget: Budget) -> None:
        route = self._address.route
        host, port = route.hop
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self.send((http.send(route.tunnel()) or b"") + (http.send(h11.EndOfMessage()) or b""), budget)
        try:
            event = http.next_event()
            while event is h11.NEED_DATA or isinstance(event, h11.InformationalResponse):
                if event is h11.NEED_DATA:
                    http.receive_data(self.receive(budget))
                event = http.next_event()
        except h11.RemoteProtocolError as error:
            raise Unreachable(f"the proxy {host}:{port} does not answer as a proxy: {error}") from error
        if not isinstance(event, h11.Response):
            raise Unreachable(f"the proxy {host}:{port} does not answer as a proxy")
        if not 200 <= event.status_code < 300:
            raise Unreachable(
                f"the proxy {host}:{port} does not let anybody through to {route.at}: {event.status_code}"
            )

    def send(self, data: bytes, budget: Budget) -> None:
        """All of it."""
        left = memoryview(data)
        while left:
            sent = self.offer(left)
            left = left[sent:]
            if not sent:
                self._wait(select.POLLOUT, budget)

    def offer(self, data: bytes | memoryview) -> int:
        """As much of it as is taken at once."""
        try:
            return self._open_socket().send(data)
        except _BLOCKED:
            return 0

    def receive(self, budget: Budget) -> bytes:
        """What has come, at most `CHUNK` bytes; empty when the other side has ended it."""
        while True:
            sock = self._open_socket()
            if budget.cancel.is_set():
                raise Cancelled("bytes of the server")
            if not budget.left:
                raise DeadlineMissed("bytes of the server", 0.0, "")
            try:
                data = sock.recv(CHUNK)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, budget)
            except _BLOCKED:
                self._wait(select.POLLIN, budget)
            except ssl.SSLEOFError:
                return b""
            else:
                self._open_socket()
                return data

    def narrow(self) -> None:
        """Let the kernel keep as little as it can of what is not read."""
        self._open_socket().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)

    def waiting(self) -> Waiting:
        """What has come and was not read, as the kernel counts it."""
        sock = self._open_socket()
        unread = int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)
        poll = select.poll()
        poll.register(sock, select.POLLRDHUP)
        ended = bool(poll.poll(0))
        unsent = _queued(sock.getpeername()[1], sock.getsockname()[1])
        return Waiting(unread=unread, unsent=unsent, ended=ended)

    def shut(self) -> None:
        """Nothing more will be sent. A broken connection stays as it is."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def interrupt(self) -> None:
        """From any thread: whoever waits on it gives up now. Idempotent."""
        self._interrupted = True
        sock = self._sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give it back. Idempotent."""
        if self._sock is not None:
            self._sock.close()

    def _secure(self, sock: socket.socket, budget: Budget) -> None:
        secured = _context(self._address.route).wrap_socket(
            sock, server_hostname=self._address.host, do_handshake_on_connect=False
        )
        self._sock = secured
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, budget)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, budget)
            else:
                return

    def _open_socket(self) -> socket.socket:
        if self._interrupted:
            raise Cancelled("the connection was interrupted")
        assert self._sock is not None, "a connection is opened first"
        return self._sock

    def _wait(self, event: int, budget: Budget) -> None:
        poll = select.poll()
        poll.register(self._open_socket(), event)

        def look() -> bool:
            self._open_socket()
            return bool(poll.poll(max(1, round(min(SLICE_S, budget.left) * 1000))))

        budget.wait_for("bytes of the server", look, every=0.0)


def _queued(port: int, peer: int) -> int:
    """What waits in the kernel to be sent from one port to another."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                local, remote, _, queues = line.split()[1:5]
                if (int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)) == (port, peer):
                    return int(queues.partition(":")[0], 16)
    return 0


@cache
def _context(route: Route) -> ssl.SSLContext:
    return route.context()
