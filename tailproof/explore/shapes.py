"""The shapes of a script: what the loop does around the turns at which something lands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailproof.explore.faults import POINTS

Turn = dict[str, Any]
_STEP = "head -c 300000 /dev/zero | tr '\\0' x | fold -w 100"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A script with room for so many landings."""

    script: tuple[Turn, ...]
    slots: tuple[int, ...]
    """The turns (from 1) at which something can land, one for each landing."""
    messages: tuple[str, ...] = ("go",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A name, what it looks like with so many landings, and what else a scenario of it says."""

    name: str
    says: str
    turn: Callable[[int], tuple[Turn, ...]]
    """The turns for landing `number` (from 1); the last of them is where it lands."""
    behind: tuple[Turn, ...] = ({"tools": [{}]},)
    """The turns after each landing."""
    runs: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = False
    """Only the plain client can play it."""
    at: tuple[str, ...] = POINTS
    """The names of the points that it has."""
    waits: bool = False
    """Each action waits for a confirmation."""

    def played(self, landings: int) -> Played:
        """The script. In a shape of two runs everything lands in the first one, or between the two."""
        script: list[Turn] = [] if self.waits else [{"tools": [{}]}]
        slots: list[int] = []
        for number in range(1, landings + 1):
            script += self.turn(number)
            slots.append(len(script))
            script += self.behind
        script.append({"finish": "All done."})
        for _ in range(self.runs - 1):
            script += [{"tools": [{}]}, {"finish": "All done, once more."}]
        messages = ("go", *["go on"] * (self.runs - 1))
        return Played(script=tuple(script), slots=tuple(slots), messages=messages)


def _calls(*calls: Turn, **more: Any) -> Callable[[int], tuple[Turn, ...]]:
    return lambda number: ({"tools": [dict(call) for call in calls], **more},)


_RETRIED: Mapping[str, Any] = {"plain": True, "extra": {"model": {"retries": 3}}}
SHAPES: tuple[Shape, ...] = (
    Shape(name="steps", says="one step after the other", turn=_calls({})),
    Shape(name="parallel", says="three tool calls in one turn", turn=_calls({}, {}, {})),
    Shape(name="failing", says="a tool that fails", turn=_calls({"run": "false"})),
    Shape(name="output", says="a tool that writes 300 kB", turn=_calls({"run": _STEP})),
    Shape(name="thinking", says="a model that takes its time", turn=_calls({}, delay_s=1)),
    Shape(name="long", says="eight more steps behind it", turn=_calls({}), behind=({"tools": [{}], "repeat": 8},)),
    Shape(
        name="busy",
        says="a model that is busy once (429)",
        turn=lambda number: ({"status": 429, "retry_after_s": 1, "times": 1}, {"tools": [{}]}),
        **_RETRIED,
    ),
    Shape(
        name="cut-answer",
        says="an answer of the model that breaks off once",
        turn=lambda number: ({"fails": "cut", "times": 1}, {"tools": [{}]}),
        **_RETRIED,
    ),
    Shape(name="two-runs", says="a second message and run", turn=_calls({}), runs=2),
    Shape(
        name="confirmed",
        says="an action that waits for a confirmation",
        turn=_calls({}),
        behind=(),
        plain=True,
        waits=True,
        extra={"confirmation": "always"},
        at=("created", "model-called", "returned"),
    ),
)
