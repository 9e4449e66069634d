"""One WebSocket to a server that may say anything. The protocol is that of `websockets`; time, memory and the end are ours."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState, InvalidStatus, PayloadTooBig, SecurityError
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tailproof.incoming.connection import Address, Connection, Waiting
from tailproof.incoming.limits import (
    CONTROL_FRAMES,
    ENDLESS_S,
    HEAD_BYTES,
    INFORMATIONAL,
    MESSAGE_BYTES,
    MESSAGE_FRAMES,
    REQUEST_S,
    Endless,
    Exceeded,
    Misshapen,
    Unsound,
    size,
)
from tailproof.incoming.stream import BROKEN, IN_ORDER, HowSent, Refused
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

TICK_S = 1.0
CLOSE_S = 2.0
"""How long the goodbye of the other side is waited for."""
UNSENT_BYTES = 64 << 10
"""Answers to pings that wait because the other side does not read; more of them are not given."""
SAYS_CHARS = 200
_BEGINS = b"HTTP/1."
_HEAD = re.compile(rb"HTTP/1\.\d (\d{3})\b.*?\r\n\r\n", re.DOTALL)


class WebSocket:
    """See `MessageStream`. No compression is offered; `first` is what is sent at once, as text messages."""

    def __init__(self, url: str, headers: Mapping[str, str], *, first: Sequence[str] = ()) -> None:
        self._first = first
        self._protocol = ClientProtocol(parse_uri(url), max_size=MESSAGE_BYTES)
        self._headers = headers
        self._connection = Connection(Address.of(url))
        self._ending = threading.Event()
        self._messages: deque[bytearray] = deque()
        self._parts = bytearray()
        self._frames = 0
        self._controls = 0
        self._head = bytearray()
        """The beginning of an answer to the handshake."""
        self._informational = 0
        self._unsent = bytearray()
        self._began = 0.0
        """When the message that has not ended yet began; 0 between two."""
        self._unsound: Unsound | None = None
        self.pongs = 0
        """See `SpokenStream`."""

    def open(self, budget: Budget) -> None:
        """Connect and agree.

        Raises:
            Refused: it was answered with another status.
            Unsound: what came is no handshake, or did not end.
            OSError: the connection broke.
            DeadlineMissed, Cancelled: as every wait.
        """
        patience = Budget(min(REQUEST_S, budget.left), cancel=self._ending)
        self._connection.open(patience)
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        for data in self._protocol.data_to_send():
            self._connection.send(data, patience)
        answered = 0.0
        try:
            while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
                data = self._connection.receive(patience)
                answered = answered or time.monotonic()
                answer = self._answer(data)
                if answer:
                    self._feed(answer)
                if not data:
                    self._feed(data)
        except (DeadlineMissed, Cancelled):
            if answered and (waited := time.monotonic() - answered) >= ENDLESS_S:
                raise Endless(f"the handshake did not end within {waited:.0f} s") from None
            raise
        self._check_handshake()
        for text in self._first:
            if self._protocol.state is State.OPEN:  # else it has ended it with the handshake: whoever reads is told how
                self.say("text", text.encode(), patience)
        self._take_frames()

    def say(self, how: HowSent, data: bytes, budget: Budget) -> None:
        """See `SpokenStream`."""
        try:
            match how:
                case "text":
                    self._protocol.send_text(data)
                case "binary":
                    self._protocol.send_binary(data)
                case "ping":
                    self._protocol.send_ping(data)
        except InvalidState as ended:  # the other side has said goodbye
            raise BrokenPipeError(str(ended)) from ended
        for sent in self._protocol.data_to_send():
            self._connection.send(sent, budget)

    def receive(self) -> bytearray | None:
        """The next message; None when the connection has ended, or `end` was called. Raises Unsound."""
        until = 0.0
        while not self._messages:
            if self._unsound is not None:
                raise self._unsound
            if self._protocol.state is State.CLOSED:
                return None
            if self._protocol.state is State.CLOSING:  # it said goodbye, and is to end the connection
                until = until or time.monotonic() + CLOSE_S
                if time.monotonic() > until:
                    return None
            try:
                self._feed(self._connection.receive(Budget(TICK_S, cancel=self._ending)))
            except Cancelled:
                self._mind_the_time(ENDLESS_S)
                if self._unsound is not None:
                    raise self._unsound from None
                return None
            except OSError:
                self._feed(b"")  # the same as an end without a word
            except DeadlineMissed:
                pass
            self._take_frames()
            self._mind_the_time(REQUEST_S)
        return self._messages.popleft()

    def close(self, *, goodbye_s: float | None = None) -> tuple[int, str]:
        """Say goodbye, wait a little (`goodbye_s`, else CLOSE_S) for that of the other side, and give the connection back; code and
        reason of the end."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(IN_ORDER)
        budget = Budget(CLOSE_S if goodbye_s is None else goodbye_s)
        try:
            self._flush()
            while self._protocol.state is State.CLOSING:
                self._feed(self._connection.receive(budget))
                self._protocol.events_received()
        except (OSError, DeadlineMissed, Cancelled):
            pass  # it ends without a word
        self._connection.close()
        said = self._protocol.close_rcvd or self._protocol.close_sent
        return (said.code, said.reason) if said else (BROKEN, "the connection was lost")

    def narrow(self) -> None:
        """See `MessageStream`."""
        self._connection.narrow()

    def waiting(self) -> Waiting:
        """See `MessageStream`."""
        return self._connection.waiting()

    def end(self) -> None:
        """From any thread: `open` and `receive` give up."""
        self._ending.set()

    def interrupt(self) -> None:
        """From any thread, for one that `end` did not reach: the connection is gone."""
        self._ending.set()
        self._connection.interrupt()

    def _answer(self, data: bytes) -> bytes:
        """The answer to the handshake, for the protocol, once its head is whole. Answers of 1xx come before it and say nothing yet
        (RFC 9110, section 15.2); the protocol takes them for refusals, and waits for the body of a refusal. Raises Refused, Unsound."""
        self._head += data
        while (head := _HEAD.match(self._head)) is not None and (code := int(head[1])) != 101:
            if code >= 200:
                raise Refused(code)
            self._informational += 1
            if self._informational > INFORMATIONAL:
                raise Endless(f"more than {INFORMATIONAL} answers of 1xx came and none behind them")
            del self._head[: head.end()]
        is_part = self._head[: len(_BEGINS)] == _BEGINS[: len(self._head)] and b"\r\n\r\n" not in self._head
        if is_part and data and len(self._head) <= HEAD_BYTES:
            return b""
        answer, self._head = bytes(self._head), bytearray()
        return answer

    def _check_handshake(self) -> None:
        why = self._protocol.handshake_exc
        if why is None:
            return
        if isinstance(why, InvalidStatus):
            raise Refused(why.response.status_code)
        cause = why.__cause__ or why
        if isinstance(cause, EOFError):
            raise OSError(str(cause))
        if isinstance(cause, SecurityError):
            raise Exceeded(f"the answer to the handshake is more than is taken: {str(cause)[:SAYS_CHARS]}")
        raise Misshapen(f"what came is no handshake: {str(cause)[:SAYS_CHARS]}")

    def _feed(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._flush()

    def _take_frames(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and self._unsound is None:
                try:
                    self._take(event)
                except Unsound as unsound:
                    self._unsound = unsound
        self._unsound = self._unsound or _unsound(self._protocol.parser_exc)

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._began = self._began or time.monotonic()
            self._frames += 1
            if self._frames > MESSAGE_FRAMES:
                raise Exceeded(f"a message came in more than {MESSAGE_FRAMES} frames")
            self._parts += frame.data
            if frame.fin:
                self._messages.append(self._parts)
                self._parts = bytearray()
                self._frames = self._controls = 0
                self._began = 0.0
        elif frame.opcode in (Opcode.PING, Opcode.PONG):
            self.pongs += frame.opcode is Opcode.PONG
            self._controls += 1
            if self._controls > CONTROL_FRAMES:
                raise Exceeded(f"more than {CONTROL_FRAMES} pings and pongs came between two messages")

    def _mind_the_time(self, seconds: float) -> None:
        """A message that has begun must end within so many seconds. Raises nothing: `receive` does."""
        if not self._began and len(self._protocol.reader.buffer):
            self._began = time.monotonic()
        elif self._began and not self._parts and not self._frames and not len(self._protocol.reader.buffer):
            self._began = 0.0
        if self._began and (waited := time.monotonic() - self._began) > seconds:
            self._unsound = self._unsound or Endless(f"a message did not end within {waited:.0f} s")

    def _flush(self) -> None:
        """What the protocol wants to say, as far as the other side takes it: whoever does not read gets no answers to its pings."""
        for data in self._protocol.data_to_send():
            if not data:
                self._connection.shut()
            elif len(self._unsent) <= UNSENT_BYTES:
                self._unsent += data
        if self._unsent:
            with suppress(OSError):  # whoever reads next gets the error
                del self._unsent[: self._connection.offer(bytes(self._unsent))]


def _unsound(why: Exception | None) -> Unsound | None:
    """What the parser gave up for; an end of the connection is none of it."""
    if why is None or isinstance(why, EOFError):
        return None
    if isinstance(why, PayloadTooBig):
        return Exceeded(f"a message is longer than {size(MESSAGE_BYTES)}")
    return Misshapen(f"what came is no WebSocket: {str(why)[:SAYS_CHARS]}")
