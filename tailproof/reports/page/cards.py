"""The findings: a card for each guarantee and signature, whatever number of trials shows it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from msgspec.structs import replace

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.masking import MARK, Masker
from tailproof.outgoing.visible import clip
from tailproof.reports import markdown
from tailproof.reports.page.changes import Changed, Changes
from tailproof.reports.page.names import Named
from tailproof.reports.page.proofs import in_short
from tailproof.reports.result import EvidenceResult, FaultResult, Result, TrialResult, VerdictResult
from tailproof.reports.words import came_back, count, death, facts, frequency, repro_command, standing, window

_ITEM = 160
_SAID = 300
_SENTENCE = 800
_ITEMS = 12
_PLACES = 24
_PATH = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a finding was made: how it is called, in how many trials, how it was before, and the address of its first record."""

    called: str
    often: str
    changed: Changed | None
    key: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A fault or an act around a finding, in short words."""

    word: str
    name: str
    says: str
    window: str
    proven: bool
    counters: str
    apart: bool = False
    """It was on, but at no time at which the evidence of the finding lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A variant of the scenario, and how often the violation came back in it."""

    variant: str
    where: str
    often: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One finding. `standing` is a key of `words.STANDINGS`; `id` is unique in the page."""

    id: str
    standing: str
    guarantee: str
    level: str
    signature: str
    says: str
    promise: str
    source: str
    hurts: str
    often: str
    """In how many trials of its scenario, and how it is in the others."""
    masked: bool
    """A secret stood in what was seen."""
    changes: tuple[tuple[str, str], ...]
    """Against a base: standing and word, each once for all its places."""
    places: tuple[Place, ...]
    more_places: int
    expected: tuple[str, ...]
    seen: tuple[str, ...]
    told_by_evidence: bool
    """The evidence says all that was seen."""
    measured: str
    necessity: tuple[Tried, ...]
    faults: tuple[Landed, ...]
    deaths: tuple[str, ...]
    evidence: tuple[EvidenceResult, ...]
    more_evidence: int
    reason: str
    link: str
    repro: str
    issue: Markup
    """Markdown: it was made harmless for a reader of Markdown, and holds characters of zero width for that."""


Found = tuple[Named, VerdictResult]


