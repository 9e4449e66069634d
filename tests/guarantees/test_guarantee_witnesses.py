"""No verdict without its witnesses: a blind one decides nothing, and what was planned and not done is no pass."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from guarantee_histories import (
    HOLDS,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    SEEN_BY,
    VIOLATED,
    Built,
    calm,
    crashed,
    cut,
    event,
    log_of_run,
    subscribed,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_guarantee_status import hopeless, lazy

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Outcome, Verdict
from tailproof.guarantees.witnesses import TRIAL, WITNESSES, blind, files
from tailproof.history.reader import History
from tailproof.history.records import (
    AnyRecord,
    BreakOff,
    Effect,
    End,
    Exchange,
    Fault,
    Frame,
    Life,
    Missed,
    ModelCall,
    Phase,
    Rendezvous,
    Run,
    Stall,
)
from tailproof.history.server_records import Event, Reading, Request, Status, Stream

Make = Callable[[], Built]
slowly = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
HONEST: dict[str, Make] = {"calm": calm, "killed": crashed, "stream-cut": cut, "plain": lambda: calm(client="plain")}


def found(built: Built) -> dict[str, Verdict]:
    return judge(built.build())


def outcomes(built: Built) -> dict[str, Outcome]:
    return {identity: verdict.outcome for identity, verdict in found(built).items()}


def violated(built: Built) -> set[str]:
    return {identity for identity, outcome in outcomes(built).items() if outcome is VIOLATED}


def records_of(history: History) -> list[AnyRecord]:
    return [one for shelf in history.shelves() for one in shelf]


def resting_on(file: str) -> set[str]:
    """The guarantees that rest on the witness who writes this file."""
    mine = {witness for witness in WITNESSES if files(witness) == file}
    return {identity for identity, one in CATALOGUE.items() if mine & {TRIAL, *one.rests_on}}


# -- each witness vouches for its own record -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEEN_BY)
@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_a_record_that_breaks_off_decides_nothing(make: Make, name: str) -> None:
    for identity, verdict in found(make().blind(name)).items():
        if identity in resting_on(name):
            assert verdict.outcome is INCONCLUSIVE or verdict.planned, f"{identity}: {verdict.says}"
        assert verdict.outcome is not VIOLATED


@pytest.mark.parametrize("name", SEEN_BY)
def test_a_witness_that_left_nothing_at_all_is_missed(name: str) -> None:
    history = calm().build()
    without = History(history.header, [one for one in records_of(history) if one.witness != name])
    assert any(files(witness) == name for witness in blind(without))


def test_a_witness_that_the_trial_does_not_have_is_not_missed() -> None:
    built = calm()
    del built.header.witnesses["disk"]
    built.placed = [(at, one) for at, one in built.placed if getattr(one, "reading", "") != "disk:9"]
    built.without(Status, via="disk")
    assert outcomes(built)["events.complete"] is HOLDS


@pytest.mark.parametrize("name", SEEN_BY)
def test_a_number_that_nobody_has_is_missed(name: str) -> None:
    history = calm(5).build()
    mine = [one for one in records_of(history) if one.witness == name]
    gone = sorted(mine, key=lambda one: one.seq)[len(mine) // 2 - 1]
    rest = [one for one in records_of(history) if one is not gone]
    assert any(files(witness) == name for witness in blind(History(history.header, rest)))


def refitted(history: History, name: str, records: int) -> History:
    """The last so many records of a witness are gone, and its own count and the trial's are made to fit."""
    mine = sorted((one for one in records_of(history) if one.witness == name), key=lambda one: one.seq)
    kept = mine[: max(0, len(mine) - 1 - records)]
    others = [one for one in records_of(history) if one.witness != name and not isinstance(one, End)]
    ends = [one for one in history.ends if one.witness not in (name, TRIAL)]
    last = max(one.t_ns for one in history.ends)
    ends.append(End(len(kept), witness=name, seq=len(kept), t_ns=last))
    told = {one.witness: one.records + 1 for one in ends}
    trial = next((one for one in history.ends if one.witness == TRIAL), None)
    if trial is not None and name != TRIAL:
        ends.append(End(trial.records, told, witness=TRIAL, seq=trial.seq, t_ns=last))
    return History(history.header, [*others, *kept, *ends])


