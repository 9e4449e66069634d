"""The hostile servers: each is judged by a check of the command line, which ends in time and in bounded memory and says what it met.

`python -m bench.hostile [--ways GLOB ...] [--every K] [-n N]` plays the rows of `fixtures/hostile`, keeps the newest line of each in
`hostile.jsonl`, and writes docs/hostile.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from bench.pages import shown, span
from fixtures.hostile.played import BEYOND_S, BUDGET_S, MOST_BYTES
from fixtures.hostile.stage import play
from fixtures.hostile.table import WAYS
from fixtures.hostile.way import Closed, Open, Unknown, Way

HERE = Path(__file__).resolve().parent
LINES, PAGE = HERE / "hostile.jsonl", HERE.parent / "docs/hostile.md"
GATES = {0: "open", 1: "closed", 2: "unknown", None: "never ended"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `hostile.jsonl`."""

    name: str
    day: str
    gate: str
    seconds: float = 0.0
    megabytes: int = 0
    says: str = ""
    """What the gate said first."""
    wrong: list[str] = []
    """Sentences about what is not as the row says."""


def main() -> int:
    """Play; 0 when every row went as it says."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    parser.add_argument("--ways", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="each K-th of them only")
    parser.add_argument(
        "-n", type=int, default=4, metavar="N", help="checks side by side: most of their time they wait"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what the checks wrote there")
    given = parser.parse_args()
    ways = [way for way in WAYS if any(fnmatchcase(way.name, glob) for glob in given.ways)][:: max(1, given.every)]
    if not ways:
        parser.error(f"no way matches {' '.join(given.ways)}")
    with tempfile.TemporaryDirectory(prefix="tailproof-hostile-") as aside:
        place = given.keep or Path(aside)
        with ThreadPoolExecutor(given.n) as pool:
            lines = pool.map(lambda way: _played(way, place), ways)
            wrong = [way for way, line in zip(ways, map(_kept, lines), strict=True) if line.wrong]
        # Side by side they are slow now and then: what is wrong is wrong again when it is alone.
        for way in wrong:
            _kept(_played(way, place / "again"))
    known = _read()
    PAGE.write_text(_page(known))
    return 1 if any(way.name not in known or known[way.name].wrong for way in WAYS) else 0


def _played(way: Way, place: Path) -> Line:
    played = play(way, place / way.name)
    return Line(
        name=way.name,
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        gate=GATES.get(played.code, f"exit code {played.code}"),
        seconds=round(played.seconds, 1),
        megabytes=played.peak_bytes >> 20,
        says=played.first,
        wrong=played.wrong(way),
    )


def _kept(line: Line) -> Line:
    with LINES.open("ab") as lines:
        lines.write(msgspec.json.encode(line) + b"\n")
    state = "WRONG" if line.wrong else "ok"
    print(
        f"{state:5} {line.gate:11} {line.seconds:5.1f} s {line.megabytes:4} MB  {line.name:32} {line.says[:100]}",
        flush=True,
    )
    for sentence in line.wrong:
        print(f"      {sentence[:300]}", flush=True)
    return line


def _read() -> dict[str, Line]:
    """The newest line of each row; others are dropped from the file."""
    every = [msgspec.json.decode(line, type=Line) for line in LINES.read_bytes().splitlines() if line.strip()]
    named = {way.name for way in WAYS}
    newest = {line.name: line for line in every if line.name in named}
    LINES.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in newest.values()))
    return newest


def _page(known: Mapping[str, Line]) -> str:
    never = Line(name="", day="", gate="not played")
    gates = Counter(known.get(way.name, never).gate for way in WAYS)
    wrong = [name for name, line in known.items() if line.wrong]
    longest = max((line.seconds for line in known.values()), default=0.0)
    largest = max((line.megabytes for line in known.values()), default=0)
    days = sorted({line.day for line in known.values()})
    return "\n".join(
        [
            "# Hostile servers: what a check says when the server is out to hurt it",
            "",
            f"Written by `python -m bench.hostile`, run {span(days)}.",
            "",
            "Each row is a check from the command line (`check url:... --client plain`) of a server that is correct but for one kind of",
            "answer. Whatever the server does, the check ends no later than 10 s after the scenario's time, its processes together never",
            "take more than 400 MB, and its report names what the server did. The gate is open only if no promise is broken.",
            "",
            f"**{len(WAYS)} ways: {', '.join(f'{number} {gate}' for gate, number in gates.most_common())}; {len(wrong)} not as "
            f"expected. The longest check took {longest:g} s of {BUDGET_S + BEYOND_S:g} s, the largest {largest} MB of "
            f"{MOST_BYTES >> 20} MB.**",
            "",
            "| way | what the server does | expected | gate | s | MB | what the gate said first |",
            "|---|---|---|---|---|---|---|",
            *_rows(known, never),
            "",
        ]
    )


def _rows(known: Mapping[str, Line], never: Line) -> Iterator[str]:
    for way in WAYS:
        line = known.get(way.name, never)
        says = f"not as expected: {'; '.join(line.wrong)}" if line.wrong else line.says
        yield (
            f"| `{way.name}` | {way.does} | {_expected(way)} | {line.gate} | {line.seconds:g} | {line.megabytes} | {shown(says)} |"
        )


def _expected(way: Way) -> str:
    match way.expected:
        case Closed(by):
            return f"closed by `{by}`"
        case Unknown(says):
            return f"unknown: `{says.strip()}`"
        case Open(because):
            return f"open: {because}"


if __name__ == "__main__":
    raise SystemExit(main())
