"""The result of an exploration: that of a check whose scenarios were drawn, in the same files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from tailproof.explore.cells import Space
from tailproof.explore.exploration import Exploration
from tailproof.explore.findings import NECESSITY
from tailproof.explore.journal import Began, Drawn, Ended
from tailproof.guarantees.verdict import Outcome
from tailproof.history.lines import HistoryError
from tailproof.history.reader import read_header
from tailproof.reports.assemble import check_result, environment_of
from tailproof.reports.baseline import Baseline
from tailproof.reports.gate import MOST_ALLOWED
from tailproof.reports.result import (
    NecessityResult,
    NotRunResult,
    PairResult,
    Result,
    ShardResult,
    TrialResult,
    UnreachableResult,
)
from tailproof.reports.words import count
from tailproof.runner.judging import judged_once
from tailproof.runner.out_dir import TRIALS
from tailproof.runner.pairs import Pair
from tailproof.runner.written import withdraw_reports, write_reports


def write_account(
    exploration: Exploration,
    space: Space,
    began: Began,
    *,
    pair: Pair,
    shard: ShardResult | None,
    cut_off: str,
    errors: Sequence[str],
) -> Result:
    """Write `report.md`, `report.html` and `result.json` of all sessions of an exploration. A trial that proved nothing and shows nothing
    is no trial of it. Raises OSError: no result is there then."""
    out = exploration.player.out
    trials = list(_trials(exploration))
    started, duration_s = exploration.journal.worked(time.time())
    result = check_result(
        trials,
        pairs=[PairResult(target=pair.target, client=pair.client, release=pair.release, newest=pair.newest)],
        seed=began.seed,
        started=started,
        duration_s=duration_s,
        environment=environment_of(read_header(out / trial.history) for trial in trials),
        not_run=[
            NotRunResult(scenario=name, guarantee=None, reason=why, target=pair.target, client=pair.client)
            for name, why in space.missing.items()
        ],
        errors=[*errors, *_gone(exploration)],
        allow_inconclusive=MOST_ALLOWED,
        cut_off=cut_off,
        shard=shard,
    )
    result = replace(result, necessity=tuple(_necessity(exploration)), unreachable=tuple(_unreachable(exploration)))
    try:
        write_reports(result, out)
    except OSError:
        withdraw_reports(out)
        raise
    return result


def _trials(exploration: Exploration) -> Iterator[TrialResult]:
    """Those of the cells, those that confirmed a finding, and the one that shows the smallest scenario of each."""
    journal = exploration.journal
    ended = {line.number: line for line in journal.of(Ended)}
    every = journal.of(Drawn)
    made_up_for = {
        (drawn.cells, drawn.again)
        for drawn in every
        if drawn.attempt > 1 and drawn.number in ended and not ended[drawn.number].error
    }
    for drawn in every:
        if drawn.number not in ended or (ended[drawn.number].error and (drawn.cells, drawn.again) in made_up_for):
            continue
        if (trial := _read(exploration, f"{TRIALS}/{drawn.trial}")) is None:
            continue
        if len(ended[drawn.number].proven) == len(drawn.cells):
            yield trial
        elif (
            ended[drawn.number].proven or trial.error or any(one.outcome is Outcome.VIOLATED for one in trial.verdicts)
        ):
            yield _what_is_sure(trial)
    # Findings that came of one trial were confirmed by the same ones.
    confirmed = (one for one in exploration.findings if one.confirmed)
    again = [f"{TRIALS}/{one.original['name']}.{number + 1}" for one in confirmed for number in one.confirming]
    smallest = [one.shown for one in exploration.findings if one.shown]
    told = {f"{TRIALS}/{drawn.trial}" for drawn in every}
    # What the trials for other findings showed goes by the name of the scenario that it is looked into with.
    besides = {one.seen_in: one.original["name"] for one in exploration.findings if one.seen_in not in told}
    for place in dict.fromkeys([*again, *besides, *smallest]):
        if trial := _read(exploration, place):
            if place in besides and place not in smallest:
                trial = replace(trial, scenario=besides[place])
            yield _what_is_sure(trial)


def _gone(exploration: Exploration) -> Iterator[str]:
    """What trials showed whose histories are there no more."""
    violated = {line.number for line in exploration.journal.of(Ended) if line.violated}
    gone = [
        drawn.trial
        for drawn in exploration.journal.of(Drawn)
        if drawn.number in violated and _read(exploration, f"{TRIALS}/{drawn.trial}") is None
    ]
    gone += [
        one.seen_in for one in exploration.findings if "/" in one.trial and _read(exploration, one.seen_in) is None
    ]
    if gone:
        yield (
            f"{count(len(gone), 'trial')} showed violations, and cannot be read any more: {', '.join(gone[:3])}"
            f"{', ...' if len(gone) > 3 else ''}"
        )


def _what_is_sure(trial: TrialResult) -> TrialResult:
    """Of a trial of which not all was proven: what was, and what is violated."""
    faults = tuple(fault for fault in trial.faults if fault.proven)
    if len(faults) == len(trial.faults):
        return trial
    verdicts = tuple(verdict for verdict in trial.verdicts if verdict.outcome is Outcome.VIOLATED)
    return replace(trial, faults=faults, verdicts=verdicts)


def _read(exploration: Exploration, history: str) -> TrialResult | None:
    """What was judged, by an earlier session perhaps."""
    out = exploration.player.out
    try:
        plan = read_header(out / history).plan
        trial = judged_once(out / history, baseline=Baseline(), out=out, error="")
    except (HistoryError, OSError):
        return None
    return exploration.player.marked(trial, plan)


def _necessity(exploration: Exploration) -> Iterator[NecessityResult]:
    """Of the smallest scenario of each finding."""
    for finding in exploration.findings:
        for one in finding.needed:
            yield NecessityResult(
                guarantee=finding.guarantee,
                scenario=finding.name if finding.shown else str(finding.original["name"]),
                signature=finding.signature,
                variant=f"without {one.without}",
                hits=one.hits,
                trials=NECESSITY,
                undecided=NECESSITY - one.trials,
            )


def _unreachable(exploration: Exploration) -> Iterator[UnreachableResult]:
    """Faults that could not be proven; not those whose act could not be."""
    found: dict[tuple[str, str], list[str]] = {}
    ended = {line.number: line for line in exploration.journal.of(Ended)}
    drawn = {cell: line.number for line in exploration.journal.of(Drawn) if line.again for cell in line.cells}
    for cell, why in exploration.deck.unreachable.items():
        if "fault" not in ended[drawn[str(cell)]].sound:
            found.setdefault((cell.fault_choice.kind, cell.point), []).append(why)
    for (fault, point), reasons in sorted(found.items()):
        yield UnreachableResult(fault=fault, at=point, times=len(reasons), why=reasons[-1])
