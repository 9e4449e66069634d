"""A check made of real histories that are kept, judged by the guarantees of today."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tailproof.history.header import Header
from tailproof.history.reader import read_header
from tailproof.reports.assemble import check_result, environment_of
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import PairResult, Result, TrialResult
from tailproof.runner.judging import judge_directory

KEPT = Path(__file__).resolve().parents[1] / "histories"
NAMES = sorted(path.name.removesuffix(".tar.xz") for path in KEPT.glob("*.tar.xz"))


def kept_trial(name: str, root: Path) -> TrialResult:
    """One of them, unpacked below `root` and judged."""
    place = root / "trials" / name
    with tarfile.open(KEPT / f"{name}.tar.xz") as packed:
        packed.extractall(place, filter="data")
    return judge_directory(place, baseline=Baseline(), history_path=f"trials/{name}")


def kept_check(names: list[str], root: Path) -> Result:
    """A check of some of them."""
    trials = [kept_trial(name, root) for name in names]
    return result_of(trials, [read_header(root / trial.history) for trial in trials])


def result_of(trials: list[TrialResult], headers: list[Header]) -> Result:
    """The result of these trials."""
    return check_result(
        trials,
        pairs=[PairResult(target="pypi:1.0.0", client="sdk:1.0.0")],
        seed=7,
        started=1_795_000_000,
        duration_s=49.75,
        environment=environment_of(headers),
    )
