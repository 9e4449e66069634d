"""The order of a trial: which fault is injected and healed at which point of which run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tailproof.scenario.points import Point
from tailproof.scenario.schema import Scenario


@dataclass(frozen=True, slots=True)
class Moment:
    """At `point` of run `run` (from 1; 0 is before the first), inject or heal the fault with this id."""

    point: Point
    run: int
    does: Literal["inject", "heal"]
    fault: str


def last_turns(scenario: Scenario) -> list[int]:
    """For each message the turn of the script (from 1) that ends its run.

    A script with fewer ends than messages lends its last turn to the remaining runs.
    """
    ends = [number for number, turn in enumerate(scenario.script, 1) if turn.ends_run]
    ends = ends or [len(scenario.script)]
    return [ends[min(run, len(ends) - 1)] for run in range(len(scenario.messages))]


def schedule(scenario: Scenario) -> list[Moment]:
    """All moments, in the order in which the loop reaches them; faults of one point keep the order of the file.

    What heals by the clock (`lasts`) has no moment of the loop for it.
    """
    lasts = last_turns(scenario)
    moments = []
    for plan in scenario.faults:
        moments.append(_moment(plan.at, lasts, "inject", plan.id))
        if plan.lasts is None:
            moments.append(_moment(plan.until or "end", lasts, "heal", plan.id))
    return sorted(moments, key=lambda moment: (moment.point.order(lasts), moment.does == "heal"))


def of_run(moments: Sequence[Moment], run: int) -> list[Moment]:
    """The moments that belong to one run."""
    return [moment for moment in moments if moment.run == run]


def _moment(text: str, lasts: Sequence[int], does: Literal["inject", "heal"], fault: str) -> Moment:
    point = Point.parse(text)
    run = {"connected": 0, "created": 0, "end": len(lasts) + 1}.get(point.name)
    return Moment(point, point.run(lasts) if run is None else run, does, fault)
