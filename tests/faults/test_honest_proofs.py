"""No fault claims an effect that something else had, or that nothing could have had."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tailproof.faults.catalogue import fault_for
from tailproof.waiting import Budget


class Dead:
    """A server that had died by itself before anything was done to it."""

    def server_pid(self) -> int:
        return 0

    def alive(self) -> bool:
        return False

    def kill(self, *, scope: str, signal: str) -> None: ...

    def stop(self, budget: Budget, *, grace_s: float) -> None: ...

    def wait_dead(self, budget: Budget) -> None: ...

    def survivors(self) -> list[str]:
        return []


@pytest.mark.parametrize("kind", ["process.kill", "process.restart"])
def test_a_server_that_was_dead_before_did_not_die_of_the_fault(kind: str) -> None:
    stage: Any = SimpleNamespace(server=Dead(), budget=Budget(5), capabilities=frozenset({"kill", "restart"}))
    fault = fault_for("it", kind, {})
    fault.inject(stage)
    assert not fault.verify(stage).proven


class Mortal(Dead):
    """A server that dies of each kill and lives after each start, but for those of `stillborn`."""

    def __init__(self, *, stillborn: bool) -> None:
        self.living = True
        self.stillborn = stillborn

    def server_pid(self) -> int:
        return 7 * self.living

    def alive(self) -> bool:
        return self.living

    def kill(self, *, scope: str, signal: str) -> None:
        self.living = False

    def restart(self, budget: Budget, *, place: str) -> None:
        self.living = not self.stillborn


@pytest.mark.parametrize("again", ["starting", "ready"])
@pytest.mark.parametrize("stillborn", [False, True])
def test_two_kills_are_proven_by_two_lives(again: str, stillborn: bool) -> None:
    waited: list[str] = []
    stage: Any = SimpleNamespace(
        server=Mortal(stillborn=stillborn),
        budget=Budget(5),
        capabilities=frozenset({"kill"}),
        ready=lambda: waited.append("ready"),
    )
    fault = fault_for("it", "process.kill", {"again": again})
    fault.inject(stage)
    proof = fault.verify(stage)
    assert (proof.proven, proof.counters["lives"]) == ((False, 1) if stillborn else (True, 2))
    assert waited == (["ready"] if again == "ready" else []), "only who says that it is ready is waited for"


def test_a_life_after_the_next_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="starting"):
        fault_for("it", "process.kill", {"again": "third"})


class Second:
    """A server beside the first one."""

    url = "http://127.0.0.1:1"

    def __init__(self, *, pid: int, shares: bool) -> None:
        self._pid = pid
        self._shares = shares
        self.ended = 0

    def start(self) -> None: ...

    def pid(self) -> int:
        return 0 if self.ended else self._pid

    def shares_disk(self, pid: int) -> bool:
        return self._shares

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("pid", "shares", "pid_later", "proven"),
    [(8, True, 7, True), (0, True, 7, False), (8, False, 7, False), (8, True, 9, False), (7, True, 7, False)],
    ids=["two-on-one-disk", "ended-by-itself", "another-disk", "the-first-is-another-now", "the-same-process"],
)
def test_two_servers_on_one_disk_are_two_that_live_there(pid: int, shares: bool, pid_later: int, proven: bool) -> None:
    second, pids = Second(pid=pid, shares=shares), iter([7, pid_later])
    ok = SimpleNamespace(ok=True, code=200)
    api = SimpleNamespace(
        ready=lambda: ok, status=lambda it: (ok, "idle"), page=lambda it: SimpleNamespace(answer=ok), run=lambda it: ok
    )
    stage: Any = SimpleNamespace(
        server=SimpleNamespace(server_pid=lambda: next(pids), twin=lambda: second),
        company=SimpleNamespace(api=lambda url: api),
        budget=Budget(5),
        conversation="it",
    )
    fault = fault_for("it", "process.twin", {})
    fault.heal(stage)
    assert second.ended == 0, "none was started"
    fault.inject(stage)
    assert fault.verify(stage).proven is proven
    fault.heal(stage)
    assert second.ended == 1


class Path:
    """A wire whose counters a test sets, behind a Toxiproxy that shows every toxic as on."""

    def __init__(self) -> None:
        self.now: Mapping[str, int] = {"down.bytes_out": 100, "up.bytes_in": 100}

    def counters(self) -> Mapping[str, int]:
        return self.now

    def add(self, *toxic: object) -> None: ...

    def toxics(self) -> list[str]:
        return ["it"]


@pytest.mark.parametrize(("direction", "counter"), [("downstream", "down.bytes_out"), ("upstream", "up.bytes_in")])
def test_a_toxic_is_proven_by_traffic_of_its_own_direction(direction: str, counter: str) -> None:
    path = Path()
    stage: Any = SimpleNamespace(wire=path, toxiproxy=path)
    fault = fault_for("it", "network.latency", {"direction": direction, "attributes": {"latency": 5}})
    fault.inject(stage)
    path.now = {name: value + (name != counter) for name, value in path.now.items()}
    assert not fault.verify(stage).proven
    path.now = {**path.now, counter: 200}
    assert fault.verify(stage).proven
