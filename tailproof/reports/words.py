"""How facts are put into words, the same in every writer."""

from __future__ import annotations

import posixpath
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.visible import clip
from tailproof.reports.gate import DECIDES, cell
from tailproof.reports.result import (
    FailOn,
    FaultResult,
    LifeResult,
    NecessityResult,
    PairResult,
    Result,
    ShardResult,
    TimesResult,
    TrialResult,
    VerdictResult,
)

VERSIONS: Mapping[str, str] = {
    "client": "client release",
    "server": "server release",
    "earlier": "release before",
    "lock": "lock file of the server",
    "python": "Python of the server",
}
"""Versions of an environment -> how they are called, where the bare name does not say whose it is."""


def some(items: Sequence[str], limit: int, *, width: int = 80) -> list[str]:
    """The first `limit` items, and how many there are besides."""
    shown = [clip(item, width) for item in items[:limit]]
    return [*shown, f"and {len(items) - limit} more"] if len(items) > limit else shown


def ends(items: Sequence[str], limit: int, *, width: int = 80) -> list[str]:
    """The first and the last items, `limit` in all, and how many stand between them: what is lost is lost at an end."""
    first, last = limit - limit // 2, limit // 2
    if len(items) <= limit:
        return some(items, limit, width=width)
    between = f"({len(items) - limit} more)"
    return [*some(items[:first], first, width=width), between, *some(items[-last:], last, width=width)]


