"""The table of real bugs: how often the bad release is convicted, and the good one is not.

`python -m bench.bugs [--rows GLOB] [--trials 10] [-n 2]` runs the trials that `bugs.jsonl` does not hold yet, appends one line
per trial as it ends, and writes BUGS.md. Stopped at any point, the next call goes on where it stopped.

`--keep` packs the history of the newest trial of each row and side in which all went as its row says into `tests/histories`, where
a test judges it again with every later version of the guarantees; with `--afresh` trials are run whatever `bugs.jsonl` holds, and
nothing is appended to it.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict

from bench.trials import played
from tailproof.clients.spec import prepare
from tailproof.guarantees.verdict import Outcome
from tailproof.reports.result import TrialResult
from tailproof.runner.check import catalogue, check_plan
from tailproof.scenario.load import load_scenarios
from tailproof.trial.order import Order
from tailproof.waiting import Budget
from tailproof.yamlfile import load

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ROWS, LINES, TABLE = HERE / "bugs.yaml", HERE / "bugs.jsonl", ROOT / "BUGS.md"
KEPT = ROOT / "tests" / "histories"
PREPARE_S = 1800.0
Side = Literal["bad", "good"]
SIDES: tuple[Side, Side] = ("bad", "good")


class Pair(BaseModel):
    """Who meets whom. A bug of a server is shown with one client, one of a client with one server or with that of its release;
    the file of a `script:` is named from the root of the repository."""

    model_config = ConfigDict(extra="forbid")
    target: str
    client: str


class Row(BaseModel):
    """One bug: what convicts the bad pair must not convict the good one."""

    model_config = ConfigDict(extra="forbid")
    id: str
    saw: str
    link: str
    scenario: str
    """One of the catalogue, or a file named from the root of the repository."""
    guarantees: list[str]
    signature: str = ""
    """The way in which they are broken, where the good release breaks them in another one."""
    bad: Pair
    good: Pair | None = None
    """None while no release has mended it."""
    note: str = ""

    def outcome(self, outcome: Outcome, signature: str) -> Outcome:
        """What a verdict means for this row: broken in another way is not this bug."""
        another = outcome is Outcome.VIOLATED and self.signature not in ("", signature)
        return Outcome.HOLDS if another else outcome


class Rows(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")
    rows: list[Row]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `bugs.jsonl`. `outcomes` holds the named guarantees, `others` what else was violated (with signature)."""

    row: str
    side: Side
    target: str
    client: str
    scenario: str
    seed: int
    day: str
    seconds: float
    outcomes: dict[str, str]
    signatures: dict[str, str] = {}
    others: dict[str, str] = {}
    error: str = ""


