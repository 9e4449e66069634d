"""Smaller scenarios that may show the same: what shrinking tries, in its order, and whether it is worth another try."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tailproof.explore.acts import ACTS
from tailproof.explore.faults import FAULTS, OF_A_TURN, Choice
from tailproof.scenario.points import Point
from tailproof.scenario.schedule import last_turns
from tailproof.scenario.schema import Scenario

_OF_A_TURN = re.compile(r"\bturn \d")
MOST_MISSES = 8
SURE = 0.05
"""A candidate is dropped when it would have shown the violation by then, but in one case of twenty."""
SIZES = frozenset(
    {"seconds", "times", "count", "bytes", "behind", "rounds", "turns", "requests", "children", "megabytes", "text"}
    | {"latency", "jitter", "rate", "average_size", "size_variation", "delay", "timeout"}
)
"""Parameters of faults and acts of which less is a smaller fault of the same kind, and what a message says."""
Plan = dict[str, Any]


def lands(plan: Mapping[str, Any]) -> Iterator[Plan]:
    """The faults and acts of a scenario."""
    for key in ("faults", "acts"):
        yield from plan.get(key) or ()


def kind_of(landing: Mapping[str, Any]) -> str:
    """Of a fault or an act."""
    return str(landing.get("fault") or landing.get("act"))


def misses(hits: int, trials: int) -> int:
    """After how many trials without the violation a candidate is dropped, when the original showed it in `hits` of `trials`."""
    if hits >= trials:
        return 1
    return min(MOST_MISSES, math.ceil(math.log(SURE) / math.log(1 - hits / trials)))


def candidates(plan: Mapping[str, Any]) -> Iterator[tuple[str, Plan]]:
    """Each a little smaller, with what was taken away: faults, acts, turns (those behind the last landing first), parallel calls; then
    faults at an earlier point, and parameters in their smallest bucket. All of them can be played."""
    for says, smaller in _all(dict(plan)):
        whole = _sound(smaller)
        if whole is not None and {**whole, "summary": plan["summary"]} != plan:
            yield says, whole


def still_rejected(rejected: Iterable[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """What was rejected of `before` and means the same of `after`, one step smaller. Where turns have gone or something lands elsewhere,
    the number of a turn is that of another one, or another one can be spared."""

    def places(plan: Mapping[str, Any]) -> list[Any]:
        return [len(plan["script"]), *(one.get("at") for one in lands(plan))]

    return {says for says in rejected if places(before) == places(after) or not _OF_A_TURN.search(says)}


def without(plan: Mapping[str, Any], identity: str) -> Plan | None:
    """The plan without the fault or act of that id; None when nothing is left that could be played."""
    kept = {key: [one for one in plan.get(key) or () if one["id"] != identity] for key in ("faults", "acts")}
    return _sound({**plan, **kept})


def _all(plan: Plan) -> Iterator[tuple[str, Plan]]:
    for key in ("faults", "acts"):
        for one in reversed(plan.get(key) or []):
            yield f"without {one['id']}", {**plan, key: [other for other in plan[key] if other is not one]}
    if len(plan.get("messages") or []) > 1:
        yield "one run", _one_run(plan)
    for number in _turns_to_drop(plan):
        yield f"without turn {number}", _without_turn(plan, number)
    for number, turn in enumerate(plan["script"], 1):
        if len(turn.get("tools") or []) > 1:
            yield f"one call in turn {number}", _with_turn(plan, number, {**turn, "tools": turn["tools"][:1]})
        if int(turn.get("repeat") or 1) > 1:
            yield f"turn {number} once", _with_turn(plan, number, {**turn, "repeat": 1})
        if any(call.get("run") for call in turn.get("tools") or ()):
            calls = [{**call, "run": None} for call in turn["tools"]]
            yield f"a plain tool in turn {number}", _with_turn(plan, number, {**turn, "tools": calls})
        if turn.get("delay_s"):
            yield f"no delay in turn {number}", _with_turn(plan, number, {**turn, "delay_s": 0.0})
    for key, choices in (("faults", FAULTS), ("acts", ACTS)):
        for index, one in enumerate(plan.get(key) or []):
            for point in _earlier(plan, one, choices):
                moved = {name: None if name == "hold_until" else value for name, value in one.items()}
                yield f"{one['id']} at {point}", _with(plan, key, index, {**moved, "at": point})
    for key, choices in (("faults", FAULTS), ("acts", ACTS)):
        for index, one in enumerate(plan.get(key) or []):
            if changed := _smallest(one, choices):
                yield f"{one['id']} as small as can be", _with(plan, key, index, changed)


def _sound(plan: Plan) -> Plan | None:
    """The plan with its gates where something lands and nowhere else, if it is a scenario."""
    held = {str(one.get(key)) for one in lands(plan) for key in ("at", "until")}
    script = []
    for number, turn in enumerate(plan["script"], 1):
        calls = turn.get("tools")
        gated = f"tool-running:{number}" in held
        if calls and gated != any(call.get("gate") for call in calls):
            place = len(calls) // 2 if gated else -1
            calls = [{**call, "gate": at == place} for at, call in enumerate(calls)]
        script.append({**turn, "tools": calls} if calls else turn)
    try:
        whole = {**plan, "script": script, "summary": _summary(plan)}
        return Scenario.model_validate(whole).model_dump(mode="json", by_alias=True)
    except ValueError:
        return None


def _summary(plan: Plan) -> str:
    landings = [f"{kind_of(one)} at {one['at']}" for one in lands(plan)]
    return f"Found by an exploration, and made as small as can be: {' and '.join(landings) or 'nothing but the run'}."


def _landed(plan: Plan) -> list[int]:
    points = [Point.parse(str(one[key])) for one in lands(plan) for key in ("at", "until") if one.get(key)]
    return [point.number for point in points if point.of_a_turn]


def _turns_to_drop(plan: Plan) -> Iterator[int]:
    landed = _landed(plan)
    last = max(landed, default=0)
    # A run without an end would be another situation.
    numbers = [number for number, turn in enumerate(plan["script"], 1) if not (turn.get("finish") or turn.get("say"))]
    yield from (number for number in reversed(numbers) if number > last and number not in landed)
    yield from (number for number in numbers if number < last and number not in landed)


def _without_turn(plan: Plan, number: int) -> Plan:
    script = [turn for at, turn in enumerate(plan["script"], 1) if at != number]

    def moved(one: Plan) -> Plan:
        return {**one, **{key: _one_less(one.get(key), number) for key in ("at", "until") if one.get(key)}}

    landings = {key: [moved(one) for one in plan.get(key) or ()] for key in ("faults", "acts")}
    return {**plan, "script": script, **landings}


def _one_less(text: Any, number: int) -> str:
    point = Point.parse(str(text))
    return str(Point(point.name, point.number - 1)) if point.of_a_turn and point.number > number else str(point)


def _one_run(plan: Plan) -> Plan:
    ends = last_turns(Scenario.model_validate(plan))

    def of_last_run(one: Plan) -> Plan:
        return {**one, **{key: str(one[key]).removesuffix(":1") for key in ("at", "until") if _of_a_run(one.get(key))}}

    landings = {key: [of_last_run(one) for one in plan.get(key) or ()] for key in ("faults", "acts")}
    return {**plan, "script": plan["script"][: ends[0]], "messages": plan["messages"][:1], **landings}


def _of_a_run(text: Any) -> bool:
    point = Point.parse(str(text)) if text else None
    return point is not None and not point.of_a_turn and not point.outside_runs


def _earlier(plan: Plan, one: Plan, choices: tuple[Choice, ...]) -> list[str]:
    """The two earliest points at which this kind is drawn, those of a turn in the first one."""
    here = Point.parse(str(one["at"]))
    kind = kind_of(one)
    names = {name for choice in choices if choice.kind == kind for name in choice.at}
    scenario = Scenario.model_validate(plan)
    lasts = last_turns(scenario)
    ways = [Point("created")]
    ways += [Point(name, 1) for name in OF_A_TURN if scenario.script[0].tools]
    return [str(point) for point in ways if point.name in names and point.order(lasts) < here.order(lasts)][:2]


def _smallest(one: Plan, choices: tuple[Choice, ...]) -> Plan | None:
    """The same in the first bucket that differs from it in sizes alone; another bucket may be another thing, and no smaller one."""
    kind, options = kind_of(one), one.get("with") or {}
    same = (
        choice for choice in choices if choice.kind == kind and without_sizes(choice.options) == without_sizes(options)
    )
    first = next(same, None)
    if first is None:
        return None
    # What a message says stays: no two of a trial say the same.
    changed = {**one, "with": {**first.options, **({"text": options["text"]} if "text" in options else {})}}
    if first.ends == "later":
        changed |= {"lasts": first.lasts, "until": None}
    return changed if changed != {**one, "with": dict(options)} else None


def without_sizes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a fault or act, those left out of which less is less of the same."""
    return {
        key: without_sizes(value) if isinstance(value, Mapping) else value
        for key, value in options.items()
        if key not in SIZES and value is not None
    }


def _with_turn(plan: Plan, number: int, turn: Plan) -> Plan:
    return {**plan, "script": [turn if at == number else other for at, other in enumerate(plan["script"], 1)]}


def _with(plan: Plan, key: str, index: int, one: Plan) -> Plan:
    return {**plan, key: [one if at == index else other for at, other in enumerate(plan[key])]}
