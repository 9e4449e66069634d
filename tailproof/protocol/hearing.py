"""What a user hears who is subscribed to a conversation of their own."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from tailproof.history.server_records import Neighbour
from tailproof.incoming.limits import REQUEST_S, Unsound
from tailproof.incoming.stream import Refused
from tailproof.incoming.websocket import CLOSE_S
from tailproof.protocol.adapter import Adapter, Api, NotAnEvent
from tailproof.protocol.subscription import GONE_S, messages_of
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

BEGINS_S = 5.0
"""How long the first event is waited for before the user speaks: one who is let in later hears what follows."""
MOST_CHARS = 1 << 20
"""Of all ids together: what is heard is one record of the history."""


class Hearing:
    """A subscription of which only the ids of the durable events are kept: the rest of it is no part of the trial."""

    def __init__(self, adapter: Adapter, api: Api, conversation: str, *, epoch: int) -> None:
        """It begins at once. `epoch` is the life of the server, with which it ends."""
        self._conversation = conversation
        self._epoch = epoch
        self._decode = adapter.decode
        self._stream = api.stream(conversation)
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
        chars = 0
        for raw in messages_of(self._stream, self._closing):
            with suppress(NotAnEvent, Unsound):
                event = self._decode(raw)
                self._begun.set()
                if event.durable and event.id and event.id not in self._heard:
                    chars += len(event.id)
                    if chars > MOST_CHARS:
                        return
                    self._heard[event.id] = None