def span(seconds: float) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def count(number: int, noun: str, nouns: str = "") -> str:
    """`1 trial`, `2,000 trials`; `nouns` where there is more to many than an s."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def roughly(seconds: float) -> str:
    """`40 s`, `7 min`: what is only estimated."""
    return f"{round(seconds)} s" if seconds < 100 else f"{round(seconds / 60)} min"


def repro_command(history: str, folder: str = "") -> str:
    """What runs a trial again: its history is relative to its result, which lies in `folder`."""
    return f"tailproof repro {shlex.quote(posixpath.join(folder, history))}"


def necessity(result: Result, trial: TrialResult, verdict: VerdictResult) -> str:
    """`with the fault 3 of 3, without it 0 of 3, one point earlier (kill at action-stored:2) 0 of 3 (3 undecided)`; empty where nobody
    has tried."""
    return ", ".join(necessity_row(one) for one in result.necessity_of(trial, verdict))


def necessity_row(one: NecessityResult) -> str:
    """One variant of it."""
    where = f" ({one.where})" if one.where else ""
    return f"{one.variant}{':' if one.why else where} {came_back(one)}"


def came_back(one: NecessityResult) -> str:
    """`3 of 3`, `0 of 3 (3 undecided)`, or why it was not run."""
    if one.why:
        return f"not run, {one.why}"
    return f"{one.hits} of {one.trials}" + (f" ({one.undecided} undecided)" if one.undecided else "")


def moment(seconds: float) -> str:
    """`43.370 s`: when something was, since the start of the trial."""
    return f"{seconds:.3f} s"


def window(fault: FaultResult) -> str:
    """When a fault was on, in seconds since the start of the trial."""
    if fault.injected_at_s is None:
        return "never injected"
    if fault.healed_at_s is None:
        return f"at {moment(fault.injected_at_s)}"
    return f"{moment(fault.injected_at_s)} to {moment(fault.healed_at_s)}"


def facts(values: Mapping[str, object]) -> str:
    """`exit code 137, memory.oom_kill 0 → 1`: a pair of `... before` and `... after` becomes one. `limit_s` is `limit 15 s`."""
    said = []
    for name, value in values.items():
        stem = name.removesuffix(" before")
        if stem != name and f"{stem} after" in values:
            said.append(f"{stem} {figure(value)} → {figure(values[f'{stem} after'])}")
        elif not (name.endswith(" after") and f"{name.removesuffix(' after')} before" in values):
            said.append(_fact(name, value))
    return ", ".join(said)


def _fact(name: str, value: object) -> str:
    stem = name.removesuffix("_s")
    if stem != name:
        return f"{stem.replace('_', ' ')} {figure(value)} s"
    return told_as(name if "." in name else name.replace("_", " "), figure(value))


def told_as(name: str, number: str) -> str:
    """`missing 6`, and `answered with 422: 4`, lest two numbers stand side by side."""
    return f"{name}{':' if name[-1:].isdigit() else ''} {number}"


def proof(fault: FaultResult) -> str:
    """`proven: ...` or `not proven: ...`, with the counters."""
    said = "proven" if fault.proven else "not proven"
    return f"{said}: {facts(fault.proof)}" if fault.proof else said


def death(life: LifeResult) -> str:
    """How a life of the server ended, and how long nobody answered. Empty for one that ended with its trial."""
    if not life.end or (life.end == "stopped" and life.downtime_s is None):
        return ""
    when = f" at {moment(life.ended_at_s)}" if life.ended_at_s is not None else ""
    parts: list[str] = [f"{life.end}{when}"]
    if life.exit_code is not None:
        parts.append(f"exit code {life.exit_code}")
    if life.oom_killed:
        parts.append("OOM-killed by the kernel")
    if life.by_us:
        parts.append("killed by the trial" if life.end == "died" else "stopped by the trial")
    if life.survivors:
        parts.append(f"{len(life.survivors)} of its processes survived it")
    parts.append(f"down for {span(life.downtime_s)}" if life.downtime_s is not None else "not ready again")
    return ", ".join(parts)


def tally(verdicts: Iterable[VerdictResult], *, fail_on: FailOn = "must") -> str:
    """`1 violated · 19 hold`: the loud ones first."""
    counts = Counter(standing(verdict, fail_on=fail_on) for verdict in verdicts)
    return (
        " · ".join(f"{counts[name]} {word}" for name, (_, word, _) in STANDINGS.items() if counts[name]) or "not judged"
    )


STANDINGS: Mapping[str, tuple[str, str, str]] = {
    "violated": ("X", "violated", "violated"),
    "advisory": ("x", "advisory", "violated (advisory)"),
    "inconclusive": ("?", "inconclusive", "inconclusive"),
    "known": ("k", "known", "violated (known)"),
    "holds": (".", "hold", "holds"),
    "not-applicable": ("-", "not applicable", "not applicable"),
}
"""Outcome, level and baseline in one word -> its mark, how many are counted, and how one is called; the worst first."""


def gave(trial: TrialResult, *, fail_on: FailOn = "must") -> str:
    """What a trial gave, in a line, and which guarantees were violated."""
    said = "failed: " + trial.error if trial.error is not None else tally(trial.verdicts, fail_on=fail_on)
    loud = [v.guarantee for v in trial.verdicts if standing(v, fail_on=fail_on) in ("violated", "advisory")]
    return said + (f" ({', '.join(loud)})" if loud else "")


def standing(verdict: VerdictResult, *, fail_on: FailOn = "must") -> str:
    """A key of `STANDINGS`: what the verdict means for a gate that fails on this level."""
    if verdict.outcome is not Outcome.VIOLATED:
        return str(verdict.outcome)
    if verdict.known is not None:
        return "known"
    return "violated" if verdict.level in DECIDES[fail_on] else "advisory"


def failures(result: Result, wanted: str) -> list[tuple[TrialResult, VerdictResult]]:
    """What stands as `wanted`, once per guarantee, scenario and signature: the same defect in ten trials is one, and so is the
    same with ten pairs (`elsewhere` names the others)."""
    found: dict[tuple[str, str, str], tuple[TrialResult, VerdictResult]] = {}
    for trial, verdict in result.judged():
        if standing(verdict, fail_on=result.gate.fail_on) == wanted:
            found.setdefault((verdict.guarantee, trial.scenario, verdict.signature), (trial, verdict))
    return list(found.values())


def elsewhere(result: Result, trial: TrialResult, verdict: VerdictResult) -> list[TrialResult]:
    """One trial of each other pair in which the same was found and stands the same."""
    fail_on = result.gate.fail_on
    same = (verdict.guarantee, verdict.signature, standing(verdict, fail_on=fail_on))
    found = {
        other.called: other
        for other in result.trials
        if other.scenario == trial.scenario
        for said in other.verdicts
        if (said.guarantee, said.signature, standing(said, fail_on=fail_on)) == same
    }
    return [other for name, other in found.items() if name != trial.called]


def grid(
    result: Result, column: Callable[[TrialResult], str] = lambda trial: trial.called
) -> tuple[list[str], list[str], dict[tuple[str, str], str]]:
    """Guarantees, columns (scenarios, unless told otherwise), and the worst standing of each two that was judged."""
    columns = list(dict.fromkeys(map(column, result.trials)))
    guarantees = list(dict.fromkeys(verdict.guarantee for _, verdict in result.judged()))
    ranks = list(STANDINGS)
    cells: dict[tuple[str, str], str] = {}
    for trial, verdict in result.judged():
        key = (verdict.guarantee, column(trial))
        cells[key] = min(cells.get(key, ranks[-1]), standing(verdict, fail_on=result.gate.fail_on), key=ranks.index)
    return guarantees, columns, cells


# -- several pairs --------------------------------------------------------------------------------------------------------


def several(result: Result) -> bool:
    """More than one target or client: trials are told apart by their pair, too."""
    return len(result.pairs) > 1


def met(pair: PairResult | TrialResult) -> str:
    """`sdk:1.11.0 with pypi:1.11.0`."""
    return f"{pair.client} with {pair.target}"


def numbers(result: Result) -> dict[str, int]:
    """What each pair is called (`met`) -> its number, from 1."""
    return {met(pair): number for number, pair in enumerate(result.pairs, 1)}


def where(result: Result, guarantee: str) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """What stands as other than it should, the worst first: the standing, and its scenarios with the numbers of their pairs."""
    number = numbers(result)
    for name in ("violated", "advisory", "inconclusive", "known"):
        found: dict[str, set[int]] = {}
        for trial, verdict in result.judged():
            if verdict.guarantee == guarantee and standing(verdict, fail_on=result.gate.fail_on) == name:
                found.setdefault(trial.scenario, set()).add(number[met(trial)])
        if found:
            yield name, {scenario: sorted(pairs) for scenario, pairs in found.items()}


def ranges(numbers: Iterable[int]) -> str:
    """`1-3, 5`: ascending numbers."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def by_pairs(result: Result, trial: TrialResult, verdict: VerdictResult) -> str:
    """` (pairs 1-3)`: with which pairs the same was found; empty where there is one pair."""
    if not several(result):
        return ""
    number = numbers(result)
    return f" (pairs {ranges(number[met(one)] for one in (trial, *elsewhere(result, trial, verdict)))})"


