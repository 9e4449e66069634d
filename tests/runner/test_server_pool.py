"""A server to which a scenario does nothing serves the next trial, too; one with a fault serves nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailproof.history.reader import History
from tailproof.ownership import processes
from tailproof.runner.check import catalogue
from tailproof.trial.order import Order
from tailproof.trial.server_pool import ServerPool, may_share
from tailproof.trial.trial import Trial

SCENARIOS = {scenario.name: scenario for scenario in catalogue() if scenario.execution is None}


@pytest.fixture
def pool() -> Iterator[ServerPool]:
    pool = ServerPool(most=1)
    yield pool
    pool.close()


def play(pool: ServerPool | None, out: Path, name: str, number: int = 0, **more: Any) -> History:
    plan = {**SCENARIOS[name].model_dump(mode="json", by_alias=True), **more}
    order = Order(scenario=plan, target="reference", client="plain", seed=1, out=str(out), repetition=number)
    Trial(order, cancel=threading.Event(), tell=lambda phase, detail: None, pool=pool).run()
    return History.load(order.directory)


def pid(history: History) -> int:
    return next(life.pid for life in history.lives if life.stage == "ready")


def test_trials_that_leave_the_server_as_it_was_share_one(pool: ServerPool, tmp_path: Path) -> None:
    played = [play(pool, tmp_path, "calm", number) for number in range(3)]
    assert len({pid(history) for history in played}) == 1
    assert [history.header.facts["server_trials"] for history in played] == [1, 2, 3]
    assert [next(life.place for life in history.lives) for history in played] == ["first", "kept", "kept"]


def test_no_trial_sees_what_the_one_before_it_left(pool: ServerPool, tmp_path: Path) -> None:
    for number in range(2):
        history = play(pool, tmp_path, "calm", number)
        seen = {record.conversation.replace("-", "") for record in [*history.readings, *history.statuses]}
        assert len(seen) == 1
        tokens = sorted(effect.token for effect in history.effects if effect.stage == "begin")
        assert tokens == ["four", "one", "three", "two"]


def test_a_scenario_with_a_fault_of_the_server_has_one_of_its_own(pool: ServerPool, tmp_path: Path) -> None:
    shared = pid(play(pool, tmp_path, "calm"))
    faulted = play(pool, tmp_path, "restart-idle")
    assert shared not in {life.pid for life in faulted.lives}
    assert "server_trials" in faulted.header.facts
    assert pid(play(pool, tmp_path, "calm", 1)) == shared


def test_a_trial_that_missed_a_deadline_gives_its_server_to_nobody(pool: ServerPool, tmp_path: Path) -> None:
    first = play(pool, tmp_path, "calm", script=[{"tools": [{"token": "one", "gate": True}]}], seconds=4.0)
    assert first.break_offs  # on a busy machine not the run misses its deadline, but what comes before it
    assert pid(play(pool, tmp_path, "calm", 1)) != pid(first)


def test_without_a_pool_every_trial_has_its_own_server(tmp_path: Path) -> None:
    played = [play(None, tmp_path, "calm", number) for number in range(2)]
    assert len({pid(history) for history in played}) == 2
    assert all([life.stage for life in history.lives][-1] == "removed" for history in played)


def test_a_closed_pool_leaves_nothing_running(tmp_path: Path) -> None:
    pool = ServerPool(most=1)
    history = play(pool, tmp_path, "calm")
    assert processes.processes(trial=history.header.trial)
    pool.close()
    assert processes.processes(trial=history.header.trial) == []


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_only_faults_of_the_path_and_of_other_users_leave_a_server_as_it_was(name: str) -> None:
    scenario = SCENARIOS[name]
    faults = {plan.fault.partition(".")[0] for plan in scenario.faults} & {"process", "memory", "disk", "clock"}
    special = (
        scenario.server.hooks
        or scenario.server.dormant
        or scenario.server.memory
        or scenario.server.environment
        or scenario.seeded
        or any(act.kind == "user.probe-access" for act in scenario.acts)
        or any(call.leaves for turn in scenario.script for call in turn.tools or ())
    )
    assert may_share(scenario) is not bool(faults or special)
