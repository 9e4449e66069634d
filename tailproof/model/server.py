"""The scripted model: an HTTP server that speaks the dialects of real ones, one per trial."""

from __future__ import annotations

import contextlib
import errno
import itertools
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self

from tailproof.history.recorder import Witness
from tailproof.history.records import BreakOff, Note
from tailproof.incoming import json
from tailproof.incoming.limits import BODY_BYTES, REQUEST_S, Endless, Exceeded, Misshapen, Unsound, size
from tailproof.model.conversation import Answered, ChildScript, PlayedScript
from tailproof.model.dialects import chat, messages, responses
from tailproof.model.dialects.dialect import Dialect, Refused
from tailproof.model.request import Request
from tailproof.model.script import Risk, Turn

JOIN_S = 2.0
PIECE_BYTES = 1 << 16
LENGTH_DIGITS = 12
TOLD = 20
PULSE_S = 0.5
COMMENT = b": still here\n\n"
"""What keeps the connection of a stream alive that has stalled, as proxies and vendors do: no event, and no silence on the socket."""
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)
_ROUTE = re.compile(r"^/c/(?P<key>[^/]+)/v1(?P<rest>/[^?]+)(\?.*)?$")
_DIALECTS = {
    "/chat/completions": chat.DIALECT,
    "/responses": responses.DIALECT,
    "/messages": messages.DIALECT,
}
"""The address tells the dialect: nobody has to name it."""