def not_run(result: Result) -> dict[tuple[str, str], list[int]]:
    """What was not run (scenario, or the name of a verdict) and why -> the numbers of the pairs; none where it is said of no
    pair."""
    number = numbers(result)
    rows: dict[tuple[str, str], list[int]] = {}
    for missing in result.not_run:
        name = cell(missing.guarantee, missing.scenario) if missing.guarantee else missing.scenario
        pairs = rows.setdefault((name, missing.reason), [])
        if (met_at := number.get(f"{missing.client} with {missing.target}")) is not None:
            pairs.append(met_at)
    return rows


# -- one line each --------------------------------------------------------------------------------------------------------


def asked(result: Result) -> str:
    """Who met whom, in one line."""
    if several(result):
        targets, clients = ({pair.target for pair in result.pairs}, {pair.client for pair in result.pairs})
        who = f"{_count(targets, 'target')} · {_count(clients, 'client')} · {_count(result.pairs, 'pair')}"
    else:
        who = f"target {result.target} · client {result.client}"
    if result.shard is not None:
        who = f"{part(result.shard)} · {who}"
    return f"{who} · seed {result.seed} · {_count(result.trials, 'trial')} in {span(result.duration_s)}"


def spent(times: TimesResult) -> str:
    """`server start 9.80 s · client start 5.10 s · runs 2.40 s · server stop 0.40 s · ours 1.90 s`."""
    named = {
        "server start": times.server_start_s,
        "client start": times.client_start_s,
        "runs": times.runs_s,
        "server stop": times.server_stop_s,
        "ours": times.ours_s,
    }
    return " · ".join(f"{name} {span(seconds)}" for name, seconds in named.items())


def part(shard: ShardResult) -> str:
    """`shard 2 of 4, with 15 of 60 scenarios`."""
    return f"shard {shard.number} of {shard.of}, with {shard.scenarios} of {shard.in_all} scenarios"


def frequency(result: Result, trial: TrialResult, verdict: VerdictResult) -> str:
    """`1 of 1 trials`: how often it happened with this pair in this check."""
    hits, judged = result.frequency(trial, verdict.guarantee, verdict.signature)
    return f"{hits} of {judged} trials"


def figure(value: object) -> str:
    """A number, a yes or no, or a list as it stands in a proof or among what was measured."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case list() | tuple():
            return "[" + ", ".join(map(str, value)) + "]"
        case _:
            return str(value)


def _count(things: Collection[object], noun: str) -> str:
    return f"{len(things)} {noun}{'s' if len(things) != 1 else ''}"
