"""Keeps a client that drives itself from running ahead of the witnesses of its trial.

Nothing of its run begins before the observer is subscribed, and its conversation is not deleted before it was read (one that
still runs has no log to judge by: its deletion is let through).
"""

from __future__ import annotations

import threading
from contextlib import suppress

from tailproof.history.record import RESTING
from tailproof.history.recorder import Witness
from tailproof.history.records import Note
from tailproof.model.conversation import PlayedScript
from tailproof.protocol.adapter import Adapter, RequestWord
from tailproof.trial.observer import Observer
from tailproof.trial.readings import read_at_last
from tailproof.waiting import Budget, Cancelled, DeadlineMissed
from tailproof.wire.handle import Wire, WireError
from tailproof.wire.rules import Match, Rule

READ_S = 4.0
"""How long a deletion may be kept waiting: clients with usual timeouts have 5 s of patience."""
DELIVERED_S = 1.0
_DELETION = "deletion-after-reading"
_STARTERS: tuple[RequestWord, ...] = ("send", "run")


class StartGate:
    """`hold` before the client starts, `subscribed` and `begun` as it goes on, `end` at last."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        wire: Wire,
        model: PlayedScript,
        observer: Observer,
        log: Witness,
        reads_wait_for_steps: bool,
    ) -> None:
        self.deletion = False
        """The client asked for the deletion of its conversation."""
        self._adapter = adapter
        self._wire = wire
        self._model = model
        self._observer = observer
        self._log = log
        # A subscriber would wait for a step whose model stands still: there the requests that begin a run are held instead.
        self._at_the_wire = reads_wait_for_steps
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self) -> None:
        """From now on the model keeps its replies back, and no deletion gets through. Raises WireError."""
        if self._at_the_wire:
            for verb in _STARTERS:
                self._add(_after(verb), verb)
        else:
            self._model.stand_still()
        self._add(_DELETION, "delete")

    def subscribed(self, conversation: str, budget: Budget) -> None:
        """The observer is subscribed to the conversation: the client may begin its run. Raises WireError."""
        if self._at_the_wire:
            for verb in _STARTERS:
                self._wire.remove(_after(verb))
        watched = Budget(budget.left, cancel=self._cancel)
        self._thread = threading.Thread(
            target=self._watch, args=(conversation, watched), name="reads-before-deletion", daemon=True
        )
        self._thread.start()

    def begun(self) -> None:
        """The run has begun, and everyone is there. Idempotent."""
        self._model.go_on()

    def end(self) -> None:
        """Hold nothing any more; a wire that died holds nothing anyway. Idempotent."""
        self._model.go_on()
        self._cancel.set()
        if self._thread is not None:
            self._thread.join()
        for rule in (_DELETION, *(_after(verb) for verb in _STARTERS)):
            with suppress(WireError):
                self._wire.remove(rule)

    def _add(self, identity: str, verb: RequestWord) -> None:
        method, route = self._adapter.route(verb)
        self._wire.add(Rule(id=identity, do="hold", on="http", match=Match(method=method, route=route)))

    def _watch(self, conversation: str, budget: Budget) -> None:
        try:
            self._wire.wait_fired(_DELETION, budget)
            self.deletion = True
            if self._adapter.neutral(self._observer.read_status(conversation, budget=budget)) in RESTING:
                self._read(conversation, budget.part(READ_S))
            self._wire.remove(_DELETION)
        except Cancelled:
            return
        except (DeadlineMissed, WireError) as error:
            self._log.write(Note(text=f"nobody waits any more for a deletion by the client: {error}"))

    def _read(self, conversation: str, budget: Budget) -> None:
        log = read_at_last(self._observer, conversation, budget)
        last = next((seen.id for seen in reversed(log.events) if seen.durable and seen.role != "bookkeeping"), "")
        try:
            self._observer.wait_event(
                "the stream to bring the end of the log", lambda seen: seen.id == last, Budget(DELIVERED_S)
            )
        except DeadlineMissed as missed:
            self._log.write(Note(text=f"before the deletion by the client: {missed}"))


def _after(verb: str) -> str:
    """The rule that keeps a request of this kind waiting until the observer is subscribed."""
    return f"{verb}-after-subscribing"