@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
@slowly
@given(name=st.sampled_from(sorted(set(SEEN_BY) - {TRIAL})), records=st.integers(1, 60))
def test_a_cut_with_a_count_that_fits_convicts_nobody(make: Make, name: str, records: int) -> None:
    history = refitted(make().build(), name, records)
    convicted = {identity: v.says for identity, v in judge(history).items() if v.outcome is VIOLATED}
    assert convicted == {}


@pytest.mark.parametrize("name", ["model", "wire", "observer", "disk", "client"])
def test_a_cut_with_a_count_that_fits_is_seen_where_another_witness_shows_more(name: str) -> None:
    """The last records of each of these say what others have seen, too."""
    history = refitted(calm(5).build(), name, 12)
    for identity, verdict in judge(history).items():
        if identity in resting_on(name):
            assert verdict.outcome in (INCONCLUSIVE, NOT_APPLICABLE), f"{identity}: {verdict.says}"


# -- witnesses testify to each other ---------------------------------------------------------------------------------------


def unwritable(built: Built) -> Built:
    """Every tool said that it could not write, and nothing stands in the journal."""
    built.without(Effect)
    said = "sh: 1: cannot create /journal/tokens: Permission denied\ndone token-a1"
    return built.alter(ModelCall, {"turn": 1, "stage": "asked"}, results={"call-1-0": said})


CROSSED: dict[str, tuple[Make, str]] = {
    "tools-cannot-write": (lambda: unwritable(calm()), "tool"),
    "a-tool-that-the-model-was-told-of": (lambda: calm().without(Effect, token="token-a1"), "tool"),
    "the-end-of-a-tool": (lambda: calm().without(Effect, token="token-a1", stage="end"), "tool"),
    "tools-ran-without-the-model": (lambda: calm().without(ModelCall), "model"),
    "a-call-in-the-log-that-nobody-gave": (
        lambda: calm().alter(ModelCall, {"turn": 2}, calls=[]),
        "model",
    ),
    "a-client-that-no-wire-saw": (lambda: calm().without(Exchange), "wire"),
    "a-request-of-the-client": (lambda: calm().without(Exchange, path="/send"), "wire"),
    "a-message-that-nobody-posted": (
        lambda: calm().without(Request, verb="send").without(Exchange, path="/send").ask(1.7, "send", text="other"),
        "wire",
    ),
    "a-report-shorter-than-it-says": (
        lambda: calm().alter(Reading, {"reading": "held:0", "stage": "end"}, count=99),
        "client",
    ),
    "a-report-of-callbacks-without-an-end": (
        lambda: calm().move(Reading, {"reading": "callback:0", "stage": "end"}, 7.0).blind("client"),
        "client",
    ),
    "a-life-that-the-engine-did-not-tell": (lambda: crashed().without(Life, epoch=1), "engine"),
    "a-death-that-the-engine-did-not-tell": (lambda: crashed().without(Life, stage="died"), "engine"),
    "a-disk-that-was-not-read": (
        lambda: calm().alter(Reading, {"reading": "disk:9", "stage": "end"}, complete=False, error="not an event"),
        "disk",
    ),
    "a-disk-without-a-status": (lambda: calm().without(Status, via="disk"), "disk"),
    "an-observer-that-was-cut-off": (
        lambda: calm().move(Stream, {"stage": "closed"}, 3.0).alter(Stream, {"stage": "closed"}, code=1006),
        "observer.stream",
    ),
    "an-observer-that-never-subscribed": (
        lambda: calm().without(Stream, path="direct").without(Event, reading="stream:0"),
        "observer.stream",
    ),
    "a-reading-without-its-end": (
        lambda: calm().without(Reading, reading="page:0", stage="end"),
        "observer.log",
    ),
}


@pytest.mark.parametrize(("make", "witness"), CROSSED.values(), ids=CROSSED.keys())
def test_a_witness_is_blind_when_another_shows_what_it_should_have_seen(make: Make, witness: str) -> None:
    history = make().build()
    assert witness in blind(history), blind(history)
    for identity, verdict in judge(history).items():
        if witness in CATALOGUE[identity].rests_on:
            assert verdict.outcome is INCONCLUSIVE or verdict.planned, f"{identity}: {verdict.says}"


