"""Server-sent events of a server that may say anything: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Only what `data` holds is a message; comments, `event`, `id` and `retry` are read over.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Mapping

import h11

from tailproof.incoming.connection import Address, Connection, Waiting
from tailproof.incoming.limits import (
    ENDLESS_S,
    HEAD_BYTES,
    INFORMATIONAL,
    MESSAGE_BYTES,
    REQUEST_S,
    Endless,
    Exceeded,
    Misshapen,
    size,
)
from tailproof.incoming.stream import BROKEN, IN_ORDER, Refused
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

TICK_S = 1.0
SAYS_CHARS = 200
MEDIA_TYPE = "text/event-stream"
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


class EventStream:
    """One GET whose answer does not end. See `MessageStream`."""

    def __init__(self, url: str, target: str, headers: Mapping[str, str]) -> None:
        self._address = Address.of(url)
        self._target = f"{self._address.path}{target}"
        self._headers = headers
        self._connection = Connection(self._address)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._ending = threading.Event()
        self._messages: deque[bytes] = deque()
        self._part = bytearray()
        """The event that has begun and has not ended yet."""
        self._began = 0.0
        self._over = False
        self._in_order = False

    def open(self, budget: Budget) -> None:
        """See `MessageStream`."""
        patience = Budget(min(REQUEST_S, budget.left), cancel=self._ending)
        self._connection.open(patience)
        fields = {"Host": self._address.named, "Accept": MEDIA_TYPE, "Cache-Control": "no-store", **self._headers}
        request = h11.Request(method="GET", target=self._target, headers=[*fields.items()])
        self._connection.send(
            (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""), patience
        )
        answered = 0.0
        informational = 0
        try:
            while True:
                event = self._event()
                if event is h11.NEED_DATA:
                    data = self._connection.receive(patience)
                    answered = answered or time.monotonic()
                    if not data:
                        raise OSError("closed without an answer")
                    self._http.receive_data(data)
                elif isinstance(event, h11.InformationalResponse):
                    informational += 1
                    if informational > INFORMATIONAL:
                        raise Endless(f"more than {INFORMATIONAL} answers of 1xx came and none behind them")
                else:
                    break
        except (DeadlineMissed, Cancelled):
            if answered and (waited := time.monotonic() - answered) >= ENDLESS_S:
                raise Endless(f"the head did not end within {waited:.0f} s") from None
            raise
        assert isinstance(event, h11.Response)
        if event.status_code != 200:
            raise Refused(event.status_code)
        kind = next((value for name, value in event.headers if name == b"content-type"), b"").decode("latin-1")
        if kind.partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise Misshapen(f"the answer is {kind[:SAYS_CHARS] or 'of no type'}, not {MEDIA_TYPE}")

    def receive(self) -> bytes | None:
        """See `MessageStream`."""
        while not self._messages:
            if self._over:
                return None
            try:
                self._step()
            except Cancelled:
                return None
            except OSError:
                self._over = True
            except DeadlineMissed:
                pass
            self._mind_the_time()
        return self._messages.popleft()

    def close(self, *, goodbye_s: float | None = None) -> tuple[int, str]:
        """There is no goodbye: the connection is given back at once."""
        self._connection.close()
        if self._ending.is_set() and not self._over:
            return IN_ORDER, "closed by the harness"
        return (IN_ORDER, "the stream ended") if self._in_order else (BROKEN, "the connection was lost")

    def narrow(self) -> None:
        """See `MessageStream`."""
        self._connection.narrow()

    def waiting(self) -> Waiting:
        """See `MessageStream`."""
        return self._connection.waiting()

    def end(self) -> None:
        """See `MessageStream`."""
        self._ending.set()

    def interrupt(self) -> None:
        """See `MessageStream`."""
        self._ending.set()
        self._connection.interrupt()

    def _step(self) -> None:
        event = self._event()
        if event is h11.NEED_DATA:
            self._http.receive_data(self._connection.receive(Budget(TICK_S, cancel=self._ending)))
        elif isinstance(event, h11.Data):
            self._take(event.data)
        else:
            self._over = True
            self._in_order = isinstance(event, h11.EndOfMessage)

    def _event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            if self._http.trailing_data[1]:  # it ended too early, and that is no fault of its framing
                raise OSError(str(error)[:SAYS_CHARS]) from error
            if error.error_status_hint == 431:
                raise Exceeded(f"the head is longer than {size(HEAD_BYTES)}") from error
            raise Misshapen(f"what came is no HTTP: {str(error)[:SAYS_CHARS]}") from error

    def _take(self, data: bytes | bytearray) -> None:
        look_from = max(0, len(self._part) - 3)
        self._part += data
        while (blank := _BLANK.search(self._part, look_from)) is not None:
            message = data_of(bytes(self._part[: blank.start()]))
            del self._part[: blank.end()]
            look_from = 0
            if message is not None:
                self._messages.append(message)
        self._began = (self._began or time.monotonic()) if self._part else 0.0
        if len(self._part) > MESSAGE_BYTES:
            raise Exceeded(f"a message is longer than {size(MESSAGE_BYTES)}")

    def _mind_the_time(self) -> None:
        if self._began and (waited := time.monotonic() - self._began) > REQUEST_S:
            raise Endless(f"a message did not end within {waited:.0f} s")


def data_of(event: bytes) -> bytes | None:
    """What the `data` of one event holds, its lines joined; None for an event without any."""
    found = []
    for line in _LINE.split(event):
        name, _, value = line.partition(b":")
        if name == b"data":
            found.append(value.removeprefix(b" "))
    return b"\n".join(found) if found else None
