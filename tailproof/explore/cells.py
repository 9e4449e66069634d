"""The space that is explored: cells of a fault, a point, a script's shape and an act."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal

from tailproof.explore.acts import ACTS, ANSWERS, NOTHING
from tailproof.explore.faults import FAULTS, POINTS, Choice
from tailproof.explore.shapes import SHAPES, Shape

Axis = Literal["fault", "point", "shape", "act"]
AXES: tuple[Axis, ...] = ("fault", "point", "shape", "act")
Value = tuple[str, str]
"""An axis and the name of one of its values."""

_FAULTS = {choice.name: choice for choice in FAULTS}
_ACTS = {choice.name: choice for choice in ACTS}
_SHAPES = {shape.name: shape for shape in SHAPES}
_TABLES: Mapping[str, Mapping[str, object]] = {"shape": _SHAPES, "act": _ACTS, "fault": _FAULTS}
"""By axis, in the order in which it is told what cannot be played."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One situation: the names of what is drawn on each axis."""

    fault: str
    point: str
    shape: str
    act: str = NOTHING.name

    @classmethod
    def read(cls, text: str) -> Cell:
        """`wire.delay/2s at tool-running, steps, user.message/run`. Raises ValueError."""
        fault, _, rest = text.partition(" at ")
        cell = cls(fault, *rest.split(", "))
        if why := cell.impossible:
            raise ValueError(f"{text}: {why}")
        return cell

    def __str__(self) -> str:
        return f"{self.fault} at {self.point}, {self.shape}, {self.act}"

    @property
    def fault_choice(self) -> Choice:
        return _FAULTS[self.fault]

    @property
    def act_choice(self) -> Choice:
        return _ACTS[self.act]

    @property
    def shape_choice(self) -> Shape:
        return _SHAPES[self.shape]

    @property
    def plain(self) -> bool:
        """Only the plain client can play it."""
        return self.fault_choice.plain or self.act_choice.plain or self.shape_choice.plain

    @property
    def values(self) -> tuple[Value, ...]:
        """What it has on each axis."""
        return ("fault", self.fault), ("point", self.point), ("shape", self.shape), ("act", self.act)

    @property
    def pairs(self) -> tuple[tuple[Value, Value], ...]:
        """Each two of its values."""
        return tuple(combinations(self.values, 2))

    @property
    def impossible(self) -> str:
        """Why there is no such situation, whoever plays it; empty when there is."""
        for axis, table in _TABLES.items():
            if getattr(self, axis) not in table:
                return f"there is no {axis} {getattr(self, axis)}"
        fault, shape, act = self.fault_choice, self.shape_choice, self.act_choice
        if self.point not in fault.at:
            return f"{fault.name} does not land at {self.point}"
        if self.point not in shape.at:
            return f"the shape {shape.name} has no {self.point}"
        if self.point not in act.at and act.kind not in ANSWERS:
            return f"{act.name} does not land at {self.point}"
        if (act.kind in ANSWERS) != shape.waits:
            return "an answer needs an action that waits for it, and such an action an answer"
        return self._out_of_order(fault, shape, act)

    def _out_of_order(self, fault: Choice, shape: Shape, act: Choice) -> str:
        if fault.kind == "disk.damage" and shape.runs < 2:
            return "what was damaged between two runs shows in the second one"
        if fault.repaired and self.plain:
            return f"the plain client never asks for what {fault.name} is about"
        if fault.of_the_path and self.point == "returned" and shape.runs < 2:
            return "nothing passes the path behind the last run"
        if act.ends_run and (shape.runs > 1 or self.point in ("terminal", "returned")):
            return f"{act.name} ends what is to go on"
        return ""


@dataclass(frozen=True, slots=True)
class Space:
    """The cells that one target and client can play, and what they cannot."""

    faults: tuple[Choice, ...] = FAULTS
    acts: tuple[Choice, ...] = ACTS
    shapes: tuple[Shape, ...] = SHAPES
    points: tuple[str, ...] = POINTS
    missing: Mapping[str, str] = field(default_factory=dict)
    """Name of a fault, an act or a shape -> why it cannot be played."""

    @classmethod
    def playable(cls, cannot: Callable[[Cell], str]) -> Space:
        """What of everything can be played. `cannot` says why a cell cannot be, from target, client and adapter; each value is asked
        for in the first cell that has it and nothing else to refuse it."""
        missing: dict[str, str] = {}
        for axis in _TABLES:
            for name in _TABLES[axis]:
                cell = next(
                    (one for one in _with(axis, name) if not any(word in missing for _, word in one.values)), None
                )
                if cell is not None and (why := cannot(cell)):
                    missing[name] = why
        return cls(
            faults=tuple(one for one in FAULTS if one.name not in missing),
            acts=tuple(one for one in ACTS if one.name not in missing),
            shapes=tuple(one for one in SHAPES if one.name not in missing),
            missing=missing,
        )

    def __iter__(self) -> Iterator[Cell]:
        """Every cell, simple ones first."""
        for shape in self.shapes:
            for act in self.acts:
                for fault in self.faults:
                    for point in self.points:
                        cell = Cell(fault.name, point, shape.name, act.name)
                        if not cell.impossible:
                            yield cell

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of faults and acts that are in it."""
        return tuple(dict.fromkeys(choice.kind for choice in (*self.faults, *self.acts) if choice is not NOTHING))


def _with(axis: str, name: str) -> Iterator[Cell]:
    """Every cell with this value, those without an act and with simple scripts first."""
    shapes, acts, faults = ([name] if axis == one else list(table) for one, table in _TABLES.items())
    for shape, act, fault, point in product(shapes, acts, faults, POINTS):
        cell = Cell(fault, point, shape, act)
        if not cell.impossible:
            yield cell