def findings(
    result: Result, trials: Sequence[Named], wanted: str, most: int, masker: Masker, changes: Changes
) -> tuple[list[Card], int]:
    """The cards of all that stands as `wanted`, at most so many of them, and how many there are besides."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for one in trials:
        for verdict in one.trial.verdicts:
            if standing(verdict, fail_on=result.gate.fail_on) == wanted:
                groups.setdefault((verdict.guarantee, verdict.signature), []).append((one, verdict))
    shown = list(groups.values())[:most]
    cards = [_card(result, wanted, number, group, masker, changes) for number, group in enumerate(shown, 1)]
    return cards, len(groups) - len(shown)


def _card(result: Result, wanted: str, number: int, group: Sequence[Found], masker: Masker, changes: Changes) -> Card:
    named, verdict = group[0]
    trial = named.trial
    repro = repro_command(named.history) if verdict.repro else ""
    places = list({one.trial.called: _place(result, one, said, changes) for one, said in reversed(group)}.values())[
        ::-1
    ]
    known = verdict.known
    return Card(
        id=f"{wanted}-{number}",
        standing=wanted,
        guarantee=clip(verdict.guarantee, _ITEM),
        level=str(verdict.level),
        signature=clip(verdict.signature, _ITEM),
        says=clip(verdict.says, _SENTENCE),
        promise=clip(verdict.promise, _SENTENCE),
        source=clip(verdict.source, _SENTENCE),
        hurts=clip(verdict.hurts, _SENTENCE),
        often=_often(result, group),
        masked=MARK.decode() in "".join((*verdict.seen, *(one.says for one in verdict.evidence))),
        changes=tuple(dict.fromkeys((one.changed.looks, one.changed.word) for one in places if one.changed)),
        places=tuple(places[:_PLACES]),
        more_places=max(0, len(places) - _PLACES),
        expected=_items(verdict.expected),
        seen=_items(verdict.seen),
        told_by_evidence=_told_by_evidence(verdict),
        measured=clip(facts(_measured(verdict)), _SENTENCE),
        necessity=_tried(result, group),
        faults=tuple(_beside(fault, verdict.evidence) for fault in trial.faults[:_ITEMS]),
        deaths=tuple(f"life {life.epoch} {clip(said, _SENTENCE)}" for life in trial.lives if (said := death(life)))[
            :_ITEMS
        ],
        evidence=verdict.evidence[:_ITEMS],
        more_evidence=max(0, len(verdict.evidence) - _ITEMS),
        reason=clip(known.reason, _SENTENCE) + known.extension if known else "",
        link=clip(known.link, _PATH) if known else "",
        repro=clip(repro, _PATH),
        issue=escape(
            masker.text(markdown.card(result, replace(trial, history=named.history), replace(verdict, repro=repro)))
        ),
    )


def _measured(verdict: VerdictResult) -> dict[str, Any]:
    """Without what only counts the evidence that stands below it."""
    shown = len(verdict.evidence)
    return {name: said for name, said in verdict.measured.items() if (name, said) != ("times_seen", shown)}


def _tried(result: Result, group: Sequence[Found]) -> tuple[Tried, ...]:
    """Of the first place where somebody has tried."""
    found = next(filter(None, (result.necessity_of(one.trial, said) for one, said in group)), ())
    return tuple(
        Tried(variant=clip(one.variant, _ITEM), where=clip(one.where, _ITEM), often=clip(came_back(one), _ITEM))
        for one in found
    )


def _beside(fault: FaultResult, evidence: Sequence[EvidenceResult]) -> Landed:
    """What an act does it does while it is on; what a fault does may show long after it was healed."""
    began, ended = fault.injected_at_s, fault.healed_at_s if fault.act else None
    apart = began is not None and not any(
        began <= one.at_s and (ended is None or one.at_s <= ended) for one in evidence
    )
    return dataclasses.replace(landed(fault), apart=apart)


def landed(fault: FaultResult) -> Landed:
    """A fault or an act as a card shows it."""
    return Landed(
        word="act" if fault.act else "fault",
        name=clip(fault.name, _ITEM),
        says=clip(fault.says, _SENTENCE),
        window=window(fault),
        proven=fault.proven,
        counters=in_short(fault),
    )


def _place(result: Result, one: Named, verdict: VerdictResult, changes: Changes) -> Place:
    first = verdict.evidence[0] if verdict.evidence else None
    return Place(
        called=clip(one.trial.called, _ITEM),
        often=frequency(result, one.trial, verdict),
        changed=changes.of(one.trial, verdict),
        key=one.key,
        record=clip(f"{first.witness}:{first.seq}", _ITEM) if first else "",
    )


def _told_by_evidence(verdict: VerdictResult) -> bool:
    told = {one.says for one in verdict.evidence[:_ITEMS]}
    return bool(verdict.seen) and told.issuperset(verdict.seen)


def _often(result: Result, group: Sequence[Found]) -> str:
    """`2 of 2 trials of calm; holds in the 4 others`, `3 of 5 trials of 2 scenarios; of 3 others: holds in 2, …`: of all trials
    that judged the guarantee in the scenarios in which it was found, and how it is in the rest."""
    called = {one.trial.called for one, _ in group}
    guarantee, signature = group[0][1].guarantee, group[0][1].signature
    judged = list(_judged(result.trials, called, guarantee))
    hits = sum(1 for said in judged if said.outcome is Outcome.VIOLATED and said.signature == signature)
    scenarios = {one.trial.scenario for one, _ in group}
    of = clip(min(scenarios), _ITEM) if len(scenarios) == 1 else f"{len(scenarios)} scenarios"
    others = [
        said.outcome
        for trial, said in result.judged()
        if trial.called not in called and said.guarantee == guarantee and said.outcome is not Outcome.NOT_APPLICABLE
    ]
    return f"{hits} of {count(len(judged), 'trial')} of {of}{_elsewhere(others)}"


def _elsewhere(others: Sequence[Outcome]) -> str:
    """Nothing where nobody else asked."""
    told = Counter(others)
    if not others:
        return ""
    if told[Outcome.HOLDS] == len(others):
        return f"; holds in the {len(others)} others" if len(others) > 1 else "; holds in the other one"
    told_of = ", ".join(f"{word} in {told[outcome]}" for outcome, word in _OTHERS.items() if told[outcome])
    return f"; of {count(len(others), 'other')}: {told_of}"


_OTHERS = {
    Outcome.HOLDS: "holds",
    Outcome.VIOLATED: "violated in another way",
    Outcome.INCONCLUSIVE: "inconclusive",
}


def _judged(trials: Sequence[TrialResult], called: set[str], guarantee: str) -> Iterator[VerdictResult]:
    for trial in trials:
        if trial.called in called:
            yield from (verdict for verdict in trial.verdicts if verdict.guarantee == guarantee)


def _items(items: Sequence[str]) -> tuple[str, ...]:
    shown = tuple(clip(item, _SAID) for item in items[:_ITEMS])
    return (*shown, f"and {len(items) - _ITEMS} more") if len(items) > _ITEMS else shown