def main() -> int:
    """Run what is missing; 0 when every row is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m bench.bugs", description=__doc__)
    parser.add_argument("--rows", default="*", metavar="GLOB")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("-n", dest="parallel", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("tailproof-results/bugs"), help="where histories are kept")
    parser.add_argument("--afresh", action="store_true", help="run all trials anew, and append nothing")
    parser.add_argument("--keep", action="store_true", help="pack one history of each row and side for the tests")
    given = parser.parse_args()
    rows = [row for row in load(ROWS, Rows).rows if fnmatchcase(row.id, given.rows)]
    if not rows:
        parser.error(f"no row of {ROWS.name} matches {given.rows}")
    known = {(trial.row, trial.side, trial.seed) for trial in _read() if not trial.error}
    wanted = [
        (row, side, seed)
        for row in rows
        for seed in range(1, given.trials + 1)
        for side in SIDES
        if (side == "bad" or row.good) and (given.afresh or (row.id, side, seed) not in known)
    ]
    if wanted:
        out = given.out.resolve()
        os.chdir(ROOT)
        prepare({_pair_of(row, side).client for row, side, _ in wanted}, Budget(PREPARE_S))
        ran = _run(wanted, given.parallel, out, append=not given.afresh, keep=given.keep)
    if given.afresh:
        ran = [trial for trial in ran if not trial.error]
        return 0 if ran and all(_as_it_should_be(row, ran) for row in rows) else 1
    trials = [trial for trial in _read() if not trial.error]
    TABLE.write_text(_table(load(ROWS, Rows).rows, trials))
    print(TABLE.read_text())
    return 0 if all(_as_it_should_be(row, trials) for row in rows) else 1


def _run(wanted: list[tuple[Row, Side, int]], parallel: int, out: Path, *, append: bool, keep: bool) -> list[Trial]:
    ran = []
    scenarios = {scenario.name: scenario for scenario in catalogue()}
    for row, _, _ in wanted:
        if row.scenario.endswith(".yaml"):
            scenarios[row.scenario] = load_scenarios(Path(row.scenario), check_plan)[0]
    orders = [
        Order(
            scenario=scenarios[row.scenario].model_dump(mode="json", by_alias=True),
            target=_pair_of(row, side).target,
            client=_pair_of(row, side).client,
            seed=seed,
            out=str(out / row.id / side / str(seed)),
        )
        for row, side, seed in wanted
    ]
    ended = played(orders, parallel=parallel, log=out / "supervisor.log")
    for (row, side, seed), (order, done, judged) in zip(wanted, ended, strict=True):
        trial = _trial(row, side, seed, order, judged, done.error, done.seconds)
        ran.append(trial)
        if append:
            with LINES.open("ab") as lines:
                lines.write(msgspec.json.encode(trial) + b"\n")
        if keep and set(trial.outcomes.values()) == {"violated" if side == "bad" else "holds"}:
            pack(order.directory, KEPT / f"{row.id}-{side}.tar.xz")
        print(f"{row.id:14} {side:4} {seed:2}  {trial.outcomes} {trial.error}", flush=True)
    return ran


def pack(history: Path, into: Path) -> None:
    """A history as one small file: what is judged, without the bodies of large events and the paths of this machine."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(into, "w:xz", preset=9) as packed:
        for path in sorted([history / "header.json", *history.glob("*.jsonl")]):
            content = path.read_bytes()
            for place, shown in ((ROOT, "checkout"), (Path.home(), "home")):
                content = content.replace(str(place).encode(), f"/{shown}".encode())
            member = tarfile.TarInfo(path.name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def _pair_of(row: Row, side: Side) -> Pair:
    return row.good if side == "good" and row.good else row.bad


def _trial(
    row: Row, side: Side, seed: int, order: Order, judged: TrialResult | None, error: str, seconds: float
) -> Trial:
    outcomes: dict[str, str] = {}
    signatures: dict[str, str] = {}
    others: dict[str, str] = {}
    for verdict in judged.verdicts if judged else ():
        if verdict.guarantee in row.guarantees:
            outcomes[verdict.guarantee] = str(row.outcome(verdict.outcome, verdict.signature))
            if verdict.signature:
                signatures[verdict.guarantee] = verdict.signature
        elif verdict.outcome is Outcome.VIOLATED:
            others[verdict.guarantee] = verdict.signature
    return Trial(
        row=row.id,
        side=side,
        target=order.target,
        client=order.client,
        scenario=row.scenario,
        seed=seed,
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        seconds=round(seconds, 1),
        outcomes=outcomes,
        signatures=signatures,
        others=others,
        error=error,
    )


def _read() -> list[Trial]:
    if not LINES.exists():
        return []
    return [msgspec.json.decode(line, type=Trial) for line in LINES.read_bytes().splitlines() if line.strip()]


def _count(trials: Iterable[Trial], row: Row, side: Side, guarantee: str) -> tuple[int, int, int]:
    """(violated, holds, all) of one guarantee on one side of a row."""
    outcomes = [trial.outcomes.get(guarantee, "") for trial in trials if trial.row == row.id and trial.side == side]
    return outcomes.count(Outcome.VIOLATED), outcomes.count(Outcome.HOLDS), len(outcomes)


def _as_it_should_be(row: Row, trials: list[Trial]) -> bool:
    for guarantee in row.guarantees:
        violated, _, of = _count(trials, row, "bad", guarantee)
        if row.good is None:
            if not violated:
                return False
            continue
        _, held, of_good = _count(trials, row, "good", guarantee)
        if not of or not of_good or violated < of or held < of_good:
            return False
    return True


def _table(rows: list[Row], trials: list[Trial]) -> str:
    lines = [
        "# Real bugs that tailproof convicts",
        "",
        "Written by `python -m bench.bugs` from `bench/bugs.jsonl` (one line per trial). Each row is a defect that shipped. The named",
        "guarantee must convict the bad release; the good one is the control. tailproof itself found the bugs called TP.",
        "",
        "| bug | what a user saw | scenario | guarantee | bad: violated | good: holds |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        for guarantee in row.guarantees:
            bad, _, of_bad = _count(trials, row, "bad", guarantee)
            _, good, of_good = _count(trials, row, "good", guarantee)
            lines.append(
                f"| [{row.id}]({row.link}) | {row.saw} | {row.scenario} | `{guarantee}`{f' ({row.signature})' if row.signature else ''} "
                f"| {_pair(row.bad)}: **{bad}/{of_bad}** "
                + (f"| {_pair(row.good)}: **{good}/{of_good}** |" if row.good else "| none yet |")
            )
    notes = [f"- {row.id}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, "", *notes, ""] if notes else [*lines, ""])


def _pair(pair: Pair) -> str:
    return f"`{pair.target}`" if pair.client == "plain" else f"`{pair.client}` with `{pair.target}`"


if __name__ == "__main__":
    raise SystemExit(main())
