"""The receiver of webhooks: a real HTTP server of the trial's own, which writes down each request and what it was answered.

A fault makes it misbehave: `meet` says what happens to every request from then on, until it is told to be well again.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from struct import pack
from typing import Literal

from tailproof.history.recorder import Witness
from tailproof.history.records import Post
from tailproof.incoming.limits import BODY_BYTES, Exceeded, Misshapen, Unsound
from tailproof.protocol.webhooks import Posted

Does = Literal["refuse-connections", "reset", "hang", "slow", "answer"]
JOIN_S = 2.0
_LOOK_S = 0.05
_READ_S = 30.0
_AT_ONCE = pack("ii", 1, 0)
_LENGTH_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happens to each request. `seconds` are those of `slow`, `code` is what `answer` says."""

    fault: str
    does: Does
    seconds: float = 0.0
    code: int = 200
    over: threading.Event = field(default_factory=threading.Event)
    """Set when it is healed: nobody waits any longer."""


class Receiver:
    """Takes everything with 200 while it is well. `read` tells what a request brought: path and body. `sighted` is told of every field of
    a head and every body, which may hold a secret that it must not hold, and where it stood. Raises OSError when it gets no port."""

    def __init__(
        self,
        witness: Witness,
        read: Callable[[str, bytearray], Posted],
        *,
        sighted: Callable[[bytes | bytearray, str], object] = lambda raw, where: None,
        host: str = "127.0.0.1",
    ) -> None:
        self._witness = witness
        self._read = read
        self._sighted = sighted
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._met: Counter[str] = Counter()
        self._trouble: Trouble | None = None
        # Bound and never listening: the port stays ours while nobody listens, and whoever connects then is refused.
        self._reserved = _bound((host, 0))
        self._address: tuple[str, int] = self._reserved.getsockname()[:2]
        self._server: _Server | None = None
        self.url = f"http://{host}:{self._address[1]}"

    @property
    def port(self) -> int:
        """Where it listens, or would."""
        return self._address[1]

    def start(self) -> None:
        """Take connections from now on. Raises OSError."""
        self._server = _Server(self._address, self)
        threading.Thread(target=self._server.serve_forever, args=(_LOOK_S,), name="webhooks", daemon=True).start()

    def close(self) -> None:
        """Leave nobody waiting, and end. Idempotent."""
        self.recover()
        self._stop()
        self._reserved.close()

    def taken(self) -> set[str]:
        """The ids of all events that were answered with 2xx."""
        with self._lock:
            return set(self._taken)

    def met(self, fault: str) -> int:
        """How many requests have met this fault."""
        with self._lock:
            return self._met[fault]

    def meet(self, trouble: Trouble) -> None:
        """From now on every request meets this."""
        self._trouble = trouble
        if trouble.does == "refuse-connections":
            self._stop()

    def recover(self) -> None:
        """Take everything again. What hangs is hung up. Idempotent."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            trouble.over.set()
            if trouble.does == "refuse-connections":
                self.start()

    def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.join()

    # -- one request --------------------------------------------------------------------------------------------------

    def came(self) -> tuple[Post, Trouble | None]:
        """A request has come whole, or as far as it will."""
        trouble = self._trouble
        with self._lock:
            post = Post(number=next(self._numbers), began_ns=time.monotonic_ns())
            if trouble is not None:
                post.fault = trouble.fault
                self._met[trouble.fault] += 1
        return post, trouble

    def headed(self, head: Iterable[tuple[str, str]]) -> None:
        """Look at the fields of its head."""
        for name, value in head:
            self._sighted(value.encode("utf-8", "replace"), f"the field {name.lower()}")

    def brought(self, post: Post, raw: bytearray) -> None:
        """Note what it brought. Raises Unsound."""
        self._sighted(raw, f"the body at /{post.path.strip('/').partition('/')[0]}")
        posted = self._read(post.path, raw)
        post.conversation = posted.conversation
        post.batch = [event.id for event in posted.events]

    def ended(self, post: Post) -> None:
        """It got its answer, or will never get one."""
        if post.done == "answered" and 200 <= post.code < 300:
            with self._lock:
                self._taken.update(post.batch)
        self._witness.write(post)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_port = True

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        self.receiver = receiver
        self._serving: set[threading.Thread] = set()
        super().__init__(address, _Handler)

    def entered(self) -> None:
        self._serving.add(threading.current_thread())

    def left(self) -> None:
        self._serving.discard(threading.current_thread())

    def join(self) -> None:
        """Wait for the requests that are under way, a moment."""
        for thread in list(self._serving):
            thread.join(JOIN_S)

    def handle_error(self, request: object, client_address: object) -> None:
        """A server that is killed resets its connections, and what a request brought stands in its record."""


class _Handler(BaseHTTPRequestHandler):
    """One request for each connection: a fault must never leave a second one behind the first."""

    server: _Server
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.entered()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.left()

    def log_message(self, format: str, *args: object) -> None:
        """The record of the receiver is the log."""

    def do_POST(self) -> None:
        receiver = self.server.receiver
        post, trouble = receiver.came()
        post.path, post.headers = self.path, sorted({name.lower() for name in self.headers})
        receiver.headed(self.headers.items())
        code = 200
        try:
            receiver.brought(post, self._body())
        except (Unsound, OSError) as error:
            post.error, code = str(error), 400
        try:
            self._meet(trouble, post, code)
        except OSError:
            post.code, post.done = 0, "broken"
        finally:
            receiver.ended(post)

    def _meet(self, trouble: Trouble | None, post: Post, code: int) -> None:
        if trouble is not None and trouble.does in ("reset", "refuse-connections"):
            self._hang_up(post, "reset")
            return
        if trouble is not None and trouble.does == "hang":
            trouble.over.wait()
            self._hang_up(post, "left-hanging")
            return
        if trouble is not None and trouble.does == "slow":
            trouble.over.wait(trouble.seconds)
            if self._gone():
                raise ConnectionResetError("nobody waits for the answer any more")
        post.code = trouble.code if trouble is not None and trouble.does == "answer" and code == 200 else code
        self.send_response(post.code)
        self.send_header("content-length", "0")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.flush()

    def _hang_up(self, post: Post, how: Literal["reset", "left-hanging"]) -> None:
        post.done = how
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.close_connection = True

    def _body(self) -> bytearray:
        """All of it. Raises Unsound, OSError."""
        length = (self.headers.get("content-length") or "0").strip()
        if not (length.isascii() and length.isdecimal()):
            raise Misshapen("the length of a request to the receiver of webhooks is no number")
        if len(length) > _LENGTH_DIGITS or int(length) > BODY_BYTES:
            raise Exceeded("a request to the receiver of webhooks is longer than is taken")
        self.connection.settimeout(_READ_S)
        raw = bytearray(self.rfile.read(int(length)))
        if len(raw) < int(length):
            raise Misshapen("a request to the receiver of webhooks did not come to its end")
        # With a timeout even a look that must not wait would wait.
        self.connection.settimeout(None)
        return raw

    def _gone(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False


def _bound(address: tuple[str, int]) -> socket.socket:
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(address)
    return reserved
