"""What a comparison says in the page of its candidate: the verdict on the change, and of each finding how it was before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tailproof.outgoing.visible import clip
from tailproof.reports.comparison import Change, Comparison, Finding, Judgement, Sighting
from tailproof.reports.markdown_compare import ANSWERS, CHANGES
from tailproof.reports.page.summary import Count
from tailproof.reports.result import TrialResult, VerdictResult
from tailproof.reports.words import repro_command

VERDICTS: Mapping[Judgement, str] = {
    "PASS": "holds",
    "PASS WITH ISSUES": "advisory",
    "FAIL": "violated",
    "PARTIAL": "inconclusive",
}
"""Verdict on a change -> the standing whose sign and colour it has."""
_LOOKS: Mapping[Change, str] = {
    "new": "advisory",
    "flaky": "advisory",
    "still": "known",
    "undecided": "inconclusive",
    "fixed": "holds",
}
"""The same of a change that does not close."""
_ITEM = 160
_ITEMS = 8
_SENTENCE = 800
_LINES = 40


@dataclass(frozen=True, slots=True)
class Changed:
    """A change as a badge shows it: a standing for sign and colour, the word, and how often it was seen before."""

    looks: str
    word: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSide:
    """What one side shows of a finding."""

    when: str
    often: str
    says: str
    expected: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    repro: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """A finding of one side or both; `id` is unique in the page."""

    id: str
    changed: Changed
    guarantee: str
    level: str
    scenario: str
    signature: str
    often: str
    promise: str
    sides: tuple[ShownSide, ShownSide]


class Changes:
    """How findings of the candidate were before; nothing is known of any without a comparison."""

    def __init__(self, comparison: Comparison | None) -> None:
        told = comparison.findings if comparison is not None else ()
        self._found = {(one.guarantee, one.scenario, one.signature): one for one in told}

    def of(self, trial: TrialResult, verdict: VerdictResult) -> Changed | None:
        """A comparison of several pairs names a scenario by its pair, too."""
        for scenario in (trial.called, trial.scenario):
            if found := self._found.get((verdict.guarantee, scenario, verdict.signature)):
                return _changed(found)
        return None


def head(comparison: Comparison) -> dict[str, Any]:
    """What stands at the top of the page instead of the gate of the candidate, and the part on what changed."""
    return {
        "gate_standing": VERDICTS[comparison.verdict],
        "gate_word": comparison.verdict.capitalize(),
        "lead": clip(comparison.says, _SENTENCE),
        "answer": ANSWERS[comparison.answer] if comparison.answer else "",
        "goal": clip(comparison.goal, _SENTENCE),
        "counts": _counts(comparison),
        "asked": clip(comparison.sides, _SENTENCE),
        "changes": [_shown(comparison, one, number) for number, one in enumerate(comparison.findings[:_LINES], 1)],
        "more_changes": max(0, len(comparison.findings) - _LINES),
        "unverified": comparison.unverified[:_LINES],
        "more_unverified": max(0, len(comparison.unverified) - _LINES),
        "candidate": clip(comparison.candidate.name, _ITEM),
    }


def _counts(comparison: Comparison) -> list[Count]:
    """What is rare is left out when there is none of it."""
    told: list[Count] = []
    for change, word in CHANGES.items():
        found = comparison.of(change)
        if found or change in ("new", "fixed"):
            closes = any(one.closes for one in found)
            told.append(("violated" if closes else _LOOKS[change], len(found), word, "changes"))
    return told


def _shown(comparison: Comparison, finding: Finding, number: int) -> ShownChange:
    stands = finding.candidate.verdict or finding.base.verdict
    return ShownChange(
        id=f"change-{number}",
        changed=_changed(finding),
        guarantee=clip(finding.guarantee, _ITEM),
        level=str(finding.level),
        scenario=clip(finding.scenario, _ITEM),
        signature=clip(finding.signature, _ITEM),
        often=f"before {_often(finding.base)}, after {_often(finding.candidate)}",
        promise=clip(stands.promise, _SENTENCE) if stands else "",
        sides=(
            _side("Before", finding.base, comparison.base.folder),
            _side("After", finding.candidate, comparison.candidate.folder),
        ),
    )


def _changed(finding: Finding) -> Changed:
    looks = "violated" if finding.closes else _LOOKS[finding.change]
    return Changed(looks, CHANGES[finding.change], f"before {_often(finding.base)}")


def _often(sighting: Sighting) -> str:
    return f"{sighting.violated} of {sighting.judged} trials" if sighting.judged else "not decided"


def _side(when: str, sighting: Sighting, folder: str) -> ShownSide:
    verdict = sighting.verdict
    if verdict is None:
        return ShownSide(when=when, often=_often(sighting), says="not judged")
    says = clip(verdict.says, _SENTENCE)
    if not sighting.violated:
        return ShownSide(when=when, often=_often(sighting), says=says)
    return ShownSide(
        when=when,
        often=_often(sighting),
        says=says,
        expected=tuple(_few(verdict.expected)),
        seen=tuple(_few(verdict.seen)),
        repro=clip(repro_command(sighting.history, folder), _SENTENCE),
    )


def _few(items: tuple[str, ...]) -> Iterator[str]:
    yield from (clip(item, _ITEM) for item in items[:_ITEMS])
    if len(items) > _ITEMS:
        yield f"and {len(items) - _ITEMS} more"
