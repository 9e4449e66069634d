"""The shards of a check come to one result; what is missing or does not belong together is never silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from small_check import BASELINE, check, several, trial, verdict

from tailproof.guarantees.verdict import Outcome
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.gate import decide
from tailproof.reports.merge import Apart, Part, Standard, known_by, merged, whole_of
from tailproof.reports.result import (
    Environment,
    KnownResult,
    PairResult,
    Result,
    ShardResult,
    StaleResult,
    UnreachableResult,
)

WHOLE = check()


def shard(number: int, *, of: int = 3, **more: Any) -> Part:
    """One trial of the small check each."""
    trials = WHOLE.trials[number - 1 : number]
    told = ShardResult(number=number, of=of, scenarios=1, in_all=3)
    not_run = WHOLE.not_run if number == 1 else ()
    gate = decide(trials, not_run=not_run)
    part = msgspec.structs.replace(WHOLE, trials=trials, shard=told, not_run=not_run, gate=gate, **more)
    return Part(name=f"s{number}/result.json", result=part)


SHARDS = [shard(1), shard(2), shard(3)]


def without(result: Result, *names: str) -> Result:
    blank = {"duration_s": 0.0, "times": None}
    return msgspec.structs.replace(result, **{name: blank[name] for name in names})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=["in-order", "in-any-order"])
def test_all_shards_come_to_the_check(order: tuple[int, ...]) -> None:
    whole = merged([SHARDS[index] for index in order])
    assert without(whole, "duration_s", "times") == without(WHOLE, "duration_s", "times")
    assert whole.duration_s == 3 * WHOLE.duration_s
    assert whole.times == WHOLE.times


@pytest.mark.parametrize("result", [WHOLE, several()], ids=["one-pair", "several-pairs"])
def test_one_result_is_what_it_was(result: Result) -> None:
    assert merged([Part(name="r", result=result)]) == result


def test_a_missing_shard_leaves_the_gate_unknown_and_is_named() -> None:
    holds = msgspec.structs.replace(SHARDS[0].result, gate=decide(WHOLE.trials[:1]))
    gate = merged([Part(name="a", result=holds)]).gate
    assert (gate.state, gate.exit_code) == ("unknown", 2)
    assert gate.doubts == ("shard 2 of 3 is missing", "shard 3 of 3 is missing")


def test_a_missing_shard_does_not_open_what_is_closed() -> None:
    gate = merged([SHARDS[0], SHARDS[1]]).gate
    assert gate.state == "closed"
    assert "shard 3 of 3 is missing" in gate.doubts


def other(part: Part, **more: Any) -> Part:
    return Part(name="other.json", result=msgspec.structs.replace(part.result, **more))


def redealt(**more: Any) -> ShardResult:
    return msgspec.structs.replace(SHARDS[1].result.shard, **more)  # type: ignore[type-var]


def decided_by(**more: Any) -> Any:
    return msgspec.structs.replace(SHARDS[1].result.gate, **more)


APART: dict[str, tuple[Part, str]] = {
    "twice": (other(SHARDS[0]), "shard 1 of 3 is there twice: s1/result.json and other.json"),
    "a whole check": (other(SHARDS[1], shard=None), "other.json is a whole check and no shard"),
    "another seed": (other(SHARDS[1], seed=8), "their seed: 7 and 8; give every shard the same --seed"),
    "another version": (other(SHARDS[1], tailproof="9"), "their version of tailproof: 0.1.0 and 9"),
    "another target": (
        other(SHARDS[1], pairs=(PairResult(target="docker:x", client="sdk:1.58.0"),)),
        "their targets: docker:openhands:1.58.0 and docker:x",
    ),
    "another client": (
        other(SHARDS[1], pairs=(PairResult(target="docker:openhands:1.58.0", client="plain"),)),
        "their clients: sdk:1.58.0 and plain",
    ),
    "other parts": (other(SHARDS[1], shard=redealt(of=4)), "their number of shards: 3 and 4"),
    "other scenarios": (other(SHARDS[1], shard=redealt(in_all=9)), "their number of scenarios: 3 and 9"),
    "others of as many scenarios": (
        other(SHARDS[1], shard=redealt(whole="b")),
        "their scenarios, by a digest of their names: ",
    ),
    "judged by another baseline": (
        other(SHARDS[1], shard=redealt(baseline="b")),
        "their baseline, by a digest of its entries: ",
    ),
    "more trials of each": (other(SHARDS[1], shard=redealt(repetitions=3)), "their repetitions: 1 and 3"),
    "another standard": (other(SHARDS[1], gate=decided_by(fail_on="should")), "their --fail-on: must and should"),
    "another allowance": (
        other(SHARDS[1], gate=decided_by(allow_inconclusive=2)),
        "their --allow-inconclusive: 0 and 2",
    ),
    "the same scenario": (other(SHARDS[1], trials=WHOLE.trials[:1]), "both played calm"),
}


@pytest.mark.parametrize(("second", "says"), APART.values(), ids=APART.keys())
def test_what_does_not_belong_together_is_refused(second: Part, says: str) -> None:
    with pytest.raises(Apart) as caught:
        merged([SHARDS[0], second])
    assert says in str(caught.value)


def test_shards_that_were_dealt_from_different_checks_are_told() -> None:
    odd = other(SHARDS[2], shard=msgspec.structs.replace(SHARDS[2].result.shard, scenarios=7))  # type: ignore[type-var]
    gate = merged([*SHARDS[:2], odd]).gate
    assert "the shards have 9 of 3 scenarios: they were dealt from different checks" in gate.doubts


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "b", "c"], []),
        (
            ["a", "b", "b"],
            [
                "b is in 2 shards: they dealt it differently",
                "the shards have not all scenarios between them: machines that can play others deal them differently",
            ],
        ),
    ],
)
def test_machines_that_dealt_differently_leave_the_gate_unknown(names: list[str], told: list[str]) -> None:
    """As many as there are, and yet one of them is nowhere: it was neither played nor told."""
    parts = [
        other(part, shard=redealt(number=number, names=(name,), whole=whole_of("abc")))
        for number, (part, name) in enumerate(zip(SHARDS, names, strict=True), 1)
    ]
    assert [doubt for doubt in merged(parts).gate.doubts if "deal" in doubt] == told


def test_shards_with_other_baselines_belong_together_where_one_is_given() -> None:
    parts = [SHARDS[0], other(SHARDS[1], shard=redealt(baseline="b")), SHARDS[2]]
    assert len(merged(parts, Standard(baseline=Baseline())).trials) == 3


def test_the_baseline_of_a_shard_is_known_by_what_it_says_and_not_by_where_it_lies() -> None:
    ((_, entry), *_) = BASELINE.entries
    one, other_place = (Baseline(((where, entry),)) for where in ("a.yaml:1", "b.yaml:7"))
    another = Baseline((("a.yaml:1", entry.model_copy(update={"scenario": "another"})),))
    assert known_by(one) == known_by(other_place) != known_by(another)


def test_an_entry_that_occurs_in_another_shard_is_not_stale() -> None:
    known = KnownResult(reason="r", link="l", entry="b.yaml:3")
    hit = trial(verdict(Outcome.VIOLATED, signature="s", known=known), scenario=WHOLE.trials[1].scenario)
    stale = StaleResult(entry="b.yaml:3", guarantee="events.tail", scenario="*", signature="s")
    first = other(SHARDS[0], gate=decided_by(stale=(stale,)))
    assert merged([first, SHARDS[1], SHARDS[2]]).gate.counts.stale == 1
    assert merged([first, other(SHARDS[1], trials=(hit,)), SHARDS[2]]).gate.counts.stale == 0


def test_what_went_wrong_in_a_shard_names_it() -> None:
    failed = other(SHARDS[1], errors=("the engine died",))
    cut = other(SHARDS[2], cut_off="interrupted (SIGINT)")
    assert "shard 2 of 3: the engine died" in merged([SHARDS[0], failed, SHARDS[2]]).errors
    gate = merged([SHARDS[0], SHARDS[1], cut]).gate
    assert (gate.state, gate.doubts) == ("unknown", ("shard 3 of 3: interrupted (SIGINT)",))


def test_a_shard_that_had_nothing_to_do_adds_nothing() -> None:
    idle = ShardResult(number=3, of=3, scenarios=0, in_all=2, idle=True)
    parts = [other(part, shard=redealt(number=number, in_all=2)) for number, part in enumerate(SHARDS[:2], 1)]
    done = merged([*parts, other(SHARDS[2], trials=(), shard=idle)])
    assert done.errors == ()
    assert len(done.trials) == 2


def test_a_plain_client_that_only_one_shard_needed_is_no_difference() -> None:
    two = tuple(PairResult(target="pypi:1", client=f"sdk:{number}", name=str(number)) for number in (1, 2))
    plain = PairResult(target="pypi:1", client="plain", name="p")
    broken = msgspec.structs.replace(two[1], error="there is no release 2")
    whole = merged(
        [other(SHARDS[0], pairs=(*two, plain)), other(SHARDS[1], pairs=(two[0], broken)), other(SHARDS[2], pairs=two)]
    )
    assert whole.pairs == (two[0], broken, plain)
    assert (whole.target, whole.client) == ("pypi:1", "sdk:1, sdk:2, plain")


def test_what_differs_between_machines_stands_side_by_side() -> None:
    far = other(SHARDS[1], environment=Environment(versions={"engine": "27.1"}, machine={"cores": 8}))
    environment = merged([SHARDS[0], far, SHARDS[2]]).environment
    assert environment.versions["engine"] == "20.10.24, 27.1"
    assert environment.machine["cores"] == "2, 8"


STANDARDS: dict[str, tuple[Standard, Callable[[Result], object], object]] = {
    "as it was": (Standard(), lambda done: done.gate.counts.violated, 1),
    "a SHOULD decides": (Standard(fail_on="should"), lambda done: done.gate.counts.violated, 2),
    "one may be inconclusive": (Standard(allow_inconclusive=1), lambda done: done.gate.counts.allowed, 1),
    "nothing is known": (Standard(baseline=Baseline()), lambda done: done.gate.counts.known, 0),
    "as known": (Standard(baseline=BASELINE), lambda done: done.gate.counts.known, 1),
}


@pytest.mark.parametrize(("standard", "of", "value"), STANDARDS.values(), ids=STANDARDS.keys())
def test_a_gate_is_decided_anew_by_another_standard(
    standard: Standard, of: Callable[[Result], object], value: object
) -> None:
    assert of(merged(SHARDS, standard)) == value


def entry(**more: Any) -> Baseline:
    told = {"target": "pypi:*", "guarantee": "events.tail", "scenario": "calm", "signature": "s", **more}
    return Baseline((("b.yaml:2", Entry.model_validate({"reason": "r", "link": "l", **told})),), date(2026, 11, 3))


HELD, OCCURRED = verdict(), verdict(Outcome.VIOLATED, signature="s")
BY_THE_BASELINE = {
    "known": (OCCURRED, entry(), "open", ""),
    "stale": (HELD, entry(), "closed", "b.yaml:2 lists events.tail[calm] s as known, but it no longer occurs"),
    "expired": (OCCURRED, entry(expires="2026-11-02"), "closed", "it is so (b.yaml:2 expired on 2026-11-02)"),
    "of another release": (
        OCCURRED,
        entry(release=">=1.59"),
        "closed",
        "(b.yaml:2 is about release >=1.59, and this is 1.58.0)",
    ),
}


@pytest.mark.parametrize(("found", "known", "state", "says"), BY_THE_BASELINE.values(), ids=BY_THE_BASELINE.keys())
def test_what_another_baseline_says_of_a_finished_check(found: Any, known: Baseline, state: str, says: str) -> None:
    trials = (trial(found, release="1.58.0"),)
    result = msgspec.structs.replace(WHOLE, trials=trials, not_run=(), gate=decide(trials))
    gate = merged([Part(name="r", result=result)], Standard(baseline=known)).gate
    assert gate.state == state
    assert says in "\n".join(gate.closed_by)


def test_shards_of_an_exploration_say_once_what_is_not_drawn_and_each_what_was_unreachable() -> None:
    """Every one of them leaves out the same faults, and tries cells of its own."""
    unreachable = [
        UnreachableResult(fault="wire.cut", at=at, times=3, why="had no effect") for at in ("created", "terminal")
    ]
    parts = [
        other(
            shard(number, of=2), not_run=WHOLE.not_run, unreachable=(one,), shard=redealt(number=number, of=2, in_all=2)
        )
        for number, one in enumerate(unreachable, 1)
    ]
    whole = merged(parts)
    assert whole.not_run == WHOLE.not_run
    assert list(whole.unreachable) == unreachable
