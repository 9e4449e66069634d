"""The QA report of a check, for a pull request: verdict, what was asked, faults with their proof, a card per violation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import clip
from tailproof.reports.fitting import Section, fit
from tailproof.reports.gate import DECIDES, cell
from tailproof.reports.markdown_pairs import of_pairs
from tailproof.reports.markup import FOLD_END, block, code, fold, link, prose, table_head, table_row
from tailproof.reports.result import KnownResult, Result, TrialResult, VerdictResult
from tailproof.reports.words import (
    by_pairs,
    death,
    elsewhere,
    ends,
    facts,
    failures,
    frequency,
    moment,
    necessity,
    not_run,
    part,
    proof,
    ranges,
    several,
    span,
    spent,
    tally,
    window,
)

PR_COMMENT = 65_000
"""A comment has 65,536 characters; whoever posts the report puts a mark around it."""
STEP_SUMMARY = 1_048_576
"""What GitHub takes, in bytes at most."""

_PHASES = (
    *(
        "preparing",
        "starting",
        "connecting",
        "driving",
        "healing",
        "recovering",
        "reading",
        "stopping",
        "reading the disk",
    ),
    *("clearing", "removing", "ended"),
)
_SENTENCE = 800
_ITEM = 160
_ITEMS = 12


def render(result: Result, *, limit: int = PR_COMMENT) -> str:
    """The report in at most `limit` bytes. Raises ValueError for a limit that is too small for any report."""
    sections = [
        Section(head=f"## {prose(result.gate.says)}", importance=0),
        _asked(result),
        *of_pairs(result),
        _faults(result),
        *_violations(result),
        *_doubts(result),
        *_allowed(result),
        *_stale(result),
        *_expired(result),
        *_known(result),
        *_not_run(result),
        _details(result),
    ]
    return fit(sections, limit)


def write(result: Result, path: Path, *, limit: int = PR_COMMENT) -> None:
    """Write the report so that nobody ever sees half of it, nor a secret that this process was given. Raises OSError, and ValueError
    as `render` does."""
    report = Masker(secrets_of_environment()).text(render(result, limit=limit))
    write_atomically(path, report.encode())


def card(result: Result, trial: TrialResult, verdict: VerdictResult) -> str:
    """One violation as Markdown: promise, what was found, expected and seen, evidence, and the command that repeats it."""
    name = code(cell(verdict.guarantee, trial.called))
    parts = [
        f"#### {name} {verdict.level}",
        f"> {prose(clip(verdict.promise, _SENTENCE))}" + (f" ({_source(verdict.source)})" if verdict.source else ""),
        f"**Found:** {prose(clip(verdict.says, _SENTENCE))}",
        "\n".join(f"- {line}" for line in _card_facts(result, trial, verdict)),
    ]
    if verdict.expected or verdict.seen:
        parts.append(block(_expected_and_seen(verdict)))
    if verdict.evidence:
        rows = [
            table_row((code(f"{e.witness}:{e.seq}", cell=True), moment(e.at_s), prose(clip(e.says, _ITEM))))
            for e in verdict.evidence[:_ITEMS]
        ]
        more = len(verdict.evidence) - len(rows)
        rows += [table_row(("", "", f"and {more} more in `result.json`"))] if more else []
        parts.append("\n".join((table_head(("record", "at", "evidence")), *rows)))
    if tried := necessity(result, trial, verdict):
        parts.append(f"**Needs the fault?** {prose(clip(tried, _SENTENCE))}")
    if verdict.repro:
        parts.append(block([verdict.repro], "sh"))
    return "\n\n".join(parts)


def _asked(result: Result) -> Section:
    one = {
        "target": code(clip(result.target, _ITEM), cell=True),
        "client": code(clip(result.client, _ITEM), cell=True),
    }
    rows = {
        **({} if several(result) else one),
        "trials": f"{len(result.trials)} in {span(result.duration_s)}, seed {result.seed}",
        "started": prose(clip(result.started, _ITEM)),
        "tailproof": prose(clip(result.tailproof, _ITEM)),
    }
    if result.times is not None:
        rows["time of trials"] = spent(result.times)
    if result.shard is not None:
        rows["part"] = part(result.shard)
    if newest := "; ".join(dict.fromkeys(pair.newest for pair in result.pairs if pair.newest)):
        rows["newest"] = prose(clip(newest, _SENTENCE))
    rows |= {prose(name): prose(clip(said, _ITEM)) for name, said in list(result.environment.versions.items())[:20]}
    return Section(
        head=table_head(("asked", "")),
        items=[table_row((name, said)) for name, said in rows.items()],
        between="\n",
        noun="lines of the environment",
        importance=1,
    )


def _faults(result: Result) -> Section:
    return Section(
        head="### Scenarios, faults and acts\n\n"
        + table_head((*_trial_columns(result), "verdicts", "fault or act", "window", "proof", "server deaths")),
        items=[table_row(row) for trial in result.trials for row in _fault_rows(result, trial)],
        between="\n",
        noun="faults",
        importance=4,
    )


def _trial_columns(result: Result) -> tuple[str, ...]:
    return ("scenario", "client", "target") if several(result) else ("scenario",)


def _trial_cells(result: Result, trial: TrialResult) -> tuple[str, ...]:
    shown = (trial.scenario, trial.client, trial.target) if several(result) else (trial.scenario,)
    return tuple(code(text, cell=True) for text in shown)


def _fault_rows(result: Result, trial: TrialResult) -> Iterator[tuple[str, ...]]:
    name = _trial_cells(result, trial)
    same = ("",) * len(name)
    said = "**failed**" if trial.error is not None else tally(trial.verdicts, fail_on=result.gate.fail_on)
    deaths = "<br>".join(prose(clip(ended, _SENTENCE)) for life in trial.lives if (ended := death(life)))
    if not trial.faults:
        yield *name, said, "none", "", "", deaths
    for index, fault in enumerate(trial.faults):
        scope = f" ({prose(fault.scope)})" if fault.scope else ""
        what = f"{code(fault.name, cell=True)}{scope} {prose(clip(fault.says, _ITEM))}".strip()
        first = index == 0
        proven = prose(clip(proof(fault), 300))
        proven = proven if fault.proven else f"**{proven}**"
        yield *(name if first else same), said if first else "", what, window(fault), proven, deaths if first else ""


def _violations(result: Result) -> Iterator[Section]:
    for wanted, title in (("violated", "Violated"), ("advisory", "Violated (advisory, does not close the gate)")):
        cards = [card(result, trial, verdict) for trial, verdict in failures(result, wanted)]
        if cards:
            yield Section(head=f"### {title}", items=cards, noun="violations", importance=2)


def _source(source: str) -> str:
    return link(clip(source, _ITEM), source) if source.startswith("http") else prose(clip(source, _ITEM))


def _card_facts(result: Result, trial: TrialResult, verdict: VerdictResult) -> Iterator[str]:
    if trial.pair:
        yield f"client {code(clip(trial.client, _ITEM))} with target {code(clip(trial.target, _ITEM))}"
    others = elsewhere(result, trial, verdict)
    for other in others[:_ITEMS]:
        who = f"{code(clip(other.client, _ITEM))} with {code(clip(other.target, _ITEM))}"
        yield f"also {who}, in {frequency(result, other, verdict)}: {code(clip(other.history, 300))}"
    if len(others) > _ITEMS:
        yield f"and {len(others) - _ITEMS} more pairs"
    if verdict.signature:
        yield f"signature: {code(clip(verdict.signature, _ITEM))}, in {frequency(result, trial, verdict)}"
    for fault in trial.faults:
        yield f"{'act' if fault.act else 'fault'}: {code(fault.name)} {window(fault)}, {prose(clip(proof(fault), 300))}"
    for life in trial.lives:
        if ended := death(life):
            yield f"server: life {life.epoch} {prose(clip(ended, _SENTENCE))}"
    if verdict.passed_over:
        yield f"not known: {prose(clip(verdict.passed_over, 300))}"
    if verdict.measured:
        yield f"measured: {prose(clip(facts(verdict.measured), _SENTENCE))}"
    yield f"history: {code(clip(trial.history, 300))}"


def _expected_and_seen(verdict: VerdictResult) -> Iterator[str]:
    for title, items in (("expected", verdict.expected), ("seen", verdict.seen)):
        yield f"{title}:"
        yield from (f"  {item}" for item in ends(items, _ITEMS, width=_ITEM) or ["nothing"])


def _doubts(result: Result) -> Iterator[Section]:
    advisory = [
        f"{cell(verdict.guarantee, trial.called)} is inconclusive ({verdict.level}): {verdict.says}"
        for trial, verdict in result.judged()
        if verdict.outcome is Outcome.INCONCLUSIVE and verdict.level not in DECIDES[result.gate.fail_on]
    ]
    said = (*result.gate.doubts, *advisory)
    if said:
        yield Section(
            head="### Could not tell\n",
            items=[f"- {prose(clip(doubt, _SENTENCE))}" for doubt in said],
            between="\n",
            noun="reasons",
            importance=3,
        )


def _allowed(result: Result) -> Iterator[Section]:
    if result.gate.allowed:
        yield Section(
            head=f"### Inconclusive, allowed\n\nUp to {result.gate.allow_inconclusive} may be inconclusive here.\n",
            items=[f"- {prose(clip(said, _SENTENCE))}" for said in result.gate.allowed],
            between="\n",
            noun="verdicts",
            importance=3,
        )


def _stale(result: Result) -> Iterator[Section]:
    if result.gate.stale:
        yield Section(
            head="### Stale entries of the baseline\n\nListed as known, but they no longer occur: remove them.\n",
            items=[
                f"- {code(entry.entry)}: {code(cell(entry.guarantee, entry.scenario))} {code(entry.signature)}"
                for entry in result.gate.stale
            ],
            between="\n",
            noun="entries",
            importance=3,
        )


def _expired(result: Result) -> Iterator[Section]:
    if result.gate.expired:
        yield Section(
            head="### Expired entries of the baseline\n\nTheir last day is over: look at them again.\n",
            items=[
                f"- {code(entry.entry)}: {code(cell(entry.guarantee, entry.scenario))} {code(entry.signature)}, "
                f"until {prose(entry.expires)}"
                for entry in result.gate.expired
            ],
            between="\n",
            noun="entries",
            importance=3,
        )


def _known(result: Result) -> Iterator[Section]:
    lines = [
        _known_line(
            cell(verdict.guarantee, trial.scenario), verdict.signature, verdict.known, by_pairs(result, trial, verdict)
        )
        for trial, verdict in failures(result, "known")
        if verdict.known is not None
    ]
    if lines:
        yield Section(
            head=fold(f"Known violations: {len(lines)}"),
            items=lines,
            foot=FOLD_END,
            between="\n",
            noun="known violations",
            importance=5,
        )


def _known_line(name: str, signature: str, known: KnownResult, by: str) -> str:
    reason = prose(clip(known.reason, _SENTENCE) + known.extension)
    return f"- {code(name)} {code(signature)}{by}: {reason} ({link(clip(known.link, 300), known.link)})"


def _not_run(result: Result) -> Iterator[Section]:
    if result.not_run:
        columns = ("what", "why", "pairs") if several(result) else ("what", "why")
        yield Section(
            head=f"### Not run\n\n{table_head(columns)}",
            items=[
                table_row((code(name, cell=True), prose(clip(reason, 300)), ranges(pairs))[: len(columns)])
                for (name, reason), pairs in not_run(result).items()
            ],
            between="\n",
            noun="reasons",
            importance=5,
        )


def _details(result: Result) -> Section:
    entered = {phase.name for trial in result.trials for phase in trial.phases}
    names = [*(name for name in _PHASES if name in entered), *sorted(entered.difference(_PHASES))]
    rows = [
        table_row((*_trial_cells(result, trial), span(trial.duration_s), *_phases(trial, names)))
        for trial in result.trials
    ]
    machine = prose(clip(facts(result.environment.machine), _SENTENCE))
    return Section(
        head=f"{fold('Phases and machine')}\n{machine}\n\n{table_head((*_trial_columns(result), 'took', *map(prose, names)))}",
        items=rows,
        foot=FOLD_END,
        between="\n",
        noun="trials",
        importance=6,
    )


def _phases(trial: TrialResult, names: list[str]) -> Iterator[str]:
    for name in names:
        took = [phase.seconds for phase in trial.phases if phase.name == name]
        yield f"{sum(took):.2f} s" if took else ""
