"""All guarantees, and the one way to judge a history by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tailproof.extensions import table
from tailproof.guarantees.executions.view import is_of_an_executor
from tailproof.guarantees.verdict import TAKEN_BACK, Guarantee, Outcome, Verdict, at, excused
from tailproof.guarantees.witnesses import COUNTED_SINCE, TRIAL, WITNESSES, blind
from tailproof.history.plan import planned_acts, planned_faults
from tailproof.history.reader import History
from tailproof.history.timeline import SECOND, deleted_unsaid

STOOD_STILL_NS = 3 * SECOND
"""A supervisor that is late by so much at once was stopped, or its machine was: that is no mere load."""

OF_RUNS = frozenset({"loop", "model", "status.final", "status.agree"})
"""Guarantees, or families of them, that have nothing to say of a conversation in which nothing was said."""

CATALOGUE: Mapping[str, Guarantee] = table("guarantees")
"""id -> guarantee, in the order in which reports list them."""


def judge(history: History, guarantee_ids: Iterable[str] | None = None) -> dict[str, Verdict]:
    """Judge a history by the guarantees named, all when None.

    What the record cannot bear is taken back (`weigh`), and so is what holds in a trial that waited for something that did not happen, when
    no promise is broken that explains it. Raises KeyError for an id that is not in the catalogue.
    """
    chosen = list(CATALOGUE if guarantee_ids is None else guarantee_ids)
    for identity in chosen:
        CATALOGUE[identity]
    every = CATALOGUE if history.missed else chosen
    found = {identity: weigh(history, CATALOGUE[identity], _judged(history, CATALOGUE[identity])) for identity in every}
    if history.missed and not any(verdict.outcome is Outcome.VIOLATED for verdict in found.values()):
        missed = history.missed[0]
        saw = f"; last seen: {missed.saw}" if missed.saw else ""
        why = f"the trial waited {missed.seconds:.1f} s for {missed.waited_for}, which did not happen{saw}"
        found = {
            identity: _taken_back(verdict, why) if verdict.outcome is Outcome.HOLDS else verdict
            for identity, verdict in found.items()
        }
    return {identity: found[identity] for identity in chosen}


def _judged(history: History, guarantee: Guarantee) -> Verdict:
    why_not = _other_system(guarantee, history) or guarantee.applies(history.header)
    if why_not:
        return Verdict(outcome=Outcome.NOT_APPLICABLE, says=why_not, planned=True)
    return guarantee.judge(history)


def _other_system(guarantee: Guarantee, history: History) -> str:
    if guarantee.of_executors or not is_of_an_executor(history.header):
        return ""
    return "the promise is about servers that run their agent themselves, and this is an executor"


def weigh(history: History, guarantee: Guarantee, verdict: Verdict) -> Verdict:
    """Take back what the record as a whole does not bear.

    - A failure of the harness in the trial takes back everything: whatever was seen may be its doing.
    - A blind witness takes back what rests on it, whether it holds, is violated or excused.
    - A part of the plan that was not done, a fault without proof, and a trial that did not come to its end take back what holds or
      is excused: the situation that was to be survived may not have come about. They leave `violated` alone: a promise is broken
      whatever was done to the server, and each guarantee looks for the end of the lists that it compares.
    - Nothing compared is nothing decided. Where it is about runs (`OF_RUNS`), and somebody deleted the conversation before anything was
      said in it, as every witness shows, there was nothing to compare.
    - A stall of the supervisor takes back a `violated` that a clock decided, when the time that was lost makes the difference. A long
      one takes back what holds by a clock, too: the moments between which time was measured may have been seen late.

    What the plan or the protocol does not have stays not-applicable. What is inconclusive is so; that the record has one of these gaps is
    said beside it (`unsound`).
    """
    if verdict.planned:
        return verdict
    doubts = [*_of_the_harness(history), *_of_blind_witnesses(history, guarantee, verdict)]
    if verdict.outcome is not Outcome.VIOLATED:
        doubts += [*unaccounted(history, break_offs=not guarantee.judges_break_offs), *_unfinished(history)]
    nothing = verdict.outcome is Outcome.INCONCLUSIVE or (
        verdict.outcome is Outcome.HOLDS and not any(verdict.compared.values())
    )
    of_runs = guarantee.id.partition(".")[0] in OF_RUNS or guarantee.id in OF_RUNS
    if nothing and of_runs and not doubts and not blind(history) and (unsaid := deleted_unsaid(history)):
        return excused(
            "the conversation was deleted before anything was said in it",
            evidence=[at(unsaid[0], "deleted"), at(unsaid[1], "the client could say nothing any more")],
        )
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return replace(verdict, unsound=bool(doubts))
    if doubts:
        return replace(_taken_back(verdict, doubts[0]), unsound=True)
    if verdict.outcome is Outcome.NOT_APPLICABLE and not verdict.evidence:
        return _taken_back(verdict, "no record shows it")
    if nothing:
        return _taken_back(verdict, "nothing was compared")
    if verdict.outcome is Outcome.HOLDS and guarantee.rests_on_time:
        longest_ns = max((stall.late_ns for stall in history.stalls), default=0)
        if longest_ns >= STOOD_STILL_NS:
            return _taken_back(verdict, f"the harness itself stood still for {longest_ns / SECOND:.2f} s")
    if verdict.outcome is Outcome.VIOLATED and verdict.timed and guarantee.rests_on_time and history.stalls:
        lost_s = sum(stall.late_ns for stall in history.stalls) / SECOND
        took_s, limit_s = verdict.measured.get("took_s"), verdict.measured.get("limit_s")
        if not isinstance(took_s, int | float) or not isinstance(limit_s, int | float) or took_s - lost_s <= limit_s:
            return _taken_back(verdict, f"harness or server got no processor time for {lost_s:.2f} s")
    return verdict


def _taken_back(verdict: Verdict, why: str) -> Verdict:
    return replace(
        verdict,
        outcome=Outcome.INCONCLUSIVE,
        says=f"{why}{TAKEN_BACK}{_ELSE[verdict.outcome]}: {verdict.says}",
        signature="",
        compared={},
    )


_ELSE = {
    Outcome.HOLDS: "it would hold",
    Outcome.VIOLATED: "it would be violated",
    Outcome.NOT_APPLICABLE: "it would not apply",
}


def _of_the_harness(history: History) -> list[str]:
    return [f"the harness failed in this trial: {one.says}" for one in history.break_offs if one.by == "harness"]


def _of_blind_witnesses(history: History, guarantee: Guarantee, verdict: Verdict) -> list[str]:
    if history.header.schema < COUNTED_SINCE:
        spoiled = _spoiled_lines(history) if history.damaged else ()
        if spoiled:
            return [f"the history is damaged at {', '.join(spoiled[:3])}"]
        uncounted = (
            f"a history of schema {history.header.schema}, in which no witness counted its records, shows no absence"
        )
        return [uncounted] if verdict.outcome is Outcome.HOLDS else []
    known = blind(history)
    rests_on = guarantee.of_executors if is_of_an_executor(history.header) else guarantee.rests_on
    return [known[witness] for witness in WITNESSES if witness in known and witness in {TRIAL, *rests_on}]


def unaccounted(history: History, *, break_offs: bool = True) -> list[str]:
    """What the plan asks for and the record does not show: a fault or an act that never happened or has no proof, a point that the loop
    never reached, and (with `break_offs`) a trial that was broken off."""
    stages: dict[str, set[str]] = {
        **{f"fault {fault.id}": set() for fault in planned_faults(history.header)},
        **{f"act {act.id}": set() for act in planned_acts(history.header)},
    }
    for fault in history.faults:
        stages.setdefault(f"fault {fault.fault}", set()).add(fault.stage)
    for act in history.acts:
        stages.setdefault(f"act {act.act}", set()).add(act.stage)
    return [
        *(f"the trial broke off: {one.says}" for one in history.break_offs if break_offs),
        *(
            f"the {landing} has no proof of its effect" if seen else f"the {landing} was planned and never happened"
            for landing, seen in stages.items()
            if "unproven" in seen or "proven" not in seen
        ),
        *(
            f"the loop never reached {one.point}"
            for one in history.rendezvous
            if one.stage == "missed" and one.point != BACK
        ),
    ]


JUDGE_BREAK_OFFS = frozenset(
    {
        "loop.terminates",
        "loop.returns",
        "server.ready",
        "server.returns",
        "server.works",
        "client.works",
        "client.compatible",
    }
)
"""Who says, as a violation, over what a trial broke off: that a run has no end, or that server or client could not be used."""
BACK = "reconnected"
"""The one point that the client must reach by itself: whether it does is `stream.resumed`'s to judge."""


def _unfinished(history: History) -> list[str]:
    return [] if any(phase.name == "ended" for phase in history.phases) else ["the trial did not finish"]


def _spoiled_lines(history: History) -> tuple[str, ...]:
    """Unreadable lines that have readable ones behind them."""
    last: dict[str, int] = {}
    for shelf in history.shelves():
        for record in shelf:
            last[record.witness] = max(last.get(record.witness, -1), record.seq)
    spoiled = []
    for place in history.damaged:
        name, _, line = place.rpartition(":")
        if int(line) - 1 <= last.get(name.removesuffix(".jsonl"), -1):
            spoiled.append(place)
    return tuple(spoiled)
