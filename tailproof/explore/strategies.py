"""Scenarios for Hypothesis: it draws whole situations as data and shrinks them; whoever uses them plays them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tailproof.explore.cells import Cell, Space
from tailproof.explore.compose import plan_of
from tailproof.explore.faults import FAULTS
from tailproof.explore.packing import MOST, arranged, may_share
from tailproof.scenario.schema import Scenario

_NUMBERS = ("seconds", "count", "times", "bytes", "requests")
"""What of a fault's options is drawn between the smallest and the largest bucket of its kind."""


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
    """A scenario that `tailproof check` could play: a script, acts, and up to `most_faults` faults at their points, the parameters of
    the faults drawn from the range of their buckets. `space` is what the target and the client can play."""
    some: tuple[Cell, ...] = (draw(cells(space)),)
    for _ in range(draw(st.integers(0, min(most_faults, MOST) - 1))):
        wider = arranged((*some, draw(cells(space))))
        some = wider if may_share(wider) else some
    options = [draw(_options(cell)) for cell in some]
    return Scenario.model_validate(plan_of(some, options=options))


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
