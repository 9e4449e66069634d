"""Runs trials of a result or a history again and counts how often each violation came back, and whether it needs its fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from tailproof.clients.spec import kind_of
from tailproof.guarantees.verdict import Outcome
from tailproof.history.directory import CLIENT, called
from tailproof.history.lines import HistoryError
from tailproof.history.reader import read_header
from tailproof.incoming import BadInput
from tailproof.incoming.files import BadFile, from_here, is_file, lies_below, read_bytes
from tailproof.incoming.json import NotJson, decode
from tailproof.incoming.limits import RESULT_BYTES, RESULT_VALUES, SAID_CHARS, Exceeded
from tailproof.outgoing.visible import clip
from tailproof.reports import json
from tailproof.reports.baseline import Baseline
from tailproof.reports.gate import cell
from tailproof.reports.result import NecessityResult, TrialResult
from tailproof.reports.words import count, necessity_row
from tailproof.runner import out_dir
from tailproof.runner.check import check_plan
from tailproof.runner.judging import VERDICTS, judge_directory, judged_once
from tailproof.runner.orders import ended
from tailproof.runner.out_lock import OutLock
from tailproof.runner.outputs import check_directory, check_file, check_scratch
from tailproof.runner.supervisor_process import TAKE_DOWN_S, SupervisorProcess
from tailproof.runner.written import write_reports
from tailproof.scenario.schema import Scenario
from tailproof.scenario.variants import AS_IT_WAS, Variant, variants
from tailproof.targets.resolve import resolve
from tailproof.trial.order import Order
from tailproof.yamlfile import explained

Violation = tuple[str, str, str]
"""(what the trial is called: its scenario, with its pair where there are several; guarantee; signature)"""


class BadCard(BadInput):
    """No violation is called so; one sentence that says which there are."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A trial with violations, in one variant of its scenario."""

    called: str
    """What the original is called."""
    variant: Variant
    original: bool
    orders: tuple[Order, ...]


def reproduce(
    what: Path,
    *,
    cards: Sequence[str] = (),
    trials: int,
    parallel: int,
    out: Path,
    necessity: bool = False,
    echo: Callable[[str], object],
) -> int:
    """Run every violated trial of `what` again, each with its own pair, `trials` times each, and say k of n for each violation. With
    `cards` only those that show one of these violations (`events.tail[stream-lag]`, or its guarantee or its trial alone).

    With `necessity` the variants of each scenario are run as often; a result then tells what came of it, and so does its report.

    Returns 1 when a violation came back; 0 when none did; 2 when none did and it cannot be told of one of them: a trial failed, or no trial
    decided its guarantee. Raises HistoryError, BadResult, BadOrder,
    BadCard, OutRefused.
    """
    check_scratch()
    check_directory(out, "the directory of the new histories")
    if is_file(what / out_dir.RESULT):
        what = what / out_dir.RESULT
    if necessity and not what.is_dir():
        check_file(what, "the result that is to tell what a violation needs")
    originals = {what: _original(what, _kept(what), "")} if what.is_dir() else _originals(what)
    # A trial is run again although it shows nothing today: its history may be older than this judge, or it may have been asked for alone.
    wanted = {
        directory: chosen for directory, one in originals.items() if (chosen := _chosen(one.found, cards)) or not cards
    }
    known: set[Violation] = set().union(*(one.found for one in originals.values()))
    if not wanted:
        _check_cards(cards, known)
        echo(f"{what} holds no violation: nothing to reproduce")
        return 0
    cases = [
        case
        for directory in wanted
        for case in _cases(directory, originals[directory].pair, out=out, trials=trials, necessity=necessity)
    ]
    # Two trials of one scenario and pair are the same trial again.
    cases = list({(case.called, case.variant.name): case for case in cases}.values())
    judged, failures = _play(cases, parallel=parallel, out=out, echo=echo)
    new = Counter(
        (case.called, verdict.guarantee, verdict.signature)
        for case in cases
        if case.original
        for trial in _of(case, judged)
        for verdict in trial.verdicts
        if verdict.outcome is Outcome.VIOLATED
    )
    # What today's judge does not find may have been a false alarm: it counts if it comes back, and is not missed if it does not.
    today: set[Violation] = set().union(*(one.today for one in originals.values()))
    sought = {one for chosen in wanted.values() for one in chosen if new[one] or one in today}
    rows = list(_counted(cases, judged, sought, trials))
    for violation in sorted(sought | (set(new) - known)):
        name, guarantee, signature = violation
        late = "" if violation in sought else "  (was not in the original)"
        echo(f"{new[violation]}/{trials}  {cell(guarantee, name)}  {signature}{late}")
        for row in rows if necessity else ():
            if (row.scenario, row.guarantee, row.signature) == violation:
                echo(f"      {necessity_row(row)}")
    failures += [
        f"{cell(row.guarantee, row.scenario)} was decided in none of {count(row.trials, 'trial')}"
        for row in rows
        if row.variant == AS_IT_WAS and row.undecided == row.trials
    ]
    for failure in failures:
        echo(f"could not tell: {failure}")
    if necessity and not what.is_dir():
        _tell_necessity(what, rows)
        echo(f"written to {what}")
    if any(new[violation] for violation in sought):
        return 1
    return 2 if failures else 0


