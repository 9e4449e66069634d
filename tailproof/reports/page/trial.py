"""One trial as the data of its timeline, its ledger and its sequence.

Times are milliseconds since the first record of the trial. Nothing is judged here: verdicts come with the `TrialResult`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailproof.guarantees.verdict import Outcome
from tailproof.history.reader import History
from tailproof.history.views import same
from tailproof.outgoing.masking import MARK
from tailproof.outgoing.visible import clip
from tailproof.reports.assemble import Clock
from tailproof.reports.page.ledger import COLUMNS, Mark, Row, columns_of, ledger
from tailproof.reports.page.proofs import counters
from tailproof.reports.page.records import Chosen, choose, columns
from tailproof.reports.page.sequence import sequence
from tailproof.reports.result import FaultResult, TrialResult, VerdictResult
from tailproof.reports.trimming import ends_of

_TEXT = 160
_SENTENCE = 600
_STEPS = 500


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a trial is shown at most: records in its timeline, rows in its ledger."""

    records: int
    rows: int


def evidence_of(trial: TrialResult) -> frozenset[tuple[str, int]]:
    """Witness and number of the records that violations rest on, known ones too."""
    return frozenset(
        (one.witness, one.seq)
        for verdict in trial.verdicts
        if verdict.outcome is Outcome.VIOLATED
        for one in verdict.evidence
    )


def trial_data(key: str, called: str, trial: TrialResult, history: History, detail: Detail) -> dict[str, Any]:
    """The trial as the page's script reads it: `cut` is empty when nothing was left out."""
    clock = Clock(history)
    evidence = evidence_of(trial)
    every = ledger(history)
    rows = ends_of(every, detail.rows, wanted=(n for n, row in enumerate(every) if not row.plain))
    places = {row.id: number for number, row in enumerate(rows)}
    chosen = choose(history, evidence, detail.records)
    lanes, records = columns(chosen, evidence, clock, places)
    reached = {one.point: clock.ms(one.t_ns) for one in reversed(history.rendezvous) if one.stage == "reached"}
    violated = [verdict for verdict in trial.verdicts if verdict.outcome is Outcome.VIOLATED]
    return {
        "key": key,
        "called": called,
        "history": trial.history,
        "duration_ms": _ms(trial.duration_s),
        "cut": _cut(chosen, len(rows), len(every)),
        "phases": [
            {"name": one.name, "from": _ms(one.at_s), "to": _ms(one.at_s + one.seconds)} for one in trial.phases
        ],
        "faults": [_fault(fault, reached) for fault in trial.faults],
        "lives": [
            {
                "epoch": life.epoch,
                "started": _ms(life.started_at_s),
                "ready": _ms(life.ready_at_s),
                "ended": _ms(life.ended_at_s),
                "end": life.end,
            }
            for life in trial.lives
        ],
        "lanes": lanes,
        "records": records,
        "statuses": list(_statuses(history, clock)),
        "ledger": _ledger(rows, columns_of(history), clock),
        "sequence": [
            {
                "from": one.sender,
                "to": one.receiver,
                "t": clock.ms(one.t_ns),
                "says": clip(one.says, _TEXT),
                "address": one.address,
                "flag": one.flag,
            }
            for one in (sequence(history, evidence) if violated else ())
        ],
        "violations": [
            {
                "guarantee": verdict.guarantee,
                "signature": clip(verdict.signature, _TEXT),
                "says": clip(verdict.says, _SENTENCE) + _masked(verdict),
                "expected": [clip(item, _TEXT) for item in verdict.expected],
                "seen": [clip(item, _TEXT) for item in verdict.seen],
                "addresses": [clip(f"{one.witness}:{one.seq}", _TEXT) for one in verdict.evidence],
                "known": clip(verdict.known.reason, _SENTENCE) if verdict.known else "",
            }
            for verdict in violated
        ],
    }


def _masked(verdict: VerdictResult) -> str:
    """Lest the mark of a masked secret is taken for what the server showed."""
    marked = any(MARK.decode() in one.says for one in verdict.evidence)
    return " (<secret:NAME> is put in by this report, where the secret itself stood)" if marked else ""


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _cut(chosen: Chosen, rows: int, of: int) -> str:
    """What was left out, in a sentence."""
    parts = []
    if len(chosen.records) < chosen.of:
        parts.append(f"{len(chosen.records):,} of {chosen.of:,} records")
    if rows < of:
        parts.append(f"{rows:,} of {of:,} events")
    shown = " and ".join(parts)
    why = "evidence, whatever is odd, and the first and last of the rest; the history holds everything"
    return f"Shown are {shown}: {why}." if parts else ""


def _fault(fault: FaultResult, reached: Mapping[str, float]) -> dict[str, Any]:
    return {
        "fault": clip(fault.fault, _TEXT),
        "name": clip(fault.name, _TEXT),
        "act": fault.act,
        "says": clip(fault.says, _SENTENCE),
        "scope": clip(fault.scope, _TEXT),
        "planned": clip(fault.at, _TEXT),
        "reached": reached.get(fault.at),
        "injected": _ms(fault.injected_at_s),
        "healed": _ms(fault.healed_at_s),
        "proven": fault.proven,
        "proof": [
            {"name": one.name, "before": one.before, "after": one.after, "owner": one.owner} for one in counters(fault)
        ],
    }


def _statuses(history: History, clock: Clock) -> Iterator[dict[str, Any]]:
    """Each change of the status that somebody was shown, reader by reader; with several conversations also by conversation."""
    steps: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for status in history.statuses:
        row = steps.setdefault((same(status.conversation), status.via), [])
        word = clip(status.raw, _TEXT) or "none"
        if not row or row[-1][1] != word:
            row.append((clock.ms(status.t_ns), word))
    several = len({conversation for conversation, _ in steps}) > 1
    for (conversation, via), row in steps.items():
        who = "REST" if via == "rest" else via
        yield {"witness": f"{who} {conversation[:8]}" if several else who, "steps": _ends(row)}


def _ends(row: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    return ends_of(row, _STEPS)


def _ledger(rows: Sequence[Row], columns: Sequence[str], clock: Clock) -> dict[str, Any]:
    """The rows column by column; the marks of a column are one string, a letter a row."""
    return {
        "columns": [{"id": name, "title": COLUMNS[name]} for name in columns],
        "id": [clip(row.id, _TEXT) for row in rows],
        "kind": [clip(row.name, _TEXT) for row in rows],
        "cause": [row.cause for row in rows],
        "place": [row.place for row in rows],
        "stamp": _stamps(rows),
        "at": [None if row.at_ns is None else clock.ms(row.at_ns) for row in rows],
        "cells": [
            {
                "mark": "".join(_LETTERS[row.cells[number].mark] for row in rows),
                "after": [_after(row.cells[number].after_ns) for row in rows],
                "address": [row.cells[number].address for row in rows],
            }
            for number in range(len(columns))
        ],
    }


def _stamps(rows: Sequence[Row]) -> list[float | None]:
    """Milliseconds from the first stamp that the log has, by the server's own clock."""
    times = [_time(row.stamp) for row in rows]
    first = next((time for time in times if time is not None), 0.0)
    return [None if time is None else round((time - first) * 1000, 1) for time in times]


def _time(stamp: str) -> float | None:
    try:
        time = datetime.fromisoformat(stamp)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


_LETTERS: dict[Mark, str] = {
    **{"seen": "s", "lost": "l", "twice": "t", "late": "d", "unordered": "u", "changed": "c", "unseen": "."},
}


def _after(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / 1e6, 1)
