"""Results of checks that have ended: found, put together, and kept as one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.history.directory import is_history
from tailproof.incoming import BadInput
from tailproof.incoming.files import from_here, is_directory, lies_below
from tailproof.outgoing.visible import clip
from tailproof.reports import json
from tailproof.reports.baseline import Baseline
from tailproof.reports.merge import Part, Standard, merged
from tailproof.reports.result import FailOn, Result, TrialResult
from tailproof.reports.words import repro_command
from tailproof.runner import out_dir
from tailproof.runner.check import shipped_files
from tailproof.runner.out_lock import OutLock
from tailproof.runner.outputs import check_directory
from tailproof.runner.supervisor_process import TAKE_DOWN_S
from tailproof.runner.written import withdraw_reports, write_reports
from tailproof.trial.order import may_be_called

_SAID = 200


class BadMerge(BadInput):
    """What was asked for cannot be put together there; one sentence."""


def result_file(path: Path) -> Path:
    """The result that a person means by a file, or by the `--out` of a check."""
    return path / out_dir.RESULT if is_directory(path) else path


def read_parts(paths: Sequence[Path]) -> list[Part]:
    """Raises BadResult."""
    return [Part(name=str(path), result=json.read(result_file(path))) for path in paths]


def asked_for(
    paths: Sequence[Path], *, baseline: Path | None, fail_on: FailOn | None, allow_inconclusive: int | None
) -> Standard:
    """The standard that a person asked for. A baseline names guarantees that there are, and scenarios that there are or that were
    played. Raises BadResult, BadFile."""
    known = None
    if baseline is not None:
        played = {trial.scenario for part in read_parts(paths) for trial in part.result.trials}
        known = Baseline.load(baseline, guarantees=CATALOGUE.keys(), scenarios={*shipped_files(), *played})
    return Standard(fail_on=fail_on, allow_inconclusive=allow_inconclusive, baseline=known)


def decided(paths: Sequence[Path], standard: Standard) -> Result:
    """One result for those at `paths`, the histories as seen from the working directory. Raises BadResult, Apart."""
    parts = [
        Part(name=part.name, result=_moved(part.result, from_here(result_file(path).parent.absolute())))
        for path, part in zip(paths, read_parts(paths), strict=True)
    ]
    return merged(parts, standard)


def kept(paths: Sequence[Path], out: Path, standard: Standard) -> tuple[Result, list[str]]:
    """One result for those at `paths` in `out`, with its reports and the histories, so that it needs the others no more; and a sentence
    for each history that does not lie beside its result.

    Raises:
        BadResult, Apart, BadMerge, OutRefused, BadOutput: before anything is written.
        OSError: then there is no result in `out`.
    """
    check_directory(out, "the directory of the merged result")
    for path in paths:
        _check_apart(result_file(path).parent, out)
    parts = read_parts(paths)
    result, histories = merged(parts, standard), _histories(parts)
    out_dir.check(out)
    with closing(OutLock(out, patience_s=TAKE_DOWN_S)):
        return _keep(result, histories, out)


def put_together(
    paths: Sequence[Path],
    out: Path,
    standard: Standard,
    *,
    page: Path | None = None,
) -> tuple[Result, list[str]]:
    """As `kept`, by who has the lock of `out`: the page goes to `page`, too."""
    parts = read_parts(paths)
    return _keep(merged(parts, standard), _histories(parts), out, page=page)


def _keep(
    result: Result, histories: Mapping[str, Path], out: Path, *, page: Path | None = None
) -> tuple[Result, list[str]]:
    out_dir.clear(out)
    lost = []
    for name, place in histories.items():
        if is_history(place):
            _copy(place, out / out_dir.TRIALS / name)
        else:
            lost.append(f"no history lies at {place}: its trial cannot be judged or run again from {out}")
    result = replace(result, trials=tuple(map(_below, result.trials)))
    try:
        write_reports(result, out, page=page)
    except OSError:
        withdraw_reports(out, page=page)
        raise
    return result, lost


def _check_apart(source: Path, out: Path) -> None:
    """What is read must not be what is replaced."""
    inside = source.resolve().is_relative_to((out / out_dir.TRIALS).resolve())
    if inside or source.resolve() == out.resolve():
        raise BadMerge(f"{source} would be replaced by what is made of it: give another --out")


def _histories(parts: Iterable[Part]) -> dict[str, Path]:
    """Name of a trial -> where its history lies."""
    found: dict[str, Path] = {}
    for part in parts:
        file = result_file(Path(part.name))
        for trial in part.result.trials:
            name = PurePosixPath(trial.history).name
            if not may_be_called(name) or not lies_below(file.parent, trial.history):
                raise json.BadResult(f"{file} names a history that does not lie below it: {clip(trial.history, 60)!r}")
            if name in found:
                raise BadMerge(f"two histories are called {clip(name, _SAID)}: {found[name]}, and one of {file}")
            found[name] = file.parent / trial.history
    return found


def _below(trial: TrialResult) -> TrialResult:
    return _placed(trial, f"{out_dir.TRIALS}/{PurePosixPath(trial.history).name}")


def _moved(result: Result, folder: str) -> Result:
    trials = (_placed(trial, str(PurePosixPath(folder, trial.history))) for trial in result.trials)
    return replace(result, trials=tuple(trials))


def _placed(trial: TrialResult, history: str) -> TrialResult:
    repro = repro_command(history)
    verdicts = tuple(replace(verdict, repro=repro if verdict.repro else "") for verdict in trial.verdicts)
    return replace(trial, history=history, verdicts=verdicts)


def _copy(history: Path, to: Path) -> None:
    """Nobody changes a history, so two names for one file do where the disk allows it."""
    shutil.copytree(history, to, copy_function=_link_or_copy, ignore=_links)


def _link_or_copy(source: str, to: str) -> None:
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)


def _links(directory: str, names: list[str]) -> list[str]:
    """A history has none, and where one leads is not for us to follow."""
    return [name for name in names if Path(directory, name).is_symlink()]
