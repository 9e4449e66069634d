"""Plays every broken executor in its situation, and the right one in the same: `python -m bench.executors [--variants GLOB...] [--trials K]
[-n N] [--out DIR]`. Needs a Kubernetes cluster.

Appends a line for each trial to `executors.jsonl`, the newest K of each are kept, and writes docs/executors.md from them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.executor.variants import INCIDENT, VARIANTS  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE, judge  # noqa: E402
from tailproof.guarantees.executions.view import attachments, deaths, executions  # noqa: E402
from tailproof.guarantees.verdict import Outcome  # noqa: E402
from tailproof.history.reader import History  # noqa: E402
from tailproof.outgoing.atomic import write_atomically  # noqa: E402
from tailproof.ownership.scratch import workroom  # noqa: E402
from tailproof.runner.check import catalogue  # noqa: E402
from tailproof.trial.order import Order  # noqa: E402
from tailproof.trial.play import trial_of  # noqa: E402

LINES = Path(__file__).resolve().with_suffix(".jsonl")
PAGE = ROOT / "docs" / "executors.md"
BEGIN, END = "<!-- the table: python -m bench.executors -->", "<!-- end of the table -->"
RIGHT = ""
SAYS_CHARS = 160


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One trial."""

    variant: str
    """Empty for the right one."""
    scenario: str
    day: str
    convicted_by: list[str]
    attachments: int = 0
    took_s: float = -1.0
    """From the agent's death, as the cluster told it, to the terminal event; -1 where it did not die, or none came."""
    exit_code: int = -1
    reason: str = ""
    oom_kills: int = 0
    """What the kernel of the node counted."""
    undecided: list[str] = []
    error: str = ""


def kept() -> list[Line]:
    """All lines, the oldest first."""
    if not LINES.exists():
        return []
    return [msgspec.json.decode(line, type=Line) for line in LINES.read_bytes().splitlines()]


def main() -> int:
    """Play; 0 when each is convicted as it should be in every trial, and the right one of nothing."""
    parser = argparse.ArgumentParser(prog="python -m bench.executors", description=__doc__)
    parser.add_argument("--variants", nargs="+", default=["*"], metavar="GLOB")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("-n", dest="parallel", type=int, default=2, help="how many at once")
    parser.add_argument(
        "--out", type=Path, help="where the histories of trials that are not as they should be are kept"
    )
    given = parser.parse_args()
    chosen = [one for one in VARIANTS if any(fnmatchcase(one.name, glob) for glob in given.variants)]
    cells = [(one.name, one.scenario) for one in chosen]
    cells += [(RIGHT, scenario) for scenario in dict.fromkeys(one.scenario for one in chosen)]
    with workroom() as place, ThreadPoolExecutor(given.parallel) as pool:
        lines = list(
            pool.map(
                lambda cell: _line(*cell[1], place / str(cell[0]), given.out),
                enumerate(cell for _ in range(given.trials) for cell in cells),
            )
        )
    newest = _newest([*kept(), *lines], most=max(given.trials, 5))
    write_atomically(LINES, b"".join(msgspec.json.encode(line) + b"\n" for line in newest))
    write_page(newest)
    wrong = [(line, why) for line in lines if (why := wrongly(line))]
    for line, why in wrong:
        print(f"{line.variant or 'the right one'} in {line.scenario}: {why}")
    return 1 if wrong or not chosen else 0


def wrongly(line: Line) -> str:
    """What is wrong with a trial, in a sentence; empty when it is as it should be."""
    found = set(line.convicted_by)
    if line.error:
        return line.error
    if not line.variant:
        undecided = f"{', '.join(line.undecided)} cannot tell" if line.undecided else ""
        return f"{', '.join(sorted(found))} convicts the right one" if found else undecided
    row = next(one for one in VARIANTS if one.name == line.variant)
    must = {row.convicted_by, *row.also_breaks}
    if found != must:
        return f"convicted by {', '.join(sorted(found)) or 'nobody'}, and not by {', '.join(sorted(must))}"
    return ""


def played(variant: str, scenario: str, place: Path) -> History:
    """One trial of a variant, or of the right one, in a scenario. Raises what a trial raises."""
    plan = catalogue([scenario])[0].model_dump(mode="json", by_alias=True)
    target = f"executor:reference:{variant}" if variant else "executor:reference"
    order = Order(scenario=plan, target=target, client="plain", seed=1, out=str(place))
    trial_of(order, cancel=threading.Event(), tell=lambda phase, detail: None).run()
    return History.load(order.directory)


