"""Faults that heal after a fixed time, and a loop that waits for the client to subscribe again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fault_stage import GATED, play, stages

from tailproof.faults.clock import HealingClock
from tailproof.history.reader import History
from tailproof.waiting import Budget, Cancelled

SECONDS = 20.0
CUT = {"fault": "wire.cut", "at": "tool-running:1", "until": "tool-running:1", "with": {"when": "at-once"}}


def phase(history: History, name: str) -> int:
    return next(record.t_ns for record in history.phases if record.name == name)


def rendezvous(history: History) -> list[tuple[str, str]]:
    return [(record.point, record.stage) for record in history.rendezvous]


def test_a_fault_that_lasts_is_healed_while_the_loop_goes_on(tmp_path: Path) -> None:
    slow = [GATED[0], {"tools": [{"token": "two"}], "delay_s": 1.5}, GATED[2]]
    history = play(tmp_path, {"fault": "wire.down", "at": "tool-running:1", "lasts": 0.5}, script=slow)
    steps = stages(history)
    assert list(steps) == ["intent", "injected", "proven", "healed"]
    assert steps["healed"].t_ns - steps["injected"].t_ns >= 0.5e9
    released = next(record.t_ns for record in history.rendezvous if record.stage == "released")
    second = next(effect.t_ns for effect in history.effects if effect.token == "two")
    assert released < steps["healed"].t_ns < second, "the loop was let go before, and the run went on after it"


def test_a_fault_that_would_outlast_the_trial_is_healed_at_its_end(tmp_path: Path) -> None:
    delay = {"fault": "wire.delay", "at": "created", "lasts": 600, "with": {"seconds": 0.1}}
    history = play(tmp_path, delay, script=GATED[1:])
    steps = stages(history)
    assert list(steps) == ["intent", "injected", "proven", "healed"]
    assert phase(history, "healing") <= steps["healed"].t_ns <= phase(history, "recovering")


def test_the_loop_is_held_until_the_client_has_subscribed_again(tmp_path: Path) -> None:
    history = play(tmp_path, {**CUT, "hold_until": "reconnected"}, script=GATED, client="reference")
    assert rendezvous(history) == [
        ("tool-running:1", "reached"),
        ("reconnected", "reached"),
        ("tool-running:1", "released"),
    ]
    upgrades = [exchange.t_ns for exchange in history.exchanges if exchange.done == "upgraded"]
    assert stages(history)["injected"].t_ns < upgrades[-1] < history.rendezvous[1].t_ns
    assert len(upgrades) == 2


def test_a_client_that_never_comes_back_is_waited_for_as_long_as_its_promise(tmp_path: Path) -> None:
    plan = {**CUT, "hold_until": "reconnected"}
    history = play(tmp_path, plan, script=GATED, parameters={"stream.resumed": 0.5})
    assert rendezvous(history) == [
        ("tool-running:1", "reached"),
        ("reconnected", "missed"),
        ("tool-running:1", "released"),
    ]
    assert history.rendezvous[1].t_ns - stages(history)["injected"].t_ns >= 0.5e9
    assert [effect.token for effect in history.effects if effect.stage == "begin"] == ["one", "two"]
    assert not history.missed, "it is the client's miss, not one of the harness"


def test_what_lasts_is_over_before_the_client_is_waited_for(tmp_path: Path) -> None:
    outage = {"fault": "wire.down", "at": "tool-running:1", "lasts": 0.5, "hold_until": "reconnected"}
    history = play(tmp_path, outage, script=GATED, client="reference")
    moments = [stages(history)["healed"].t_ns, *(record.t_ns for record in history.rendezvous[1:])]
    assert moments == sorted(moments)
    assert rendezvous(history)[1] == ("reconnected", "reached")


def test_all_faults_of_one_point_land_before_the_loop_goes_on(tmp_path: Path) -> None:
    refused = {
        "id": "refused",
        "fault": "wire.status",
        "lasts": 1,
        "with": {"code": 503, "match": {"route": "/sockets/*"}},
    }
    history = play(
        tmp_path,
        {**refused, "at": "tool-running:1"},
        {**CUT, "hold_until": "reconnected"},
        script=GATED,
        client="reference",
    )
    assert rendezvous(history)[0] == ("tool-running:1", "reached")
    assert [record.stage for record in history.rendezvous].count("released") == 1
    assert stages(history, "refused")["proven"].proof["refused"] > 0
    assert stages(history, "refused")["healed"].t_ns < history.rendezvous[1].t_ns


def test_the_clock_heals_when_the_time_is_over_and_not_before() -> None:
    clock, healed = HealingClock(threading.Event()), threading.Event()
    clock.set("it", 0.05, healed.set)
    clock.wait("it", Budget(SECONDS))
    assert healed.is_set()
    clock.wait("never set", Budget(SECONDS))


@pytest.mark.parametrize("end", ["stopped", "cancelled"])
def test_a_clock_that_is_stopped_heals_nothing(end: str) -> None:
    cancel, healed = threading.Event(), threading.Event()
    clock = HealingClock(cancel)
    clock.set("it", 3600, healed.set)
    if end == "cancelled":
        cancel.set()
        with pytest.raises(Cancelled):
            clock.wait("it", Budget(SECONDS, cancel=cancel))
    clock.stop()
    assert not healed.is_set()


def test_a_healing_that_the_end_of_the_trial_breaks_off_is_left_to_it() -> None:
    begun = threading.Event()

    def heal() -> None:
        begun.set()
        raise Cancelled("the answer of a server")

    clock = HealingClock(threading.Event())
    clock.set("it", 0.01, heal)
    assert begun.wait(SECONDS)
    clock.stop()
