"""Plays every broken server and client, and the reference in the same situations.

    python -m bench.variants [--variants GLOB...] [--since DAY] [-n N]

Keeps the newest line of each in `variants.jsonl` as soon as it has ended. Goes on where it was stopped with `--since` the day
on which it began. `python -m bench.catalogue` writes the lines into docs/variants.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.broken.played import convicted, convictions, play, wrongly  # noqa: E402
from fixtures.broken.situations import scenario  # noqa: E402
from fixtures.broken.table import VARIANTS  # noqa: E402
from fixtures.broken.variant import Variant  # noqa: E402
from tailproof.outgoing.atomic import write_atomically  # noqa: E402
from tailproof.ownership.scratch import workroom  # noqa: E402

SAYS_CHARS = 160
LINES = Path(__file__).resolve().parent / "variants.jsonl"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One variant, or the reference in a situation."""

    name: str
    day: str
    convicted_by: list[str]
    wrong: str
    """What is wrong with that, in a sentence; empty for what is as it should be."""


def kept() -> dict[str, Line]:
    """The newest line of each."""
    if not LINES.exists():
        return {}
    lines = (msgspec.json.decode(line, type=Line) for line in LINES.read_bytes().splitlines())
    return {line.name: line for line in lines}


def main() -> int:
    """Play; 0 when each is convicted by its own guarantee, and the reference of nothing."""
    parser = argparse.ArgumentParser(prog="python -m bench.variants", description=__doc__.partition("\n")[0])
    parser.add_argument("--variants", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument(
        "--since", default="", metavar="DAY", help="leave out what was played on DAY or later and was as it should be"
    )
    parser.add_argument("-n", dest="parallel", type=int, default=2, help="how many at once")
    given = parser.parse_args()
    chosen = [variant for variant in VARIANTS if any(fnmatchcase(variant.name, glob) for glob in given.variants)]
    situations = sorted({variant.scenario for variant in chosen if variant.scenario})
    done = {line.name for line in kept().values() if given.since and line.day >= given.since and not line.wrong}
    wrong = 0
    with workroom() as place, ThreadPoolExecutor(given.parallel) as pool:
        asked = [pool.submit(_played, one, place / one.name) for one in chosen if one.name not in done]
        asked += [
            pool.submit(_honest, name, place / f"honest-{name}")
            for name in situations
            if _reference_in(name) not in done
        ]
        for ended in as_completed(asked):
            line = ended.result()
            _keep(line)
            if line.wrong:
                wrong += 1
                print(f"{line.name}: {line.wrong}", flush=True)
    return 1 if wrong or not chosen else 0


def _keep(line: Line) -> None:
    there_are = {variant.name for variant in VARIANTS} | {_reference_in(variant.scenario) for variant in VARIANTS}
    known = kept() | {line.name: line}
    kept_lines = [known[name] for name in sorted(known.keys() & there_are)]
    write_atomically(LINES, b"".join(msgspec.json.encode(line) + b"\n" for line in kept_lines))


def _played(variant: Variant[Any], place: Path) -> Line:
    try:
        found = convicted(variant, place)
    except Exception as error:  # noqa: BLE001 - the others are played all the same
        return _line(variant.name, [], _failed(error))
    return _line(variant.name, sorted(found), wrongly(variant, found))


def _honest(name: str, place: Path) -> Line:
    try:
        found = sorted(convictions(play(scenario(name, ""), place)))
    except Exception as error:  # noqa: BLE001 - the same
        return _line(_reference_in(name), [], _failed(error))
    return _line(_reference_in(name), found, f"{', '.join(found)} convicts the reference" if found else "")


def _reference_in(scenario: str) -> str:
    return f"reference in {scenario}"


def _failed(error: Exception) -> str:
    return f"the trial failed: {str(error).partition(chr(10))[0][:SAYS_CHARS]}"


def _line(name: str, found: list[str], wrong: str) -> Line:
    return Line(name=name, day=time.strftime("%Y-%m-%d", time.gmtime()), convicted_by=found, wrong=wrong)


if __name__ == "__main__":
    sys.exit(main())
