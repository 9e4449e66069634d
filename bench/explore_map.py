"""Where faults have landed: `python -m bench.explore_map [DIR...]` adds explorations to explored.jsonl, and writes docs/coverage.md.

An exploration is told by its target, client and seed: one that went on replaces what was kept of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tailproof.explore.faults import FAULTS, POINTS
from tailproof.outgoing.atomic import write_atomically
from tailproof.reports import json
from tailproof.reports.page.coverage import coverage
from tailproof.reports.result import Result
from tailproof.runner import out_dir
from tailproof.runner.check import catalogue

HERE = Path(__file__).resolve().parent
LINES, TABLE = HERE / "explored.jsonl", HERE.parent / "docs" / "coverage.md"


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of fault at a point in one exploration."""

    exploration: str
    """Target, client and seed."""
    fault: str
    point: str
    tried: int
    proven: int
    guarantees: tuple[str, ...]


def main() -> int:
    """Write the page anew."""
    parser = argparse.ArgumentParser(prog="python -m bench.explore_map", description=__doc__.partition("\n")[0])
    parser.add_argument("explorations", nargs="*", type=Path, metavar="DIR")
    given = parser.parse_args()
    read = [landed for out in given.explorations for landed in landed_in(json.read(out / out_dir.RESULT))]
    anew = {one.exploration for one in read}
    lines = [one for one in kept() if one.exploration not in anew] + read
    write_atomically(LINES, b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    write_atomically(TABLE, page(lines).encode())
    return 0


def kept() -> list[Landed]:
    """What was kept of earlier ones."""
    return (
        [msgspec.json.decode(line, type=Landed) for line in LINES.read_bytes().splitlines()] if LINES.exists() else []
    )


def landed_in(result: Result) -> Iterator[Landed]:
    """What the page of an exploration shows, as lines."""
    for fault, row in coverage(result.trials, result.unreachable).faults.items():
        for point, one in row.items():
            yield Landed(
                exploration=f"{result.target} with {result.client}, seed {result.seed}",
                fault=fault,
                point=point,
                tried=one.tried,
                proven=one.proven,
                guarantees=tuple(sorted(one.guarantees)),
            )


def page(lines: Sequence[Landed]) -> str:
    """Kinds of faults by points: what the catalogue plans and what explorations have proven."""
    drawn = {choice.kind for choice in FAULTS}
    planned = {(plan.kind, plan.at.name) for scenario in catalogue() for plan in scenario.faults if plan.kind in drawn}
    text = [
        "# Where faults have landed",
        "",
        "Written by `python -m bench.explore_map` from the scenarios of the catalogue and `bench/explored.jsonl`. **S**: a scenario of the",
        "catalogue puts it there. `n/m`: explorations proved it n times of the m that they tried; `·g`: g guarantees were decided then. An",
        "empty cell was never tried by anybody: a blind spot, or a place where this kind is not drawn (`tailproof/explore/faults.py`).",
        "",
        *(f"- {name}" for name in dict.fromkeys(one.exploration for one in lines)),
        "",
        f"| fault | {' | '.join(POINTS)} |",
        f"|---|{'---|' * len(POINTS)}",
    ]
    for kind in sorted(drawn):
        cells = [_cell(lines, kind, point, planned=(kind, point) in planned) for point in POINTS]
        text.append(f"| `{kind}` | {' | '.join(cells)} |")
    filled = {(one.fault, one.point) for one in lines if one.proven} - planned
    text += ["", f"{len(filled)} places that no scenario of the catalogue reaches were proven by explorations.", ""]
    return "\n".join(text)


def _cell(lines: Sequence[Landed], kind: str, point: str, *, planned: bool) -> str:
    here = [one for one in lines if (one.fault, one.point) == (kind, point)]
    said = ["**S**"] if planned else []
    if here:
        guarantees = {name for one in here for name in one.guarantees}
        said.append(f"{sum(one.proven for one in here)}/{sum(one.tried for one in here)}")
        said += [f"·{len(guarantees)}"] if guarantees else []
    return " ".join(said)


if __name__ == "__main__":
    raise SystemExit(main())
