"""One subscription to the events of a conversation: everything that comes is recorded, in order, nothing is repaired."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from tailproof.adapters.adapter import Adapter, Api, Seen
from tailproof.adapters.recording import event_of, status_of
from tailproof.history.recorder import Recorder, Witness
from tailproof.history.records import Note, Stream
from tailproof.waiting import Budget

OPEN_S = 30.0
CLOSE_S = 2.0


FIRST_STEP_S = 60.0


class SubscriptionRefused(Exception):
    """The server, or what stands before it, did not accept the subscription; the message says what it answered."""


class Subscription:
    """A WebSocket that is read in its own thread until it ends or is closed.

    A subscription counts as accepted when its first event has come: handshakes are answered before the key is looked at.
    `path` is `direct` or `wire`. `on_seen` is called in the reading thread, after the event was recorded.
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
        on_seen: Callable[[Seen], None] | None = None,
    ) -> None:
        self.reading = reading
        self._adapter = adapter
        self._recorder = recorder
        self._witness = witness
        self._conversation = conversation
        self._path = path
        self._epoch = epoch
        self._on_seen = on_seen
        self._opening = api.stream_opening(conversation)
        self._connection: ClientConnection | None = None
        self._accepted = threading.Event()
        self._ended = threading.Event()
        self._closing = threading.Event()
        self._end = ""
        self._thread = threading.Thread(target=self._run, name=f"subscription-{reading}", daemon=True)

    def open(self, budget: Budget) -> None:
        """Connect and return once the first event has come.

        Raises:
            SubscriptionRefused: it ended before that.
            DeadlineMissed, Cancelled: as `Budget.wait_for`.
        """
        self.begin()
        budget.wait_for(
            f"the subscription to {self._conversation} to be accepted ({self._path})",
            lambda: self._accepted.is_set() or self._ended.is_set(),
            saw=lambda: self._end or "no event yet",
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
        """End it from this side. Idempotent."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            connection.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        code, reason = 0, "the harness failed while reading it"
        try:
            code, reason = self._follow()
        except InvalidStatus as refused:
            code, reason = refused.response.status_code, "the handshake was refused"
        except ConnectionClosed as closed:
            end = closed.rcvd or closed.sent
            code, reason = (end.code, end.reason) if end else (1006, "the connection was lost")
        except (OSError, WebSocketException) as broken:
            reason = f"{type(broken).__name__}: {broken}"
        finally:
            self._end = f"{code} {reason}".strip()
            self._write("closed", code=code, reason=reason)
            self._ended.set()

    def _follow(self) -> tuple[int, str]:
        with connect(
            self._opening.url,
            additional_headers=dict(self._opening.headers),
            compression=None,
            max_size=None,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            proxy=None,
        ) as connection:
            self._connection = connection
            for frame in self._opening.frames:
                connection.send(frame)
            while not self._closing.is_set():
                self._take(_bytes(connection.recv()), time.monotonic_ns())
        return 1000, "closed by the harness"

    def _take(self, raw: bytes, t_ns: int) -> None:
        seen = self._adapter.decode(raw)
        if seen is None:
            self._witness.write(Note(text=f"{self.reading}: a frame that is no event: {raw[:200]!r}"))
            return
        if not self._accepted.is_set():
            self._write("subscribed", t_ns=t_ns)
            self._accepted.set()
        event = event_of(
            seen,
            self._recorder,
            reading=self.reading,
            conversation=self._conversation,
            epoch=self._epoch,
            t_ns=t_ns,
        )
        self._witness.write(event)
        if seen.status:
            self._witness.write(
                status_of(
                    seen.status,
                    self._adapter,
                    conversation=self._conversation,
                    via="stream",
                    epoch=self._epoch,
                    t_ns=t_ns,
                )
            )
        if self._on_seen is not None:
            self._on_seen(seen)

    def _write(self, stage: str, *, code: int = 0, reason: str = "", t_ns: int = 0) -> None:
        record = Stream(
            reading=self.reading,
            stage=stage,  # type: ignore[arg-type]
            conversation=self._conversation,
            path=self._path,
            code=code,
            reason=reason,
            epoch=self._epoch,
        )
        record.t_ns = t_ns
        self._witness.write(record)


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


class FirstStep:
    """Lets pollers stay away while the first step of a conversation is under way, where a release cannot bear it."""

    def __init__(self, *, alone: bool) -> None:
        self._over = threading.Event()
        if not alone:
            self._over.set()

    def noticed(self, seen: Seen) -> None:
        """The stream brought an event: the first action, or an end of the run, ends the first step."""
        if seen.role in ("action", "error") or seen.status in ("error", "finished", "stuck"):
            self._over.set()

    def wait(self, stop: threading.Event) -> None:
        """Until the first step is over, `stop` is set, or FIRST_STEP_S have passed."""
        deadline = time.monotonic() + FIRST_STEP_S
        while not stop.is_set() and time.monotonic() < deadline:
            if self._over.wait(0.05):
                return
