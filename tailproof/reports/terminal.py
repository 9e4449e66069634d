"""What a person sees in a terminal: a live line while it runs; at the end the verdict line first, then what it stands on."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import clip, visible
from tailproof.reports.gate import cell
from tailproof.reports.result import Result, TrialResult, VerdictResult
from tailproof.reports.words import (
    STANDINGS,
    asked,
    by_pairs,
    death,
    elsewhere,
    ends,
    facts,
    failures,
    frequency,
    grid,
    met,
    moment,
    necessity,
    not_run,
    proof,
    ranges,
    repro_command,
    several,
    some,
    span,
    spent,
    tally,
    where,
    window,
)

STYLES: Mapping[str, str] = {
    "open": "bold green",
    "closed": "bold red",
    "unknown": "bold yellow",
    "violated": "bold red",
    "advisory": "yellow",
    "inconclusive": "yellow",
    "known": "cyan",
    "holds": "green",
    "not-applicable": "dim",
}
_CARDS = 20
_LINES = 20
_REASONS = 3
_WHOLE = 12
"""Of more scenarios than these only those are shown that have more to tell than what holds."""
_CALM = frozenset({"holds", "not-applicable"})
_LABEL = 10
"""Width of the column of labels on a card."""


def render(
    result: Result,
    *,
    folder: str = "",
    files: Mapping[str, str] | None = None,
    width: int = 80,
    color: bool = False,
) -> str:
    """The end of a check. `folder` is where the result lies, as seen from the working directory; `files` names what was
    written and where. All fits `width` but the verdict line and commands, which are
    never broken."""
    console = _console(width=width, color=color)
    gate, _, counts = result.gate.says.partition("  ")
    _line(console, (gate, STYLES[result.gate.state]), f"  {counts}", soft_wrap=True)
    for line in (asked(result), *dict.fromkeys(pair.newest for pair in result.pairs if pair.newest)):
        _line(console, line)
    for wanted in ("violated", "advisory"):
        _cards(console, result, wanted, folder)
    _list(console, "could not tell", result.gate.doubts, "inconclusive")
    _list(console, "inconclusive, allowed", result.gate.allowed, "inconclusive")
    _list(console, "stale in the baseline", list(_stale(result)), "violated")
    _list(console, "expired in the baseline", list(_expired(result)), "violated")
    _list(console, "known", list(_known(result)), "known")
    if several(result):
        _pairs(console, result)
    else:
        _scenarios(console, result)
    _not_run(console, result)
    if result.times is not None:
        console.print()
        _rows(console, {"time": [spent(result.times)]}, width=_LABEL)
    if files:
        console.print()
        _rows(console, {name: [path] for name, path in files.items()}, width=max(map(len, files)) + 2)
        _why(console, result)
    return _written(console)


def violation_card(verdict: VerdictResult, trial: TrialResult, *, folder: str, width: int = 80) -> str:
    """One violation as plain text, for a failing test: promise, expected and seen, evidence, the faults and deaths around it, and the
    command that repeats it. `folder` is where the result will lie, as seen from the working directory."""
    console = _console(width=width, color=False)
    _rows(console, dict(_card(verdict, trial)), width=_LABEL)
    _repro(console, trial, folder)
    return _written(console)


def _console(*, width: int, color: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    text = Masker(secrets_of_environment()).text(console.file.getvalue())
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _why(console: Console, result: Result) -> None:
    """Once more at the end, since many a log keeps no more than that: why the gate is not open."""
    reasons = result.gate.closed_by or result.gate.doubts
    if not reasons:
        return
    console.print()
    _rows(
        console,
        {result.gate.says.partition("  ")[0]: some(reasons, _REASONS, width=200)},
        width=len("GATE UNKNOWN") + 2,
    )


def _cards(console: Console, result: Result, wanted: str, folder: str) -> None:
    found = failures(result, wanted)
    for trial, verdict in found[:_CARDS]:
        console.print()
        name = cell(verdict.guarantee, trial.called)
        level = f"{verdict.level}, does not close the gate" if wanted == "advisory" else str(verdict.level)
        _line(console, (f"VIOLATED  {name}", STYLES[wanted]), f"  {level}")
        rows = dict(_card(verdict, trial, often=f" ({frequency(result, trial, verdict)})"))
        if others := [
            f"{met(other)} ({frequency(result, other, verdict)})" for other in elsewhere(result, trial, verdict)
        ]:
            rows["also"] = some(others, 4, width=150)
        if tried := necessity(result, trial, verdict):
            rows["necessity"] = [clip(tried, 400)]
        _rows(console, rows, width=_LABEL)
        _repro(console, trial, folder)
    if len(found) > _CARDS:
        console.print()
        _line(console, f"and {len(found) - _CARDS} more violations: see the report")


def _card(verdict: VerdictResult, trial: TrialResult, *, often: str = "") -> Iterator[tuple[str, list[str]]]:
    if trial.pair:
        yield "pair", [clip(met(trial), 300)]
    yield "promise", [clip(verdict.promise, 400) + (f" ({clip(verdict.source, 100)})" if verdict.source else "")]
    yield "found", [f"{clip(verdict.says, 400)}{often}"]
    if verdict.passed_over:
        yield "not known", [clip(verdict.passed_over, 300)]
    if verdict.measured:
        yield "measured", [clip(facts(verdict.measured), 300)]
    if verdict.expected or verdict.seen:
        yield "expected", [", ".join(ends(verdict.expected, 4, width=60)) or "nothing"]
        yield "seen", [", ".join(ends(verdict.seen, 4, width=60)) or "nothing"]
    for kind, act in (("fault", False), ("act", True)):
        if landed := [one for one in trial.faults if one.act is act]:
            yield kind, [f"{one.name} {window(one)}, {clip(proof(one), 200)}" for one in landed]
    if deaths := [ended for life in trial.lives if (ended := death(life))]:
        yield "server", [clip(ended, 300) for ended in deaths]
    if verdict.evidence:
        shown = [f"{e.witness}:{e.seq} at {moment(e.at_s)}: {e.says}" for e in verdict.evidence]
        yield "evidence", some(shown, 3, width=150)


def _repro(console: Console, trial: TrialResult, folder: str) -> None:
    _line(console, f"  {'repro':<{_LABEL}}{repro_command(trial.history, folder)}", soft_wrap=True)


def _stale(result: Result) -> Iterator[str]:
    for entry in result.gate.stale:
        yield f"{entry.entry} {cell(entry.guarantee, entry.scenario)} {entry.signature} holds now: remove the entry"


def _expired(result: Result) -> Iterator[str]:
    for entry in result.gate.expired:
        name = f"{cell(entry.guarantee, entry.scenario)} {entry.signature}"
        yield f"{entry.entry} {name} was known until {entry.expires}: look at it again"


def _known(result: Result) -> Iterator[str]:
    for trial, verdict in failures(result, "known"):
        if verdict.known is not None:
            name = f"{cell(verdict.guarantee, trial.scenario)}{by_pairs(result, trial, verdict)}"
            yield f"{name} {verdict.known.reason}{verdict.known.extension} ({verdict.known.link})"


def _list(console: Console, title: str, lines: Sequence[str], style: str) -> None:
    if not lines:
        return
    console.print()
    _line(console, (title.upper(), STYLES[style]))
    for line in some(lines, _LINES, width=400):
        _rows(console, {"": [line]}, width=0)


def _scenarios(console: Console, result: Result) -> None:
    """Of one pair: guarantees by scenarios."""
    guarantees, scenarios, cells = grid(result)
    if not scenarios:
        return
    if len(scenarios) > _WHOLE:
        special = [place for place, name in cells.items() if name not in _CALM]
        failed = {trial.called for trial in result.trials if trial.error is not None}
        told = [
            scenario for scenario in scenarios if scenario in failed or any(scenario == place[1] for place in special)
        ]
        console.print()
        _line(
            console,
            f"{len(scenarios) - len(told)} of {len(scenarios)} scenarios have nothing but what holds: see the report",
        )
        guarantees = [guarantee for guarantee in guarantees if any(guarantee == place[0] for place in special)]
        scenarios = told
        if not told:
            return
    _matrix(console, guarantees, scenarios, cells)
    for number, scenario in enumerate(scenarios, 1):
        trials = [trial for trial in result.trials if trial.called == scenario]
        took = span(sum(trial.duration_s for trial in trials))
        _rows(console, {f"{number:>2} {scenario}": [f"{took}, {_gave(result, trials)}"]}, width=28)


def _pairs(console: Console, result: Result) -> None:
    """Of several pairs: guarantees by pairs, then what was found in which scenario with which pair."""
    guarantees, _, cells = grid(result, met)
    _matrix(console, guarantees, [met(pair) for pair in result.pairs], cells)
    labels = [f"{number:>2} {met(pair)}" for number, pair in enumerate(result.pairs, 1)]
    width = min(max(map(len, labels)) + 2, console.width * 3 // 5)
    for label, pair in zip(labels, result.pairs, strict=True):
        trials = [trial for trial in result.trials if met(trial) == met(pair)]
        took = f"{len(trials)} in {span(sum(trial.duration_s for trial in trials))}, {_gave(result, trials)}"
        _rows(console, {label: ["could not be built" if pair.error else took if trials else "not run"]}, width=width)
    places = {guarantee: list(where(result, guarantee)) for guarantee in guarantees}
    if any(places.values()):
        console.print()
        _line(console, ("WHERE", "bold"))
    for guarantee, found in places.items():
        lines = [
            f"{STANDINGS[name][0]} " + ", ".join(f"{place} ({ranges(pairs)})" for place, pairs in at.items())
            for name, at in found
        ]
        _rows(console, {guarantee: lines}, width=max(map(len, guarantees)) + 2)


def _matrix(
    console: Console, guarantees: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], str]
) -> None:
    """The worst standing of each guarantee in each of the columns, which are numbered from 1."""
    console.print()
    legend = ", ".join(f"{mark} {called}" for name, (mark, _, called) in STANDINGS.items() if name in cells.values())
    _line(console, (legend or "nothing was judged", "dim"))
    names = max((len(name) for name in guarantees), default=0)
    at_once = max(1, (console.width - names) // 4)
    for start in range(0, len(columns), at_once):
        part = list(enumerate(columns, 1))[start : start + at_once]
        if guarantees:
            _line(console, " " * names + "".join(f"{number:>4}" for number, _ in part))
        for guarantee in guarantees:
            kinds = [cells.get((guarantee, column), "") for _, column in part]
            marks = [(f"{STANDINGS[kind][0] if kind else '':>4}", STYLES.get(kind, "")) for kind in kinds]
            _line(console, guarantee.ljust(names), *marks)
    console.print()


def _gave(result: Result, trials: Sequence[TrialResult]) -> str:
    said = tally((verdict for trial in trials for verdict in trial.verdicts), fail_on=result.gate.fail_on)
    failed = sum(1 for trial in trials if trial.error is not None)
    return said + (", failed" if failed and not several(result) else f", {failed} failed" if failed else "")


def _not_run(console: Console, result: Result) -> None:
    rows = not_run(result)
    if not rows:
        return
    console.print()
    _line(console, ("NOT RUN", "bold"))
    for (name, reason), pairs in list(rows.items())[:_LINES]:
        by = f" ({ranges(pairs)})" if pairs and several(result) else ""
        _rows(console, {name: [clip(reason, 300) + by]}, width=28)
    if len(rows) > _LINES:
        _line(console, f"  and {len(rows) - _LINES} more: see the report")


def _line(console: Console, *parts: str | tuple[str, str], soft_wrap: bool = False) -> None:
    """One line of parts, each plain or with its style."""
    console.print(_text(*parts), soft_wrap=soft_wrap)


def _text(*parts: str | tuple[str, str]) -> Text:
    """The only way of any text to the console: what would act in it is written out."""
    return Text.assemble(
        *((visible(part), "") if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts)
    )


def _rows(console: Console, rows: Mapping[str, Sequence[str]], *, width: int) -> None:
    """A column of labels of `width` and a column of text that wraps beside it."""
    table = Table.grid(padding=0, expand=True)
    table.add_column(width=2)
    if width:
        table.add_column(width=width - 1, overflow="fold")
        table.add_column(width=1)
    table.add_column(ratio=1, overflow="fold")
    for label, lines in rows.items():
        for index, line in enumerate(lines):
            labels = [_text(label if index == 0 else ""), _text("")] if width else []
            table.add_row(_text(""), *labels, _text(line))
    console.print(table)