def _line(variant: str, scenario: str, place: Path, kept_in: Path | None) -> Line:
    try:
        line = line_of(played(variant, scenario, place), variant, scenario)
        if kept_in is not None and wrongly(line):
            shutil.copytree(place, kept_in / f"{variant or 'right'}-{place.name}")
        return line
    except Exception as error:  # noqa: BLE001 - the others are played all the same
        says = f"the trial failed: {str(error).partition(chr(10))[0][:SAYS_CHARS]}"
        return Line(variant=variant, scenario=scenario, day=_today(), convicted_by=[], error=says)


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def line_of(history: History, variant: str, scenario: str) -> Line:
    """What a trial showed."""
    found = judge(history, [name for name, one in CATALOGUE.items() if one.of_executors])
    execution = executions(history)[0]
    died = deaths(history, execution)
    end = next((status for status in execution.statuses if status is execution.ended), None)
    kills = [int(one.value) for one in history.counters if one.name.endswith("/agent.memory.oom_kill")]
    return Line(
        variant=variant,
        scenario=scenario,
        day=_today(),
        convicted_by=sorted(name for name, verdict in found.items() if verdict.outcome is Outcome.VIOLATED),
        undecided=sorted(name for name, verdict in found.items() if verdict.outcome is Outcome.INCONCLUSIVE),
        attachments=len(attachments(history)),
        took_s=round((end.t_ns - died[0].t_ns) / 1e9, 2) if died and end else -1.0,
        exit_code=-1 if not died or died[0].exit_code is None else died[0].exit_code,
        reason=died[0].reason if died else "",
        oom_kills=max(kills, default=0),
    )


def _newest(lines: Sequence[Line], *, most: int) -> list[Line]:
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        found.setdefault((line.variant, line.scenario), []).append(line)
    there_are = {(one.name, one.scenario) for one in VARIANTS} | {(RIGHT, one.scenario) for one in VARIANTS}
    return [line for cell in sorted(found.keys() & there_are) for line in found[cell][-most:]]


def write_page(lines: Sequence[Line]) -> None:
    """Put the table in its place on the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    rows = "\n".join(table(lines))
    write_atomically(PAGE, f"{before}{BEGIN}\n\n{rows}\n\n{END}{behind}".encode())


def table(lines: Sequence[Line]) -> Iterable[str]:
    """The table of the page, line by line."""
    yield "| executor | what is wrong with it | scenario | convicted by | trials | attachments | death to end (s) | the agent's end |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in VARIANTS:
        mine = [line for line in lines if (line.variant, line.scenario) == (row.name, row.scenario)]
        right = [line for line in lines if (line.variant, line.scenario) == (RIGHT, row.scenario)]
        if mine:
            must = INCIDENT if row.also_breaks else (row.convicted_by,)
            by = ", ".join(f"`{name}`" for name in must)
            yield f"| `{row.name}` | {row.defect} | `{row.scenario}` | {by} | {_rate(mine)} | {_figures(mine)} |"
        if right:
            yield f"| right | | `{row.scenario}` | nobody | {_rate(right)} | {_figures(right)} |"


def _rate(lines: Sequence[Line]) -> str:
    convicted = sum(bool(line.convicted_by) and not wrongly(line) for line in lines)
    return f"{convicted} of {len(lines)}"


def _figures(lines: Sequence[Line]) -> str:
    many = sorted(line.attachments for line in lines)
    took = sorted(line.took_s for line in lines if line.took_s >= 0)
    ends = sorted(
        {
            f"{line.reason} {line.exit_code}" + (f", {line.oom_kills} counted" if line.oom_kills else "")
            for line in lines
            if line.exit_code >= 0
        }
    )
    return f"{_span(many)} | {_span(took)} | {'; '.join(ends)}"


def _span(numbers: Sequence[float]) -> str:
    if not numbers:
        return ""
    return f"{numbers[0]:g}" if numbers[0] == numbers[-1] else f"{numbers[0]:g} to {numbers[-1]:g}"


if __name__ == "__main__":
    sys.exit(main())
