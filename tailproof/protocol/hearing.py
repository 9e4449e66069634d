"""What a user hears who is subscribed to a conversation of their own."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from tailproof.faults.fault import Stage
from tailproof.history.server_records import Neighbour
from tailproof.incoming.limits import REQUEST_S, STREAM_MESSAGES, Unsound
from tailproof.incoming.stream import Refused
from tailproof.incoming.websocket import CLOSE_S
from tailproof.protocol.adapter import NotAnEvent
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

BEGINS_S = 5.0
"""How long the first event is waited for before the user speaks: one who is let in later hears what follows."""
GONE_S = 1.0


class Hearing:
    """A subscription of which only the ids of the durable events are kept: the rest of it is no part of the trial."""

    def __init__(self, stage: Stage, conversation: str) -> None:
        self._conversation = conversation
        self._epoch = stage.server.epoch
        self._decode = stage.adapter.decode
        self._stream = stage.company.api().stream(conversation)
        self._heard: dict[str, None] = {}
        self._began_ns = time.monotonic_ns()
        self._begun = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"hearing-{conversation}", daemon=True)
        self._thread.start()

    def wait_begun(self, budget: Budget) -> None:
        """Until something has come, or nothing will, a moment at most. Raises Cancelled."""
        with suppress(DeadlineMissed):
            budget.wait_event("another conversation to be heard", self._begun, within=BEGINS_S)

    def leave(self) -> None:
        """Listen no more, without waiting for the server to say goodbye."""
        self._closing.set()
        self._stream.end()

    def heard(self) -> Neighbour:
        """What has come to one who has left, within seconds whatever the server does."""
        self._thread.join(CLOSE_S)
        self._stream.interrupt()
        self._thread.join(GONE_S)
        return Neighbour(
            conversation=self._conversation,
            when="heard",
            began_ns=self._began_ns,
            events=list(self._heard),
            epoch=self._epoch,
            t_ns=time.monotonic_ns(),
        )

    def _listen(self) -> None:
        """Who is not let in, or put out, has heard what came until then: what is due to a subscriber is asked elsewhere."""
        with suppress(Refused, Unsound, OSError, Cancelled, DeadlineMissed):
            try:
                self._stream.open(Budget(REQUEST_S, cancel=self._closing))
                self._read()
            finally:
                self._stream.close()
        self._begun.set()

    def _read(self) -> None:
        for _ in range(STREAM_MESSAGES):
            raw = self._stream.receive()
            if raw is None or self._closing.is_set():
                return
            with suppress(NotAnEvent, Unsound):
                event = self._decode(raw)
                if event.durable and event.id:
                    self._heard[event.id] = None
                self._begun.set()
