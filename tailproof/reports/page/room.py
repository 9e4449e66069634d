"""How much of each trial there is room for: the file stays within its size whatever the run."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tailproof.guarantees.verdict import Outcome
from tailproof.history.archive import record_files
from tailproof.history.lines import HistoryError
from tailproof.history.reader import History
from tailproof.outgoing.masking import Masker
from tailproof.reports.page.index import Data
from tailproof.reports.page.names import Named
from tailproof.reports.page.trial import Detail, trial_data
from tailproof.reports.result import TrialResult

DETAILS = (
    *(Detail(records=30_000, rows=70_000), Detail(records=10_000, rows=70_000), Detail(records=30_000, rows=10_000)),
    *(Detail(records=8_000, rows=3_000), Detail(records=2_000, rows=800), Detail(records=500, rows=200)),
    *(Detail(records=150, rows=60), Detail(records=50, rows=20)),
)
"""How much of a trial is shown, the most first: nearly every trial is whole with the first, and alone in a page one of 60,000
events shows each of them with the second. The last is what a verdict rests on, and the ends."""


_WORTH_IT = 2_048
"""In fewer characters nothing is told of a trial, so of ten thousand not all are tried."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A trial as it stands in the page: base64 of gzip of JSON, in ASCII."""

    key: str
    data: Data
    text: str


def pack(
    trials: Sequence[Named], root: Path, most: int, *, masker: Masker, hurry: Callable[[], bool] = lambda: False
) -> list[Packed]:
    """As much of the trials as `most` characters hold: those with a violation first. In each group everybody has the same
    share, and what the small ones leave goes to the large ones; where that would be next to nothing for everybody, the first ones have it.

    `root` is the directory that the histories are relative to. A trial has nothing when its history cannot be read, when there is
    no room, and when `hurry` says that nobody can wait any longer.
    """
    packed: list[Packed] = []
    groups = ([one for one in trials if _violated(one.trial)], [one for one in trials if not _violated(one.trial)])
    for group in groups:
        found = _group(group, root, most, masker, hurry)
        most -= sum(len(one.text) for one in found)
        packed += found
    return packed


def _violated(trial: TrialResult) -> bool:
    return any(verdict.outcome is Outcome.VIOLATED for verdict in trial.verdicts)


def _group(group: Sequence[Named], root: Path, most: int, masker: Masker, hurry: Callable[[], bool]) -> list[Packed]:
    found: list[Packed] = []
    group = group[: most // _WORTH_IT]
    for number, one in enumerate(sorted(group, key=lambda one: (_size(root / one.trial.history), one.key))):
        packed = None if hurry() else _packed(one, root, most // (len(group) - number), masker)
        if packed is not None:
            found.append(packed)
            most -= len(packed.text)
    return found


def _size(directory: Path) -> int:
    """Bytes of a history, as far as it can be looked at."""
    try:
        return sum(path.stat().st_size for path in record_files(directory).values())
    except (OSError, ValueError):
        return 0


def _packed(one: Named, root: Path, share: int, masker: Masker) -> Packed | None:
    """With the greatest detail that fits the share; None when none does, or when there is no history to read."""
    directory = root / one.trial.history
    try:
        if not directory.resolve().is_relative_to(root.resolve()):
            return None
        history = History.load(directory)
    except (HistoryError, OSError, RuntimeError, ValueError):
        return None
    for detail in DETAILS:
        found = trial_data(one.key, one.called, one.trial, history, detail) | {"history": one.history}
        raw = masker.raw(msgspec.json.encode(found))
        text = base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode("ascii")
        if len(text) <= share:
            return Packed(one.key, "cut" if found["cut"] else "whole", text)
    return None
