"""Which trials run side by side, and which alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tailproof.runner.admission import Admission
from tailproof.runner.check import catalogue
from tailproof.trial.play import plays_alone
from tailproof.waiting import Budget, Cancelled

SECONDS = 20.0


class Trials:
    """Trials that run until they are let go."""

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.inside: list[str] = []
        self.cancelled: list[str] = []
        self._admission = Admission(self.cancel)
        self._let_go: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def begin(self, name: str, *, alone: bool = False) -> None:
        self._let_go[name] = threading.Event()
        self._threads.append(threading.Thread(target=self._run, args=(name, alone)))
        self._threads[-1].start()

    def end(self, name: str) -> None:
        self._let_go[name].set()

    def wait(self, *names: str) -> None:
        Budget(SECONDS).wait_for(
            f"{names} to run", lambda: sorted(self.inside) == sorted(names), saw=lambda: str(self.inside)
        )

    def wait_queued(self) -> None:
        """Who has to be alone has asked."""
        Budget(SECONDS).wait_for("it to wait", lambda: self._admission._waiting)

    def close(self) -> None:
        self.cancel.set()
        for event in self._let_go.values():
            event.set()
        for thread in self._threads:
            thread.join(SECONDS)
        assert not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str, alone: bool) -> None:
        try:
            with self._admission.entered(alone=alone):
                self.inside.append(name)
                self._let_go[name].wait(SECONDS)
                self.inside.remove(name)
        except Cancelled:
            self.cancelled.append(name)


@contextmanager
def closed(trials: Trials) -> Iterator[Trials]:
    try:
        yield trials
    finally:
        trials.close()


@pytest.fixture
def trials() -> Iterator[Trials]:
    with closed(Trials()) as trials:
        yield trials


def test_one_that_has_to_be_alone_waits_for_those_that_run_and_is_let_in_before_those_that_come_later(
    trials: Trials,
) -> None:
    trials.begin("one")
    trials.begin("two")
    trials.wait("one", "two")
    trials.begin("alone", alone=True)
    trials.wait_queued()
    trials.begin("later")
    trials.end("one")
    trials.wait("two")
    trials.end("two")
    trials.wait("alone")
    trials.end("alone")
    trials.wait("later")


def test_two_that_have_to_be_alone_run_one_after_the_other(trials: Trials) -> None:
    trials.begin("first", alone=True)
    trials.wait("first")
    trials.begin("second", alone=True)
    trials.wait_queued()
    assert trials.inside == ["first"]
    trials.end("first")
    trials.wait("second")


@pytest.mark.parametrize("alone", [True, False])
def test_who_waits_is_told_when_the_check_ends(trials: Trials, alone: bool) -> None:
    trials.begin("under way", alone=not alone)
    trials.wait("under way")
    trials.begin("waits", alone=alone)
    trials.cancel.set()
    Budget(SECONDS).wait_for("it to be told", lambda: trials.cancelled == ["waits"])


@pytest.mark.parametrize(
    ("alone", "named"),
    [
        (True, "executor-oom-kubelet-2 executor-killed-kubelet-10 restart-pod-drain"),
        (False, "calm kill-tool-running executor-oom executor-node-gone restart-pod-evict"),
    ],
)
def test_what_touches_a_whole_node_is_played_alone(alone: bool, named: str) -> None:
    found: Callable[[str], bool] = lambda name: plays_alone(catalogue([name])[0])  # noqa: E731
    assert {name: found(name) for name in named.split()} == dict.fromkeys(named.split(), alone)