@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_the_witnesses_of_an_honest_trial_agree(make: Make) -> None:
    assert blind(make().build()) == {}


# -- the plan is held against the record ------------------------------------------------------------------------------------


def test_a_planned_fault_that_left_no_record_decides_nothing() -> None:
    """The observer was refused, the trial broke off, the kill never came: seven guarantees held once, and the gate was open."""
    built = calm(client="plain").plan(faults=[{"id": "kill", "fault": "process.kill", "at": "tool-running:2"}])
    verdicts = found(built)
    assert HOLDS not in {verdict.outcome for verdict in verdicts.values()}
    assert "planned and never happened" in verdicts["events.complete"].says
    assert verdicts["status.crash"].outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    "record",
    [
        BreakOff("server", "subscribe", "the subscription was not accepted"),
        Rendezvous(point="tool-running:2", stage="missed"),
        Missed("run 1 to end", 30.0, "status running"),
    ],
    ids=["break-off", "point", "wait"],
)
def test_what_was_missed_takes_back_what_holds(record: AnyRecord) -> None:
    built = calm().put(3.5, record)
    holding = {identity for identity, outcome in outcomes(built).items() if outcome is HOLDS}
    assert holding <= {identity for identity, one in CATALOGUE.items() if one.judges_break_offs}


def test_a_wait_in_vain_says_what_was_seen_last() -> None:
    built = calm().put(3.5, Missed("the client's run to return", 5.0, "the status is not answered yet"))
    assert found(built)["events.complete"].says.startswith(
        "the trial waited 5.0 s for the client's run to return, which did not happen; last seen: the status is not answered yet"
    )


def test_a_wait_in_vain_that_a_violation_explains_takes_nothing_back() -> None:
    built = calm().forget("held:0", "f1").put(3.5, Missed("the client's run to return", 12.0))
    assert outcomes(built)["events.complete"] is HOLDS


def test_a_client_that_does_not_come_back_is_judged_by_its_own_promise() -> None:
    assert outcomes(calm().put(3.5, Rendezvous(point="reconnected", stage="missed")))["events.tail"] is HOLDS


def test_a_failure_of_the_harness_takes_back_violations() -> None:
    built = calm().forget("held:0", "f1").put(3.5, BreakOff("harness", "wire", "the wire died (exit code -9)"))
    verdict = found(built)["events.tail"]
    assert verdict.outcome is INCONCLUSIVE
    assert "the wire died" in verdict.says


# -- what was seen on histories before ---------------------------------------------------------------------------------------


def silent_server() -> Built:
    """It stores and publishes nothing while the loop runs."""
    built = calm().without(Event).alter(Reading, {"reader": "rest"}, count=0)
    return built.without(Frame, direction="down", name="ActionEvent")


def lost_the_first(count: int) -> Built:
    first = calm().ids("stream:0")[:count]
    return calm().forget("stream:0", *first)


def stale_idle() -> Built:
    """The disk of the dead server says idle, REST said running."""
    return crashed().alter(Status, {"via": "disk", "epoch": 0}, raw="idle", neutral="idle")


def dies_for_ever() -> Built:
    built = crashed().until(5.0)
    built.put(6.0, Life(stage="died", epoch=1, exit_code=1)).put(7.0, Life(stage="started", epoch=2))
    built.put(8.0, Life(stage="died", epoch=2, exit_code=1), BreakOff("server", "ready", "the server has ended"))
    return built.put(9.0, Phase(name="ended"))


