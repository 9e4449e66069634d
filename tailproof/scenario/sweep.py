"""One scenario file that stands for many: `sweep:` gives names to what differs, and `$name` says where it differs.

```yaml
name: kill
sweep:
  at: [created, "model-called:2", "tool-running:2"]
faults: [{id: kill, fault: process.kill, at: $at, with: {scope: default, signal: KILL, restart: in-place}}]
```

expands into `kill-created`, `kill-model-called-2` and `kill-tool-running-2`. The values of several axes are combined, each with each.
An axis is a list of texts, which are labels and values at once, or a mapping of labels to values. `$at` alone is the value, whatever
it is, and `$at.key` one of a mapping's; within a longer text `$at` is the label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip

KEY = "sweep"
_AXIS = re.compile(r"[a-z][a-z_]*")
_LABEL = re.compile(r"[^a-z0-9]+")
MOST = 200
"""Scenarios of one file."""


def expanded(data: Any) -> Iterator[Any]:
    """The scenarios that a document says: itself when nothing is swept.

    Raises ValueError: a sweep that is none, or has more than `MOST` scenarios.
    """
    if not isinstance(data, Mapping) or KEY not in data:
        yield data
        return
    axes = _axes(data[KEY])
    rest = {key: value for key, value in data.items() if key != KEY}
    combined = list(islice(product(*axes.values()), MOST + 1))
    if len(combined) > MOST:
        raise ValueError(f"it expands into more than {MOST} scenarios")
    for chosen in combined:
        labels = dict(zip(axes, (label for label, _ in chosen), strict=True))
        values = dict(zip(axes, (value for _, value in chosen), strict=True))
        said = _said(rest, labels, values)
        said["name"] = "-".join([str(data.get("name")), *(_LABEL.sub("-", label.lower()) for label in labels.values())])
        yield _gated(said)


def _axes(swept: Any) -> dict[str, list[tuple[str, Any]]]:
    if not isinstance(swept, Mapping) or not swept:
        raise ValueError("it is a mapping of names to what they stand for, such as `at: [created, final-reply]`")
    axes = {}
    for name, axis in swept.items():
        if not isinstance(name, str) or not _AXIS.fullmatch(name):
            raise ValueError(f"{clip(repr(name), SAID_CHARS)} is no name of an axis: it has lower-case letters only")
        if isinstance(axis, Mapping) and axis:
            axes[name] = [(str(label), value) for label, value in axis.items()]
        elif isinstance(axis, list) and axis and all(isinstance(one, str | int | float) for one in axis):
            axes[name] = [(str(one), one) for one in axis]
        else:
            raise ValueError(f"{name} is a list of texts or numbers, or a mapping of labels to values")
    return axes


def _said(value: Any, labels: Mapping[str, str], values: Mapping[str, Any]) -> Any:
    """`value` with what stands for each axis."""
    if isinstance(value, Mapping):
        return {key: _said(below, labels, values) for key, below in value.items()}
    if isinstance(value, list):
        return [_said(below, labels, values) for below in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    axis = re.compile(rf"\$({'|'.join(labels)})(?:\.([a-z_]+))?(?![a-z_])")
    if whole := axis.fullmatch(value):
        return _part(values[whole[1]], whole[2], whole[0])
    return axis.sub(
        lambda found: str(_part(values[found[1]], found[2], found[0]) if found[2] else labels[found[1]]), value
    )


def _part(value: Any, key: str | None, said: str) -> Any:
    if key is None:
        return value
    if not isinstance(value, Mapping) or key not in value:
        raise ValueError(f"{said}: not every value of the axis has this key")
    return value[key]


def _gated(data: dict[str, Any]) -> dict[str, Any]:
    """The first tool of a turn waits at its gate where something lands while it runs: a swept point cannot say so by itself."""
    turns = data.get("script")
    landings = [one for key in ("acts", "faults") for one in data.get(key) or () if isinstance(one, Mapping)]
    for point in (str(one.get(key)) for one in landings for key in ("at", "until")):
        number = point.removeprefix("tool-running:")
        if number == point or not number.isdigit() or not isinstance(turns, list) or not 0 < int(number) <= len(turns):
            continue
        turn = turns[int(number) - 1]
        tools = turn.get("tools") if isinstance(turn, dict) else None
        if isinstance(tools, list) and tools and not any(isinstance(tool, dict) and tool.get("gate") for tool in tools):
            tools[0] = {**tools[0], "gate": True} if isinstance(tools[0], dict) else tools[0]
    return data
