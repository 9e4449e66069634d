"""Where in the loop each kind of fault landed in this check: proven, tried without proof, or never."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.visible import clip
from tailproof.reports.result import TrialResult, UnreachableResult

POINTS = (
    *("connected", "created", "model-called", "action-stored", "tool-running", "child-at-work"),
    *("observation-stored", "final-reply", "terminal", "returned", "end"),
)
"""The points of the loop, in the order in which a run reaches them."""
UNTOLD = "not told"
"""Of a fault that stands in no plan, and of results that did not say yet where a fault was to land."""
_CHARS = 80


@dataclass(slots=True)
class Tried:
    """How often one kind of fault was tried at one point, and how often it was proven to have had its effect."""

    tried: int = 0
    proven: int = 0
    guarantees: set[str] = field(default_factory=set)
    """Those that held or were violated in a trial in which it was proven."""

    @property
    def state(self) -> str:
        """`proven`, `unproven` or `never`."""
        return "proven" if self.proven else "unproven" if self.tried else "never"


Rows = dict[str, dict[str, Tried]]
"""Kind of fault or act -> point -> how often it was tried there; points at which it never was are left out."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """A table: kinds of faults, and of acts, by points."""

    points: tuple[str, ...]
    faults: Rows
    acts: Rows


def coverage(trials: Iterable[TrialResult], unreachable: Iterable[UnreachableResult] = ()) -> Coverage:
    """Of these trials, and of those that proved nothing and are none of the result. What was planned at turn 3 counts for its point,
    whichever the turn."""
    faults: Rows = {}
    acts: Rows = {}
    for trial in trials:
        decided = {one.guarantee for one in trial.verdicts if one.outcome in (Outcome.HOLDS, Outcome.VIOLATED)}
        for fault in trial.faults:
            rows = acts if fault.act else faults
            point = clip(fault.at.partition(":")[0], _CHARS) or UNTOLD
            tried = rows.setdefault(clip(fault.name, _CHARS), {}).setdefault(point, Tried())
            tried.tried += 1
            tried.proven += fault.proven
            if fault.proven:
                tried.guarantees |= decided
    for one in unreachable:
        row = faults.setdefault(clip(one.fault, _CHARS), {})
        row.setdefault(clip(one.at.partition(":")[0], _CHARS), Tried()).tried += one.times
    met = {point for rows in (faults, acts) for row in rows.values() for point in row}
    return Coverage(
        (*POINTS, *sorted(met.difference(POINTS))), dict(sorted(faults.items())), dict(sorted(acts.items()))
    )
