"""One subscription to the events of a conversation: everything that comes is recorded, in order, nothing is repaired."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from tailproof.history.record import TERMINAL, Neutral
from tailproof.history.recorder import Recorder, Witness
from tailproof.history.records import Note
from tailproof.history.server_records import Event, Stream
from tailproof.incoming.limits import (
    REQUEST_S,
    STREAM_BYTES,
    STREAM_MESSAGES,
    STREAM_ODDITIES,
    Exceeded,
    Flaw,
    Unsound,
    size,
)
from tailproof.incoming.stream import BROKEN, MessageStream, Refused
from tailproof.incoming.websocket import CLOSE_S
from tailproof.protocol.adapter import Adapter, Api, NotAnEvent
from tailproof.protocol.recording import record_event, status_of
from tailproof.protocol.since import NOW, Since
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

FIRST_STEP_S = 60.0
FRAME_CHARS = 200
TOLD = 20
"""A stream that brings nothing but what is not to be taken fills no history."""
GONE_S = 1.0

_BLAMES_THE_OTHER = (1002, 1007, 1009)
"""What a side says that cannot take what came: here it may be either."""


class SubscriptionRefused(Exception):
    """The server, or what stands before it, did not accept the subscription; the message says what it answered."""


class Subscription:
    """A stream that is read in its own thread until it ends or is closed. Whatever comes on it ends nothing but, at worst, itself.

    A subscription counts as accepted when its first event has come: handshakes are answered before the key is looked at.
    `path` is that of its records (`Stream`). `on_event` is called in the reading thread, after the event was recorded. With `since` it
    begins in the past, where the protocol has such a thing. The statuses in its events are told on unless `tells_status` says otherwise:
    what is repeated may be long over, and one of several subscribers may get it later than another.
    """

    def __init__(
        self,
        adapter: Adapter,
        api: Api,
        recorder: Recorder,
        witness: Witness,
        *,
        conversation: str,
        reading: str,
        path: str,
        epoch: int,
        on_event: Callable[[Event], None] | None = None,
        since: Since = NOW,
        tells_status: bool = True,
    ) -> None:
        self.reading = reading
        self._adapter = adapter
        self._recorder = recorder
        self._witness = witness
        self._conversation = conversation
        self._path = path
        self._epoch = epoch
        self._on_event = on_event
        self._since = since
        self._tells_status = tells_status
        self._stream = api.stream(conversation) if since == NOW else api.stream_since(conversation, since)
        self._accepted = threading.Event()
        self._ended = threading.Event()
        self._closing = threading.Event()
        self._end = ""
        self._agreed = False
        self._by_server = False
        self._oddities = 0
        self._thread = threading.Thread(target=self._run, name=f"subscription-{reading}", daemon=True)

    def open(self, budget: Budget) -> None:
        """Connect and return once the first event has come.

        Raises:
            SubscriptionRefused: it ended before that.
            DeadlineMissed, Cancelled: as `Budget.wait_for`.
        """
        self.begin()
        self.wait_accepted(budget)

    def wait_accepted(self, budget: Budget) -> None:
        """Until the first event has come to one that has begun. Raises as `open` does."""
        budget.wait_for(
            f"the subscription to {self._conversation} to be accepted ({self._path})",
            lambda: self._accepted.is_set() or self._ended.is_set(),
            saw=lambda: self._end or ("no event yet" if self._agreed else "the handshake is not answered yet"),
        )
        if not self._accepted.is_set():
            raise SubscriptionRefused(f"the subscription to {self._conversation} was not accepted: {self._end}")

    def begin(self) -> None:
        """Connect without waiting for anything."""
        self._write("opened")
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Accepted and not ended."""
        return self._accepted.is_set() and not self._ended.is_set()

    def close(self) -> None:
        """End it from this side, within seconds whatever the server does. Idempotent."""
        self._closing.set()
        self._stream.end()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S + GONE_S)
            self._stream.interrupt()
            self._thread.join(GONE_S)

    def _run(self) -> None:
        code, reason = 0, "the harness failed while reading it"
        try:
            code, reason = self._follow()
        except Refused as refused:
            code, reason = refused.code, "the handshake was refused"
        except Cancelled:
            reason = "closed by the harness"
        except DeadlineMissed:
            reason = f"timeout: no whole answer to the handshake within {REQUEST_S:g} s"
        except Unsound as unsound:
            self._write_flaw(unsound)
            reason = str(unsound)
        except OSError as broken:
            reason = f"{type(broken).__name__}: {broken}"
        finally:
            self._end = f"{code} {reason}".strip()
            self._write("closed", code=code, reason=reason, by_server=self._by_server)
            self._ended.set()

    def _follow(self) -> tuple[int, str]:
        try:
            budget = Budget(REQUEST_S, cancel=self._closing)
            self._stream.open(budget)
            self._agreed = True
        except BaseException:
            self._stream.close()
            raise
        told = ""
        try:
            self._read()
            self._by_server = not self._closing.is_set()
        except Unsound as unsound:
            self._write_flaw(unsound)
            told = str(unsound)
        # Whoever floods is not listened to for a goodbye.
        code, reason = self._stream.close(goodbye_s=0.0 if told else None)
        self._by_server = self._by_server and code not in (BROKEN, *_BLAMES_THE_OTHER)
        return code, told or reason

    def _read(self) -> None:
        """Until it ends. Raises Unsound for what ends it."""
        for raw in messages_of(self._stream, self._closing):
            try:
                self._take(raw, time.monotonic_ns())
            except NotAnEvent:
                self._note(f"a frame that is no event: {self._recorder.masker.start(raw, FRAME_CHARS)!r}")
            except Unsound as unsound:
                self._tell_flaw(unsound)
            if self._oddities > STREAM_ODDITIES:
                raise Exceeded(f"the stream brought more than {STREAM_ODDITIES} messages that are no events")

    def _tell_flaw(self, unsound: Unsound) -> None:
        if self._odd():
            self._write_flaw(unsound)

    def _write_flaw(self, unsound: Unsound) -> None:
        self._write("flawed", reason=str(unsound), flaw=unsound.flaw)

    def _note(self, text: str) -> None:
        if self._odd():
            self._witness.write(Note(text=f"{self.reading}: {text}"))

    def _odd(self) -> bool:
        """Whether one more is told."""
        self._oddities += 1
        return self._oddities <= TOLD

    def _take(self, raw: bytes | bytearray, t_ns: int) -> None:
        event = self._adapter.decode(raw)
        if not self._accepted.is_set():
            self._write("subscribed", t_ns=t_ns)
            self._accepted.set()
        record_event(
            event,
            self._recorder,
            self._witness,
            reading=self.reading,
            conversation=self._conversation,
            epoch=self._epoch,
            t_ns=t_ns,
        )
        if event.status and self._tells_status:
            self._witness.write(
                status_of(
                    event.status,
                    self._adapter,
                    conversation=self._conversation,
                    via="stream",
                    epoch=self._epoch,
                    t_ns=t_ns,
                )
            )
        if self._on_event is not None:
            self._on_event(event)

    def _write(
        self, stage: str, *, code: int = 0, reason: str = "", flaw: Flaw = "", by_server: bool = False, t_ns: int = 0
    ) -> None:
        record = Stream(
            reading=self.reading,
            stage=stage,  # type: ignore[arg-type]
            conversation=self._conversation,
            path=self._path,
            since=self._since.way,
            after=self._since.event,
            code=code,
            reason=reason,
            flaw=flaw,
            by_server=by_server,
            epoch=self._epoch,
        )
        record.t_ns = t_ns
        self._witness.write(record)


