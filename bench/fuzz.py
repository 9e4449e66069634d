"""Input as bad as chance makes it: files and command lines, each in a process that is measured.

`python -m bench.fuzz [--kind KIND] [--share PERCENT] [--seed SEED] [--apart] [--keep DIR]` plays 300 scenario files and 200 of every
other kind, prints each row that did not end as promised, and what the rows of a kind needed at most. A bad one ends with 64, or with 2
where a record or the machine is at fault; says so in a sentence without what acts in a terminal; needs less than 2 s and 300 MB, the start
of Python and its imports aside; and touches nothing but its `--out`. What chance has left good does not count.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fixtures.fuzz.played import import_all
from fixtures.fuzz.rows import KINDS
from fixtures.fuzz.table import Played, played

REFUSED = {"scenario": 300}
OF_OTHERS = 200
SAYS_CHARS = 200


@dataclass(slots=True)
class Sum:
    """What the rows of a kind came to."""

    kind: str
    codes: Counter[int] = field(default_factory=Counter)
    taken: int = 0
    wrong: int = 0
    seconds: float = 0.0
    slowest: str = ""
    megabytes: float = 0.0

    def add(self, one: Played) -> None:
        """Count a row."""
        self.taken += one.taken
        self.codes[one.ended.code] += not one.taken
        self.wrong += bool(one.wrong)
        if one.ended.seconds > self.seconds:
            self.seconds, self.slowest = one.ended.seconds, one.row.name
        self.megabytes = max(self.megabytes, one.ended.megabytes)

    @property
    def columns(self) -> tuple[str, ...]:
        """For a line of the table."""
        refused = sum(self.codes.values())
        cells = (refused, self.codes[64], self.codes[2], self.taken, self.wrong)
        return (self.kind, *map(str, cells), f"{self.seconds:.1f} ({self.slowest})", f"{self.megabytes:.0f}")


def main() -> int:
    """Play; 0 when every row ended as promised."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--kind", choices=KINDS, help="only these")
    parser.add_argument("--share", type=int, default=100, metavar="PERCENT", help="of the rows")
    parser.add_argument("--seed", default="1")
    parser.add_argument(
        "--apart", action="store_true", help="each row in a Python of its own, which is ten times slower"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="what rows were given that did not end as promised stays here"
    )
    given = parser.parse_args()
    import_all()
    kinds = [given.kind] if given.kind else list(KINDS)
    # No TemporaryDirectory: each row is a fork, and would remove it at its end.
    temporary = Path(tempfile.mkdtemp(prefix="tailproof-fuzz-"))
    try:
        sums = [_sum(kind, given, given.keep or temporary) for kind in kinds]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return 1 if any(one.wrong for one in sums) else 0


def _sum(kind: str, given: argparse.Namespace, place: Path) -> Sum:
    found = Sum(kind)
    refused = max(1, REFUSED.get(kind, OF_OTHERS) * given.share // 100)
    for one in played(kind, refused=refused, seed=given.seed, place=place, apart=given.apart):
        found.add(one)
        if one.wrong:
            last = one.ended.said.rstrip("\n").rpartition("\n")[2]
            print(f"WRONG  {kind}  {one.row.name!a}  {'; '.join(one.wrong)}  {last[:SAYS_CHARS]!a}", flush=True)
            print(f"       {' '.join(one.row.arguments)[:SAYS_CHARS]!a} {one.row.environment!a}"[:400], flush=True)
    print("  ".join(f"{name} {cell}" for name, cell in zip(HEADS, found.columns, strict=True)), flush=True)
    return found


HEADS = ("given", "refused", "with 64", "with 2", "good after all", "wrong", "slowest, s", "most, MB")


if __name__ == "__main__":
    raise SystemExit(main())
