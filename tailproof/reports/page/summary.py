"""What the page says first: the gate in a sentence, how many of what, and what it rests on."""

from __future__ import annotations

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.visible import clip
from tailproof.reports.result import FailOn, Result, TrialResult
from tailproof.reports.words import count, standing

SIGNS = {"violated": "✗", "advisory": "△", "inconclusive": "?", "known": "◐", "holds": "✓", "not-applicable": "·"}
"""Standing -> its sign, beside its word and its colour; the same as in the part that is interactive."""
GATES = {
    "open": ("holds", "Passed – gate open"),
    "closed": ("violated", "Failed – gate closed"),
    "unknown": ("inconclusive", "Undecided – could not tell"),
}
"""State of the gate -> the standing whose sign and colour it has, and its words."""
_SENTENCE = 400


def lead(result: Result) -> str:
    """One sentence behind the state of the gate."""
    gate, counts = result.gate, result.gate.counts
    if gate.state == "unknown":
        return _undecided(result)
    if gate.state == "closed":
        told = [_broken(result), _stale(counts.stale), _expired(counts.expired)]
    else:
        told = [f"Nothing that closes a gate was found: {_judged(result)}.", _known(counts.known)]
    return " ".join(filter(None, (*told, _undecided_too(result))))


def _judged(result: Result) -> str:
    """`30 of 49 guarantees were judged, in 4 trials of 4 scenarios`: how much an open gate says."""
    every = {verdict.guarantee for _, verdict in result.judged()}
    judged = {
        verdict.guarantee
        for _, verdict in result.judged()
        if verdict.outcome not in (Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE)
    }
    scenarios = len({trial.called for trial in result.trials})
    said = f"{len(judged)} of {count(len(every), 'guarantee')} {'was' if len(judged) == 1 else 'were'} judged"
    return f"{said}, in {count(len(result.trials), 'trial')} of {count(scenarios, 'scenario')}"


def _known(known: int) -> str:
    if not known:
        return ""
    which = "is known: the baseline lists it" if known == 1 else "are known: the baseline lists them"
    return f"{count(known, 'violation')} {which}, with a reason."


def _broken(result: Result) -> str:
    found = [
        (trial.called, verdict.guarantee)
        for trial, verdict in result.judged()
        if standing(verdict, fail_on=result.gate.fail_on) == "violated"
    ]
    if not found:
        return ""
    broken = {guarantee for _, guarantee in found}
    scenarios = len({called for called, _ in found})
    of = count(len({trial.called for trial in result.trials}), "scenario")
    return f"{count(len(broken), 'guarantee')} {'is' if len(broken) == 1 else 'are'} broken in {scenarios} of {of}."


def _undecided_too(result: Result) -> str:
    """What the inconclusive verdicts mean where the gate is decided without them."""
    gate, counts = result.gate, result.gate.counts
    if not counts.inconclusive:
        return ""
    said = f"{count(counts.inconclusive, 'verdict')} could not be decided"
    if gate.state == "closed":
        by = "what was violated" if counts.violated else "the baseline"
        return f"{said}; the gate is closed by {by} anyway."
    idle = counts.inconclusive - counts.allowed
    if not counts.allowed:
        return f"{said}, at a level that does not decide."
    allowed = f"--allow-inconclusive {gate.allow_inconclusive}"
    if not idle:
        return f"{said}, as {allowed} allows."
    return f"{said}: {allowed} allows {counts.allowed} of them, the others are of a level that does not decide."


def _undecided(result: Result) -> str:
    doubts, counts = result.gate.doubts, result.gate.counts
    if len(doubts) == 1:
        return clip(doubts[0], _SENTENCE)
    broken = "Nothing that decides is violated, but " if not counts.violated else ""
    told = f"{broken}{count(counts.inconclusive, 'verdict')} could not be told, for {count(len(doubts), 'reason')}."
    return told[0].upper() + told[1:]


def _stale(stale: int) -> str:
    if not stale:
        return ""
    return f"{count(stale, 'entry', 'entries')} of the baseline no longer {'occurs' if stale == 1 else 'occur'}."


def _expired(expired: int) -> str:
    return (
        f"{count(expired, 'entry', 'entries')} of the baseline {'has' if expired == 1 else 'have'} expired."
        if expired
        else ""
    )


Count = tuple[str, int, str, str]
"""Standing, number, word, and the part of the page that tells more (empty for none)."""


def counts(result: Result) -> list[Count]:
    """How the verdicts stand, the loud ones first; what is rare is left out when there is none of it."""
    told = result.gate.counts
    always: list[Count] = [
        ("violated", told.violated, "violated", "violated"),
        ("inconclusive", told.inconclusive, "inconclusive", "doubts"),
        ("known", told.known, "known", "known"),
        ("holds", told.holds, "hold" if told.holds != 1 else "holds", "verdicts"),
    ]
    sometimes: list[Count] = [
        ("advisory", told.advisory, "advisory", "advisory"),
        ("violated", told.errors, "failed", "doubts"),
        ("violated", told.stale, "stale", "findings"),
        ("violated", told.expired, "expired", "findings"),
        ("inconclusive", told.allowed, "of them allowed", "doubts"),
        ("inconclusive", told.behind, "undecided behind known", "known"),
    ]
    return [*always, *(one for one in sometimes if one[1])]


def rests(result: Result) -> list[tuple[str, int, int, str]]:
    """What the verdicts rest on: the word, how many are sound, of how many, and what makes them so."""
    told = result.gate.counts
    every = [
        ("faults", told.proven, told.faults, "proven"),
        ("acts", told.acts_proven, told.acts, "proven"),
        ("witnesses", told.sound, told.witnesses, "trusted"),
    ]
    return [one for one in every if one[2]]


def worst(trial: TrialResult, *, fail_on: FailOn) -> str:
    """How a trial stands: as the worst of its verdicts; one that failed could not be told."""
    found = {standing(verdict, fail_on=fail_on) for verdict in trial.verdicts}
    loud = next((name for name in ("violated", "advisory", "inconclusive", "known") if name in found), "")
    if trial.error is not None and loud not in ("violated", "advisory"):
        return "inconclusive"
    return loud or ("holds" if "holds" in found else "not-applicable")
