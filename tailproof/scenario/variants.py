"""The scenarios that tell whether a fault is needed for what was seen: without it, and with it one point earlier and later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tailproof.model.script import Turn
from tailproof.scenario.points import Point
from tailproof.scenario.schedule import last_turns
from tailproof.scenario.schema import FaultPlan, Scenario

AS_IT_WAS = "with the fault"
WITHOUT = "without it"
EARLIER = "one point earlier"
LATER = "one point later"
VARIANT = "--"
"""Stands in the name of a variant and of no scenario of a file: their trials lie side by side."""
_CALLED = {WITHOUT: f"{VARIANT}without", EARLIER: f"{VARIANT}earlier", LATER: f"{VARIANT}later"}
"""What stands behind the name of the scenario."""
_NAME_CHARS = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the scenarios to compare. `where` tells where its faults land: `kill at tool-running:1`."""

    name: str
    where: str
    scenario: Scenario | None
    """None when there is no such scenario; `why` says so in a few words."""
    why: str = ""


def variants(scenario: Scenario) -> tuple[Variant, ...]:
    """The scenario itself and the variants of all its faults together; acts stay where they are. Of a scenario without faults there is
    only itself."""
    if not scenario.faults:
        return (Variant(name=AS_IT_WAS, where="no fault", scenario=scenario),)
    return (
        Variant(name=AS_IT_WAS, where=_where(scenario), scenario=scenario),
        _made(scenario, WITHOUT, []),
        _moved(scenario, EARLIER, -1),
        _moved(scenario, LATER, 1),
    )


def points(scenario: Scenario) -> tuple[Point, ...]:
    """The points that the loop of this scenario has, in the order in which it gets there."""
    if scenario.execution is not None:
        lines = (Point("line", number) for number in range(1, scenario.execution.lines + 1))
        return (Point("created"), Point("accepted"), *lines, Point("end"))
    return tuple(_points(scenario, last_turns(scenario)))


def _points(scenario: Scenario, lasts: Sequence[int]) -> Iterator[Point]:
    yield Point("connected")
    yield Point("created")
    turn = 1
    for run, last in enumerate(lasts, 1):
        of_run = run if run < len(lasts) else 0
        for number in range(turn, last + 1):
            reply = scenario.script[number - 1]
            yield Point("model-called", number) if number < last else Point("final-reply", of_run)
            if reply.tools and number < last:
                yield Point("action-stored", number)
                if reply.gated:
                    yield Point("tool-running", number)
                if reply.child:
                    yield Point("child-at-work", number)
                yield Point("observation-stored", number)
        turn = max(turn, last + 1)
        yield Point("terminal", of_run)
        yield Point("returned", of_run)
    yield Point("end")


def _moved(scenario: Scenario, name: str, by: int) -> Variant:
    lasts = last_turns(scenario)
    faults = []
    for plan in scenario.faults:
        way = _way(scenario, plan.at)
        orders = [point.order(lasts) for point in way]
        passed = [order < plan.at.order(lasts) for order in orders].count(True)
        here = passed < len(orders) and orders[passed] == plan.at.order(lasts)
        to = passed + by if here or by < 0 else passed
        if not 0 <= to < len(way):
            return Variant(name=name, where="", scenario=None, why=f"there is no point beyond {plan.at}")
        if plan.until is not None and orders[to] >= plan.until.order(lasts):
            return Variant(name=name, where="", scenario=None, why=f"there is no point before {plan.until}")
        hold = plan.hold_until if way[to].holds else None
        faults.append(plan.model_copy(update={"at": way[to], "hold_until": hold}))
    return _made(scenario, name, faults)


def _way(scenario: Scenario, at: Point) -> list[Point]:
    """Where what lands at this point could land as well. What needs an agent that stands still needs another line of it."""
    return [point for point in points(scenario) if point.name != "end" and (at.name != "line" or point.name == "line")]


def _made(scenario: Scenario, name: str, faults: list[FaultPlan]) -> Variant:
    called = f"{scenario.name[:_NAME_CHARS]}{_CALLED[name]}"
    made = scenario.model_copy(update={"name": called, "faults": faults})
    made = made.model_copy(update={"script": [_let_go(made, number) for number in range(1, len(made.script) + 1)]})
    return Variant(name=name, where=_where(made), scenario=made)


def _let_go(scenario: Scenario, number: int) -> Turn:
    """The turn; without its gates when nothing is left that would open them."""
    turn, point = scenario.script[number - 1], Point("tool-running", number)
    if not turn.gated or any(point in (plan.at, plan.until) for plan in scenario.landings):
        return turn
    return turn.model_copy(update={"tools": [call.model_copy(update={"gate": False}) for call in turn.tools or ()]})


def _where(scenario: Scenario) -> str:
    return ", ".join(f"{plan.id} at {plan.at}" for plan in scenario.faults)
