"""The gate: what closes it, what leaves it unknown, what decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from small_check import check, trial, verdict

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports.gate import EXIT_USAGE, decide
from tailproof.reports.result import (
    Counts,
    ExpiredResult,
    FaultResult,
    GateState,
    KnownResult,
    NotRunResult,
    StaleResult,
    TrialResult,
    VerdictResult,
    WitnessResult,
)

HOLDS = verdict()
VIOLATED = verdict(Outcome.VIOLATED, guarantee="events.middle", signature="s")
KNOWN = verdict(Outcome.VIOLATED, signature="s", known=KnownResult(reason="r", link="l", entry="b.yaml:3"))
KNOWN_HANG = verdict(Outcome.VIOLATED, guarantee="loop.terminates", signature="s", known=KNOWN.known)
KNOWN_HOLE = verdict(Outcome.VIOLATED, guarantee="access.key", signature="s", known=KNOWN.known)
UNSURE = verdict(Outcome.INCONCLUSIVE, guarantee="loop.once")
UNSOUND = verdict(Outcome.INCONCLUSIVE, guarantee="loop.once", unsound=True)
NOT_APPLICABLE = verdict(Outcome.NOT_APPLICABLE)
SHOULD = {
    outcome: verdict(outcome, guarantee="cost.reconcile", level=Level.SHOULD, signature="s") for outcome in Outcome
}
MAY = verdict(Outcome.VIOLATED, level=Level.MAY, signature="s")
STALE = [StaleResult(entry="b.yaml:3", guarantee="events.tail", scenario="calm", signature="s")]
EXPIRED = [
    ExpiredResult(entry="b.yaml:3", guarantee="events.tail", scenario="calm", signature="s", expires="2026-11-01")
]
NOT_RUN = [NotRunResult(scenario="oom-server", guarantee=None, reason="no engine")]
FAULT = FaultResult(fault="lag", name="wire.delay", says="", scope="", injected_at_s=1.0, healed_at_s=2.0, proven=False)
BLIND = WitnessResult(name="tool", records=3, blind="the record of the tool ends early, after number 2")

ROWS: dict[str, tuple[list[TrialResult], dict[str, Any], GateState]] = {
    "all holds": ([trial(HOLDS)], {}, "open"),
    "a MUST violated": ([trial(HOLDS, VIOLATED)], {}, "closed"),
    "a known violation": ([trial(HOLDS, KNOWN)], {}, "open"),
    "nothing but a known violation": ([trial(KNOWN)], {}, "open"),
    "a known and an unknown violation": ([trial(KNOWN, VIOLATED)], {}, "closed"),
    "broke off over a known violation": ([trial(HOLDS, UNSURE, KNOWN_HANG, broke_off="run 1")], {}, "open"),
    "broke off over a known violation, another is not": (
        [trial(VIOLATED, UNSURE, KNOWN_HANG, broke_off="run 1")],
        {},
        "closed",
    ),
    "broke off beside a known violation that says nothing of it": (
        [trial(HOLDS, UNSURE, KNOWN, broke_off="run 1")],
        {},
        "unknown",
    ),
    "broke off beside a known hole, which is none of its reasons": (
        [trial(HOLDS, UNSURE, KNOWN_HOLE, broke_off="run 1")],
        {},
        "unknown",
    ),
    "did not break off, and is undecided beside it": ([trial(HOLDS, UNSURE, KNOWN_HANG)], {}, "unknown"),
    "broke off over a known violation, a witness is blind": (
        [trial(HOLDS, UNSURE, KNOWN_HANG, broke_off="run 1", witnesses=(BLIND,))],
        {},
        "unknown",
    ),
    "broke off over a known violation, a fault is not proven": (
        [trial(HOLDS, UNSURE, KNOWN_HANG, broke_off="run 1", faults=(FAULT,))],
        {},
        "unknown",
    ),
    "a SHOULD violated": ([trial(HOLDS, SHOULD[Outcome.VIOLATED])], {}, "open"),
    "a SHOULD violated, and it decides": ([trial(HOLDS, SHOULD[Outcome.VIOLATED])], {"fail_on": "should"}, "closed"),
    "a MAY violated, and it decides": ([trial(HOLDS, MAY)], {"fail_on": "should"}, "open"),
    "a MUST inconclusive": ([trial(HOLDS, UNSURE)], {}, "unknown"),
    "a MUST inconclusive, another violated": ([trial(UNSURE, VIOLATED)], {}, "closed"),
    "a MUST inconclusive, another known": ([trial(UNSURE, KNOWN)], {}, "unknown"),
    "a SHOULD inconclusive": ([trial(HOLDS, SHOULD[Outcome.INCONCLUSIVE])], {}, "open"),
    "a SHOULD inconclusive, and it decides": (
        [trial(HOLDS, SHOULD[Outcome.INCONCLUSIVE])],
        {"fail_on": "should"},
        "unknown",
    ),
    "a trial failed": ([trial(HOLDS), trial(scenario="lag", error="no port")], {}, "unknown"),
    "a trial failed, another convicts": ([trial(VIOLATED), trial(error="no port")], {}, "closed"),
    "a failure that belongs to no trial": ([trial(HOLDS)], {"errors": ["the engine died"]}, "unknown"),
    "a fault is not proven": ([trial(HOLDS, faults=(FAULT,))], {}, "unknown"),
    "a witness is blind": ([trial(HOLDS, witnesses=(BLIND,))], {}, "unknown"),
    "a witness is blind, another convicts": ([trial(VIOLATED, witnesses=(BLIND,))], {}, "closed"),
    "no trial at all": ([], {}, "unknown"),
    "everything not run": ([], {"not_run": NOT_RUN}, "unknown"),
    "something not run": ([trial(HOLDS)], {"not_run": NOT_RUN}, "open"),
    "nothing applies": ([trial(NOT_APPLICABLE)], {}, "unknown"),
    "a trial without verdicts": ([trial()], {}, "unknown"),
    "a stale entry": ([trial(HOLDS)], {"stale": STALE}, "closed"),
    "an inconclusive verdict, one is allowed": ([trial(HOLDS, UNSURE)], {"allow_inconclusive": 1}, "open"),
    "two inconclusive verdicts, one is allowed": (
        [trial(HOLDS, UNSURE), trial(UNSURE, scenario="lag")],
        {"allow_inconclusive": 1},
        "unknown",
    ),
    "two inconclusive verdicts, two are allowed": (
        [trial(HOLDS, UNSURE), trial(UNSURE, scenario="lag")],
        {"allow_inconclusive": 2},
        "open",
    ),
    "an inconclusive SHOULD does not use up what is allowed": (
        [trial(HOLDS, UNSURE, SHOULD[Outcome.INCONCLUSIVE])],
        {"allow_inconclusive": 1},
        "open",
    ),
    "one is allowed, and another is violated": ([trial(UNSURE, VIOLATED)], {"allow_inconclusive": 1}, "closed"),
    "one is allowed, and nothing else was decided": ([trial(UNSURE)], {"allow_inconclusive": 1}, "unknown"),
    "an unsound record is never allowed": ([trial(HOLDS, UNSOUND)], {"allow_inconclusive": 9}, "unknown"),
    "a fault without proof is never allowed": ([trial(HOLDS, faults=(FAULT,))], {"allow_inconclusive": 9}, "unknown"),
    "a blind witness is never allowed": ([trial(HOLDS, witnesses=(BLIND,))], {"allow_inconclusive": 9}, "unknown"),
    "a failed trial is never allowed": ([trial(HOLDS), trial(error="no port")], {"allow_inconclusive": 9}, "unknown"),
    "an error of the check is never allowed": (
        [trial(HOLDS)],
        {"errors": ["the engine died"], "allow_inconclusive": 9},
        "unknown",
    ),
    "a check that was cut off is never allowed": (
        [trial(HOLDS, UNSURE)],
        {"cut_off": "interrupted (SIGINT)", "allow_inconclusive": 9},
        "unknown",
    ),
    "an expired entry": ([trial(HOLDS)], {"expired": EXPIRED}, "closed"),
    "interrupted": ([trial(HOLDS)], {"cut_off": "interrupted (SIGINT)"}, "unknown"),
    "interrupted after a violation": ([trial(VIOLATED)], {"cut_off": "interrupted (SIGINT)"}, "unknown"),
}


@pytest.mark.parametrize(("trials", "more", "state"), ROWS.values(), ids=ROWS.keys())
def test_gate(trials: list[TrialResult], more: dict[str, Any], state: GateState) -> None:
    gate = decide(trials, **more)
    assert (gate.state, gate.exit_code) == (state, {"open": 0, "closed": 1, "unknown": 2}[state])
    assert bool(gate.closed_by or gate.doubts) == (state != "open")


def test_wrong_usage_has_its_own_exit_code() -> None:
    assert EXIT_USAGE == 64


def test_the_verdict_line_counts_what_there_is() -> None:
    assert decide([trial(HOLDS)]).says == "GATE OPEN  0 violated · 1 hold · 0 inconclusive · 0 not run"
    assert check().gate.says == (
        "GATE CLOSED  1 violated · 4 hold · 1 inconclusive · 2 not run · 1 known · 1 advisory · faults 2 of 2 proven"
    )
    seen = (WitnessResult(name="client", records=9), WitnessResult(name="wire", records=3, blind="it breaks off"))
    assert decide([trial(HOLDS, faults=(FAULT,), witnesses=seen), trial(HOLDS, witnesses=seen[:1])]).says == (
        "GATE UNKNOWN  0 violated · 2 hold · 0 inconclusive · 0 not run · faults 0 of 1 proven · witnesses 1 of 2 trusted"
    )
    assert decide([trial(HOLDS, error="x")], stale=STALE, errors=["y"]).says == (
        "GATE CLOSED  0 violated · 1 hold · 0 inconclusive · 0 not run · 1 stale · 2 failed"
    )


def test_what_is_allowed_is_never_silent() -> None:
    advisory = SHOULD[Outcome.INCONCLUSIVE]
    gate = decide([trial(HOLDS, UNSURE), trial(UNSURE, scenario="lag")], allow_inconclusive=2)
    assert gate.says == "GATE OPEN  0 violated · 1 hold · 2 inconclusive, allowed · 0 not run"
    assert gate.allowed == ("loop.once[calm] is inconclusive: it is so", "loop.once[lag] is inconclusive: it is so")
    assert gate.doubts == ()
    assert gate.allow_inconclusive == 2
    also = decide([trial(HOLDS, UNSURE, advisory)], allow_inconclusive=2)
    assert " · 2 inconclusive, 1 of them allowed · " in also.says


def test_more_than_what_is_allowed_is_told_as_without_it() -> None:
    trials = [trial(HOLDS, UNSURE), trial(UNSURE, scenario="lag")]
    gate = decide(trials, allow_inconclusive=1)
    assert gate.doubts == (*decide(trials).doubts, "more verdicts are inconclusive than the 1 that are allowed")
    assert gate.allowed == ()
    assert " · 2 inconclusive · " in gate.says


def test_every_count_is_there() -> None:
    assert check().gate.counts == Counts(
        trials=3,
        violated=1,
        advisory=1,
        holds=4,
        inconclusive=1,
        not_applicable=2,
        known=1,
        not_run=2,
        faults=2,
        proven=2,
    )


def test_reasons_name_the_verdict_and_what_was_found() -> None:
    gate = decide([trial(VIOLATED, UNSURE, faults=(FAULT,))], stale=STALE)
    assert gate.closed_by == (
        "events.middle[calm] is violated: it is so",
        "b.yaml:3 lists events.tail[calm] s as known, but it no longer occurs: remove the entry",
    )
    expired = decide([trial(HOLDS)], expired=EXPIRED)
    assert expired.closed_by == ("b.yaml:3 listed events.tail[calm] s as known until 2026-11-01: look at it again",)
    assert expired.says.endswith(" · 1 expired")
    over = verdict(Outcome.VIOLATED, signature="s", passed_over="b.yaml:3 expired on 2026-11-01")
    assert decide([trial(over)]).closed_by == (
        "events.tail[calm] is violated: it is so (b.yaml:3 expired on 2026-11-01)",
    )
    assert gate.doubts == (
        "the fault lag (wire.delay) of calm is not proven",
        "loop.once[calm] is inconclusive: it is so",
    )


def taken_back(guarantee: str, reason: str) -> VerdictResult:
    says = f"{reason}; else it would hold: it is so"
    return verdict(Outcome.INCONCLUSIVE, guarantee=guarantee, says=says)


def test_a_blind_witness_is_one_doubt_whatever_rests_on_it() -> None:
    torn = [taken_back(name, BLIND.blind) for name in ("events.tail", "loop.once", "loop.quiet")]
    gate = decide([trial(*torn, UNSURE, HOLDS, witnesses=(BLIND,))])
    assert gate.doubts == (
        "the records of the tool in calm cannot be trusted: the record of the tool ends early, after number 2; 3 verdicts rest on them",
        "loop.once[calm] is inconclusive: it is so",
    )
    assert gate.counts.inconclusive == 4


def test_a_blind_witness_on_whom_nothing_rests_is_a_doubt_all_the_same() -> None:
    gate = decide([trial(HOLDS, witnesses=(BLIND,))])
    assert gate.doubts == (
        "the records of the tool in calm cannot be trusted: the record of the tool ends early, after number 2",
    )


def test_what_a_witness_has_to_do_with_one_verdict_alone_is_told_so() -> None:
    gate = decide([trial(taken_back("loop.once", BLIND.blind), witnesses=(BLIND,))])
    assert gate.doubts[0].endswith("ends early, after number 2; 1 verdict rests on them")


def test_any_other_reason_that_verdicts_share_is_one_doubt_of_each_trial() -> None:
    broken = [taken_back(name, "the trial broke off: no port") for name in ("events.tail", "loop.once")]
    alone = taken_back("loop.once", "the fault cut has no proof of its effect")
    gate = decide([trial(*broken), trial(*broken, alone, scenario="lag")])
    assert gate.doubts == (
        "calm: the trial broke off: no port; 2 verdicts rest on it",
        "lag: the trial broke off: no port; 2 verdicts rest on it",
        "loop.once[lag] is inconclusive: the fault cut has no proof of its effect; else it would hold: it is so",
        "no guarantee was decided: all verdicts are inconclusive or not applicable",
    )


def test_a_level_that_does_not_decide_is_not_counted() -> None:
    advisory = verdict(Outcome.INCONCLUSIVE, level=Level.SHOULD, says=f"{BLIND.blind}; else it would hold: it is so")
    gate = decide([trial(HOLDS, advisory, taken_back("loop.once", BLIND.blind), witnesses=(BLIND,))])
    assert gate.doubts[0].endswith("1 verdict rests on them")
