"""From cells to a scenario: an ordinary one, which `tailproof check --scenario FILE` plays as well."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from tailproof.explore.acts import ANSWERS, NOTHING
from tailproof.explore.cells import Cell
from tailproof.explore.faults import HELD, OF_A_TURN, Choice
from tailproof.explore.shapes import Shape, Turn
from tailproof.scenario.schema import Family, Scenario

SECONDS = 240.0
"""The budget of a trial."""
STARTS_AGAIN_S = 180.0
"""What comes on top when the server has to start again."""
_OF_A_RUN = ("final-reply", "terminal", "returned")
_FAMILIES: Mapping[str, Family] = {
    "wire": "stream",
    "network": "stream",
    "process": "crash",
    "disk": "disk",
    "clock": "clock",
    "memory": "memory",
    "hooks": "hooks",
}
_UNSAFE = re.compile(r"[^a-z0-9]+")
_NAME_CHARS = 60


def composed(cells: Sequence[Cell]) -> Scenario:
    """The scenario of one cell, or of several that share a trial (`packing`): all have one shape, and each lands at a turn of its own,
    in the order given."""
    return Scenario.model_validate(plan_of(cells))


def plan_of(
    cells: Sequence[Cell],
    *,
    options: Sequence[Mapping[str, Any]] = (),
    act_options: Sequence[Mapping[str, Any]] = (),
    given_shape: Shape | None = None,
) -> dict[str, Any]:
    """The same as data. `options` are those of the faults, and `act_options` those of the acts, cell by cell, where they are others than
    their buckets say; `given_shape` is theirs with other turns."""
    shape = given_shape or cells[0].shape_choice
    script = shape.played(len(cells))
    turns = [_turn(turn) for turn in script.script]
    points = [_point(cell.point, slot, shape) for cell, slot in zip(cells, script.slots, strict=True)]
    for cell, slot in zip(cells, script.slots, strict=True):
        if cell.point == "tool-running":
            _gate(turns[slot - 1])
    given = options or [cell.fault_choice.options for cell in cells]
    faults = [fault for number, said in enumerate(given) for fault in _faults(number, points, cells, said)]
    acts = [
        _act(cell.act_choice, number, point, said)
        for number, (cell, point, said) in enumerate(
            zip(cells, points, act_options or [cell.act_choice.options for cell in cells], strict=True), 1
        )
        if cell.act != NOTHING.name
    ]
    drawn = repr((options, act_options, shape.name, shape.behind)) if options or act_options or given_shape else ""
    plan: dict[str, Any] = {
        "name": name_of(cells, drawn),
        "family": _FAMILIES[cells[0].fault_choice.kind.partition(".")[0]],
        "summary": _summary(cells, points, shape),
        "tier": "deep",
        **({"client": "plain"} if any(cell.plain for cell in cells) else {}),
        **shape.extra,
        "script": turns,
        "messages": list(script.messages),
        "acts": acts,
        "faults": faults,
        "seconds": SECONDS + STARTS_AGAIN_S * any(not cell.fault_choice.of_the_path for cell in cells),
    }
    server = {key: value for cell in cells for key, value in cell.fault_choice.server.items()}
    returns = max(cell.fault_choice.returns for cell in cells)
    if server:
        plan["server"] = server
    if returns:
        plan["parameters"] = {"loop.returns": returns}
    return {key: value for key, value in plan.items() if value != []}


def name_of(cells: Sequence[Cell], drawn: str = "") -> str:
    """`wire-delay-tool-running-4f1c9a`: what lands first and where, and what tells it from all others; `drawn` is what was drawn besides
    the cells."""
    digest = hashlib.sha256(("; ".join(map(str, cells)) + drawn).encode()).hexdigest()[:6]
    first = _UNSAFE.sub("-", f"{cells[0].fault_choice.kind} {cells[0].point}").strip("-")
    more = f"-and-{len(cells) - 1}-more" if len(cells) > 1 else ""
    return f"{first[:_NAME_CHARS]}{more}-{digest}"


def as_yaml(plan: Mapping[str, Any]) -> str:
    """The text of a scenario file."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(dict(plan), text)
    return text.getvalue()


def _point(name: str, slot: int, shape: Shape) -> str:
    if name in OF_A_TURN:
        return f"{name}:{slot}"
    if name in _OF_A_RUN and shape.runs > 1:
        return f"{name}:1"
    return name


def _turn(turn: Turn) -> Turn:
    return {**turn, **({"tools": [dict(call) for call in turn["tools"]]} if "tools" in turn else {})}


def _gate(turn: Turn) -> None:
    """The tool in the middle waits: of several, one has ended and one has not begun."""
    turn["tools"][len(turn["tools"]) // 2]["gate"] = True


def _faults(
    number: int, points: Sequence[str], cells: Sequence[Cell], options: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    choice, at, later = cells[number].fault_choice, points[number], points[number + 1 :]
    # Those that share a trial take turns: what is on when the next one lands could hide it.
    returned = later[0] if later and choice.of_the_path else "returned"
    said: dict[str, Any] = {"id": f"fault-{number + 1}", "fault": choice.kind, "at": at}
    if choice.reconnects and cells[number].point in HELD:
        said |= {"until": at, "hold_until": "reconnected"}
    elif choice.ends == "later":
        said["lasts"] = choice.lasts
    elif choice.ends == "returned":
        said["until"] = returned
    if options:
        said["with"] = dict(options)
    yield said
    if choice.companion:
        yield {"id": f"beside-{number + 1}", "at": at, **choice.companion, "until": returned}


def _act(choice: Choice, number: int, point: str, options: Mapping[str, Any]) -> dict[str, Any]:
    at = "returned" if choice.kind in ANSWERS else point
    said: dict[str, Any] = {"id": f"act-{number}", "act": choice.kind, "at": at}
    if options:
        said["with"] = dict(options)
    if "text" in options:
        # No two messages of a trial say the same: nobody could tell which of them was heard.
        said["with"]["text"] = f"{options['text']} ({number})"
    return said


def _summary(cells: Sequence[Cell], points: Sequence[str], shape: Shape) -> str:
    landings = " and ".join(
        f"{cell.fault} at {point}{'' if cell.act == NOTHING.name else f' with {cell.act}'}"
        for cell, point in zip(cells, points, strict=True)
    )
    return f"Drawn by an exploration: {landings}; {shape.says}."
