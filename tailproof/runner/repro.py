"""Runs trials of a result or a history again and counts how often each violation came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tailproof.clients.spec import kind_of
from tailproof.guarantees.verdict import Outcome
from tailproof.history.lines import HistoryError
from tailproof.history.reader import read_header
from tailproof.incoming.files import lies_below
from tailproof.reports import json
from tailproof.reports.baseline import Baseline
from tailproof.runner import out_dir
from tailproof.runner.check import check_plan
from tailproof.runner.judging import judge_directory, judged_once
from tailproof.runner.orders import Ask, ask
from tailproof.runner.out_lock import OutLock
from tailproof.runner.outputs import check_directory, check_scratch
from tailproof.runner.supervisor_process import TAKE_DOWN_S, SupervisorProcess
from tailproof.scenario.schema import Scenario
from tailproof.targets.resolve import resolve
from tailproof.trial.order import Order
from tailproof.yamlfile import explained

Violation = tuple[str, str, str]
"""(scenario, with its pair where there are several; guarantee; signature)"""


def reproduce(what: Path, *, trials: int, parallel: int, out: Path, echo: Callable[[str], object]) -> int:
    """Run every violated trial of `what` again, each with its own pair, `trials` times each, and say k of n for each violation.

    Returns 1 when a violation came back, 0 when none did, 2 when a trial could not be run. Raises HistoryError, BadResult, BadOrder,
    OutRefused.
    """
    check_scratch()
    check_directory(out, "the directory of the new histories")
    violated = {what: ""} if what.is_dir() else _violated(what)
    if not violated:
        echo(f"{what} holds no violation: nothing to reproduce")
        return 0
    sought = {violation for directory, pair in violated.items() for violation in _violations(directory, pair)}
    wanted = [
        order_of(directory, out=out, repetition=number, pair=pair)
        for directory, pair in violated.items()
        for number in range(trials)
    ]
    # Two trials of one scenario and pair are the same trial again.
    orders = list({order.key: order for order in wanted}.values())
    found: Counter[Violation] = Counter()
    failures: list[str] = []
    with (
        closing(_taken(out)) as lock,
        SupervisorProcess(parallel=parallel, log=out / out_dir.LOG, keeps=[lock.descriptor]) as supervisor,
    ):
        ask(supervisor.address, Ask(submit=orders))
        for order in orders:
            done = ask(supervisor.address, Ask(wait=order.key))
            if done is not None and done.error:
                failures.append(f"{order.name}: {done.error}")
                continue
            trial = judged_once(order.directory, baseline=Baseline(), out=out, error="", pair=order.pair)
            seen = [v for v in trial.verdicts if v.outcome is Outcome.VIOLATED]
            found.update((trial.called, v.guarantee, v.signature) for v in seen)
            echo(f"{order.name}: " + (", ".join(f"{v.guarantee} {v.signature}" for v in seen) or "no violation"))
    for violation in sorted(sought | set(found)):
        called, guarantee, signature = violation
        new = "" if violation in sought else "  (was not in the original)"
        echo(f"{found[violation]}/{trials}  {guarantee}[{called}]  {signature}{new}")
    for failure in failures:
        echo(f"could not tell: {failure}")
    if any(found[violation] for violation in sought):
        return 1
    return 2 if failures else 0


def _taken(out: Path) -> OutLock:
    """Histories of earlier tries are replaced one by one: what is reproduced may be one of them."""
    out_dir.check(out)
    return OutLock(out, patience_s=TAKE_DOWN_S)


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
    kind, what = kind_of(header.client)
    kind.check(what)
    return Order(
        scenario=scenario,
        target=header.target,
        client=header.client,
        pair=pair,
        seed=header.seed,
        out=str(out),
        repetition=repetition,
        model_url=model_url,
    )


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


def _violated(result: Path) -> dict[Path, str]:
    """The histories with a violation, each with the name of its pair. Raises BadResult: a history lies below its result."""
    found = json.read(result).trials
    for trial in found:
        if not lies_below(result.parent, trial.history):
            raise json.BadResult(f"{result} names a history that does not lie below it: {trial.history[:60]!r}")
    return {
        result.parent / trial.history: trial.pair
        for trial in found
        if any(verdict.outcome is Outcome.VIOLATED for verdict in trial.verdicts)
    }


def _violations(directory: Path, pair: str) -> Iterable[Violation]:
    trial = judge_directory(directory, baseline=Baseline(), history_path=str(directory), pair=pair)
    for verdict in trial.verdicts:
        if verdict.outcome is Outcome.VIOLATED:
            yield trial.called, verdict.guarantee, verdict.signature
