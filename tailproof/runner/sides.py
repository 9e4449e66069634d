"""Before and after a change: each side is a result that is there, or a target and a client that are checked now."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.history.lines import HistoryError
from tailproof.incoming import BadInput
from tailproof.incoming.files import is_file
from tailproof.outgoing.masking import without_user_info
from tailproof.outgoing.visible import clip
from tailproof.reports import json, markdown_compare
from tailproof.reports.baseline import Baseline
from tailproof.reports.compare import chosen, compare
from tailproof.reports.comparison import Comparison
from tailproof.reports.merge import Part, Standard, merged
from tailproof.reports.page import render
from tailproof.reports.progress import Lines
from tailproof.reports.result import FailOn, Result
from tailproof.runner import out_dir
from tailproof.runner.check import Check, CheckOptions
from tailproof.runner.finished import result_file
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.judging import judged_once
from tailproof.runner.orders import SupervisorGone, ended
from tailproof.runner.outputs import check_directory, check_scratch
from tailproof.runner.pairs import meet
from tailproof.runner.session import CheckSession

FOLDERS = ("base", "candidate")
"""Below `--out`: the checks of the two sides."""
_SAID = 200


class BadSide(BadInput):
    """No side of a comparison; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked for. Without a `seed` it is that of the side that is there, else a random one; without `fail_on` and
    `baseline` a side that is there keeps its own."""

    base: str
    candidate: str
    out: Path
    goal: str = ""
    checks: str = ""
    scenarios: tuple[str, ...] = ()
    repetitions: int = 1
    workers: int = 1
    seed: int | None = None
    fail_on: FailOn | None = None
    baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two, before anything is started: what it was asked for by, where its result lies or will lie, and the result or the
    check that will give it."""

    word: str
    folder: Path
    found: Result | None
    check: Check | None = None


def compared(asked: Asked, say: Callable[[str], object]) -> Comparison:
    """Read or check both sides, and write `compare.md`, `compare.html` and `compare.json` below `asked.out`. Both sides are planned,
    and what they need is built, before the first trial.

    Raises:
        BadSide, BadResult, OutRefused, and what `Check.plan` raises: before anything is started.
        OSError: the reports cannot be written.
    """
    check_scratch()
    check_directory(asked.out, "the directory of the comparison")
    out_dir.check_comparison(asked.out)
    standard = Standard(fail_on=asked.fail_on, baseline=_baseline(asked.baseline))
    sides = [
        _read(word, asked.out / folder, standard)
        for word, folder in zip((asked.base, asked.candidate), FOLDERS, strict=True)
    ]
    for side in sides:
        if side.found is not None and not _played(side.found, asked.scenarios or ("*",)):
            raise BadSide(f"{clip(side.word, _SAID)} holds no trial of the scenarios that were asked for")
    sides = _planned(sides, asked, say)
    # A scenario may have been asked for by its file.
    planned = {cell.scenario.name for side in sides if side.check is not None for cell in side.check.cells}
    before, after = (side.found or _checked(side.check, asked.workers, say) for side in sides)
    globs = sorted(planned) or asked.scenarios or ("*",)
    comparison = compare(
        before,
        after,
        names=(sides[0].word, sides[1].word),
        folders=tuple(str(side.folder if side.found else side.folder.name) for side in sides),  # type: ignore[arg-type]
        goal=asked.goal,
        checks=asked.checks,
        scenarios=globs,
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    markdown_compare.write(comparison, asked.out / out_dir.COMPARE_REPORT)
    page = asked.out / out_dir.COMPARE_PAGE
    render.write(chosen(after, globs), [page], root=sides[1].folder, comparison=comparison)
    json.write_comparison(comparison, asked.out / out_dir.COMPARE_DATA)
    return comparison


def _baseline(path: Path | None) -> Baseline | None:
    return Baseline.load(path, guarantees=CATALOGUE.keys()) if path else None


def _read(word: str, folder: Path, standard: Standard) -> _Side:
    file = result_file(Path(word))
    if not is_file(file):
        if word.endswith(".json"):
            raise BadSide(f"there is no file {clip(word, _SAID)}")
        return _Side(word, folder, None)
    return _Side(word, file.parent, merged([Part(name=word, result=json.read(file))], standard))


def _played(result: Result, globs: Sequence[str]) -> list[str]:
    names = dict.fromkeys(trial.scenario for trial in result.trials)
    return [name for name in names if any(fnmatchcase(name, glob) for glob in globs)]


def _planned(sides: Sequence[_Side], asked: Asked, say: Callable[[str], object]) -> list[_Side]:
    """Those that are not there with their checks: by default the scenarios and the seed of the one that is."""
    there = next((side.found for side in sides if side.found is not None), None)
    scenarios = asked.scenarios or (tuple(_played(there, ("*",))) if there else ())
    seed = asked.seed if asked.seed is not None else there.seed if there else random.SystemRandom().randrange(1 << 32)
    planned = []
    for side in sides:
        check = None
        if side.found is None:
            target, _, client = side.word.partition(",")
            options = CheckOptions(
                scenarios=scenarios,
                out=str(side.folder.resolve()),
                baseline=str(asked.baseline or ""),
                seed=seed,
                repetitions=asked.repetitions,
                fail_on=asked.fail_on or "must",
            )
            out_dir.check(side.folder)
            say(f"getting ready: {without_user_info(target)} {client}".rstrip())
            clients = [client] if client else []
            check = Check.plan(options, lambda target=target, clients=clients: meet([target], clients, say=say))  # type: ignore[misc]
        planned.append(_Side(side.word, side.folder, side.found, check))
    return planned


def _checked(check: Check | None, workers: int, say: Callable[[str], object]) -> Result:
    """Run a check to its end. Raises KeyboardInterrupt when it was interrupted: its trials are taken down, and its reports say so."""
    assert check is not None, "a side is there, or is checked"
    session = CheckSession.start(check, parallel=workers, follower=Lines(say, width=shutil.get_terminal_size().columns))
    INTERRUPTS.tell(session.hurry)
    try:
        with suppress(SupervisorGone):  # the result says so
            for order, done in ended(session.address, check.orders):
                with suppress(HistoryError):  # gathered as an error of the check
                    trial = judged_once(
                        order.directory, baseline=check.baseline, out=session.out, error=done.error, pair=order.pair
                    )
                    session.judged(order.name, trial)
        with INTERRUPTS.held():
            return session.finish()
    except KeyboardInterrupt:
        session.cut(INTERRUPTS.says)
        raise
    finally:
        with INTERRUPTS.held():
            session.end()
