"""Judges a saved history again, with the guarantees of this version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailproof import resources
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.guarantees.verdict import Outcome
from tailproof.history.reader import read_header
from tailproof.reports.assemble import check_result, environment_of
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import PairResult
from tailproof.reports.terminal import render
from tailproof.reports.words import facts
from tailproof.runner.judging import judge_directory


def judge_again(
    directory: Path, *, globs: Sequence[str], baseline: Path | None, compared: bool = False
) -> tuple[str, int]:
    """What a check of this one trial would have said, and its exit code; with `compared` also what each verdict rests on. Raises
    HistoryError, BadFile."""
    known = Baseline.load(baseline or resources.folder("suites") / "baseline.yaml", guarantees=CATALOGUE.keys())
    header = read_header(directory)
    trial = judge_directory(directory, baseline=known, history_path=str(directory), globs=globs or ("*",))
    result = check_result(
        [trial],
        pairs=[PairResult(target=header.target, client=header.client, release=header.versions.get("server", ""))],
        seed=header.seed,
        started=header.started,
        duration_s=trial.duration_s,
        environment=environment_of([header]),
    )
    lines = [render(result)]
    for verdict in trial.verdicts:
        if verdict.outcome is not Outcome.VIOLATED:
            lines.append(f"{verdict.outcome:<15} {verdict.guarantee:<18} {verdict.says}")
        if compared and verdict.outcome in (Outcome.HOLDS, Outcome.VIOLATED):
            rests_on = f"rests on {', '.join(verdict.rests_on)}"
            lines.append(f"{'':<15} {'':<18} {'; '.join(filter(None, (facts(verdict.compared), rests_on)))}")
    return "\n".join(lines), result.gate.exit_code
