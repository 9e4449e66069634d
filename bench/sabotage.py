"""The sabotage matrix: the harness is hurt on purpose, and no gate may open on it, nor anybody be accused.

`python -m bench.sabotage [--cells GLOB]` plays the cells of `fixtures/sabotage` and, for each of their trials, the same one without
sabotage; keeps the newest line of each in `sabotage.jsonl`, and writes docs/sabotage.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from bench.pages import shown, span
from fixtures.sabotage.cell import Cell, Situation
from fixtures.sabotage.stage import Stage
from fixtures.sabotage.table import CELLS
from tailproof.ownership.scratch import workroom

HERE = Path(__file__).resolve().parent
LINES, PAGE = HERE / "sabotage.jsonl", HERE.parent / "docs/sabotage.md"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `sabotage.jsonl`: a cell, or (named after its situation) a control."""

    name: str
    day: str
    gate: str
    says: str = ""
    """What the gate said first; of a cell that could not be played, why."""


def main() -> int:
    """Play; 0 when no cell is open or closed, every control is open, and every cell was played."""
    parser = argparse.ArgumentParser(prog="python -m bench.sabotage", description=__doc__)
    parser.add_argument("--cells", default="*", metavar="GLOB")
    given = parser.parse_args()
    cells = [cell for cell in CELLS if fnmatchcase(cell.name, given.cells)]
    if not cells:
        parser.error(f"no cell matches {given.cells}")
    with workroom() as place:
        stage = Stage(place)
        for cell in cells:
            _keep(_played(stage, cell))
        for cell in {_control(cell.situation): cell for cell in cells}.values():
            _keep(_controlled(stage, cell))
    known = _read()
    PAGE.write_text(_page(known))
    expected = {cell.name: "unknown" for cell in CELLS} | {_control(cell.situation): "open" for cell in CELLS}
    return 1 if any(name not in known or known[name].gate != gate for name, gate in expected.items()) else 0


def _played(stage: Stage, cell: Cell) -> Line:
    missing = cell.cannot()
    if missing:
        return Line(name=cell.name, day=_today(), gate="not played", says=missing)
    gate = stage.played(cell)
    first = (*gate.closed_by, *gate.doubts, "")[0]
    return Line(name=cell.name, day=_today(), gate=gate.state, says=first)


def _controlled(stage: Stage, cell: Cell) -> Line:
    name = _control(cell.situation)
    missing = cell.cannot()
    if missing:
        return Line(name=name, day=_today(), gate="not played", says=missing)
    gate = stage.control(cell.situation)
    return Line(name=name, day=_today(), gate=gate.state, says=(*gate.closed_by, *gate.doubts, "")[0])


def _control(situation: Situation) -> str:
    return f"control: {situation.scenario} {situation.client} {situation.target}"


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _keep(line: Line) -> None:
    with LINES.open("ab") as lines:
        lines.write(msgspec.json.encode(line) + b"\n")
    print(f"{line.gate:10} {line.name:45} {line.says[:100]}", flush=True)


def _read() -> dict[str, Line]:
    """The newest line of each cell and control; others are dropped from the file."""
    every = [msgspec.json.decode(line, type=Line) for line in LINES.read_bytes().splitlines() if line.strip()]
    named = {cell.name for cell in CELLS} | {_control(cell.situation) for cell in CELLS}
    newest = {line.name: line for line in every if line.name in named}
    LINES.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in newest.values()))
    return newest


def _page(known: Mapping[str, Line]) -> str:
    never = Line(name="", day="", gate="not played")
    found = Counter(known.get(cell.name, never).gate for cell in CELLS)
    controls = {_control(cell.situation): known.get(_control(cell.situation), never).gate for cell in CELLS}
    opened = sum(gate == "open" for gate in controls.values())
    days = sorted({line.day for line in known.values()})
    lines = [
        "# Sabotage: what the gate says when the harness itself is hurt",
        "",
        f"Written by `python -m bench.sabotage`, run {span(days)}.",
        "",
        "Each row is a real trial of a correct server, in which one part of the harness was blinded, killed, stopped or made to lie.",
        "The only right answer is `unknown` (exit code 2): an open gate would vouch for something that nobody saw, a closed one would",
        "accuse a correct server. The same trials without sabotage are the control: they open the gate.",
        "",
        f"**{len(CELLS)} cells: {found['unknown']} unknown · {found['open']} open · {found['closed']} closed · "
        f"{found['not played']} not played. {opened} of {len(controls)} controls open.**",
        "",
        "| cell | what was done | scenario | client | target | gate | what the gate said first |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in CELLS:
        line = known.get(cell.name, never)
        plan = cell.situation
        lines.append(
            f"| `{cell.name}` | {cell.done} | {plan.scenario} | {plan.client} | {plan.target} | {line.gate} | {shown(line.says)} |"
        )
    shut = [f"- {name.removeprefix('control: ')}: {gate}" for name, gate in controls.items() if gate != "open"]
    return "\n".join([*lines, *(["", "Controls that were not open:", "", *shut] if shut else []), ""])


if __name__ == "__main__":
    raise SystemExit(main())