SEEN: dict[str, tuple[Make, str, Outcome]] = {
    "an-action-and-its-result-are-in-no-list": (
        lambda: calm().everywhere_forget("a2", "o2"),
        "events.complete",
        VIOLATED,
    ),
    "a-result-is-in-no-list": (lambda: calm().everywhere_forget("o2"), "events.complete", VIOLATED),
    "a-server-that-stores-nothing": (silent_server, "events.complete", VIOLATED),
    "the-message-of-a-client-is-lost": (lambda: calm().everywhere_forget("m1"), "events.complete", VIOLATED),
    "a-subscriber-loses-the-first-four": (lambda: lost_the_first(4), "events.delivered", VIOLATED),
    "the-disk-says-error-for-long-while-rest-says-finished": (
        lambda: (
            calm()
            .alter(Status, {"via": "disk"}, raw="error", neutral="failed")
            .without(Life, stage="stopped")
            .move(Status, {"via": "disk"}, 30.0)
            .move(Reading, {"reading": "disk:9", "stage": "end"}, 29.0)
        ),
        "status.agree",
        VIOLATED,
    ),
    "the-disk-says-error-while-rest-says-running": (
        lambda: calm().show(7.0, "running").alter(Status, {"via": "disk"}, raw="error", neutral="failed"),
        "status.agree",
        INCONCLUSIVE,
    ),
    "it-dies-again-and-again": (dies_for_ever, "server.returns", VIOLATED),
    "requests-time-out": (
        lambda: (
            [built := calm()]
            and [built.ask(5 + n / 10, "status", 0, took=0.05, error="timeout") for n in range(20)][-1]
        ),
        "server.ready",
        VIOLATED,
    ),
    "a-path-fault-that-is-healed-at-the-end-excuses-no-hanging-run": (
        lambda: hanging("wire.delay"),
        "loop.terminates",
        VIOLATED,
    ),
    "an-error-behind-the-push-marks-nothing": (
        lambda: (
            crashed()
            .without(Status, raw="error")
            .everywhere_forget("e2")
            .show(12.0, "idle", epoch=1)
            .show(14.5, "idle", after_load=True, epoch=1)
            .put(17.0, late_mark())
        ),
        "status.crash",
        VIOLATED,
    ),
    "never-read-behind-a-load": (
        lambda: crashed().without(Status, after_load=True),
        "status.crash",
        INCONCLUSIVE,
    ),
    "a-stale-disk-does-not-beat-rest": (stale_idle, "status.crash", HOLDS),
    "nothing-asked-and-nothing-retried": (
        lambda: calm().without(Exchange).without(Request).without(Run),
        "loop.bounded",
        INCONCLUSIVE,
    ),
    "one-reader-and-no-time-stamps": (
        lambda: calm().alter(Event, {}, ts="").without(Event, reading="held:0").without(Event, reading="disk:9"),
        "events.ordered",
        INCONCLUSIVE,
    ),
    "a-new-stream-that-nobody-answers": (
        lambda: (
            cut(again=2.5)
            .without(Frame, conn=2)
            .put(2.6, Stream(reading="wire:2", stage="closed", path="wire", code=1006, witness="wire"))
        ),
        "stream.resumed",
        INCONCLUSIVE,
    ),
    "the-whole-history-is-read-all-the-time": (lambda: reads_all_the_time(), "cost.reconcile", VIOLATED),
    "quiet-was-broken-in-a-stall": (
        lambda: calm().put(5.0, ModelCall(stage="asked", turn=4, request=9), Stall(late_ns=3_000_000_000)),
        "loop.quiet",
        INCONCLUSIVE,
    ),
}


def hanging(name: str) -> Built:
    built = calm().until(2.6).fault(2.1, "intent", name).fault(2.2, "injected", name).fault(2.3, "proven", name)
    at = 3.0
    while at < 60:
        built.show(at, "running")
        at += 1
    return built.put(60.0, Phase(name="healing")).fault(60.1, "healed", name).put(61.0, Phase(name="ended"))


def late_mark() -> Event:
    mark = event("e9", "error", 0.9, call="call-2-0")
    mark.reading = "stream:1"
    return mark


def reads_all_the_time() -> Built:
    """Every quarter of a second, before and after the end of the run."""
    built = calm(500)
    for index in range(8):
        built.put(2.2 + index / 4, Exchange(conn=3, method="GET", path="/events", code=200, down_bytes=900_000))
    return built


@pytest.mark.parametrize(("make", "guarantee", "outcome"), SEEN.values(), ids=SEEN.keys())
def test_what_was_let_pass_before(make: Make, guarantee: str, outcome: Outcome) -> None:
    verdict = found(make())[guarantee]
    assert verdict.outcome is outcome, verdict.says


