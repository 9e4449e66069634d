"""Which trials run side by side: as many as there are threads for, but for one that touches what others stand on, which runs alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tailproof.waiting import Cancelled

_LOOK_S = 0.1


class Admission:
    """Safe from any thread. Who has to be alone is let in before those that come later, or it would wait for ever."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._left = threading.Condition()
        self._inside = 0
        self._alone = False
        self._waiting = 0
        """Of those that have to be alone."""

    @contextmanager
    def entered(self, *, alone: bool) -> Iterator[None]:
        """Waits until it may run, which ends with the trials that are under way. Raises Cancelled."""
        with self._left:
            self._waiting += alone
            try:
                while not self._may(alone):
                    if self._cancel.is_set():
                        raise Cancelled("the trials beside which it cannot run to end")
                    self._left.wait(_LOOK_S)
            finally:
                self._waiting -= alone
            self._inside += 1
            self._alone = alone
        try:
            yield
        finally:
            with self._left:
                self._inside -= 1
                self._alone = False
                self._left.notify_all()

    def _may(self, alone: bool) -> bool:
        if alone:
            return not self._inside
        return not self._alone and not self._waiting
