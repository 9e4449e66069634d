"""The kubelet itself stands still: what its fault proves and what it does not, on a real cluster, and who lets it go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from bench.executors import played  # noqa: E402
from fixtures.sabotage.killing import CLEAN, Plan, play  # noqa: E402
from tailproof.cluster.kubelet import is_ours_to_stop, pid_of_kubelet  # noqa: E402
from tailproof.faults.sandbox import KINDS  # noqa: E402
from tailproof.faults.sandbox_kubelet import LACK, KubeletFreeze  # noqa: E402
from tailproof.guarantees.executions.view import deaths, executions  # noqa: E402
from tailproof.history.timeline import SECOND  # noqa: E402
from tailproof.ownership import standstill  # noqa: E402
from tailproof.ownership.scratch import workroom  # noqa: E402
from tailproof.runner.check import catalogue  # noqa: E402
from tailproof.runner.pairs import Pair  # noqa: E402
from tailproof.runner.playable import cannot  # noqa: E402
from tailproof.waiting import Budget  # noqa: E402

BESIDE = pytest.mark.xdist_group("kubelet")
"""What stops the kubelet, and looks whether it stands still, is not run beside another such test."""
STILL_S = 2.0
"""Of the scenario that is played here."""


@pytest.fixture
def place() -> Iterator[Path]:
    """Short, because the path of a socket is."""
    with workroom() as room:
        yield room / "0"


@pytest.fixture
def own_kubelet() -> int:
    if not is_ours_to_stop():
        pytest.skip(LACK)
    return pid_of_kubelet()


def wait_moves(pid: int) -> None:
    Budget(20).wait_for("the kubelet to go on", lambda: not standstill.stands_still(pid))


@pytest.mark.parametrize("seconds", [0, 10.5, "long"])
def test_no_longer_than_a_node_survives(seconds: object) -> None:
    with pytest.raises(ValueError, match="seconds"):
        KINDS["kubelet.freeze"]("it", {"seconds": seconds})


def test_one_that_is_not_ours_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailproof.cluster.kubelet.is_ours", lambda: False)
    scenario = catalogue(["executor-oom-kubelet-2"])[0]
    assert cannot(scenario, Pair(target="executor:reference", client="plain")) == LACK


@pytest.mark.cluster
@BESIDE
def test_the_cluster_tells_of_a_death_so_much_later(tmp_path: Path, own_kubelet: int) -> None:
    history = played("", "executor-oom-kubelet-2", tmp_path)
    stages = {fault.stage: fault for fault in history.faults if fault.name == "kubelet.freeze"}
    assert list(stages) == ["intent", "injected", "proven", "healed"], stages
    proof = stages["proven"].proof
    assert proof["the kubelet in its time"] == "T"
    assert proof["the agent when it was over"] == "running"
    assert proof["told after the kernel saw the death, s"] >= STILL_S
    # The kernel's own record of the kill, and the cluster's word, which the executor waits for.
    counted = next(one.t_ns for one in history.counters if one.name.endswith("agent.memory.oom_kill"))
    (execution,) = executions(history)
    (death,) = deaths(history, execution)
    assert death.t_ns - counted >= STILL_S * SECOND
    assert stages["injected"].t_ns < counted
    assert execution.ended is not None
    assert execution.ended.t_ns > death.t_ns
    wait_moves(own_kubelet)


@pytest.mark.cluster
@BESIDE
def test_one_that_somebody_lets_go_on_too_early_is_not_proven(
    tmp_path: Path, own_kubelet: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = KubeletFreeze._hold

    def spoiled(fault: Any, stage: Any) -> None:
        stage.budget.wait_for("it to stand still", lambda: standstill.stands_still(own_kubelet))
        standstill.go_on(stage.place)
        hold(fault, stage)

    monkeypatch.setattr(KubeletFreeze, "_hold", spoiled)
    history = played("", "executor-killed-kubelet-2", tmp_path)
    (proof,) = [fault for fault in history.faults if fault.name == "kubelet.freeze" and fault.stage == "unproven"]
    assert proof.proof["the kubelet in its time"] == "not T"
    wait_moves(own_kubelet)


@pytest.mark.cluster
@BESIDE
def test_a_harness_that_is_killed_meanwhile_has_it_let_go_on(place: Path, own_kubelet: int) -> None:
    plan = Plan(
        target="executor:reference", client="plain", scenarios=("executor-killed-kubelet-10",), tier="deep", parallel=1
    )
    ended = play(
        plan, place, victim="all", moment_s=0, then=CLEAN, once=lambda owners: standstill.stands_still(own_kubelet)
    )
    assert {"check", "supervisor"} <= set(ended.killed), "it never stood still"
    assert not standstill.stands_still(own_kubelet)
    assert ended.wrong("all") == []
