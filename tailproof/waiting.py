"""Every wait names its condition and has a deadline; all waits of a trial share one budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Cancelled(Exception):
    """The trial was told to end (Ctrl-C, a lost owner)."""


class DeadlineMissed(Exception):
    """A wait ended without what it waited for."""

    def __init__(self, waited_for: str, seconds: float, saw: str) -> None:
        super().__init__(f"waited {seconds:.1f} s for {waited_for}; last seen: {saw or 'nothing'}")
        self.waited_for = waited_for
        self.seconds = seconds
        self.saw = saw


class Budget:
    """A deadline that its waits share. `part` gives a stage a shorter one; cancelling one cancels all."""

    def __init__(self, seconds: float, *, cancel: threading.Event | None = None) -> None:
        self.deadline = time.monotonic() + seconds
        self.cancel = cancel if cancel is not None else threading.Event()

    @property
    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def part(self, seconds: float) -> Budget:
        """At most `seconds` of what is left."""
        return Budget(min(seconds, self.left), cancel=self.cancel)

    def wait_for(
        self,
        waited_for: str,
        look: Callable[[], T | None],
        *,
        within: float | None = None,
        saw: Callable[[], str] = str,
        every: float = 0.02,
    ) -> T:
        """Look until `look` gives something true; `every` is the pause between two looks.

        Raises:
            DeadlineMissed: not within `within` seconds (all that is left when None); says what was seen last.
            Cancelled: somebody cancelled the budget.
        """
        began = time.monotonic()
        deadline = self.deadline if within is None else min(self.deadline, began + within)
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() >= deadline:
                raise DeadlineMissed(waited_for, time.monotonic() - began, saw())
            if self.cancel.wait(min(every, max(0.0, deadline - time.monotonic()))):
                raise Cancelled(waited_for)

    def wait_event(self, waited_for: str, event: threading.Event, *, within: float | None = None) -> None:
        """Until `event` is set. Raises as `wait_for` does."""
        self.wait_for(waited_for, lambda: event.wait(0.05), within=within, every=0.0)