def _play(
    cases: Sequence[_Case], *, parallel: int, out: Path, echo: Callable[[str], object]
) -> tuple[dict[str, TrialResult], list[str]]:
    """The judged trials by the keys of their orders, and a sentence for each that could not be run."""
    orders = list({order.key: order for case in cases for order in case.orders}.values())
    judged: dict[str, TrialResult] = {}
    failures: list[str] = []
    with (
        closing(_taken(out)) as lock,
        SupervisorProcess(parallel=parallel, log=out / out_dir.LOG, keeps=[lock.descriptor]) as supervisor,
    ):
        for order, done in ended(supervisor.address, orders):
            if done.error:
                failures.append(f"{order.name}: {done.error}")
                continue
            trial = judged_once(order.directory, baseline=Baseline(), out=out, error="", pair=order.pair)
            judged[order.key] = trial
            seen = [v for v in trial.verdicts if v.outcome is Outcome.VIOLATED]
            echo(f"{order.name}: " + (", ".join(f"{v.guarantee} {v.signature}" for v in seen) or "no violation"))
    return judged, failures


def _counted(
    cases: Sequence[_Case], judged: dict[str, TrialResult], sought: Collection[Violation], trials: int
) -> Iterator[NecessityResult]:
    for trial_name, guarantee, signature in sorted(sought):
        for case in cases:
            if case.called != trial_name:
                continue
            verdicts = [v for trial in _of(case, judged) for v in trial.verdicts if v.guarantee == guarantee]
            hits = sum(v.outcome is Outcome.VIOLATED and v.signature == signature for v in verdicts)
            decided = sum(v.outcome in (Outcome.HOLDS, Outcome.VIOLATED) for v in verdicts)
            ran = trials if case.orders else 0
            yield NecessityResult(
                guarantee=guarantee,
                scenario=trial_name,
                signature=signature,
                variant=case.variant.name,
                where=case.variant.where,
                hits=hits,
                trials=ran,
                undecided=ran - decided,
                why=case.variant.why,
            )


def _of(case: _Case, judged: dict[str, TrialResult]) -> list[TrialResult]:
    return [judged[order.key] for order in case.orders if order.key in judged]


def _tell_necessity(result: Path, rows: Sequence[NecessityResult]) -> None:
    """Write what was found into a result, and its report anew. What was told of the same violation before is replaced."""
    before = json.read(result)
    retold = {(row.guarantee, row.scenario, row.signature) for row in rows}
    kept = [row for row in before.necessity if (row.guarantee, row.scenario, row.signature) not in retold]
    after = msgspec.structs.replace(before, necessity=(*kept, *rows))
    if result.name == out_dir.RESULT:
        write_reports(after, result.parent)  # what cannot be written leaves the result as it was
    else:
        json.write(after, result)


def _taken(out: Path) -> OutLock:
    """Histories of earlier tries are replaced one by one: what is reproduced may be one of them."""
    out_dir.check(out)
    return OutLock(out, patience_s=TAKE_DOWN_S)


# -- what is run again ---------------------------------------------------------------------------------------------------


def _cases(directory: Path, pair: str, *, out: Path, trials: int, necessity: bool) -> Iterator[_Case]:
    orders = [order_of(directory, out=out, repetition=number, pair=pair) for number in range(trials)]
    original, *others = variants(Scenario.model_validate(orders[0].scenario))
    name = called(str(orders[0].scenario["name"]), pair)
    yield _Case(name, original, original=True, orders=tuple(orders))
    for variant in others if necessity else ():
        plan = variant.scenario.model_dump(mode="json", by_alias=True) if variant.scenario else None
        made = [msgspec.structs.replace(order, scenario=plan) for order in orders if plan is not None]
        yield _Case(name, variant, original=False, orders=tuple(made))


