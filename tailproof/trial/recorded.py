"""What every trial is, whatever is on trial: it can be cut off, and its history is written down."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tailproof.history import records
from tailproof.history.directory import is_history, remove_history
from tailproof.history.recorder import Recorder
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.scenario.schema import Scenario
from tailproof.trial.order import Order
from tailproof.waiting import Cancelled, DeadlineMissed


class TrialFailed(Exception):
    """The harness or the environment failed: the history, if there is one, decides nothing."""


class HistoryLost(TrialFailed):
    """What was seen cannot be written down: no other trial of this machine can be believed either."""


class RecordedTrial:
    """Executes one order and leaves its history in `order.directory`."""

    def __init__(self, order: Order, *, cancel: threading.Event, tell: Callable[[str, str], None]) -> None:
        self.order = order
        self.scenario = Scenario.model_validate(order.scenario)
        self.masker = Masker(secrets_of_environment())
        """Knows what must not be told: it is for whoever passes on what this trial says, or raises."""
        self._in_order = False
        self._cancel = cancel
        self._tell = tell
        self._recorder: Recorder | None = None
        self._was_cut_off = False

    @abstractmethod
    def run(self) -> None:
        """Raises TrialFailed (environment), HistoryLost, Cancelled, OSError (what the machine refuses). Whatever happens, nothing is left
        running."""

    @abstractmethod
    def cut_off(self, *, spare_wire: bool) -> None:
        """From another thread, whatever the trial's own waits for: kill what plays in it, so that every wait for it ends. The wire is
        spared as long as it may still have to heal."""

    @abstractmethod
    def remove_all(self) -> None:
        """From another thread, when the trial's own does not come to its end: remove what can be removed in a moment."""

    def stalled(self, late_ns: int) -> None:
        """The supervisor was late by this much; the history must know."""
        recorder = self._recorder
        if recorder is not None:
            recorder.witness("trial").write(records.Stall(late_ns))

    def _tell_cut_off(self) -> None:
        """Before anybody is killed: whatever the record shows from here on is nobody's doing but ours."""
        recorder = self._recorder
        if recorder is not None and not self._was_cut_off:
            self._was_cut_off = True
            recorder.witness("trial").write(records.BreakOff(by="harness", doing="trial", says="the trial was cut off"))

    def _make_room(self) -> None:
        """Remove the history of an earlier trial of this order. Raises TrialFailed: what stands there is none."""
        if self.order.directory.exists() and not is_history(self.order.directory):
            raise TrialFailed(f"{self.order.directory} was not made by tailproof: the history needs another place")
        remove_history(self.order.directory)

    @contextmanager
    def _recording(self, recorder: Recorder) -> Iterator[None]:
        """Raises HistoryLost when not all of the history could be written."""
        self._recorder = recorder
        try:
            yield
        finally:
            self._recorder = None
            recorder.close()
        if recorder.failed:
            raise HistoryLost(recorder.failed)

    def _check_cut_off(self) -> None:
        """Raises Cancelled: whatever went wrong in a trial that is cut off went wrong because of that."""
        if self._cancel.is_set():
            raise Cancelled(self.order.name)

    def _check(self) -> None:
        recorder = self._recorder_of()
        if recorder.failed:
            raise HistoryLost(recorder.failed)

    def _recorder_of(self) -> Recorder:
        assert self._recorder is not None, "a trial records only while it runs"
        return self._recorder

    def _witness(self, record: records.AnyRecord) -> None:
        self._recorder_of().witness("trial").write(record)

    def _enter(self, phase: str) -> None:
        self._witness(records.Phase(phase))
        self._tell(phase, "")

    def _miss(self, missed: DeadlineMissed) -> None:
        self._in_order = False
        self._witness(records.Missed(missed.waited_for, missed.seconds, missed.saw))
