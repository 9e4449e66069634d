"""Heals faults after a fixed time, while the trial's thread drives the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from tailproof.waiting import Budget, Cancelled, DeadlineMissed

SLACK_S = 30.0


class HealingClock:
    """One thread per fault that lasts so many seconds. `stop` ends the waiting: whatever is not healed by then is the caller's."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._stopped = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def set(self, fault: str, seconds: float, heal: Callable[[], None]) -> None:
        """Call `heal` in a thread when so many seconds are over."""

        def wait_and_heal() -> None:
            budget = Budget(seconds + SLACK_S, cancel=self._cancel)
            try:
                budget.wait_event("the end of driving", self._stopped, within=seconds)
            except DeadlineMissed:
                with suppress(Cancelled):  # the end of the trial heals
                    heal()
            except Cancelled:
                return  # here, too

        thread = threading.Thread(target=wait_and_heal, name=f"heal-{fault}", daemon=True)
        self._threads[fault] = thread
        thread.start()

    def wait(self, fault: str, budget: Budget) -> None:
        """Until the fault was healed; at once for one that was never set. Raises DeadlineMissed, Cancelled."""
        thread = self._threads.get(fault)
        if thread is not None:
            budget.wait_for(f"{fault} to be healed after its fixed time", lambda: not thread.is_alive(), every=0.02)

    def stop(self) -> None:
        """Heal nothing any more; when it returns, no healing is under way. Idempotent."""
        self._stopped.set()
        for thread in self._threads.values():
            thread.join()