class ScriptedModel:
    """Answers every conversation from its script. Threads: one per connection of a server.

    `url` is the address without a path; each conversation has its own base URL below it, so that several conversations of
    one server never mix. Raises OSError when `host` and `port` cannot be had.
    """

    def __init__(self, witness: Witness, *, host: str = "127.0.0.1", port: int = 0, public_url: str = "") -> None:
        self._witness = witness
        self._conversations: dict[str, PlayedScript] = {}
        self._requests = itertools.count()
        self._refused = 0
        self.failure = ""
        """Why it is no witness any more; empty while it works."""
        self._server = _Server((host, port), _Handler, self)
        self.port: int = self._server.server_address[1]
        self.url = public_url.rstrip("/") or f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="model", daemon=True)

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def serve(
        self,
        conversation: str,
        script: Sequence[Turn],
        *,
        journal: str,
        witness: Witness | None = None,
        children: Mapping[str, ChildScript] = MappingProxyType({}),
        aside_errors: int = 0,
        risks: Mapping[Risk, Mapping[str, Any]] = MappingProxyType({}),
    ) -> PlayedScript:
        """Play `script` for one conversation; `journal` is the tool journal directory as the tools see it, `witness` who is told
        instead of the trial's own, `children` what its agent starts, by name, `aside_errors` how many requests outside the loop fail,
        `risks` how arguments say a risk."""
        played = PlayedScript(
            name=conversation,
            url=f"{self.url}/c/{conversation}/v1",
            script=script,
            journal=journal,
            witness=witness or self._witness,
            children=children,
            aside_errors=aside_errors,
            risks=risks,
        )
        self._conversations[conversation] = played
        return played

    def release_all(self) -> None:
        """Hold nothing any more, in any conversation."""
        for played in self._conversations.values():
            played.release_all()

    def close(self) -> None:
        """Release what is held, close every connection, end. Idempotent."""
        for played in self._conversations.values():
            played.close()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def exchange(self, key: str, played: PlayedScript) -> PlayedScript:
        """Answer what is asked under `key` from another script from now on; returns the one until now."""
        before = self._conversations[key]
        self._conversations[key] = played
        return before

    def played(self, key: str) -> PlayedScript | None:
        """The conversation that a base URL was made for."""
        return self._conversations.get(key)

    def next_request(self) -> int:
        """Counts the requests of the trial from 0."""
        return next(self._requests)

    def failed(self, error: BaseException) -> None:
        """The model itself broke: what the server did about that is no finding."""
        self.failure = f"the scripted model failed: {type(error).__name__}: {error}"
        self._witness.write(BreakOff(by="harness", doing="model", says=self.failure))

    def refused(self, unsound: Unsound) -> None:
        """Somebody asked for something that is not to be taken."""
        self._refused += 1
        if self._refused <= TOLD:
            self._witness.write(Note(text=f"the scripted model refused a request: {unsound}"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[_Handler], model: ScriptedModel) -> None:
        self.model = model
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open[threading.current_thread()] = connection

    def closed(self) -> None:
        with self._lock:
            self._open.pop(threading.current_thread(), None)

    def close_connections(self) -> None:
        with self._lock:
            left = dict(self._open)
        for connection in left.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join(JOIN_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Called in an `except` block of socketserver. A server that is killed resets its connections, and one that is cut off from the
        # network is not to be reached: no failure of ours.
        error = _current_error()
        if not isinstance(error, ConnectionError | TimeoutError) and getattr(error, "errno", None) not in UNREACHABLE:
            self.model.failed(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.closed()

    def log_message(self, format: str, *args: Any) -> None:
        """The journal of the model is the log."""

    def do_GET(self) -> None:
        route = _ROUTE.match(self.path)
        if route and route["rest"] == "/models":
            self._answer(200, chat.models())
        else:
            self._answer(404, chat.error(404))

    def do_POST(self) -> None:
        route = _ROUTE.match(self.path)
        known = _DIALECTS.get(route["rest"]) if route else None
        dialect = known or chat.DIALECT
        try:
            raw = self._body()
        except Unsound as unsound:
            self.server.model.refused(unsound)
            self.close_connection = True
            self._answer(413 if isinstance(unsound, Exceeded) else 400, dialect.error(400))
            return
        played = self.server.model.played(route["key"]) if route and known else None
        if played is None:
            self._answer(404, dialect.error(404))
            return
        try:
            asked = dialect.read(json.decode(raw, dict[str, Any]))
        except Unsound as unsound:
            self.server.model.refused(unsound)
            self._answer(400, unsound.body if isinstance(unsound, Refused) else dialect.error(400))
            return
        self._play(played, dialect, asked)

    def _play(self, played: PlayedScript, dialect: Dialect, asked: Request) -> None:
        played = played.asked_by(asked)
        request = self.server.model.next_request()
        answer = played.ask(request, asked)
        played.wait_to_go(request, answer)
        try:
            if self._hung_up():
                raise ConnectionResetError("nobody waits for the answer any more")
            if answer.fails:
                self._fail(played, request, dialect, answer, stream=asked.stream)
            self._tell(dialect, answer, stream=asked.stream)
            self.wfile.flush()
        except ConnectionError:
            played.broke(request, answer)
            self.close_connection = True
        else:
            played.told(request, answer)

    def _fail(
        self, played: PlayedScript, request: int, dialect: Dialect, answer: Answered, *, stream: bool
    ) -> NoReturn:
        """Give no whole answer, as the script says. Raises ConnectionError: the connection is of no use any more."""
        assert answer.reply is not None, "an answer that is broken off begins as a reply"
        pulse = b""
        if answer.fails != "silent":
            told = list(dialect.stream(answer.reply)) if stream else [dialect.whole(answer.reply)]
            # Of a stream the first half of its pieces is told whole; what follows, or the one piece there is, is torn in two.
            whole, torn = told[: len(told) // 2], told[len(told) // 2]
            self._begin_stream() if stream else self._begin(200, len(torn), {})
            for piece in whole:
                self._chunk(piece)
            if answer.fails == "cut" or not stream:
                head = b"%x\r\n" % len(torn) if stream else b""
                self.wfile.write(head + torn[: len(torn) // 2])
            else:
                pulse = COMMENT
            self.wfile.flush()
        if answer.fails == "cut":
            raise ConnectionAbortedError("the script breaks the answer off here")
        played.fell_silent(request, answer)
        while not played.wait_closing(PULSE_S):
            if self._hung_up():
                break
            if pulse:
                self._chunk(pulse)
        raise ConnectionAbortedError("nobody waits for the answer any more")

    def _body(self) -> bytearray:
        """All of it. Raises Unsound."""
        length = (self.headers.get("content-length") or "0").strip()
        if not (length.isascii() and length.isdecimal()):
            raise Misshapen("the length of a request to the model is no number")
        if len(length) > LENGTH_DIGITS or int(length) > BODY_BYTES:
            raise Exceeded(f"a request to the model is longer than {size(BODY_BYTES)}")
        left, raw, until = int(length), bytearray(), time.monotonic() + REQUEST_S
        while left:
            self.connection.settimeout(max(0.01, until - time.monotonic()))
            try:
                part = self.rfile.read1(min(left, PIECE_BYTES))
            except TimeoutError:
                part = b""
            if not part:
                raise Endless("a request to the model did not come to its end")
            raw += part
            left -= len(part)
        self.connection.settimeout(None)
        return raw

    def _tell(self, dialect: Dialect, answer: Answered, *, stream: bool) -> None:
        if answer.reply is None:
            after = {} if answer.retry_after_s is None else {"retry-after": str(answer.retry_after_s)}
            self._answer(answer.code, dialect.error(answer.code), after)
        elif stream:
            self._stream(dialect.stream(answer.reply))
        else:
            self._answer(200, dialect.whole(answer.reply))

    def _answer(self, code: int, body: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._begin(code, len(body), headers)
        self.wfile.write(body)

    def _begin(self, code: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, chunks: Iterator[bytes]) -> None:
        self._begin_stream()
        for chunk in chunks:
            self._chunk(chunk)
        self.wfile.write(b"0\r\n\r\n")

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _chunk(self, chunk: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.flush()

    def _hung_up(self) -> bool:
        """The asking side has closed its end: its server died while the answer was held."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
        except BlockingIOError:
            return False


def _current_error() -> BaseException:
    error = sys.exc_info()[1]
    return error if error is not None else RuntimeError("unknown")