def messages_of(stream: MessageStream, closing: threading.Event) -> Iterator[bytes | bytearray]:
    """What an open stream brings until it ends, or `closing` is set. Raises Exceeded when it brings more than is taken of one; whatever
    `MessageStream.receive` raises."""
    messages = taken = 0
    while not closing.is_set() and (raw := stream.receive()) is not None:
        messages, taken = messages + 1, taken + len(raw)
        if messages > STREAM_MESSAGES:
            raise Exceeded(f"the stream brought more than {STREAM_MESSAGES} messages")
        if taken > STREAM_BYTES:
            raise Exceeded(f"the stream brought more than {size(STREAM_BYTES)}")
        yield raw


class FirstStep:
    """Lets pollers stay away while the first step of a conversation is under way, where a release cannot bear it."""

    def __init__(self, neutral: Callable[[str], Neutral], *, alone: bool) -> None:
        """`neutral` is the adapter's; `alone`: the release cannot bear it."""
        self._neutral = neutral
        self._over = threading.Event()
        if not alone:
            self._over.set()

    def noticed(self, event: Event) -> None:
        """The stream brought an event: the first action, or an end of the run, ends the first step."""
        if event.role in ("action", "error") or self._neutral(event.status) in TERMINAL:
            self._over.set()

    def wait(self, stop: threading.Event) -> None:
        """Until the first step is over, `stop` is set, or FIRST_STEP_S have passed."""
        deadline = time.monotonic() + FIRST_STEP_S
        while not stop.is_set() and time.monotonic() < deadline:
            if self._over.wait(0.05):
                return
