"""One HTTP exchange with a server that may say anything, at any pace, for ever.

Over h11 and a connection of our own: what clients of HTTP call a timeout is one of each read, and a server that sends a byte now
and then never meets it.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import h11

from tailproof.incoming.connection import Address, Connection
from tailproof.incoming.limits import (
    BODY_BYTES,
    ENDLESS_S,
    HEAD_BYTES,
    INFORMATIONAL,
    REQUEST_S,
    Endless,
    Exceeded,
    Flaw,
    Misshapen,
    Unsound,
    size,
)
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

SAYS_CHARS = 200
TOLD_S = 1.0
"""An answer that was waited for so long before the trial was over is told as one that did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of one request."""

    code: int = 0
    """The status; 0 when there was none."""
    kind: str = ""
    """The media type of the body, in lower case."""
    date: str = ""
    """When the server says that it answered."""
    body: bytes | bytearray = field(default=b"", repr=False)
    error: str = ""
    """Why there is no answer, or none to be taken, in half a sentence."""
    flaw: Flaw = ""
    """What is wrong with the answer itself."""
    cut: bool = False
    """It was ended from this side, for want of time or because somebody said so: that says nothing of the server."""
    unanswered: bool = False
    """It was sent whole, and nothing of an answer came for as long as one is waited for."""


class Http:
    """One server. Safe to use from several threads; every request has its own connection, unless the connection itself is the
    matter: a kept one dies with the server it led to, and the first request after a restart would fail for a reason that is the
    harness's own."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._address = Address.of(url)
        self._headers = dict(headers)
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._closed = False

    @property
    def path(self) -> str:
        """What stands before every target."""
        return self._address.path

    def ask(
        self,
        method: str,
        target: str,
        *,
        budget: Budget,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = REQUEST_S,
    ) -> Reply:
        """Never raises for anything that a server does. It ends within `seconds`, with the budget, or when it is cancelled."""
        with self._connection() as connection:
            return self._exchange(
                connection, _Asked(method), target, headers or {}, body, budget=budget, seconds=seconds
            )

    def ask_in_turn(
        self,
        method: str,
        target: str,
        *,
        heads: Sequence[Mapping[str, str]],
        budget: Budget,
        seconds: float = REQUEST_S,
    ) -> Sequence[Reply]:
        """The same request with one head after the other, over one connection; as `ask`. No more are sent when one was not answered."""
        replies: list[Reply] = []
        with self._connection() as connection:
            for head in heads:
                asked = _Asked(method, connected=bool(replies))
                kept = {**head, "Connection": "keep-alive"}
                replies.append(self._exchange(connection, asked, target, kept, None, budget=budget, seconds=seconds))
                if replies[-1].error:
                    break
        return replies

    def _exchange(
        self,
        connection: Connection,
        asked: _Asked,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        budget: Budget,
        seconds: float,
    ) -> Reply:
        """Over a connection that is opened here unless something was asked over it before."""
        patience = Budget(min(seconds, budget.left), cancel=budget.cancel)
        try:
            if not budget.left:
                raise DeadlineMissed("a request", 0.0, "")
            if not asked.connected:
                connection.open(patience)
                asked.connected = True
            asked.ask(connection, patience, self._request(asked.method, target, headers, body), body)
        except Unsound as unsound:
            return Reply(code=asked.code, error=str(unsound), flaw=unsound.flaw)
        except Cancelled:
            return asked.late(seconds, cut=True, why="the harness ended the request")
        except DeadlineMissed:
            return asked.late(seconds, cut=patience.deadline >= budget.deadline)
        except ssl.SSLCertVerificationError as error:
            return Reply(error=f"its certificate is not trusted: {error.verify_message}")
        except OSError as error:
            return Reply(error=f"{'reset' if asked.connected else 'refused'}: {str(error)[:SAYS_CHARS]}")
        if asked.broken:
            return Reply(error=asked.broken)
        return Reply(code=asked.code, kind=asked.kind, date=asked.date, body=asked.body)

    def close(self) -> None:
        """End what is under way, in any thread: it gets a reply that is `cut`. Later requests get one at once."""
        with self._lock:
            self._closed = True
            pending = list(self._open)
        for connection in pending:
            connection.interrupt()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connection = Connection(self._address)
        with self._lock:
            self._open.add(connection)
            if self._closed:
                connection.interrupt()
        try:
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _request(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> h11.Request:
        """Raises OSError, without a word of what may be a key."""
        fields = {"Host": self._address.named, "Accept": "*/*", "User-Agent": "tailproof", "Connection": "close"}
        if self._address.authorization:
            fields["Authorization"] = self._address.authorization
        if body is not None:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        try:
            return h11.Request(method=method, target=target, headers=[*{**fields, **self._headers, **headers}.items()])
        except (h11.LocalProtocolError, UnicodeError):
            raise OSError("the request cannot be sent: a header or the target holds what none may hold") from None


@dataclass(slots=True)
class _Asked:
    """How far one exchange has come."""

    method: str
    connected: bool = False
    sent: bool = False
    """All of it has left."""
    code: int = 0
    kind: str = ""
    date: str = ""
    body: bytearray = field(default_factory=bytearray)
    broken: str = ""
    """It was ended by the server before it was whole."""
    began: float = field(default_factory=time.monotonic)
    answered: float = 0.0
    """When the first byte came."""
    informational: int = 0

    def ask(self, connection: Connection, budget: Budget, request: h11.Request, body: bytes | None) -> None:
        """Send all, and take what comes until the answer is whole."""
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        out = http.send(request) or b""
        if body:
            out += http.send(h11.Data(data=body)) or b""
        out += http.send(h11.EndOfMessage()) or b""
        with suppress(ConnectionError):  # a server may answer before it has read all of it, and read no more
            connection.send(out, budget)
            self.sent = True
        over = False
        while not over:
            over = self._step(http, connection, budget)

    def late(self, seconds: float, *, cut: bool, why: str = "") -> Reply:
        """Nobody waits any longer: what has come of it until now."""
        waited = time.monotonic() - self.began
        if self.answered and time.monotonic() - self.answered >= ENDLESS_S:
            endless = Endless(f"the {'body' if self.code else 'head'} did not end within {waited:.0f} s")
            return Reply(code=self.code, error=str(endless), flaw=endless.flaw)
        if cut:
            return Reply(error=why or self._unanswered(waited), cut=True)
        if not self.connected:
            return Reply(error=f"timeout while connecting: {seconds:g} s")
        whole = "no whole" if self.answered else "no"
        unanswered = self.sent and not self.answered
        return Reply(error=f"timeout: {whole} answer within {seconds:g} s", unanswered=unanswered)

    def _unanswered(self, waited: float) -> str:
        """Of a request that the end of the trial cut off."""
        if not self.connected or waited < TOLD_S:
            return "no time was left for the request"
        return f"{'no whole' if self.answered else 'no'} answer within {waited:.0f} s, when no time was left"

    def _step(self, http: h11.Connection, connection: Connection, budget: Budget) -> bool:
        """One event; True when nothing more is to come."""
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            return self._fail(http, error)
        if event is h11.NEED_DATA:
            data = connection.receive(budget)
            self.answered = self.answered or time.monotonic()
            if not data and not self.code:
                self.broken = "closed without an answer"
                return True
            http.receive_data(data)
        elif isinstance(event, h11.InformationalResponse):
            self.informational += 1
            if self.informational > INFORMATIONAL:
                raise Endless(f"more than {INFORMATIONAL} answers of 1xx came and none behind them")
        elif isinstance(event, h11.Response):
            self._head(event)
        elif isinstance(event, h11.Data):
            self.body += event.data
            if len(self.body) > BODY_BYTES:
                raise Exceeded(f"the body is longer than {size(BODY_BYTES)}")
        else:
            return True
        return False

    def _head(self, head: h11.Response) -> None:
        self.code = head.status_code
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        self.kind = fields.get("content-type", "").partition(";")[0].strip().lower()[:SAYS_CHARS]
        self.date = fields.get("date", "")[:SAYS_CHARS]
        coding = fields.get("content-encoding", "identity").strip().lower()
        if coding != "identity" and self.method != "HEAD":
            raise Misshapen(f"the body is compressed ({coding[:20]!r}), which nobody asked for")
        if "content-length" in fields and "transfer-encoding" in fields:
            raise Misshapen("the answer has a length, and comes in chunks")
        if int(fields.get("content-length", "0")) > BODY_BYTES:
            raise Exceeded(f"the body is longer than {size(BODY_BYTES)}")

    def _fail(self, http: h11.Connection, error: h11.RemoteProtocolError) -> bool:
        """What came is no HTTP, or ended too early. Raises Unsound for the former."""
        if http.trailing_data[1]:
            self.broken = f"closed without an answer: {str(error)[:SAYS_CHARS]}"
            return True
        if error.error_status_hint == 431:
            raise Exceeded(f"the head is longer than {size(HEAD_BYTES)}")
        raise Misshapen(f"what came is no HTTP: {str(error)[:SAYS_CHARS]}")
