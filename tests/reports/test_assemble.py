"""Phases, faults and lives of a result are what the history says, in seconds since its first record."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from small_check import MISSING_TAIL, TAIL, at, calm, header, lag, oom, phases

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.history.records import AnyRecord, Fault, Life
from tailproof.reports.assemble import environment_of, trial_result
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.result import FaultResult, LifeResult, PhaseResult, TrialResult


def assembled(history: History) -> TrialResult:
    return trial_result(history, [], history_path="histories/x")


def test_phases_follow_each_other_and_fill_the_trial() -> None:
    trial = assembled(calm())
    assert trial.phases == (
        PhaseResult(name="preparing", at_s=0.0, seconds=3.0),
        PhaseResult(name="driving", at_s=3.0, seconds=2.25),
        PhaseResult(name="ended", at_s=5.25, seconds=0.0),
    )
    assert trial.duration_s == 5.25


def test_the_scenario_in_the_header_gives_summary_family_and_tier() -> None:
    trial = assembled(lag())
    assert (trial.summary, trial.family, trial.tier) == (
        "The server's frames arrive 2 seconds late.",
        "stream",
        "quick",
    )
    assert (trial.target, trial.client, trial.seed) == ("docker:openhands:1.58.0", "sdk:1.58.0", 7)


def test_a_trial_is_of_the_releases_that_were_reported_and_known_by_them() -> None:
    reported = header("calm", target="docker:agent-server:edge", client="sdk:9")
    reported.versions |= {"server": "1.58.2", "client": "1.58.1"}
    words = {"guarantee": "events.tail", "scenario": "calm", "signature": "missing-tail", "reason": "r", "link": "l"}
    ranged = Entry(target="docker:*", release="==1.58.2", client_release="==1.58.1", **words)
    trial = trial_result(
        History(reported, calm().phases),
        [(TAIL, MISSING_TAIL)],
        history_path="histories/x",
        baseline=Baseline((("b.yaml:1", ranged),)),
    )
    assert (trial.release, trial.client_release) == ("1.58.2", "1.58.1")
    assert trial.verdicts[0].known is not None


def test_a_fault_is_one_line_with_its_window_and_proof() -> None:
    assert assembled(lag()).faults == (
        FaultResult(
            fault="lag",
            name="wire.delay",
            says="frames arrive late by 2 s",
            scope="",
            injected_at_s=3.4,
            healed_at_s=11.9,
            proven=True,
            proof={"rule.lag.done": 11, "frames.down": 13},
        ),
    )


STEPS = {
    "never injected": (["intent"], None, None, False),
    "injected, never verified": (["intent", "injected", "healed"], 1, 2, False),
    "unproven": (["intent", "injected", "unproven", "healed"], 1, 3, False),
    "proven at the second look": (["intent", "injected", "unproven", "proven", "healed"], 1, 4, True),
    "never healed": (["intent", "injected", "proven"], 1, None, True),
    "healed twice": (["intent", "injected", "proven", "healed", "healed"], 1, 4, True),
}


@pytest.mark.parametrize(("stages", "injected", "healed", "proven"), STEPS.values(), ids=STEPS.keys())
def test_the_steps_of_a_fault(stages: list[str], injected: float | None, healed: float | None, proven: bool) -> None:
    records: list[AnyRecord] = [
        Fault(t_ns=at(second), fault="cut", name="wire.cut", stage=stage)  # type: ignore[arg-type]
        for second, stage in enumerate(stages)
    ]
    (fault,) = assembled(History(header("calm"), records)).faults
    assert (fault.injected_at_s, fault.healed_at_s, fault.proven) == (injected, healed, proven)


def test_lives_tell_how_each_ended_and_how_long_nobody_answered() -> None:
    assert assembled(oom()).lives == (
        LifeResult(
            epoch=0,
            place="first",
            host="agent",
            pid=1,
            started_at_s=0.4,
            ready_at_s=3.0,
            ended_at_s=5.6,
            end="died",
            exit_code=137,
            oom_killed=True,
            survivors=("tmux", "sh"),
            downtime_s=4.25,
        ),
        LifeResult(epoch=1, place="in-place", host="agent", pid=1, started_at_s=6.0, ready_at_s=9.85),
    )


def test_a_server_that_never_came_back_has_no_downtime() -> None:
    records = [
        Life(t_ns=at(1), stage="ready", epoch=0),
        Life(t_ns=at(2), stage="died", epoch=0, exit_code=137, by_us=True),
        Life(t_ns=at(3), stage="started", epoch=1),
    ]
    first, second = assembled(History(header("calm"), records)).lives
    assert (first.end, first.by_us, first.downtime_s) == ("died", True, None)
    assert (second.end, second.ready_at_s) == ("", None)


def test_an_empty_history_gives_an_empty_trial() -> None:
    trial = trial_result(History(header("calm")), [], history_path="h", error="the server never became ready")
    assert (trial.duration_s, trial.phases, trial.lives, trial.faults) == (0.0, (), (), ())
    assert trial.error == "the server never became ready"


def test_evidence_and_the_repro_command_are_what_a_person_can_follow() -> None:
    trial = trial_result(lag(), [(TAIL, MISSING_TAIL)], history_path="my trials/x")
    (verdict,) = trial.verdicts
    assert verdict.repro == "tailproof repro 'my trials/x'"
    assert [(e.witness, e.seq, e.at_s) for e in verdict.evidence] == [("client", 41, 9.12), ("disk", 10, 13.4)]
    assert (verdict.promise, verdict.source) == (TAIL.promise, "OpenHands PR 1865")
    assert trial.history == "my trials/x"


def test_what_differs_between_trials_stands_side_by_side() -> None:
    one, other = header("calm"), header("oom-server")
    other.versions = {**one.versions, "server": "1.57.0"}
    other.machine = {**one.machine, "cores": 4}
    environment = environment_of([one, other, one])
    assert environment.versions["server"] == "1.58.0, 1.57.0"
    assert environment.versions["engine"] == "20.10.24"
    assert environment.machine == {"cores": "2, 4", "memory_mb": 8192, "system": "Linux 5.10"}


def test_a_result_holds_no_monotonic_clock() -> None:
    late = History(header("calm"), phases(("preparing", 10_000), ("ended", 10_001)))
    assert b"10001" not in msgspec.json.encode(assembled(late))


def test_a_history_from_disk_gives_the_same_trial_as_one_in_memory(tmp_path: Path) -> None:
    recorded = oom()
    with Recorder(tmp_path / "oom", recorded.header) as recorder:
        for record in (*recorded.phases, *recorded.lives, *recorded.faults):
            recorder.witness("engine" if isinstance(record, Life) else "trial").write(record)
    assert assembled(History.load(tmp_path / "oom")) == assembled(oom())
