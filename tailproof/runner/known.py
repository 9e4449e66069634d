"""The baseline on the disk, brought up to what finished checks have found."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from tailproof import resources
from tailproof.incoming import BadInput
from tailproof.incoming.files import read_text
from tailproof.incoming.limits import INPUT_BYTES
from tailproof.outgoing.atomic import write_atomically
from tailproof.reports.baseline_update import Update, Wanted, update
from tailproof.runner.finished import read_parts

EMPTY = "known: []\n"


class NoBaseline(BadInput):
    """There is no file that could be changed; one sentence."""


def bring_up_to_date(
    results: Sequence[Path], baseline: Path | None, wanted: Wanted, *, dry_run: bool, say: Callable[[str], object]
) -> int:
    """Write the file anew, or with `dry_run` only say how it would differ. A file that is not there is begun.

    Returns 1 when something is left that a person must decide, else 0. Raises BadResult, BadFile, NoReason, NoBaseline, and OSError:
    the file is as it was then.
    """
    path = baseline or _shipped()
    before = read_text(path, INPUT_BYTES) if path.exists() else EMPTY
    done = update(path, before, [part.result for part in read_parts(results)], wanted)
    if dry_run:
        for line in difflib.unified_diff(
            before.splitlines(), done.text.splitlines(), str(path), str(path), lineterm=""
        ):
            say(line)
    elif done.changes:
        write_atomically(path.resolve(), done.text.encode())
    _tell(done, path, say)
    return 1 if done.left else 0


def _tell(done: Update, path: Path, say: Callable[[str], object]) -> None:
    for line in (*done.changes, *(f"left     {sentence}" for sentence in done.left)):
        say(line)
    if not done.changes:
        say(f"{path} says what these checks found: nothing to change")


def _shipped() -> Path:
    place = resources.folder("suites") / "baseline.yaml"
    if resources.installed(place):
        raise NoBaseline("the shipped list belongs to the installation: name a file of yours with --baseline")
    return place
