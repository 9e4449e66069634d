"""What the templates of the page are filled with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.masking import Masker
from tailproof.outgoing.visible import clip
from tailproof.reports.comparison import Comparison
from tailproof.reports.gate import DECIDES, cell
from tailproof.reports.page.cards import Card, Landed, findings, landed
from tailproof.reports.page.changes import Changes, head
from tailproof.reports.page.coverage import coverage
from tailproof.reports.page.names import Named
from tailproof.reports.page.proofs import Counter as ShownCounter
from tailproof.reports.page.proofs import counters
from tailproof.reports.page.summary import GATES, counts, lead, rests, worst
from tailproof.reports.result import PairResult, Result
from tailproof.reports.words import (
    STANDINGS,
    VERSIONS,
    asked,
    death,
    grid,
    met,
    not_run,
    ranges,
    several,
    span,
    spent,
    standing,
    tally,
)

_ITEM = 160
_SENTENCE = 400
_LINES = 60
_COLUMNS = 120
_ODD = 40
_FAULTS = 12
_HEADLINES = 6
_HEADLINE = 140
_WEIGH = {
    "open": "They are allowed, or do not decide.",
    "closed": "What is violated closes the gate, whatever these would say. Alone they would leave it undecided (exit code 2).",
    "unknown": "They leave the gate undecided (exit code 2).",
}
"""State of the gate -> what the doubts mean for it."""
_MACHINE = {"python": "Python of tailproof"}


@dataclass(frozen=True, slots=True)
class Caps:
    """How many trials and how many cards of a kind the page shows at most."""

    trials: int
    cards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFault:
    """A fault or an act of a trial with its proof."""

    landed: Landed
    at: str
    counters: list[ShownCounter]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrial:
    """A trial as its part of the page shows it."""

    key: str
    called: str
    standing: str
    summary: str
    error: str
    tally: str
    took: str
    kinds: str
    met: str
    history: str
    faults: list[ShownFault]
    deaths: list[str]
    odd: list[tuple[str, str, str]]
    holds: list[str]
    blind: list[tuple[str, str]]


def view(
    result: Result, trials: Sequence[Named], caps: Caps, masker: Masker, comparison: Comparison | None
) -> dict[str, Any]:
    """Everything that the templates name. Texts of others are cut here; the templates escape them."""
    changes = Changes(comparison)
    of_gate, gate_word = GATES[result.gate.state]
    guarantees, scenarios, cells = grid(result)
    idle = [one for one in guarantees if {cells.get((one, name)) for name in scenarios} <= {None, "not-applicable"}]
    doubts = [f"{said} ({often} times)" if often > 1 else said for said, often in Counter(_doubts(result)).items()]
    rows = [(what, why, ranges(pairs)) for (what, why), pairs in not_run(result).items()]
    found: dict[str, Any] = {}
    for wanted in ("violated", "advisory", "known"):
        found[wanted], found[f"more_{wanted}"] = findings(result, trials, wanted, caps.cards, masker, changes)
    return {
        **found,
        "result": result,
        "compared": comparison is not None,
        "gate_standing": of_gate,
        "gate_word": gate_word,
        "lead": lead(result),
        "counts": counts(result),
        "rests": rests(result),
        "answer": "",
        "headlines": [_headline(card) for card in found["violated"][:_HEADLINES]],
        "more_headlines": max(0, len(found["violated"]) - _HEADLINES) + found["more_violated"],
        "product": _product(result),
        "asked": asked(result),
        "started": _day(result.started),
        "sections": _sections(result, comparison),
        "closed_by": result.gate.closed_by,
        "stale": result.gate.stale[:_LINES],
        "expired": result.gate.expired[:_LINES],
        "doubts": doubts[:_LINES],
        "doubts_weigh": _WEIGH[result.gate.state],
        "more_doubts": max(0, len(doubts) - _LINES),
        "cell": cell,
        "guarantees": [one for one in guarantees if one not in idle],
        "idle": idle,
        "scenarios": scenarios[:_COLUMNS],
        "often": _Cells(_often(result, cells)),
        "more_scenarios": max(0, len(scenarios) - _COLUMNS),
        "cells": _Cells(cells),
        "grid_standings": set(cells.values()),
        "coverage": coverage(result.trials, result.unreachable),
        "several": several(result),
        "not_run": rows[:_LINES],
        "more_not_run": max(0, len(rows) - _LINES),
        "trials": [_trial(result, one) for one in _loud_first(result, trials)],
        "more_trials": len(result.trials) - len(trials),
        "pairs": [_pair(result, pair) for pair in result.pairs[:_LINES]] if several(result) else [],
        "environment": list(_environment(result)),
        **(head(comparison) if comparison is not None else {}),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A card in a line: what was seen, and what weighs it."""

    card: Card
    says: str
    under: str
    """The faults and acts at whose time the evidence lies; empty when it lies at none of them."""


def _headline(card: Card) -> Headline:
    says = card.says if len(card.says) <= _HEADLINE else card.says.partition("; ")[0]
    kinds = ", ".join(dict.fromkeys(one.name for one in card.faults if not one.apart))
    under = f", under {kinds}" if kinds else "" if card.faults else ", without any fault"
    return Headline(card=card, says=clip(says, _HEADLINE), under=under)


