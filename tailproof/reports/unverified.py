"""What a comparison could not verify, why, and how to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tailproof.guarantees.verdict import Outcome
from tailproof.reports.comparison import Finding, Sighting, Unverified
from tailproof.reports.gate import DECIDES
from tailproof.reports.result import Result

FEW = 3
"""Fewer trials than this cannot tell what always occurs from what comes and goes."""
HIDDEN = 0.05
"""A violation is fixed when the chance that it stayed away by chance is at most this."""
_AGAIN = "play it again, more often (--repetitions)"


def unverified(before: Result, after: Result, both: Sequence[str], findings: Sequence[Finding]) -> Iterator[Unverified]:
    if not both:
        yield Unverified(
            what="anything",
            why="no scenario was played on both sides",
            how="play the same scenarios on both (--scenario)",
            weighs=True,
        )
    for doubt in after.gate.doubts:
        yield Unverified(what="after the change", why=doubt, how=_how(doubt), weighs=True)
    for finding in findings:
        if finding.change == "undecided":
            verdict = finding.candidate.verdict
            why = verdict.says if verdict else "the candidate did not judge it"
            excused = verdict is not None and verdict.outcome is Outcome.NOT_APPLICABLE
            yield Unverified(
                what=f"that {finding.called} {finding.signature} is fixed",
                why=why,
                how="compare a target and a client to which it applies" if excused else _AGAIN,
                weighs=True,
            )
        elif finding.change == "flaky" and not finding.candidate.violated:
            yield Unverified(
                what=f"that {finding.called} {finding.signature} is fixed",
                why=f"it occurred in {finding.base.violated} of {finding.base.judged} trials before, so that it may have stayed away "
                f"by chance in {finding.candidate.judged}",
                how=f"play it {enough(finding.base)} times (--repetitions {enough(finding.base)})",
            )
    yield from _played_too_little(findings)
    yield from _one_sided(before, after, both)
    for doubt in before.gate.doubts:
        yield Unverified(what="before the change", why=doubt, how=f"where the change is about it: {_how(doubt)}")
    yield from _not_run(before, after)


def _how(doubt: str) -> str:
    again = " is inconclusive: " in doubt
    return _AGAIN if again else "repair what failed, and compare again"


def _played_too_little(findings: Sequence[Finding]) -> Iterator[Unverified]:
    """One that comes and goes looks new or fixed as long as nobody has played it often."""
    few = [one for one in findings if one.change in ("new", "fixed") and _least(one) < FEW]
    if few:
        yield Unverified(
            what=f"that nothing of the {len(few)} that are new or fixed comes and goes",
            why=f"a side decided it in fewer than {FEW} trials",
            how="--repetitions 5",
        )


def _least(finding: Finding) -> int:
    """Trials of the side that has fewer; a side that decided nothing says so by itself."""
    return min(side.judged for side in (finding.base, finding.candidate) if side.judged)


def _one_sided(before: Result, after: Result, both: Sequence[str]) -> Iterator[Unverified]:
    deciding = DECIDES[after.gate.fail_on]
    for name in scenarios_of(before):
        if name not in both:
            why = _why_not_run(after, name) or "only the base has played it"
            yield Unverified(what=name, why=why, how="play it with the candidate, too", weighs=True)
    for name in scenarios_of(after):
        if name not in both:
            open_ = [
                verdict.guarantee
                for trial, verdict in after.judged()
                if trial.scenario == name and verdict.violated and verdict.level in deciding
            ]
            found = f"; violated there: {', '.join(dict.fromkeys(open_))}" if open_ else ""
            why = (_why_not_run(before, name) or "only the candidate has played it") + found
            yield Unverified(what=name, why=why, how="play it with the base, too", weighs=bool(open_))


def _why_not_run(result: Result, scenario: str) -> str:
    return next((one.reason for one in result.not_run if one.scenario == scenario and one.guarantee is None), "")


def _not_run(before: Result, after: Result) -> Iterator[Unverified]:
    """What neither side could play, once for each reason."""
    reasons: dict[str, list[str]] = {}
    played = {*scenarios_of(before), *scenarios_of(after)}
    for one in after.not_run:
        if one.guarantee is None and one.scenario not in played and one.scenario not in reasons.get(one.reason, []):
            reasons.setdefault(one.reason, []).append(one.scenario)
    for reason, names in reasons.items():
        yield Unverified(what=", ".join(names), why="neither side can play it", how=reason)


def hidden(base: Sighting, candidate: Sighting) -> float:
    """The chance that what occurred as often as before stays away in all trials of the candidate."""
    return float((1 - base.violated / base.judged) ** candidate.judged)


def enough(base: Sighting) -> int:
    """So many trials without it show that it is gone."""
    trials = 1
    while (1 - base.violated / base.judged) ** trials > HIDDEN:
        trials += 1
    return trials


def scenarios_of(result: Result) -> list[str]:
    """The scenarios that were played, each once."""
    return list(dict.fromkeys(trial.scenario for trial in result.trials))
