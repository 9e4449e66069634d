"""What is made of the statuses and logs of pods: each shard is begun twice at most, and what was lost counts no more."""

from __future__ import annotations

import msgspec

from tailproof.history.pod_records import ContainerSeen, PodSeen
from tailproof.reports.run_events import RunEvent, ShardTold, TrialEnded
from tailproof.shards.account import CONTAINER, Account, Over, Part


def account() -> Account:
    parts = [
        Part(number=number, names=frozenset({name}), trials=frozenset({name}))
        for number, name in enumerate(("calm", "lag"), 1)
    ]
    return Account(parts, {"calm": 5.0, "lag": 5.0}, parallel=2)


def pod(name: str, state: str, *, phase: str = "Running", code: int | None = None, reason: str = "") -> PodSeen:
    container = ContainerSeen(state=state, exit_code=code, reason=reason)  # type: ignore[arg-type]
    return PodSeen(pod=name, phase=phase, containers={CONTAINER: container})


def line(event: RunEvent | Over) -> str:
    return msgspec.json.encode(event).decode()


def ended(trial: str) -> str:
    return line(TrialEnded(t_s=3.0, trial=trial, seconds=3.0, done=1, left_s=0.0))


def test_a_shard_that_comes_to_its_end_is_collected() -> None:
    all_of_it = account()
    (told,) = all_of_it.seen(1, pod("a", "running"), t_s=1.0)
    assert isinstance(told, ShardTold)
    assert told.state == "running"
    (event,) = all_of_it.line(1, "a", ended("calm"), t_s=9.0)
    assert isinstance(event, TrialEnded)
    assert (event.t_s, event.done) == (9.0, 1)
    assert all_of_it.line(1, "a", line(Over(code=0, result=True)), t_s=9.0) == []
    assert all_of_it.parts[1].state == "over"
    all_of_it.collected(1, t_s=10.0)
    assert all_of_it.seen(1, pod("a", "terminated", phase="Succeeded", code=0), t_s=11.0) == []
    assert not all_of_it.done


def test_one_that_is_lost_is_run_again_once_and_its_trials_count_anew() -> None:
    all_of_it = account()
    all_of_it.seen(2, pod("a", "running"), t_s=1.0)
    all_of_it.line(2, "a", ended("lag"), t_s=2.0)
    (lost,) = all_of_it.seen(2, pod("a", "terminated", phase="Failed", code=137, reason="OOMKilled"), t_s=3.0)
    assert isinstance(lost, ShardTold)
    assert (lost.state, lost.undone) == ("lost", 1)
    assert lost.says == "its container ended with 137 (OOMKilled); it is run again"
    assert all_of_it.parts[2].state == "waiting"
    all_of_it.seen(2, pod("b", "running"), t_s=4.0)
    assert all_of_it.seen(2, PodSeen(pod="a", phase="Gone"), t_s=4.5) == []
    (event,) = all_of_it.line(2, "b", ended("lag"), t_s=5.0)
    assert isinstance(event, TrialEnded)
    assert event.done == 1


def test_one_that_is_lost_twice_is_lost_for_good() -> None:
    all_of_it = account()
    for name in ("a", "b"):
        all_of_it.seen(1, pod(name, "running"), t_s=1.0)
        (lost,) = all_of_it.seen(1, PodSeen(pod=name, phase="Gone"), t_s=2.0)
    assert isinstance(lost, ShardTold)
    assert lost.says == "its pod was deleted; for the second time"
    assert all_of_it.parts[1].state == "lost"
    assert all_of_it.seen(1, pod("c", "running"), t_s=3.0) == []


def test_a_check_that_leaves_no_result_says_why() -> None:
    all_of_it = account()
    all_of_it.seen(1, pod("a", "running"), t_s=1.0)
    all_of_it.line(1, "a", line(Over(code=2, result=False, says="Error: the disk is full")), t_s=2.0)
    (lost,) = all_of_it.seen(1, pod("a", "terminated", phase="Failed", code=3, reason="Error"), t_s=3.0)
    assert isinstance(lost, ShardTold)
    assert lost.says.startswith("Error: the disk is full; ")


def test_what_is_no_event_and_what_others_say_is_passed_over() -> None:
    all_of_it = account()
    all_of_it.seen(1, pod("a", "running"), t_s=1.0)
    for other in ("", "a word", "{", '{"event":"unheard of"}', '{"event":1}'):
        assert all_of_it.line(1, "a", other, t_s=2.0) == []
    assert all_of_it.line(1, "z", ended("calm"), t_s=2.0) == []