def order_of(directory: Path, *, out: Path, repetition: int, pair: str = "") -> Order:
    """The order that a history came from, as repetition `repetition` of it; `pair` as the check called it.

    Raises:
        HistoryError: none is there, or this version cannot run it again: it does not know the plan.
        BadTarget, BadClient: it does not know whom the plan was played with, or that is not there any more.
    """
    header = read_header(directory)
    model_url = str(header.facts.get("model_url", ""))
    scenario = _known(header.plan, directory)
    resolve(header.target, model_url=model_url or None)
    return Order(
        scenario=scenario,
        target=header.target,
        client=_client(header.client, directory),
        pair=pair,
        seed=header.seed,
        out=str(out),
        repetition=repetition,
        model_url=model_url,
    )


def _client(spec: str, directory: Path) -> str:
    """The client of a trial; one that was a file of the user's as it travelled with the history. Raises BadClient."""
    kind, what = kind_of(spec)
    file = kind.file(what)
    travelled = directory / CLIENT / file.name if file else None
    if travelled and is_file(travelled):
        what = from_here(travelled.absolute())
        spec = f"{spec.partition(':')[0]}:{what}"
    kind.check(what)
    return spec


def _known(plan: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The plan of a header as a scenario of this version. Raises HistoryError."""
    try:
        scenario = Scenario.model_validate(plan)
        for landing in scenario.landings:
            check_plan(landing)
    except ValueError as error:
        why = explained(error, Scenario) if isinstance(error, ValidationError) else str(error)
        raise HistoryError(
            f"{directory} cannot be run again, its plan is none that this version knows: {why}"
        ) from error
    return scenario.model_dump(mode="json", by_alias=True)


# -- what was violated ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Original:
    """A history that is reproduced."""

    pair: str
    """As its check called it."""
    today: frozenset[Violation]
    """What today's judge finds in it."""
    earlier: frozenset[Violation]
    """What its check had found and today's judge does not find. Where today's judge finds another violation of the same guarantee, that may
    be the same one by another name."""

    @property
    def found(self) -> frozenset[Violation]:
        """By either."""
        return self.today | self.earlier


def _originals(result: Path) -> dict[Path, _Original]:
    """The histories with a violation. Raises BadResult: a history lies below its result."""
    found = json.read(result).trials
    for trial in found:
        if not lies_below(result.parent, trial.history):
            raise json.BadResult(f"{result} names a history that does not lie below it: {trial.history[:60]!r}")
    return {
        result.parent / trial.history: _original(result.parent / trial.history, trial, trial.pair)
        for trial in found
        if any(_violations(trial))
    }


def _original(directory: Path, before: TrialResult | None, pair: str) -> _Original:
    trial = judge_directory(directory, baseline=Baseline(), history_path=str(directory), pair=pair)
    today = frozenset(_violations(trial))
    guarantees = {guarantee for _, guarantee, _ in today}
    earlier = (
        (trial.called, guarantee, signature)
        for _, guarantee, signature in (_violations(before) if before else ())
        if guarantee not in guarantees
    )
    return _Original(pair, today, frozenset(earlier))


def _kept(directory: Path) -> TrialResult | None:
    """What its check found in this history; None where none is kept, or none that this version can read."""
    with suppress(BadFile, NotJson, Exceeded):
        raw = read_bytes(directory / VERDICTS, RESULT_BYTES)
        return decode(raw, TrialResult, values=RESULT_VALUES)
    return None


def _violations(trial: TrialResult) -> Iterator[Violation]:
    for verdict in trial.verdicts:
        if verdict.outcome is Outcome.VIOLATED:
            yield trial.called, verdict.guarantee, verdict.signature


def _chosen(violations: Collection[Violation], cards: Sequence[str]) -> set[Violation]:
    return {one for one in violations if not cards or any(card in _words(one) for card in cards)}


def _check_cards(cards: Sequence[str], violations: Collection[Violation]) -> None:
    if cards and violations:
        there_are = ", ".join(sorted(cell(guarantee, name) for name, guarantee, _ in violations))
        raise BadCard(f"no violation is called {clip(' or '.join(cards), SAID_CHARS)}; there are {there_are}")


def _words(violation: Violation) -> tuple[str, ...]:
    name, guarantee, _ = violation
    return cell(guarantee, name), guarantee, name
