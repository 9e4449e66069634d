"""The matrix: what each release of the SDK client keeps and breaks, each with the server of its own release.

`python -m bench.matrix [--releases V,V] [--scenario GLOB] [--trials N] [-n 2]` runs the trials that `matrix.jsonl` does not hold
yet, appends one line per trial as it ends, and writes docs/matrix.md. Stopped at any point, the next call goes on from there.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
from packaging.version import Version

from bench.trials import played
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.guarantees.verdict import Outcome
from tailproof.runner.check import catalogue
from tailproof.scenario.schema import Scenario
from tailproof.trial.order import Order

HERE = Path(__file__).resolve().parent
LINES, TABLE = HERE / "matrix.jsonl", HERE.parent / "docs/matrix.md"
RELEASES = ("1.7.0", "1.7.3", "1.10.0", "1.11.0", "1.11.1", "1.22.0", "1.29.0", "1.35.0", "1.45.0", "1.56.0", "1.58.0")
FAMILIES = ("calm", "stream", "requests", "ends")
CLIENT_SIDE = (
    "events.tail",
    "events.middle",
    "events.callbacks",
    "events.unique",
    "stream.*",
    "status.client",
    "loop.returns",
)
CLIENT_SIDE += ("loop.bounded", "cost.*", "client.*")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `matrix.jsonl`."""

    release: str
    scenario: str
    seed: int
    day: str
    seconds: float
    outcomes: dict[str, str]
    signatures: dict[str, str] = {}
    error: str = ""


def main() -> int:
    """Run what is missing; 0 when every trial came to its end."""
    parser = argparse.ArgumentParser(prog="python -m bench.matrix", description=__doc__)
    parser.add_argument("--releases", default=",".join(RELEASES), metavar="V,V")
    parser.add_argument("--scenario", default="*", metavar="GLOB")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("-n", dest="parallel", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("tailproof-results/matrix"), help="where histories are kept")
    given = parser.parse_args()
    about = [scenario for scenario in catalogue() if _is_about_clients(scenario)]
    scenarios = [scenario for scenario in about if fnmatchcase(scenario.name, given.scenario)]
    if not scenarios:
        parser.error(f"no scenario about clients matches {given.scenario}")
    known = {(trial.release, trial.scenario, trial.seed) for trial in _read() if not trial.error}
    out = given.out.resolve()
    orders = [
        Order(
            scenario=scenario.model_dump(mode="json", by_alias=True),
            target=f"pypi:{release}",
            client=f"sdk:{release}",
            seed=seed,
            out=str(out / release / str(seed)),
        )
        for release in given.releases.split(",")
        for seed in range(1, given.trials + 1)
        for scenario in scenarios
        if (release, scenario.name, seed) not in known
    ]
    for order, done, judged in played(orders, parallel=given.parallel, log=out / "supervisor.log"):
        verdicts = judged.verdicts if judged else []
        trial = Trial(
            release=order.client.partition(":")[2],
            scenario=str(order.scenario["name"]),
            seed=order.seed,
            day=time.strftime("%Y-%m-%d", time.gmtime()),
            seconds=round(done.seconds, 1),
            outcomes={verdict.guarantee: str(verdict.outcome) for verdict in verdicts},
            signatures={verdict.guarantee: verdict.signature for verdict in verdicts if verdict.signature},
            error=done.error,
        )
        with LINES.open("ab") as lines:
            lines.write(msgspec.json.encode(trial) + b"\n")
        broken = {
            name: trial.signatures.get(name, "") for name, outcome in trial.outcomes.items() if outcome == "violated"
        }
        print(f"{trial.release:8} {trial.scenario:28} {trial.seconds:6.1f} s  {broken or ''} {trial.error}", flush=True)
    trials = [trial for trial in _read() if not trial.error]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(_page(trials))
    return 0 if len(trials) == len(_read()) else 1


def _is_about_clients(scenario: Scenario) -> bool:
    return scenario.client == "chosen" and scenario.family in FAMILIES


def _read() -> list[Trial]:
    """The newest line of each trial."""
    if not LINES.exists():
        return []
    every = [msgspec.json.decode(line, type=Trial) for line in LINES.read_bytes().splitlines() if line.strip()]
    return list({(trial.release, trial.scenario, trial.seed): trial for trial in every}.values())


def _page(trials: Sequence[Trial]) -> str:
    days = sorted({trial.day for trial in trials})
    releases = sorted({trial.release for trial in trials}, key=Version)
    guarantees = [name for name in CATALOGUE if any(fnmatchcase(name, glob) for glob in CLIENT_SIDE)]
    lines = [
        "# Releases of the SDK client × guarantees",
        "",
        f"Written by `python -m bench.matrix` from `bench/matrix.jsonl`; run on {_span(days)}, {len(trials)} trials. Each client",
        "met the server of its own release. **3**/29 means: the guarantee was violated in 3 of the 29 trials that decided it. `·` means",
        "never violated, an empty cell that no trial decided it, `?n` that n trials were inconclusive: if a client never asks for what a",
        "fault spoils (a page, a second subscription), the fault is not proven.",
        "",
        f"| guarantee | {' | '.join(releases)} |",
        f"|---|{'---|' * len(releases)}",
    ]
    for name in guarantees:
        cells = [_cell([trial for trial in trials if trial.release == release], name) for release in releases]
        lines.append(f"| `{name}` ({CATALOGUE[name].level}) | {' | '.join(cells)} |")
    lines += ["", "## Where each release breaks what", ""]
    for release in releases:
        lines.append(f"- **{release}**: {_where([trial for trial in trials if trial.release == release], guarantees)}")
    others = _elsewhere(trials, guarantees)
    if others:
        lines += ["", "Guarantees about servers that were violated in the same trials: " + others]
    return "\n".join([*lines, ""])


def _span(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else "no day yet"


def _cell(trials: Sequence[Trial], guarantee: str) -> str:
    counted = Counter(trial.outcomes.get(guarantee, "") for trial in trials)
    violated, decided = counted[Outcome.VIOLATED], counted[Outcome.VIOLATED] + counted[Outcome.HOLDS]
    unsure = f" ?{counted[Outcome.INCONCLUSIVE]}" if counted[Outcome.INCONCLUSIVE] else ""
    if not decided:
        return unsure.strip()
    return (f"**{violated}**/{decided}" if violated else "·") + unsure


def _where(trials: Sequence[Trial], guarantees: Sequence[str]) -> str:
    found = []
    for name in guarantees:
        places: dict[str, set[str]] = {}
        for trial in trials:
            if trial.outcomes.get(name) == Outcome.VIOLATED:
                places.setdefault(trial.signatures.get(name, ""), set()).add(trial.scenario)
        found += [f"`{name}` {signature} ({', '.join(sorted(where))})" for signature, where in sorted(places.items())]
    return "; ".join(found) or "nothing"


def _elsewhere(trials: Sequence[Trial], guarantees: Sequence[str]) -> str:
    found: dict[str, set[str]] = {}
    for trial in trials:
        for name, outcome in trial.outcomes.items():
            if outcome == Outcome.VIOLATED and name not in guarantees:
                found.setdefault(f"`{name}` {trial.signatures.get(name, '')}", set()).add(
                    f"{trial.release} {trial.scenario}"
                )
    return "; ".join(f"{name} ({', '.join(sorted(where))})" for name, where in sorted(found.items()))


if __name__ == "__main__":
    raise SystemExit(main())
