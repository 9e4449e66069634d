"""Scenarios for Hypothesis: it draws whole situations as data and shrinks them; whoever uses them plays them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tailproof.explore.cells import Cell, Space
from tailproof.explore.compose import plan_of
from tailproof.explore.faults import FAULTS
from tailproof.explore.packing import MOST, arranged, may_share
from tailproof.explore.shapes import Shape, Turn
from tailproof.scenario.schema import Scenario

_NUMBERS = ("seconds", "count", "times", "bytes", "requests")
"""What of a fault's options is drawn between the smallest and the largest bucket of its kind."""
_OF_ACTS = {
    "bytes": (1, 200_000),
    "times": (2, 5),
    "rounds": (2, 5),
    "count": (2, 4),
    "turns": (1, 3),
    "behind": (1, 3),
}
"""What of an act's options is drawn, from and to; what its bucket has once stays so. More rounds than five are a search for leaks
(`server.leaves-nothing`), for which a run is too short."""
_MOST_BEHIND = 4
_MOST_BYTES = 300_000


def cells(space: Space | None = None) -> st.SearchStrategy[Cell]:
    """One cell of the space, by default of everything there is; shrinks towards a simple script without an act."""
    drawn = space or Space()
    axes = st.tuples(
        st.sampled_from(drawn.shapes),
        st.sampled_from(drawn.acts),
        st.sampled_from(drawn.faults),
        st.sampled_from(drawn.points),
    )
    made = axes.map(lambda one: Cell(one[2].name, one[3], one[0].name, one[1].name))
    return made.filter(lambda cell: not cell.impossible)


@st.composite
def scenarios(draw: st.DrawFn, *, space: Space | None = None, most_faults: int = 1) -> Scenario:
    """A scenario that `tailproof check` could play: a script, acts, and up to `most_faults` faults at their points, with parameters from
    the range of their buckets. `space` is what the target and the client can play."""
    some: tuple[Cell, ...] = (draw(cells(space)),)
    for _ in range(draw(st.integers(0, min(most_faults, MOST) - 1))):
        wider = arranged((*some, draw(cells(space))))
        some = wider if may_share(wider) else some
    plan = plan_of(
        some,
        options=[draw(_options(cell)) for cell in some],
        act_options=[draw(_act_options(cell)) for cell in some],
        given_shape=draw(shapes(some[0].shape_choice)),
    )
    return Scenario.model_validate(plan)


def turns() -> st.SearchStrategy[Turn]:
    """One turn of a script: up to three tools, some of which fail or write much, after a model that took its time or did not."""
    calls = st.one_of(
        st.just(dict[str, Any]()),
        st.just({"run": "false"}),
        st.integers(1, _MOST_BYTES).map(
            lambda number: {"run": f"head -c {number} /dev/zero | tr '\\0' x | fold -w 100"}
        ),
    )
    return st.fixed_dictionaries(
        {"tools": st.lists(calls, min_size=1, max_size=3)}, optional={"delay_s": st.sampled_from([0.5, 1, 2])}
    )


def shapes(shape: Shape) -> st.SearchStrategy[Shape]:
    """The same with more turns behind what lands; shrinks towards none."""
    if shape.waits:
        return st.just(shape)
    more = st.lists(turns(), max_size=_MOST_BEHIND)
    return more.map(lambda drawn: replace(shape, behind=(*shape.behind, *drawn)))


def _act_options(cell: Cell) -> st.SearchStrategy[Mapping[str, Any]]:
    mine = cell.act_choice.options
    drawn = {name: st.integers(*some) for name, some in _OF_ACTS.items() if mine.get(name, 0) > 1}
    return st.fixed_dictionaries({name: drawn.get(name, st.just(value)) for name, value in mine.items()})


def _options(cell: Cell) -> st.SearchStrategy[Mapping[str, Any]]:
    """Those of its bucket, or numbers between the buckets that say the same otherwise."""
    mine = cell.fault_choice.options
    same = [one.options for one in FAULTS if one.kind == cell.fault_choice.kind and _words(one.options) == _words(mine)]
    drawn = {name: _between([one[name] for one in same]) for name in _NUMBERS if name in mine}
    return st.fixed_dictionaries({name: drawn.get(name, st.just(value)) for name, value in mine.items()})


def _words(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is no number to be drawn, and which numbers there are."""
    return {name: None if name in _NUMBERS else value for name, value in options.items()}


def _between(values: Sequence[float]) -> st.SearchStrategy[float]:
    least, most = min(values), max(values)
    if all(isinstance(value, int) for value in values):
        return st.integers(int(least), int(most))
    return st.integers(round(least * 4), round(most * 4)).map(lambda quarters: quarters / 4)
