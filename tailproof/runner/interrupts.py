"""Ctrl-C, SIGTERM and SIGHUP are one thing: the first of them interrupts the main thread, the others change nothing any more."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Of a process. What is told (`tell`) is told by the handler itself, before anybody has caught the KeyboardInterrupt."""

    def __init__(self) -> None:
        self.by = ""
        """The name of the first signal; empty as long as there was none."""
        self._held = 0
        self._listening = False
        self._told: list[Callable[[], object]] = []

    @property
    def says(self) -> str:
        """`interrupted (SIGTERM)`."""
        return f"interrupted ({self.by})" if self.by else "interrupted"

    def listen(self) -> None:
        """From now on. A signal that whoever started us has ignored (`nohup`) stays ignored. Idempotent; of the main thread alone."""
        if self._listening or threading.current_thread() is not threading.main_thread():
            return
        self._listening = True
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._came)

    def tell(self, act: Callable[[], object]) -> None:
        """Call `act` when the first signal comes: it must not wait for anything."""
        self._told.append(act)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody is interrupted in this block: a signal is known (`by`) and nothing more."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def hold(self) -> None:
        """For the rest of the process."""
        self._held += 1

    def _came(self, number: int, frame: FrameType | None) -> None:
        if self.by:
            return
        self.by = signal.Signals(number).name
        for act in self._told:
            with suppress(Exception):  # whoever is told may be gone; the others must be told all the same
                act()
        if not self._held:
            raise KeyboardInterrupt(self.by)


INTERRUPTS = Interrupts()
"""Those of this process."""
