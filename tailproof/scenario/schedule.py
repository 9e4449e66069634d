"""The order of a trial: which fault is injected and healed at which point of which run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tailproof.history.record import Role
from tailproof.model.conversation import ASIDE
from tailproof.model.script import tokens_of
from tailproof.scenario.points import Point
from tailproof.scenario.schema import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """At `point`, inject or heal the fault with this id; everything that the trial has to know of the point is in it."""

    point: Point
    run: int
    """The run (from 1) in which the loop gets there; 0 before the first one, and one more than there are runs for `end`."""
    does: Literal["inject", "heal"]
    fault: str
    order: tuple[int, int]
    """Sorts moments as the loop reaches them; equal for moments of one point."""
    last_turn: int
    """The turn of the script (from 1) that ends the run."""
    held_turn: int | None
    """The turn (from 0, or `ASIDE`) whose reply the model keeps back to hold the loop here; None when it is not the model that holds it."""
    token: str
    """The token of the tool that stands at its gate here; empty when the point is none of a running tool."""
    child: str
    """The child that is at work here; empty when the point is none of a child."""
    stored: tuple[Role, int] | None
    """Which event, and how many of its role the stream has shown by then; None when the point is none of a stored event."""


def last_turns(scenario: Scenario) -> list[int]:
    """For each message the turn of the script (from 1) that ends its run.

    A script with fewer ends than messages lends its last turn to the remaining runs.
    """
    ends = [number for number, turn in enumerate(scenario.script, 1) if turn.ends_run]
    ends = ends or [len(scenario.script)]
    return [ends[min(run, len(ends) - 1)] for run in range(len(scenario.messages))]


def schedule(scenario: Scenario) -> list[Moment]:
    """All moments, in the order in which the loop reaches them. At one point what landed before it is healed first, so that what lands
    there does so alone; acts come before faults, and each of the two keep the order of the file.

    What heals after a fixed time (`lasts`) has no moment of the loop for it.
    """
    lasts = last_turns(scenario)
    moments = []
    for plan in scenario.landings:
        moments.append(_moment(scenario, plan.at, lasts, "inject", plan.id))
        if plan.lasts is None:
            moments.append(_moment(scenario, plan.until or Point("end"), lasts, "heal", plan.id))
    landed = {moment.fault: moment.order for moment in moments if moment.does == "inject"}
    return sorted(moments, key=lambda moment: (moment.order, _place(moment, landed[moment.fault])))


def _place(moment: Moment, landed: tuple[int, int]) -> int:
    """Among the moments of one point. What lands and is healed there lands first."""
    if moment.does == "inject":
        return 1
    return 0 if landed < moment.order else 2


def of_run(moments: Sequence[Moment], run: int) -> list[Moment]:
    """The moments that belong to one run."""
    return [moment for moment in moments if moment.run == run]


def _moment(
    scenario: Scenario, point: Point, lasts: Sequence[int], does: Literal["inject", "heal"], fault: str
) -> Moment:
    run = {"connected": 0, "created": 0, "end": len(lasts) + 1}.get(point.name)
    last_turn = lasts[point.run(lasts) - 1]
    return Moment(
        point=point,
        run=point.run(lasts) if run is None else run,
        does=does,
        fault=fault,
        order=point.order(lasts),
        last_turn=last_turn,
        held_turn={"condensing": ASIDE, "model-called": point.number - 1, "final-reply": last_turn - 1}.get(point.name),
        token=tokens_of(scenario.script, point.number - 1)[0] if point.name == "tool-running" else "",
        child=scenario.script[point.number - 1].child if point.name == "child-at-work" else "",
        stored=_stored(scenario, point),
    )


def _stored(scenario: Scenario, point: Point) -> tuple[Role, int] | None:
    roles: dict[str, Role] = {"action-stored": "action", "observation-stored": "observation"}
    if point.name not in roles:
        return None
    before = scenario.script[: point.number - 1]
    return roles[point.name], 1 + sum(turn.repeat * len(turn.tools or ()) for turn in before)
