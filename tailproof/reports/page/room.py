"""How much of each trial there is room for: the file stays within its size whatever the run."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tailproof.guarantees.verdict import Outcome
from tailproof.history.lines import HistoryError
from tailproof.history.reader import History
from tailproof.outgoing.masking import Masker
from tailproof.reports.page.index import Data
from tailproof.reports.page.names import Named
from tailproof.reports.page.trial import Detail, trial_data
from tailproof.reports.result import TrialResult

WHOLE = Detail(records=30_000, rows=10_000)
"""Nearly every trial is whole with this; one of 60,000 events takes about a megabyte."""
DETAILS = (WHOLE, Detail(records=4_000, rows=1_500), Detail(records=800, rows=300), Detail(records=160, rows=60))
"""How much of a trial is shown, the most first. The last is what a verdict rests on, and the ends."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A trial as it stands in the page: base64 of gzip of JSON, in ASCII."""

    key: str
    data: Data
    text: str


def pack(
    trials: Sequence[Named], root: Path, most: int, *, masker: Masker, hurry: Callable[[], bool] = lambda: False
) -> list[Packed]:
    """As much of the trials as `most` characters hold: those with a violation first, each group with the same detail.

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
    """All of them with the greatest detail for which there is room; with the least, as many as there is room for."""
    for detail in DETAILS:
        found: list[Packed] = []
        left = most
        for one in group:
            if hurry():
                return found
            packed = _packed(one, root, detail, masker)
            if packed is None:
                continue
            if len(packed.text) > left:
                break
            left -= len(packed.text)
            found.append(packed)
        else:
            return found
    return found


def _packed(one: Named, root: Path, detail: Detail, masker: Masker) -> Packed | None:
    directory = root / one.trial.history
    try:
        if not directory.resolve().is_relative_to(root.resolve()):
            return None
        history = History.load(directory)
    except (HistoryError, OSError, RuntimeError, ValueError):
        return None
    found = trial_data(one.key, one.called, one.trial, history, detail)
    raw = masker.raw(msgspec.json.encode(found))
    text = base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode("ascii")
    return Packed(one.key, "cut" if found["cut"] else "whole", text)
