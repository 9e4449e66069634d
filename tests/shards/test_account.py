"""What is told of shards: one that is lost is run again once, and never counted twice."""

from __future__ import annotations

import msgspec
import pytest

from tailproof.history.pod_records import ContainerSeen, PodSeen
from tailproof.reports.run_events import RunEvent, ShardTold, TrialEnded
from tailproof.shards.account import Account, Over, Part

COSTS = {"calm": 10.0, "kill": 30.0, "lag": 20.0}


@pytest.fixture
def account() -> Account:
    parts = [
        Part(number=1, names=frozenset({"calm", "lag"}), trials=frozenset({"calm", "lag"})),
        Part(number=2, names=frozenset({"kill"}), trials=frozenset({"kill"})),
    ]
    return Account(parts, COSTS, parallel=2)


def pod(name: str, state: str = "running", *, phase: str = "Running", **more: object) -> PodSeen:
    container = msgspec.convert({"state": state, **more}, ContainerSeen)
    return PodSeen(pod=name, phase=phase, containers={"check": container})


def line(event: RunEvent | Over) -> str:
    return msgspec.json.encode(event).decode()


def ended(trial: str) -> str:
    return line(TrialEnded(t_s=1.0, trial=trial, seconds=1.0, done=1, left_s=0, error=""))


def states(told: list[RunEvent]) -> list[tuple[int, str]]:
    return [(one.number, one.state) for one in told if isinstance(one, ShardTold)]


def test_a_shard_is_done_when_what_it_found_is_here(account: Account) -> None:
    assert states(account.seen(2, pod("b"), t_s=1.0)) == [(2, "running")]
    assert account.line(2, "b", line(Over(code=1, result=True)), t_s=2.0) == []
    assert not account.done
    assert states(account.collected(2, t_s=3.0)) == [(2, "collected")]
    assert account.seen(2, pod("b", "terminated", phase="Succeeded", exit_code=0), t_s=4.0) == []
    account.collected(1, t_s=5.0)
    assert account.done


def test_trials_of_all_shards_are_counted_together(account: Account) -> None:
    for number, name in ((1, "a"), (2, "b")):
        account.seen(number, pod(name), t_s=1.0)
    (first,) = account.line(1, "a", ended("calm"), t_s=10.0)
    (second,) = account.line(2, "b", ended("kill"), t_s=30.0)
    assert isinstance(first, TrialEnded)
    assert isinstance(second, TrialEnded)
    assert (first.done, second.done, second.t_s) == (1, 2, 30.0)


def test_what_is_no_event_and_what_another_pod_says_is_passed_over(account: Account) -> None:
    account.seen(1, pod("a"), t_s=1.0)
    assert account.line(1, "a", "Traceback", t_s=1.0) == []
    assert account.line(1, "a", '{"event": "of the future"}', t_s=1.0) == []
    assert account.line(1, "the one before", ended("calm"), t_s=1.0) == []


def test_a_lost_shard_is_run_again_once_and_what_had_ended_counts_no_more(account: Account) -> None:
    account.seen(1, pod("a"), t_s=1.0)
    account.line(1, "a", ended("calm"), t_s=2.0)
    (lost,) = account.seen(1, pod("a", "terminated", phase="Failed", exit_code=137, reason="OOMKilled"), t_s=3.0)
    assert isinstance(lost, ShardTold)
    assert (lost.state, lost.undone) == ("lost", 1)
    assert lost.says == "its container ended with 137 (OOMKilled); it is run again"
    assert states(account.seen(1, pod("again"), t_s=4.0)) == [(1, "running")]
    assert account.seen(1, pod("a", "terminated", phase="Gone"), t_s=4.5) == [], "nobody hears of it twice"
    (once_more,) = account.line(1, "again", ended("calm"), t_s=5.0)
    assert isinstance(once_more, TrialEnded)
    assert once_more.done == 1
    (lost,) = account.seen(1, pod("again", phase="Gone"), t_s=6.0)
    assert isinstance(lost, ShardTold)
    assert lost.says.endswith("for the second time")
    assert account.parts[1].state == "lost"
    assert account.seen(1, pod("a third"), t_s=7.0) == []
    account.collected(2, t_s=8.0)
    assert account.done


def test_a_check_that_left_no_result_says_why(account: Account) -> None:
    account.seen(1, pod("a"), t_s=1.0)
    account.line(1, "a", line(Over(code=2, result=False, says="the disk is full")), t_s=2.0)
    (lost,) = account.seen(1, pod("a", "terminated", phase="Succeeded", exit_code=0), t_s=3.0)
    assert isinstance(lost, ShardTold)
    assert lost.says == "the disk is full; it is run again"


def test_a_pod_that_another_replaced_was_lost(account: Account) -> None:
    account.seen(1, pod("a"), t_s=1.0)
    told = account.seen(1, pod("again"), t_s=2.0)
    assert states(told) == [(1, "lost"), (1, "running")]
