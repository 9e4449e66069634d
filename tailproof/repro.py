"""Runs trials of a result or a history again and counts how often each violation came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from tailproof import out_dir
from tailproof.guarantees.verdict import Outcome
from tailproof.history.reader import read_header
from tailproof.judging import judge_directory, judged_once
from tailproof.orders import Ask, Order, ask
from tailproof.out_lock import OutLock
from tailproof.reports import json
from tailproof.reports.baseline import Baseline
from tailproof.supervisor import TAKE_DOWN_S, SupervisorProcess

Violation = tuple[str, str, str]
"""(scenario, with its pair where there are several; guarantee; signature)"""


def reproduce(what: Path, *, trials: int, parallel: int, out: Path, echo: Callable[[str], object]) -> int:
    """Run every violated trial of `what` again, each with its own pair, `trials` times each, and say k of n for each violation.

    Returns 1 when a violation came back, 0 when none did, 2 when a trial could not be run. Raises HistoryError, BadResult, BadOrder,
    OutRefused.
    """
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
    """The order that a history came from, as repetition `repetition` of it; `pair` as the check called it. Raises HistoryError."""
    header = read_header(directory)
    return Order(
        scenario=header.plan,
        target=header.target,
        client=header.client,
        pair=pair,
        seed=header.seed,
        out=str(out),
        repetition=repetition,
        model_url=str(header.facts.get("model_url", "")),
    )


def _violated(result: Path) -> dict[Path, str]:
    """The histories with a violation, each with the name of its pair. Raises BadResult: a history lies below its result."""
    found = json.read(result).trials
    for trial in found:
        if not (result.parent / trial.history).resolve().is_relative_to(result.parent.resolve()):
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
