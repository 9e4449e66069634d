"""Judges a saved history once, whoever needs the verdicts first, and keeps them beside it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Outcome
from tailproof.history.plan import guarantees_of
from tailproof.history.reader import History
from tailproof.incoming.json import decoder
from tailproof.outgoing.atomic import write_atomically
from tailproof.reports.assemble import trial_result
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import TrialResult

VERDICTS = "verdicts.json"

_TRIAL = decoder(TrialResult)


def judge_directory(
    directory: Path,
    *,
    baseline: Baseline,
    history_path: str,
    error: str = "",
    globs: Sequence[str] = ("*",),
    pair: str = "",
) -> TrialResult:
    """Judge the history in `directory` with the guarantees that match and that its scenario is about. Raises HistoryError when there is
    none."""
    history = History.load(directory)
    wanted = [name for name in CATALOGUE if _matches(name, globs) and _matches(name, guarantees_of(history.header))]
    verdicts = [(CATALOGUE[name], verdict) for name, verdict in judge(history, wanted).items()]
    if error:
        # Of a trial that broke off only what is certainly wrong is said; everything else is open.
        verdicts = [(guarantee, verdict) for guarantee, verdict in verdicts if verdict.outcome is Outcome.VIOLATED]
    return trial_result(
        history,
        verdicts,
        history_path=history_path,
        baseline=baseline,
        error=error or None,
        pair=pair,
    )


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def judged_once(directory: Path, *, baseline: Baseline, out: Path, error: str, pair: str = "") -> TrialResult:
    """The verdicts on a trial of this check; judged by the first caller, read by all others, also across processes."""
    kept = directory / VERDICTS
    with _locked(directory):
        if kept.exists():
            return _TRIAL.decode(kept.read_bytes())
        result = judge_directory(
            directory, baseline=baseline, history_path=str(directory.relative_to(out)), error=error, pair=pair
        )
        write_atomically(kept, msgspec.json.encode(result))
    return result


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory.parent / f".{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
