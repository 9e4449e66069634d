"""Two results of the same scenarios, before and after a change: what is new, fixed, still there, or comes and goes.

Pure: from two results to a `Comparison`, which every writer of it reads. A violation is the same one if guarantee, scenario and
signature are the same; how often it occurred is counted on each side (k of n trials that decided the guarantee).

The exit code is 1 when the change breaks something: a violation is new, would close the gate and is not listed in the baseline; or the
stated goal is not achieved. It is 2 when something could not be verified that might be such a violation, and else 0: what was violated
before and still is does not speak against the change.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports.comparison import (
    EXIT,
    Answer,
    Change,
    Comparison,
    Finding,
    Judgement,
    Phase,
    Played,
    ScenarioComparison,
    Side,
    Sighting,
    Unverified,
)
from tailproof.reports.gate import DECIDES, decide
from tailproof.reports.result import Result, TrialResult, VerdictResult
from tailproof.reports.unverified import HIDDEN, hidden, scenarios_of, unverified
from tailproof.reports.words import count


def compare(
    base: Result,
    candidate: Result,
    *,
    names: tuple[str, str],
    folders: tuple[str, str] = ("", ""),
    goal: str = "",
    checks: str = "",
    scenarios: Sequence[str] = ("*",),
) -> Comparison:
    """Compare what both sides played of the scenarios that match a glob. What makes a violation close is `candidate.gate.fail_on`.

    Where both are checks of several pairs, each pair is compared with itself, and one that is on one side alone is told.
    """
    before, after = (chosen(result, scenarios) for result in (base, candidate))
    if _pairs_of(before) & _pairs_of(after):
        before, after = _by_pairs(before), _by_pairs(after)
    both = [name for name in scenarios_of(after) if name in scenarios_of(before)]
    findings = tuple(_findings(before, after, both))
    open_ = tuple(dict.fromkeys(unverified(before, after, both, findings)))
    proofs = tuple(_proofs(goal, findings, (before, after)))
    answer = _answer(proofs) if goal else ""
    verdict = _verdict(findings, open_, answer, compared=bool(both))
    return Comparison(
        tailproof=candidate.tailproof,
        verdict=verdict,
        exit_code=EXIT[verdict],
        says=_sentence(both, findings, open_),
        goal=goal,
        answer=answer,
        proofs=proofs,
        checks=checks,
        fail_on=candidate.gate.fail_on,
        base=_side(before, names[0], folders[0]),
        candidate=_side(after, names[1], folders[1]),
        scenarios=tuple(_scenario(name, before, after) for name in both),
        findings=findings,
        unverified=open_,
    )


def chosen(result: Result, globs: Sequence[str]) -> Result:
    """What a result has of the scenarios that match a glob, with the gate over it."""
    trials = tuple(trial for trial in result.trials if any(fnmatchcase(trial.scenario, glob) for glob in globs))
    not_run = tuple(one for one in result.not_run if any(fnmatchcase(one.scenario, glob) for glob in globs))
    if len(trials) == len(result.trials):
        return msgspec.structs.replace(result, not_run=not_run)
    gate = decide(
        trials,
        not_run=not_run,
        errors=result.errors,
        fail_on=result.gate.fail_on,
        allow_inconclusive=result.gate.allow_inconclusive,
        cut_off=result.cut_off,
    )
    return msgspec.structs.replace(result, trials=trials, not_run=not_run, gate=gate)


def _pairs_of(result: Result) -> set[str]:
    """The names of its pairs. Checks of different releases may share those of the plain client, which come with their targets."""
    return {trial.pair for trial in result.trials if trial.client != "plain"} or {trial.pair for trial in result.trials}


def _by_pairs(result: Result) -> Result:
    trials = tuple(msgspec.structs.replace(trial, scenario=trial.called) for trial in result.trials)
    return msgspec.structs.replace(result, trials=trials)


def _side(result: Result, name: str, folder: str) -> Side:
    return Side(
        name=name,
        target=result.target,
        client=result.client,
        seed=result.seed,
        trials=len(result.trials),
        duration_s=result.duration_s,
        folder=folder,
        versions=dict(result.environment.versions),
    )


# -- findings -----------------------------------------------------------------------------------------------------------------

_ORDER: Sequence[Change] = ("new", "flaky", "still", "undecided", "fixed")


def _findings(before: Result, after: Result, scenarios: Sequence[str]) -> list[Finding]:
    keys = {
        (verdict.guarantee, trial.scenario, verdict.signature): verdict.level
        for result in (after, before)
        for trial, verdict in result.judged()
        if verdict.outcome is Outcome.VIOLATED and trial.scenario in scenarios
    }
    deciding = DECIDES[after.gate.fail_on]
    told_before, told_after = _told(before), _told(after)
    found = []
    for (guarantee, scenario, signature), level in keys.items():
        base, candidate = (
            _sighting(told.get((guarantee, scenario), ()), signature) for told in (told_before, told_after)
        )
        change = _change(base, candidate)
        unknown = candidate.verdict is not None and candidate.verdict.violated
        found.append(
            Finding(
                change=change,
                guarantee=guarantee,
                level=level,
                scenario=scenario,
                signature=signature,
                base=base,
                candidate=candidate,
                closes=change == "new" and level in deciding and unknown,
            )
        )
    return sorted(found, key=lambda one: (_ORDER.index(one.change), not one.closes, list(Level).index(one.level)))


def _told(result: Result) -> dict[tuple[str, str], list[tuple[TrialResult, VerdictResult]]]:
    """What was judged, by guarantee and scenario."""
    told: dict[tuple[str, str], list[tuple[TrialResult, VerdictResult]]] = {}
    for trial, verdict in result.judged():
        told.setdefault((verdict.guarantee, trial.scenario), []).append((trial, verdict))
    return told


def _sighting(told: Sequence[tuple[TrialResult, VerdictResult]], signature: str) -> Sighting:
    hits = [(t, v) for t, v in told if v.outcome is Outcome.VIOLATED and v.signature == signature]
    others = [(t, v) for t, v in told if v.outcome is Outcome.HOLDS]
    violated = [(t, v) for t, v in told if v.outcome is Outcome.VIOLATED]
    # One that is not known goes before one that is: whoever must act looks at that.
    trial, verdict = next(iter([*sorted(hits, key=lambda hit: hit[1].known is not None), *others, *told]), (None, None))
    return Sighting(
        violated=len(hits),
        held=len(others),
        judged=len(others) + len(violated),
        verdict=verdict,
        history=trial.history if trial else "",
    )


def _change(base: Sighting, candidate: Sighting) -> Change:
    if not base.violated:
        return "new"
    if not candidate.judged:
        return "undecided"
    if candidate.violated:
        always = base.violated == base.judged and candidate.violated == candidate.judged
        return "still" if always else "flaky"
    return "fixed" if hidden(base, candidate) <= HIDDEN else "flaky"


# -- scenarios ----------------------------------------------------------------------------------------------------------------


def _scenario(name: str, before: Result, after: Result) -> ScenarioComparison:
    trials = [trial for result in (after, before) for trial in result.trials if trial.scenario == name]
    return ScenarioComparison(
        scenario=name,
        summary=trials[0].summary,
        phase=_phase(trials),
        base=_played(name, before),
        candidate=_played(name, after),
    )


def _phase(trials: Iterable[TrialResult]) -> Phase:
    phases: list[Phase] = []
    for trial in trials:
        died = any(life.end == "died" or life.downtime_s is not None for life in trial.lives)
        hurt = any(not fault.act for fault in trial.faults)
        phases.append("recovery" if died else "faults" if hurt else "conformance")
    return next((phase for phase in ("recovery", "faults") if phase in phases), "conformance")


def _played(name: str, result: Result) -> Played:
    trials = [trial for trial in result.trials if trial.scenario == name]
    faults = [fault for trial in trials for fault in trial.faults if not fault.act]
    outcomes = [str(verdict.outcome) for trial in trials for verdict in trial.verdicts]
    return Played(
        trials=len(trials),
        failed=sum(trial.error is not None for trial in trials),
        outcomes={outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)},
        command=_command(trials),
        planned=len(faults),
        proven=sum(fault.proven for fault in faults),
        faults=trials[0].faults,
        lives=trials[0].lives,
    )


def _command(trials: Sequence[TrialResult]) -> str:
    first = trials[0]
    repeated = f" --repetitions {len(trials)}" if len(trials) > 1 else ""
    scenario = first.scenario.removesuffix(f"_{first.pair}")
    words = shlex.join([first.target, "--client", first.client, "--scenario", scenario, "--seed", str(first.seed)])
    return f"tailproof check {words}{repeated}"


# -- the verdict ------------------------------------------------------------------------------------------------------------------


def _proofs(goal: str, findings: Sequence[Finding], sides: Iterable[Result]) -> list[Finding]:
    """The findings that the goal is about: if its text names guarantees or scenarios those of them, else all."""
    judged = [(trial.scenario, verdict.guarantee) for side in sides for trial, verdict in side.judged()]
    scenarios = {scenario for scenario, _ in judged if _named(scenario, goal)}
    guarantees = {guarantee for _, guarantee in judged if _named(guarantee, goal)}
    return [
        one
        for one in findings
        if (not scenarios or one.scenario in scenarios) and (not guarantees or one.guarantee in guarantees)
    ]


def _named(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def _answer(proofs: Sequence[Finding]) -> Answer:
    fixed = [one for one in proofs if one.change == "fixed"]
    rest = [one for one in proofs if one.change != "fixed" and not (one.change == "new" and not one.closes)]
    if not rest:
        return "yes" if fixed else "not shown"
    if fixed:
        return "partially"
    return "not shown" if all(one.change == "undecided" for one in rest) else "no"


def _verdict(
    findings: Sequence[Finding], unproven: Sequence[Unverified], answer: Answer | Literal[""], *, compared: bool
) -> Judgement:
    if any(one.closes for one in findings) or answer == "no":
        return "FAIL"
    if not compared or answer == "not shown" or any(one.weighs for one in unproven):
        return "PARTIAL"
    return "PASS WITH ISSUES" if any(one.change != "fixed" for one in findings) else "PASS"


def _sentence(both: Sequence[str], findings: Sequence[Finding], unproven: Sequence[Unverified]) -> str:
    words: Mapping[Change, Callable[[int], str]] = {
        "fixed": lambda n: f"{_violations(n)} fixed",
        "new": lambda n: f"{_violations(n)} new",
        "flaky": lambda n: f"{n} {'comes and goes' if n == 1 else 'come and go'}",
        "still": lambda n: f"{n} {'is' if n == 1 else 'are'} still there",
        "undecided": lambda n: f"{n} could not be decided",
    }
    counts = {change: sum(one.change == change for one in findings) for change in words}
    said = [words[change](count) for change, count in counts.items() if count]
    if blind := sum(one.change == "new" and not one.base.judged for one in findings):
        which = "" if blind == counts["new"] else f"{blind} of them "
        said = [f"{one} ({which}not decided before)" if " new" in one else one for one in said]
    if not counts["new"]:
        said.append("nothing is new" if said else "nothing is violated, before or after")
    doubt = " (not all could be verified)" if any(one.weighs for one in unproven) else ""
    return f"{count(len(both), 'scenario')} played before and after the change: {', '.join(said)}{doubt}."


def _violations(number: int) -> str:
    return f"{count(number, 'violation')} {'is' if number == 1 else 'are'}"
