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