def test_a_gap_in_the_observers_numbers_convicts_nobody() -> None:
    history = calm().build()
    gone = next(one for one in history.events if one.reading == "stream:0" and one.id == "o2")
    rest = [one for one in records_of(history) if one is not gone]
    assert {v.outcome for v in judge(History(history.header, rest)).values()} <= {INCONCLUSIVE, NOT_APPLICABLE, HOLDS}
    assert judge(History(history.header, rest))["events.delivered"].outcome is INCONCLUSIVE


def test_a_torn_report_convicts_no_client() -> None:
    built = calm().forget("held:0", "f1").alter(Reading, {"reading": "held:0", "stage": "end"}, count=11)
    built.header.versions = {"client": "1.11.0", "server": "1.58.0"}
    assert outcomes(built)["client.compatible"] is INCONCLUSIVE


def test_holds_says_how_much_it_compared() -> None:
    for make in HONEST.values():
        for identity, verdict in found(make()).items():
            assert verdict.outcome is not HOLDS or any(verdict.compared.values()), identity


# -- properties --------------------------------------------------------------------------------------------------------------

MAKES = [calm, crashed, cut, lazy, hopeless, *(make for make, _, _ in SEEN.values())]


@slowly
@given(make=st.sampled_from(MAKES), seed=st.integers(), share=st.floats(0.5, 0.999))
@example(make=calm, seed=0, share=0.99)
def test_removing_records_never_makes_anything_hold(make: Make, seed: int, share: float) -> None:
    history = make().build()
    before = judge(history)
    rng = random.Random(seed)
    after = judge(History(history.header, [one for one in records_of(history) if rng.random() < share]))
    for identity, verdict in after.items():
        if before[identity].outcome in (VIOLATED, INCONCLUSIVE):
            assert verdict.outcome is not HOLDS, f"{identity}: {before[identity].says} -> {verdict.says}"


@slowly
@given(make=st.sampled_from(MAKES), name=st.sampled_from(sorted(set(SEEN_BY) - {TRIAL})), seed=st.integers())
def test_a_verdict_reads_nothing_but_its_witnesses(make: Make, name: str, seed: int) -> None:
    history = make().build()
    before = judge(history)
    rng = random.Random(seed)
    mine = [one for one in records_of(history) if one.witness == name]
    gone = set(map(id, rng.sample(mine, min(len(mine), 1 + rng.randrange(max(1, len(mine)))))))
    after = judge(History(history.header, [one for one in records_of(history) if id(one) not in gone]))
    for identity in set(CATALOGUE) - resting_on(name):
        if not history.missed:
            assert after[identity].outcome is before[identity].outcome, f"{identity}: {after[identity].says}"


def shows_more(built: Built, what: str, at: float) -> Built:
    """What an honest server would have shown on top."""
    match what:
        case "status":
            seen = [
                one
                for when, one in sorted(built.placed, key=lambda one: one[0])
                if when <= at and isinstance(one, Status)
            ]
            rest = [one for one in seen if one.via == "rest"]
            return built if not rest else built.show(at, rest[-1].raw, epoch=rest[-1].epoch).ask(at, "status")
        case "page":
            last = max(
                (when for when, one in built.placed if isinstance(one, Reading) and one.reading == "page:0"),
                default=6.0,
            )
            log = [one for _, one in built.placed if isinstance(one, Event) and one.reading == "page:0"]
            return built.read(last + 0.35, "page:8", log, page_size=5)
        case "frame":
            return built.put(at, Frame(conn=1, direction="down", index=99, size=2, done="control", name="ping"))
        case _:
            return built.ask(at, "load")


@slowly
@given(
    make=st.sampled_from([calm, crashed, cut]),
    what=st.sampled_from(["status", "page", "frame", "load"]),
    at=st.floats(2.5, 3.0),
)
def test_what_an_honest_server_shows_on_top_convicts_nobody(make: Make, what: str, at: float) -> None:
    assert violated(shows_more(make(), what, at)) == set()


def test_a_second_subscription_of_the_client_is_no_harm() -> None:
    assert violated(subscribed(calm(), 2, 3.0)) == set()


def test_the_plan_of_a_history_is_what_it_was_made_with() -> None:
    """The helper of these tests plans what it records; else the rows would prove nothing."""
    planned = {plan["id"] for plan in crashed().header.plan["faults"]}
    assert planned == {one.fault for _, one in crashed().placed if isinstance(one, Fault)}
    assert len(log_of_run(3)) > 0
