"""The catalogue as a whole: it is proven row by row, and it judges whatever it is given."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm, crashed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_guarantee_access import ROWS as ACCESS_ROWS
from test_guarantee_apart import ROWS as APART_ROWS
from test_guarantee_children import ROWS as CHILDREN_ROWS
from test_guarantee_client import ROWS as CLIENT_ROWS
from test_guarantee_damage import ROWS as DAMAGE_ROWS
from test_guarantee_ends import ROWS as END_ROWS
from test_guarantee_events import ROWS as EVENT_ROWS
from test_guarantee_executors import ROWS as EXECUTOR_ROWS
from test_guarantee_filtered import ROWS as FILTERED_ROWS
from test_guarantee_greeted import ROWS as GREETED_ROWS
from test_guarantee_hooks import ROWS as HOOKS_ROWS
from test_guarantee_jobs import ROWS as JOB_ROWS
from test_guarantee_lists import ROWS as LISTS_ROWS
from test_guarantee_load import ROWS as LOAD_ROWS
from test_guarantee_loop import ROWS as LOOP_ROWS
from test_guarantee_messages import ROWS as MESSAGE_ROWS
from test_guarantee_progress import ROWS as PROGRESS_ROWS
from test_guarantee_resumable import ROWS as RESUMABLE_ROWS
from test_guarantee_sane import ROWS as SANE_ROWS
from test_guarantee_status import ROWS as STATUS_ROWS
from test_guarantee_status import lazy

from tailproof.adapters.executor.sources import SOURCES as OF_EXECUTORS
from tailproof.adapters.openhands.sources import SOURCES
from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Level
from tailproof.history.reader import History
from tailproof.history.records import Fault, Phase, Stall

ROWS: list[Row] = [
    *EVENT_ROWS,
    *STATUS_ROWS,
    *GREETED_ROWS,
    *LOOP_ROWS,
    *JOB_ROWS,
    *MESSAGE_ROWS,
    *CHILDREN_ROWS,
    *CLIENT_ROWS,
    *SANE_ROWS,
    *PROGRESS_ROWS,
    *ACCESS_ROWS,
    *HOOKS_ROWS,
    *APART_ROWS,
    *RESUMABLE_ROWS,
    *DAMAGE_ROWS,
    *FILTERED_ROWS,
    *END_ROWS,
    *LOAD_ROWS,
    *LISTS_ROWS,
    *EXECUTOR_ROWS,
]
PROMISED = {
    "events": {
        "complete",
        "delivered",
        "tail",
        "middle",
        "callbacks",
        "unique",
        "ordered",
        "stable",
        "paged",
        "filtered",
        "paired",
        "spared",
        "terminal",
        "resumable",
    },
    "status": {"known", "agree", "children", "final", "crash", "gated", "client", "legal", "dead"},
    "loop": {
        "terminates",
        "returns",
        "once",
        "quiet",
        "explained",
        "bounded",
        "answered",
        "consent",
        "finishes",
        "progress",
    },
    "model": {"sound", "bounded"},
    "cost": {"reconcile", "history", "start"},
    "server": {"ready", "works", "returns", "responsive", "sane", "stops", "leaves-nothing", "lists"},
    "hooks": {"delivered"},
    "stream": {"resumed", "apart"},
    "client": {"works", "compatible"},
    "access": {"key", "accepted", "secret", "traces"},
}
SHOULD = {"events.middle", "cost.reconcile", "cost.history", "cost.start", "client.compatible", "access.accepted"}
quickly = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def violations(built: Built) -> set[str]:
    return {identity for identity, verdict in judge(built.build()).items() if verdict.outcome is VIOLATED}


def test_the_catalogue_holds_what_was_promised() -> None:
    assert set(CATALOGUE) == {f"{family}.{name}" for family, names in PROMISED.items() for name in names}
    assert {identity for identity, one in CATALOGUE.items() if one.level is Level.SHOULD} == SHOULD
    assert all(one.promise.endswith(".") for one in CATALOGUE.values())
    assert all(one.hurts and not one.hurts.endswith(".") for one in CATALOGUE.values())
    assert SOURCES.keys() | OF_EXECUTORS.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("identity", sorted(CATALOGUE))
def test_each_guarantee_has_histories_that_it_accepts_rejects_and_leaves_open(identity: str) -> None:
    count: dict[str, int] = defaultdict(int)
    for row in ROWS:
        count[row.outcome] += row.guarantee == identity
    assert count[HOLDS] >= 2
    assert count[VIOLATED] >= 2
    assert count[INCONCLUSIVE] + count[NOT_APPLICABLE] >= 1


def test_every_row_has_its_own_name_and_a_guarantee() -> None:
    assert len({str(row) for row in ROWS}) == len(ROWS)
    assert {row.guarantee for row in ROWS} == set(CATALOGUE)


@pytest.mark.parametrize("make", [calm, crashed, lambda: calm(25)], ids=["calm", "kill-tool-running", "calm-long"])
def test_a_good_trial_violates_nothing_and_leaves_nothing_open(make) -> None:  # type: ignore[no-untyped-def]
    outcomes = {identity: verdict.outcome for identity, verdict in judge(make().build()).items()}
    assert set(outcomes.values()) == {HOLDS, NOT_APPLICABLE}, outcomes


@pytest.mark.parametrize("row", [row for row in ROWS if row.outcome is VIOLATED], ids=str)
def test_a_violation_shows_its_evidence(row: Row) -> None:
    """Every pointer leads to a record of the history."""
    history = row.make().build()
    known = {(one.witness, one.seq): one.t_ns for shelf in history.shelves() for one in shelf}
    verdict = judge(history, [row.guarantee])[row.guarantee]
    assert verdict.evidence or verdict.seen
    assert all(known[pointer.witness, pointer.seq] == pointer.t_ns for pointer in verdict.evidence)


def test_an_unknown_guarantee_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"events\.nothing"):
        judge(calm().build(), ["events.nothing"])


def test_only_what_was_asked_for_is_judged() -> None:
    assert list(judge(calm().build(), ["loop.once", "events.tail"])) == ["loop.once", "events.tail"]


def with_fault(built: Built, *stages: str) -> Built:
    for stage in stages:
        built.fault(2.0, stage)
    return built


@pytest.mark.parametrize(
    "stages", [("intent",), ("intent", "injected", "healed"), ("intent", "injected", "unproven", "healed")]
)
def test_a_fault_without_proof_takes_back_what_holds(stages: tuple[str, ...]) -> None:
    verdict = judge(with_fault(calm(), *stages).build())["events.tail"]
    assert verdict.outcome is INCONCLUSIVE
    assert verdict.unsound
    assert "no proof" in verdict.says


def test_a_proven_fault_takes_back_nothing() -> None:
    assert judge(with_fault(calm(), "intent", "injected", "proven", "healed").build())["events.tail"].outcome is HOLDS


def test_a_violation_needs_no_fault() -> None:
    built = with_fault(calm().forget("held:0", "f1"), "intent", "injected", "unproven", "healed")
    assert violations(built) == {"events.tail"}


def test_a_trial_without_end_takes_back_what_holds() -> None:
    outcomes = {verdict.outcome for verdict in judge(calm().without(Phase, name="ended").build()).values()}
    assert outcomes == {INCONCLUSIVE, NOT_APPLICABLE}


def test_only_a_gap_in_the_record_makes_a_verdict_unsound() -> None:
    unfinished = judge(calm().without(Phase, name="ended").build()).values()
    assert all(verdict.unsound for verdict in unfinished if verdict.outcome is INCONCLUSIVE)
    late = next(row for row in LOOP_ROWS if (row.guarantee, row.situation) == ("loop.returns", "late")).make()
    stalled = judge(late.put(5.0, Stall(late_ns=9_000_000_000)).build())["loop.returns"]
    assert (stalled.outcome, stalled.unsound) == (INCONCLUSIVE, False)


def test_a_stall_takes_back_what_it_may_have_caused() -> None:
    late = next(row for row in LOOP_ROWS if (row.guarantee, row.situation) == ("loop.returns", "late")).make
    assert judge(late().put(5.0, Stall(late_ns=200_000_000)).build())["loop.returns"].outcome is VIOLATED
    verdict = judge(late().put(5.0, Stall(late_ns=9_000_000_000)).build())["loop.returns"]
    assert (verdict.outcome, verdict.signature) == (INCONCLUSIVE, "")


def test_a_stall_takes_back_nothing_that_no_clock_decided() -> None:
    built = lazy().put(20.0, Stall(late_ns=9_000_000_000))
    assert judge(built.build())["status.crash"].outcome is VIOLATED
    assert violations(calm().forget("held:0", "f1").put(3.0, Stall(late_ns=9_000_000_000))) == {"events.tail"}


def test_a_line_lost_in_the_middle_takes_back_what_rests_on_its_witness() -> None:
    built = calm().forget("held:0", "f1")
    built.damaged = ["observer.jsonl:3"]
    for identity, verdict in judge(built.build()).items():
        rests = any(witness.startswith("observer") for witness in CATALOGUE[identity].rests_on)
        assert not rests or verdict.outcome is INCONCLUSIVE or verdict.planned, identity


def test_a_line_torn_off_at_the_end_of_an_uncounted_history_leaves_violations() -> None:
    built = calm().forget("held:0", "f1")
    built.header.schema = 1
    built.damaged = ["trial.jsonl:999"]
    assert violations(built) == {"events.tail"}


def test_what_holds_in_a_history_without_counts_is_open() -> None:
    built = calm().forget("held:0", "f1")
    built.header.schema = 1
    outcomes = {identity: verdict.outcome for identity, verdict in judge(built.build()).items()}
    assert HOLDS not in outcomes.values()
    assert [identity for identity, outcome in outcomes.items() if outcome is VIOLATED] == ["events.tail"]


def test_a_subscription_that_was_torn_off_convicts_nobody() -> None:
    built = calm().forget("stream:0", "o3", "f1", "b1")
    built.placed = [(at, one) for at, one in built.placed if getattr(one, "stage", "") != "closed"]
    assert "events.delivered" in violations(built)
    built.damaged = ["observer.jsonl:9999"]
    assert judge(built.build())["events.delivered"].outcome is INCONCLUSIVE


@quickly
@given(tools=st.integers(3, 40), data=st.data())
def test_one_missing_of_the_first_or_last_ten_is_convicted_by_the_tail_alone(tools: int, data: st.DataObject) -> None:
    built = calm(tools)
    due = [identity for identity in built.ids("page:0") if not identity.startswith("b")]
    gone = data.draw(st.sampled_from([*due[:10], *due[-10:]]))
    assert violations(built.forget("held:0", gone)) == {"events.tail"}


@quickly
@given(tools=st.integers(12, 40), data=st.data())
def test_one_missing_of_the_others_is_convicted_by_the_middle_alone(tools: int, data: st.DataObject) -> None:
    built = calm(tools)
    due = [identity for identity in built.ids("page:0") if not identity.startswith("b")]
    assert violations(built.forget("held:0", data.draw(st.sampled_from(due[10:-10])))) == {"events.middle"}


@quickly
@given(tools=st.integers(1, 20), data=st.data())
def test_any_doubled_event_of_a_client_is_convicted(tools: int, data: st.DataObject) -> None:
    built = calm(tools)
    doubled = data.draw(st.sampled_from([identity for identity in built.ids("held:0") if identity != "s1"]))
    assert violations(built.twice("held:0", doubled)) == {"events.unique"}


@quickly
@given(tools=st.integers(1, 20), data=st.data())
def test_any_swap_in_a_clients_list_is_convicted(tools: int, data: st.DataObject) -> None:
    built = calm(tools)
    movable = [identity for identity in built.ids("held:0") if identity[0] not in "bs"]
    one, other = data.draw(st.lists(st.sampled_from(movable), min_size=2, max_size=2, unique=True))
    assert violations(built.swap("held:0", one, other)) == {"events.ordered"}


@quickly
@given(tools=st.integers(1, 20), data=st.data())
def test_any_event_missing_from_a_subscription_is_convicted(tools: int, data: st.DataObject) -> None:
    built = calm(tools)
    due = [identity for identity in built.ids("stream:0") if identity[0] not in "bs"]
    assert violations(built.forget("stream:0", data.draw(st.sampled_from(due)))) == {"events.delivered"}


@quickly
@given(tools=st.integers(2, 20), data=st.data())
def test_any_event_lost_from_log_and_disk_is_convicted(tools: int, data: st.DataObject) -> None:
    built = calm(tools)
    gone = data.draw(st.sampled_from([identity for identity in built.ids("page:0") if identity[0] != "b"]))
    for reading in ("page:0", "page:1", "page:2", "page:3", "disk:9"):
        built.forget(reading, gone)
    assert "events.complete" in violations(built)


@quickly
@given(make=st.sampled_from([calm, crashed, lazy]), seed=st.integers())
def test_the_order_in_which_records_are_given_does_not_matter(make, seed: int) -> None:  # type: ignore[no-untyped-def]
    history = make().build()
    records = [one for shelf in history.shelves() for one in shelf]
    random.Random(seed).shuffle(records)
    assert judge(History(history.header, records)) == judge(history)


@settings(max_examples=150)
@given(make=st.sampled_from([calm, crashed, lazy]), seed=st.integers(), share=st.floats(0, 1))
def test_any_part_of_a_history_can_be_judged(make, seed: int, share: float) -> None:  # type: ignore[no-untyped-def]
    history = make().build()
    rng = random.Random(seed)
    records = [one for shelf in history.shelves() for one in shelf if rng.random() < share]
    assert set(judge(History(history.header, records))) == set(CATALOGUE)


@quickly
@given(end=st.floats(0, 23), make=st.sampled_from([calm, crashed]))
def test_a_trial_that_was_cut_off_anywhere_convicts_nobody(end: float, make) -> None:  # type: ignore[no-untyped-def]
    assert violations(make().until(end)) == set()


def test_nothing_at_all_can_be_judged() -> None:
    outcomes = {verdict.outcome for verdict in judge(History(calm().header)).values()}
    assert outcomes <= {INCONCLUSIVE, NOT_APPLICABLE}


def test_a_fault_is_proven_once() -> None:
    """Two faults of one trial each need their own proof."""
    built = with_fault(calm(), "intent", "injected", "proven").put(
        2.5, Fault(fault="g", name="wire.cut", stage="intent")
    )
    assert "fault g" in judge(built.build())["events.tail"].says
