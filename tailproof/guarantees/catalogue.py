"""All guarantees, and the one way to judge a history by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from tailproof.guarantees import (
    client,
    cost,
    events_callbacks,
    events_client,
    events_delivery,
    events_log,
    events_pages,
    events_stable,
    loop,
    server,
    status,
    status_client,
    stream,
)
from tailproof.guarantees.verdict import Guarantee, Outcome, Verdict
from tailproof.history.reader import History
from tailproof.history.timeline import SECOND

FAMILIES = (
    *(events_log, events_stable, events_delivery, events_client, events_callbacks, events_pages),
    *(stream, status, status_client, loop, cost, server, client),
)

CATALOGUE: Mapping[str, Guarantee] = MappingProxyType(
    {guarantee.id: guarantee for family in FAMILIES for guarantee in family.GUARANTEES}
)
"""id -> guarantee, in the order in which reports list them."""


def judge(history: History, guarantee_ids: Iterable[str] | None = None) -> dict[str, Verdict]:
    """Judge a history by the guarantees named, all when None.

    What the record cannot bear is taken back (`weigh`). Raises KeyError for an id that is not in the catalogue.
    """
    chosen = CATALOGUE if guarantee_ids is None else {identity: CATALOGUE[identity] for identity in guarantee_ids}
    return {identity: weigh(history, guarantee, guarantee.judge(history)) for identity, guarantee in chosen.items()}


def weigh(history: History, guarantee: Guarantee, verdict: Verdict) -> Verdict:
    """Take back what the record as a whole does not bear.

    - A line that cannot be read in the middle of a file takes back `holds` and `violated`: nobody knows what stood there. One
      at the end of a file is what a killed harness leaves; the lists that it tears off are inconclusive by themselves.
    - A trial that did not come to its end, and a fault without proof, take back `holds`: the situation that was to be survived
      may not have come about. They leave `violated` alone: a promise is broken whatever was done to the server, and each
      guarantee looks for the end of the lists that it compares.
    - A stall of the supervisor takes back a `violated` that a clock decided, when the time that was lost makes the difference.
    """
    judged = verdict.outcome in (Outcome.HOLDS, Outcome.VIOLATED)
    spoiled = _spoiled_lines(history) if judged and history.damaged else ()
    if spoiled:
        return _taken_back(verdict, f"the history is damaged at {', '.join(spoiled[:3])}")
    if verdict.outcome is Outcome.HOLDS:
        doubts = [*_unproven(history), *_unfinished(history)]
        return _taken_back(verdict, doubts[0]) if doubts else verdict
    if verdict.outcome is Outcome.VIOLATED and verdict.timed and guarantee.rests_on_time and history.stalls:
        lost_s = sum(stall.late_ns for stall in history.stalls) / SECOND
        took_s, limit_s = verdict.measured.get("took_s"), verdict.measured.get("limit_s")
        if not isinstance(took_s, int | float) or not isinstance(limit_s, int | float) or took_s - lost_s <= limit_s:
            return _taken_back(verdict, f"the harness itself was late by {lost_s:.2f} s")
    return verdict


def _taken_back(verdict: Verdict, why: str) -> Verdict:
    found = "it would hold" if verdict.outcome is Outcome.HOLDS else "it would be violated"
    return replace(
        verdict,
        outcome=Outcome.INCONCLUSIVE,
        says=f"{why}; else {found}: {verdict.says}",
        signature="",
    )


def _unproven(history: History) -> list[str]:
    """Faults that were meant or done and have no proof."""
    stages: dict[str, set[str]] = {}
    for fault in history.faults:
        stages.setdefault(fault.fault, set()).add(fault.stage)
    return [
        f"the fault {fault} has no proof of its effect"
        for fault, seen in stages.items()
        if "unproven" in seen or "proven" not in seen
    ]


def _unfinished(history: History) -> list[str]:
    return [] if any(phase.name == "ended" for phase in history.phases) else ["the trial did not come to its end"]


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