def _product(result: Result) -> str:
    """The package and its version, as installed; the target where the server was not installed from a package."""
    versions = result.environment.versions
    installed = f"{versions['package']} {versions.get('server', '')}".strip() if "package" in versions else ""
    return clip(installed or result.target, _ITEM)


def _often(result: Result, cells: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """`1/3` for the cells of what does not always hold, where a scenario has several trials."""
    judged: Counter[tuple[str, str]] = Counter()
    such: Counter[tuple[str, str]] = Counter()
    for trial, verdict in result.judged():
        key = (verdict.guarantee, trial.called)
        judged[key] += 1
        such[key] += standing(verdict, fail_on=result.gate.fail_on) == cells[key]
    return {key: f"{such[key]}/{of}" for key, of in judged.items() if of > 1 and cells[key] in _LOUD}


_LOUD = ("violated", "advisory", "inconclusive", "known")


class _Cells(dict[tuple[str, str], str]):
    def __missing__(self, key: tuple[str, str]) -> str:
        return ""


def _day(started: str) -> str:
    """`2026-11-27 03:11 UTC`, or what stands there when it is no time."""
    try:
        return f"{datetime.fromisoformat(started).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return clip(started, _ITEM)


def _sections(result: Result, comparison: Comparison | None) -> list[tuple[str, str]]:
    return [
        *([("changes", "What changed")] if comparison is not None else []),
        ("findings", "Findings"),
        ("verdicts", "Verdicts"),
        ("coverage", "Coverage"),
        *([("not-run", "Not run")] if result.not_run else []),
        ("trials", "Trials"),
        ("environment", "Environment"),
        ("glossary", "Words"),
    ]


def _doubts(result: Result) -> Iterator[str]:
    """What the gate could not tell, what it was allowed not to tell, and what it does not decide by and could not be told either."""
    yield from (clip(doubt, _SENTENCE) for doubt in result.gate.doubts)
    yield from (clip(f"{allowed} (allowed)", _SENTENCE) for allowed in result.gate.allowed)
    for trial, verdict in result.judged():
        if verdict.outcome is Outcome.INCONCLUSIVE and verdict.level not in DECIDES[result.gate.fail_on]:
            yield clip(f"{cell(verdict.guarantee, trial.called)} ({verdict.level}): {verdict.says}", _SENTENCE)


def _loud_first(result: Result, trials: Sequence[Named]) -> list[Named]:
    ranks = list(STANDINGS)
    return sorted(trials, key=lambda one: ranks.index(worst(one.trial, fail_on=result.gate.fail_on)))


def _trial(result: Result, one: Named) -> ShownTrial:
    trial, fail_on = one.trial, result.gate.fail_on
    stands = [(standing(verdict, fail_on=fail_on), verdict) for verdict in trial.verdicts]
    odd = [(name, verdict) for name, verdict in stands if name not in ("holds", "not-applicable")]
    return ShownTrial(
        key=one.key,
        called=one.called,
        standing=worst(trial, fail_on=fail_on),
        summary=clip(trial.summary, _SENTENCE),
        error=clip(trial.error or "", _SENTENCE),
        tally=tally(trial.verdicts, fail_on=fail_on),
        took=span(trial.duration_s),
        kinds=", ".join(dict.fromkeys(clip(fault.name, _ITEM) for fault in trial.faults[:_FAULTS])),
        met=clip(met(trial), _SENTENCE),
        history=clip(one.history, _SENTENCE),
        faults=[
            ShownFault(landed=landed(fault), at=clip(fault.at, _ITEM), counters=counters(fault)[:_LINES])
            for fault in trial.faults[:_FAULTS]
        ],
        deaths=[f"server: life {life.epoch} {clip(said, _SENTENCE)}" for life in trial.lives if (said := death(life))][
            :_FAULTS
        ],
        odd=[(name, clip(said.guarantee, _ITEM), clip(said.says, _SENTENCE)) for name, said in odd[:_ODD]],
        holds=[clip(verdict.guarantee, _ITEM) for name, verdict in stands if name == "holds"],
        blind=[(clip(one.name, _ITEM), clip(one.blind, _SENTENCE)) for one in trial.witnesses if one.blind],
    )


def _pair(result: Result, pair: PairResult) -> dict[str, Any]:
    return {
        "client": pair.client,
        "target": pair.target,
        "release": pair.release,
        "error": pair.error or "",
        "trials": sum(1 for trial in result.trials if met(trial) == met(pair)),
    }


def _environment(result: Result) -> Iterator[tuple[str, str]]:
    yield "target", result.target
    yield "client", result.client
    yield "seed", str(result.seed)
    yield "took", span(result.duration_s)
    if result.times is not None:
        yield "time of trials", spent(result.times)
    for pair in result.pairs:
        if pair.newest:
            yield "newest", pair.newest
    yield "tailproof", result.tailproof
    versions = {name: said for name, said in result.environment.versions.items() if name != "harness"}
    yield from [(VERSIONS.get(name, name), said) for name, said in list(versions.items())[:_LINES]]
    for name, said in list(result.environment.machine.items())[:_LINES]:
        if name == "memory_bytes" and isinstance(said, int):
            yield "memory", f"{said / (1 << 30):.1f} GiB"
        else:
            yield _MACHINE.get(name, name), str(said)
