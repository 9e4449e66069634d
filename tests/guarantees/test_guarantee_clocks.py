"""One clock for all: a witness whose own is off decides nothing, and who writes late is not accused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, SEEN_BY, Built, calm, crashed, cut
from hypothesis import given, settings
from hypothesis import strategies as st

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Outcome
from tailproof.guarantees.witnesses import CLIENT, TRIAL, WITNESSES, blind, files
from tailproof.history.reader import History
from tailproof.history.records import Life, Run, Stall
from tailproof.history.server_records import Event

NOW_S = 1_790_000_000.0
"""The time of day at which the common clock of these histories shows 0."""
FAR_S = 10.0
HONEST = {"calm": calm, "killed": crashed, "stream-cut": cut, "plain": lambda: calm(client="plain")}


def timed(built: Built, *, late_s: dict[str, float] | None = None, off_s: dict[str, float] | None = None) -> History:
    """As it would have been written: each record so late behind its moment, each witness with a clock that is off by so much."""
    history = built.build()
    records = [one for shelf in history.shelves() for one in shelf]
    for record in records:
        record.wall = NOW_S + record.t_ns / 1e9 + (late_s or {}).get(record.witness, 0.0)
    for record in records:
        record.t_ns += round((off_s or {}).get(record.witness, 0.0) * 1e9)
    return History(history.header, records)


def resting_on(name: str) -> set[str]:
    mine = {witness for witness in WITNESSES if files(witness) == name}
    return {identity for identity, one in CATALOGUE.items() if mine & {TRIAL, *one.rests_on}}


@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_clocks_that_agree_accuse_nobody(make: Callable[[], Built]) -> None:
    assert blind(timed(make())) == {}


@pytest.mark.parametrize("off_s", [FAR_S, -FAR_S], ids=["ahead", "behind"])
@pytest.mark.parametrize("name", sorted(set(SEEN_BY) - {TRIAL}))
def test_a_witness_whose_clock_is_off_is_blind(name: str, off_s: float) -> None:
    history = timed(calm(), off_s={name: off_s})
    why = {files(witness): says for witness, says in blind(history).items()}
    assert why[name] == f"the clock of the {name} is {FAR_S:.1f} s off that of the trial"
    for identity, verdict in judge(history).items():
        if identity in resting_on(name):
            assert (verdict.outcome is INCONCLUSIVE and verdict.unsound) or verdict.planned, (
                f"{identity}: {verdict.says}"
            )


def test_a_trial_whose_clock_is_off_agrees_with_nobody() -> None:
    history = timed(calm(), off_s={TRIAL: FAR_S})
    assert set(SEEN_BY) - {TRIAL} <= {files(witness) for witness in blind(history)}


@settings(max_examples=30)
@given(name=st.sampled_from(sorted(SEEN_BY)), late_s=st.floats(0.0, 1.9))
def test_whoever_writes_a_little_late_is_believed(name: str, late_s: float) -> None:
    assert blind(timed(calm(), late_s={name: late_s})) == {}


def test_a_list_that_is_reported_long_after_its_moment_accuses_nobody() -> None:
    history = timed(calm())
    for event in history.events:
        if event.reading == "held:0":
            event.wall += 600.0
    assert blind(History(history.header, [one for shelf in history.shelves() for one in shelf])) == {}


def test_a_client_that_stamps_its_own_records_is_held_against_its_own_run() -> None:
    """What the harness writes for it (readings begin and end) has the right time all the while."""
    history = timed(calm())
    for record in (*history.events, *history.runs):
        if record.witness == CLIENT:
            record.t_ns -= round(FAR_S * 1e9)
    records = [one for shelf in history.shelves() for one in shelf]
    assert "10.0 s off" in blind(History(history.header, records))[CLIENT]


@pytest.mark.parametrize(("name", "make"), [("tool", calm), ("engine", crashed)])
def test_what_others_stamp_is_held_against_what_they_told_at_once(name: str, make: Callable[[], Built]) -> None:
    """The harness writes into these files, too (an end, that the server is ready), and its clock is right."""
    history = timed(make())
    for record in (*history.effects, *(life for life in history.lives if life.stage != "ready")):
        record.t_ns -= round(FAR_S * 1e9) if record.witness == name else 0
    records = [one for shelf in history.shelves() for one in shelf]
    assert (
        f"the clock of the {name} is 10.0 s off that of the trial" in blind(History(history.header, records)).values()
    )


@pytest.mark.parametrize(("late_s", "outcome"), [(1.5, HOLDS), (5.0, INCONCLUSIVE)], ids=["busy", "stopped"])
def test_a_harness_that_stood_still_decides_nothing_by_a_clock(late_s: float, outcome: Outcome) -> None:
    verdicts = judge(calm().put(5.0, Stall(late_ns=round(late_s * 1e9))).build())
    by_a_clock = {identity for identity, one in CATALOGUE.items() if one.rests_on_time}
    assert verdicts["loop.terminates"].outcome is outcome
    assert verdicts["events.complete"].outcome is HOLDS
    assert {verdicts[identity].outcome for identity in by_a_clock} - {NOT_APPLICABLE} == {outcome}


def test_an_engine_that_told_of_no_start_is_blind_although_the_server_was_ready() -> None:
    history = calm().without(Life, stage="started").build()
    assert blind(history)["engine"] == "the server answered in its life 0, which the engine never reported"


def test_the_time_of_day_may_be_set_while_a_trial_runs() -> None:
    """Then the trial's own records show both, and whoever agrees with one of them is believed."""
    history = timed(calm())
    records = [one for shelf in history.shelves() for one in shelf]
    for record in records:
        record.wall += 3600.0 if record.t_ns > 5_000_000_000 else 0.0
    assert blind(History(history.header, records)) == {}


def test_a_history_in_memory_has_no_time_of_day() -> None:
    history = calm().build()
    assert {tally.least_ns for tally in history.tallies.values()} == {None}
    assert blind(history) == {}


def test_a_long_row_is_asked_in_some_places_only() -> None:
    built = calm()
    rows = [
        Event(reading="stream:9", id=f"x{n}", name="E", t_ns=n, wall=NOW_S, witness="many", seq=n) for n in range(999)
    ]
    history = History(built.header, [*rows, Run("called", witness="few", seq=0, t_ns=5, wall=NOW_S)])
    tally = history.tallies["many"]
    assert tally.least_ns is not None
    assert int(NOW_S * 1e9) - 999 <= tally.least_ns <= int(NOW_S * 1e9) - 960
    assert history.tallies["few"].least_ns == history.tallies["few"].most_ns == int(NOW_S * 1e9) - 5
