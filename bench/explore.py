"""How soon an exploration convicts: the order of cells measured on broken variants, and docs/explore-measured.md.

    python -m bench.explore                     replay the policies on the recorded table, and write the page
    python -m bench.explore record [--cells N]  record what each cell shows of each variant (explore.jsonl)
    python -m bench.explore masking [--packs N] do faults that share a trial hide each other? (explore_live.jsonl)
    python -m bench.explore live [--seeds N]    the chosen order against a random one, on variants that are not in the table
    python -m bench.explore shrink [--seeds N]  how small findings become, on the same variants (explore_shrink.jsonl)
    python -m bench.explore control             is anybody accused who is honest? (explore_control.jsonl)

All of them append a line per trial as it ends, and go on where they were stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from bench.explore_control import control
from bench.explore_live import live, masking
from bench.explore_page import TABLE, page
from bench.explore_replay import table_of
from bench.explore_shrink import shrink
from bench.explore_table import HONEST, LINES, TUNING, lines, meets, recorded, some_cells

SEED = 14


def main() -> int:
    """Do what was asked for; 0 when it was done."""
    parser = argparse.ArgumentParser(prog="python -m bench.explore", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "what", nargs="?", choices=["replay", "record", "masking", "live", "shrink", "control"], default="replay"
    )
    parser.add_argument("--cells", type=int, default=48, help="how many cells are recorded")
    parser.add_argument("--packs", type=int, default=30, help="how many packs are played")
    parser.add_argument("--seeds", type=int, default=2, help="how often each variant is explored, live by each order")
    parser.add_argument("--trials", type=int, default=60, help="the most trials of an exploration")
    parser.add_argument("--target", default="pypi:newest", help="the release of the control")
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("-n", dest="parallel", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("tailproof-results/bench-explore"))
    given = parser.parse_args()
    if given.what == "record":
        _record(given.cells, given.out.resolve(), given.parallel)
    elif given.what == "masking":
        masking(given.packs, given.out.resolve(), given.parallel)
    elif given.what == "live":
        live(given.seeds, given.trials, given.out.resolve(), given.parallel)
    elif given.what == "shrink":
        shrink(given.seeds, given.trials, given.out.resolve(), given.parallel)
    elif given.what == "control":
        control(given.target, given.trials, given.out.resolve(), given.parallel)
    TABLE.write_text(page(table_of(lines()), given.replays))
    return 0


def _record(number: int, out: Path, parallel: int) -> None:
    """Cell by cell, so that whatever is there is a whole table."""
    known = {(line.variant, line.cells) for line in lines() if not line.error}
    there_are = list(table_of(lines()).cells)
    more = [cell for cell in some_cells(4 * number, SEED) if cell not in there_are]
    wanted = [
        (variant, (cell,))
        for cell in (there_are + more)[:number]
        for variant in (HONEST, *TUNING)
        if (variant, (str(cell),)) not in known and meets(variant, cell)
    ]
    with LINES.open("ab") as file:
        for line in recorded(wanted, out, parallel=parallel):
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            print(
                f"{line.variant or 'honest':28} {'; '.join(line.cells)}  {', '.join(line.violated)} {line.error}",
                flush=True,
            )


if __name__ == "__main__":
    raise SystemExit(main())
