"""What lies in an `--out`: ours, which the next check there replaces, or somebody else's, which nobody touches.

Ours is told by its content, never by its name alone: a directory of trials holds histories and nothing else.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tailproof.history.directory import is_history, remove_history
from tailproof.incoming.files import begins, is_plain_file
from tailproof.outgoing.atomic import is_aside
from tailproof.runner.out_lock import NAME as LOCK
from tailproof.runner.out_lock import OutRefused, is_lock

TRIALS = "trials"
RESULT = "result.json"
REPORT = "report.md"
EVENTS = "run.ndjson"
PAGE = "report.html"
LOG = "supervisor.log"
COMPARE_REPORT = "compare.md"
COMPARE_DATA = "compare.json"
COMPARE_PAGE = "compare.html"
WRITTEN = (RESULT, REPORT, PAGE)
"""What a check writes at its end."""

_RESULT = re.compile(rb'\{\s*"schema":\s*\d+,\s*"tailproof":\s*"')
_PAGE = re.compile(rb'<!doctype html>\s*<html lang="en" data-report="tailproof"')
_REPORT = re.compile(rb"## GATE (OPEN|CLOSED|UNKNOWN)\b")
_COMPARE_REPORT = re.compile("## (✅|⚠️|❌|🟡) QA report: ".encode())
_EVENTS = re.compile(rb'\Z|\{"event":"check began",')
_OLD_LOCK = ".lock"
"""What marked an `--out` of an earlier version."""


class OutForeign(OutRefused):
    """Something that is not ours stands where ours would have to; the message names it."""


def check(out: Path) -> None:
    """Starts nothing and changes nothing. Raises OutForeign; OSError when it cannot be read."""
    for name, is_ours in _OURS.items():
        place = out / name
        if _there(place) and not is_ours(place):
            raise OutForeign(_refusal(place))
    for entry in sorted((out / TRIALS).iterdir()) if (out / TRIALS).is_dir() else ():
        if not is_history(entry) and not _is_history_lock(entry):
            raise OutForeign(_refusal(entry))


def check_comparison(out: Path) -> None:
    """As `check`, of what a comparison writes beside the checks of its sides."""
    for name, pattern in ((COMPARE_REPORT, _COMPARE_REPORT), (COMPARE_DATA, _RESULT), (COMPARE_PAGE, _PAGE)):
        place = out / name
        if _there(place) and not begins(place, pattern):
            raise OutForeign(_refusal(place))


def clear(out: Path) -> None:
    """Remove the histories and reports of an earlier check. Raises OutForeign before anything is removed."""
    check(out)
    for history in (out / TRIALS).iterdir() if (out / TRIALS).is_dir() else ():
        if history.is_dir():
            remove_history(history)
    shutil.rmtree(out / TRIALS, ignore_errors=True)
    left = [entry for entry in out.iterdir() if any(is_aside(entry.name, name) for name in WRITTEN)]
    for place in (*(out / name for name in WRITTEN), out / EVENTS, *left):
        place.unlink(missing_ok=True)


def _refusal(place: Path) -> str:
    return f"{place} was not made by tailproof and would be in its way: give this check another --out"


def _is_log(place: Path) -> bool:
    """It holds whatever went wrong, so it is known by what stands beside it."""
    return is_plain_file(place) and (is_lock(place.with_name(LOCK)) or begins(place.with_name(_OLD_LOCK), _PID))


def _is_history_lock(place: Path) -> bool:
    return place.name.startswith(".") and place.suffix == ".lock" and is_plain_file(place) and not place.stat().st_size


def _there(place: Path) -> bool:
    return place.exists() or place.is_symlink()


_PID = re.compile(rb"\d*\Z")
_OURS: dict[str, Callable[[Path], bool]] = {
    LOCK: is_lock,
    TRIALS: lambda place: place.is_dir() and not place.is_symlink(),
    RESULT: lambda place: begins(place, _RESULT),
    REPORT: lambda place: begins(place, _REPORT),
    EVENTS: lambda place: begins(place, _EVENTS),
    PAGE: lambda place: begins(place, _PAGE),
    LOG: _is_log,
}
