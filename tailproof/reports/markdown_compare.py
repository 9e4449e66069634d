"""The QA report of a change, in Markdown for a pull request: a reviewer reads the verdict, the goal and the issues; all evidence is
folded. Nothing outside a fold is longer than four lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import clip
from tailproof.reports.comparison import (
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
)
from tailproof.reports.fitting import Section, fit
from tailproof.reports.gate import DECIDES
from tailproof.reports.markdown import PR_COMMENT
from tailproof.reports.markup import FOLD_END, block, code, fold, link, prose, table_head, table_row
from tailproof.reports.words import VERSIONS, count, death, ends, facts, moment, proof, span, window

WHOLE = "compare.json"
SIGNS: Mapping[Judgement, str] = {"PASS": "✅", "PASS WITH ISSUES": "⚠️", "FAIL": "❌", "PARTIAL": "🟡"}
CHANGES: Mapping[Change, str] = {
    "new": "new",
    "flaky": "comes and goes",
    "still": "still there",
    "undecided": "not decided",
    "fixed": "fixed",
}
"""How each change is called."""

ANSWERS: Mapping[Answer, str] = {"yes": "Yes", "partially": "Partially", "no": "No", "not shown": "Not shown"}
_PHASES: Mapping[Phase, str] = {"conformance": "Conformance", "faults": "Faults", "recovery": "Recovery"}
_SEVERITIES = ("🔴 **Blocker**", "🟠 **Issue**", "🟡 **Minor**")
_LINES = 4
"""The longest list outside a fold."""
_LINE = 240
_SENTENCE = 800
_ITEM = 160
_EVIDENCE = 4
_FINDINGS = 8


def render(comparison: Comparison, *, limit: int = PR_COMMENT) -> str:
    """The report in at most `limit` bytes. Raises ValueError for a limit that is too small for any report."""
    head = [f"## {SIGNS[comparison.verdict]} QA report: {comparison.verdict}", prose(comparison.says)]
    sections = [
        Section(head="\n\n".join([*head, *_goal(comparison), _phases(comparison)]), importance=0),
        *_issues(comparison),
        *_verifications(comparison),
        *_unverified(comparison),
        Section(head=_foot(comparison), importance=0),
    ]
    return fit(sections, limit, whole=WHOLE)


def write(comparison: Comparison, path: Path, *, limit: int = PR_COMMENT) -> None:
    """Write the report so that nobody ever sees half of it, nor a secret that this process was given. Raises OSError, and ValueError
    as `render` does."""
    write_atomically(path, Masker(secrets_of_environment()).text(render(comparison, limit=limit)).encode())


# -- outside the folds --------------------------------------------------------------------------------------------------------


def _goal(comparison: Comparison) -> Iterator[str]:
    if not comparison.answer:
        return
    yield "### Does it achieve its stated goal?"
    yield f"**{ANSWERS[comparison.answer]}.** {prose(clip(comparison.goal, _SENTENCE))}"
    proofs = [f"- {_before_and_after(finding)}" for finding in comparison.proofs]
    if proofs:
        yield "\n".join(_few(proofs, "more of them below"))
    else:
        yield "What it names was violated neither before nor after, so these scenarios do not show it."


def _before_and_after(finding: Finding) -> str:
    name = f"{code(clip(finding.called, _ITEM))} {code(clip(finding.signature, _ITEM))}"
    base, candidate = finding.base, finding.candidate
    before = f"violated {_often(base)} before" if base.judged else "not decided before"
    verb = "" if base.judged else "violated "
    after = f"{verb}{_often(candidate)} after" if candidate.judged else "not decided after"
    return f"{name} is {CHANGES[finding.change]}: {before}, {after}"


def _often(sighting: Sighting) -> str:
    return f"in {sighting.violated} of {sighting.judged} trials"


def _decided(sighting: Sighting) -> str:
    """In how many trials it came out as the verdict says that stands for them."""
    if not sighting.judged or sighting.verdict is None:
        return "not decided"
    violated = sighting.violated or sighting.judged - sighting.held
    number = violated if sighting.verdict.outcome is Outcome.VIOLATED else sighting.held
    return f"in {number} of {sighting.judged} trials"


def _phases(comparison: Comparison) -> str:
    rows = [table_row(("Environment", _environment(comparison)))]
    for phase, title in _PHASES.items():
        scenarios = [one for one in comparison.scenarios if one.phase == phase]
        if scenarios:
            rows.append(table_row((title, _phase(comparison, scenarios))))
    return "\n".join((table_head(("Phase", "Result")), *rows))


def _environment(comparison: Comparison) -> str:
    sides = (comparison.base, comparison.candidate)
    sign = "✅" if comparison.scenarios else "❌"
    said = " → ".join(
        f"{code(clip(side.target, _ITEM), cell=True)} with {code(clip(side.client, _ITEM), cell=True)}"
        for side in sides
    )
    trials = " and ".join(f"{count(side.trials, 'trial')} in {span(side.duration_s)}" for side in sides)
    checks = f"<br>CI and tests: {prose(clip(comparison.checks, _LINE))}" if comparison.checks else ""
    return f"{sign} {said}, {trials}{checks}"


def _phase(comparison: Comparison, scenarios: Sequence[ScenarioComparison]) -> str:
    names = {one.scenario for one in scenarios}
    findings = [one for one in comparison.findings if one.scenario in names]
    failed = sum(one.candidate.failed for one in scenarios)
    counts = {change: sum(one.change == change for one in findings) for change in CHANGES}
    bad = any(one.closes for one in findings)
    sign = "❌" if bad else "🟡" if failed or counts["undecided"] else "⚠️" if len(findings) > counts["fixed"] else "✅"
    said = [f"{number} {CHANGES[change]}" for change, number in counts.items() if number] or ["nothing violated"]
    said += [f"{failed} trials failed"] if failed else []
    played = [side for one in scenarios for side in (one.base, one.candidate)]
    planned, proven = sum(side.planned for side in played), sum(side.proven for side in played)
    faults = f"; faults {proven} of {planned} proven" if planned else ""
    return f"{sign} {count(len(scenarios), 'scenario')}: {', '.join(said)}{faults}"


def _issues(comparison: Comparison) -> Iterator[Section]:
    told = sorted(
        ((_severity(comparison, one), one) for one in comparison.of("new", "flaky", "still")),
        key=lambda issue: issue[0],
    )
    lines = [f"- {_SEVERITIES[severity]}: {_issue(finding)}" for severity, finding in told]
    if not lines:
        yield Section(head="### Issues\n\nNone.", importance=0)
        return
    shown = lines if len(lines) <= _LINES else lines[: _LINES - 1]
    yield Section(head="### Issues\n\n" + "\n".join(shown), importance=0)
    if more := lines[len(shown) :]:
        yield Section(
            head=fold(f"{len(more)} more issues").rstrip() + "\n",
            items=more,
            foot=FOLD_END,
            between="\n",
            noun="issues",
            importance=3,
        )


def _severity(comparison: Comparison, finding: Finding) -> int:
    missed = comparison.answer == "no" and finding in comparison.proofs
    if finding.closes or missed:
        return 0
    verdict = finding.candidate.verdict
    known = verdict is not None and verdict.known is not None
    return 2 if known or finding.level not in DECIDES[comparison.fail_on] else 1


def _issue(finding: Finding) -> str:
    side = finding.candidate if finding.candidate.violated else finding.base
    says = f": {prose(clip(side.verdict.says, _LINE))}" if side.verdict else ""
    known = side.verdict.known if side.verdict else None
    listed = f", known: {prose(clip(known.reason, _LINE))} ({link(clip(known.link, 100), known.link)})" if known else ""
    return f"{_before_and_after(finding)}{says}{listed}"


def _few(lines: Sequence[str], rest: str) -> list[str]:
    return list(lines) if len(lines) <= _LINES else [*lines[: _LINES - 1], f"- and {len(lines) - _LINES + 1} {rest}"]


def _foot(comparison: Comparison) -> str:
    found = " and ".join(
        code(clip(str(PurePosixPath(side.folder, "result.json")), _ITEM))
        for side in (comparison.base, comparison.candidate)
    )
    return f"tailproof {prose(comparison.tailproof)}: {found}; `compare.html` shows the trials of the candidate"


# -- the folds ----------------------------------------------------------------------------------------------------------------


def _verifications(comparison: Comparison) -> Iterator[Section]:
    changed: list[tuple[ScenarioComparison, list[Finding]]] = []
    same: list[tuple[ScenarioComparison, list[Finding]]] = []
    for scenario in comparison.scenarios:
        findings = [one for one in comparison.findings if one.scenario == scenario.scenario]
        (changed if findings else same).append((scenario, findings))
    if changed:
        order = list(CHANGES)
        changed.sort(key=lambda one: min(order.index(finding.change) for finding in one[1]))
        yield Section(
            head="### Functional verification",
            items=[_verification(comparison, scenario, findings) for scenario, findings in changed],
            noun="verifications",
            importance=2,
        )
    if same:
        yield Section(
            head=f"{fold(f'Nothing violated before or after: {len(same)} scenarios')}\n{table_head(('scenario', 'before', 'after'))}",
            items=[
                table_row((code(one.scenario, cell=True), _counts(one.base), _counts(one.candidate))) for one, _ in same
            ],
            foot=FOLD_END,
            between="\n",
            noun="scenarios",
            importance=5,
        )


def _verification(comparison: Comparison, scenario: ScenarioComparison, findings: Sequence[Finding]) -> str:
    counts = {change: sum(one.change == change for one in findings) for change in CHANGES}
    said = ", ".join(f"{number} {CHANGES[change]}" for change, number in counts.items() if number)
    shown = findings[:_FINDINGS]
    more = len(findings) - len(shown)
    return "\n\n".join(
        (
            fold(f"{clip(scenario.scenario, _ITEM)}: {said}").rstrip(),
            prose(clip(scenario.summary, _SENTENCE)) + (f" (and {more} more in `{WHOLE}`)" if more else ""),
            "**Step 1: before the change**",
            *_step(comparison.base, scenario.base, [(one, one.base) for one in shown]),
            f"**Step 2: what changed**\n\n{_changed(comparison)}",
            "**Step 3: the same with the change**",
            *_step(comparison.candidate, scenario.candidate, [(one, one.candidate) for one in shown]),
            FOLD_END,
        )
    )


def _step(side: Side, played: Played, sightings: Sequence[tuple[Finding, Sighting]]) -> Iterator[str]:
    yield block([clip(played.command, _SENTENCE)], "sh")
    yield block(_output(side, played, sightings))
    yield "\n".join(f"- {_meaning(finding, sighting)}" for finding, sighting in sightings)


def _output(side: Side, played: Played, sightings: Sequence[tuple[Finding, Sighting]]) -> Iterator[str]:
    for fault in played.faults:
        yield f"{'act' if fault.act else 'fault'} {fault.name}: {window(fault)}, {clip(proof(fault), 200)}"
    for life in played.lives:
        if ended := death(life):
            yield f"server: {clip(ended, 200)}"
    for finding, sighting in sightings:
        verdict = sighting.verdict
        if verdict is None:
            yield f"{finding.guarantee}: not judged"
            continue
        how = f"violated, {verdict.signature}" if verdict.outcome is Outcome.VIOLATED else str(verdict.outcome)
        yield f"{finding.guarantee}: {how} ({_decided(sighting)})"
        yield f"  {clip(verdict.says, _SENTENCE)}"
        for title, items in (("expected", verdict.expected), ("seen", verdict.seen)):
            if verdict.outcome is Outcome.VIOLATED and items:
                yield f"  {title}: {', '.join(ends(items, _EVIDENCE, width=60))}"
        if numbers := {**verdict.compared, **verdict.measured}:
            yield f"  measured: {clip(facts(numbers), _SENTENCE)}"
        for record in verdict.evidence[:_EVIDENCE]:
            yield f"  {record.witness}:{record.seq} at {moment(record.at_s)}: {clip(record.says, _ITEM)}"
        if len(verdict.evidence) > _EVIDENCE:
            yield f"  and {len(verdict.evidence) - _EVIDENCE} more records"
        yield f"  history: {clip(str(PurePosixPath(side.folder, sighting.history)), 300)}"
    yield f"all verdicts: {_counts(played)}"


def _meaning(finding: Finding, sighting: Sighting) -> str:
    """What the output of a step shows, in the words of the promise."""
    name = code(clip(finding.guarantee, _ITEM))
    verdict = sighting.verdict or finding.base.verdict or finding.candidate.verdict
    promise = f"“{prose(clip(verdict.promise, _SENTENCE))}”" if verdict else ""
    source = f" ({prose(clip(verdict.source, _ITEM))})" if verdict and verdict.source else ""
    if sighting.violated:
        return f"{name} ({finding.level}) is broken: {promise}{source}"
    if not sighting.judged:
        return f"whether {name} is kept was not decided: {promise}"
    if sighting.verdict is not None and sighting.verdict.outcome is Outcome.VIOLATED:
        return f"{name} is not broken in this way, but in another: {code(clip(sighting.verdict.signature, _ITEM))}"
    return f"{name} is kept: {promise}"


def _changed(comparison: Comparison) -> str:
    base, candidate = comparison.base, comparison.candidate
    told = {
        "target": (base.target, candidate.target),
        "client": (base.client, candidate.client),
        **{
            VERSIONS.get(name, name): (base.versions.get(name, "none"), candidate.versions.get(name, "none"))
            for name in dict.fromkeys((*base.versions, *candidate.versions))
        },
    }
    lines = [
        f"- {prose(clip(name, _ITEM))}: {code(clip(before, _ITEM))} → {code(clip(after, _ITEM))}"
        for name, (before, after) in told.items()
        if before != after
    ]
    return "\n".join(lines) if lines else "Both sides name the same target, client and versions."


def _counts(played: Played) -> str:
    failed = f" · {played.failed} failed" if played.failed else ""
    words = {Outcome.VIOLATED: "violated", Outcome.INCONCLUSIVE: "inconclusive", Outcome.HOLDS: "hold"}
    said = [f"{number} {word}" for outcome, word in words.items() if (number := played.outcomes.get(outcome))]
    return f"{' · '.join(said) or 'nothing judged'} in {count(played.trials, 'trial')}{failed}"


def _unverified(comparison: Comparison) -> Iterator[Section]:
    told = comparison.unverified
    if told:
        yield Section(
            head=f"{fold(f'Not verified: {len(told)}')}\n{table_head(('what', 'why', 'how to'))}",
            items=[table_row(tuple(prose(clip(text, 300)) for text in (one.what, one.why, one.how))) for one in told],
            foot=FOLD_END,
            between="\n",
            noun="lines",
            importance=4,
        )
