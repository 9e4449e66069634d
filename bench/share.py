"""The harness's own share of a check: what is left of a trial besides the starts of server and client and what the scenario plays.

`python -m bench.share [TARGET] [--rounds N]` checks the quick tier, one trial at a time, and says for each scenario where its time went,
as the last line of a check does for all of them (`tailproof/reports/times.py`).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tailproof.ownership.scratch import workroom
from tailproof.reports import json
from tailproof.reports.result import Result, TimesResult
from tailproof.reports.times import times_of
from tailproof.runner.finished import result_file

LIMIT_S = 2.0
"""What a fault-free scenario may cost beyond the starts and what it plays."""
COLUMNS = ("server_start_s", "client_start_s", "runs_s", "server_stop_s", "ours_s")


def measure(target: str, rounds: int, out: Path) -> Result:
    """Check the quick tier `rounds` times, one trial at a time. Ends the program when the check could not."""
    command = ["check", target, "--tier", "quick", "--repetitions", str(rounds), "-n", "1", "--out", str(out)]
    done = subprocess.run([sys.executable, "-m", "tailproof.cli", *command], stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"tailproof {' '.join(command)} ended with {done.returncode}")
    return json.read(result_file(out))


def table(result: Result) -> str:
    """Medians per scenario, in seconds."""
    lines = [" ".join(f"{title:>12}" for title in ("", *(column[:-2].replace("_", " ") for column in COLUMNS), "wall"))]
    for name in dict.fromkeys(trial.scenario for trial in result.trials):
        mine = [trial for trial in result.trials if trial.scenario == name]
        times = [times_of([trial]) for trial in mine]
        medians = [_median(times, column) for column in COLUMNS]
        wall = statistics.median(trial.duration_s for trial in mine)
        lines.append(f"{name:<24}" + " ".join(f"{value:12.2f}" for value in [*medians, wall]))
    lines.append(f"limit of ours for a fault-free scenario: {LIMIT_S:.2f} s")
    return "\n".join(lines)


def _median(times: Sequence[TimesResult], column: str) -> float:
    return statistics.median(getattr(one, column) for one in times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.share")
    parser.add_argument("target", nargs="?", default="pypi:1.58.0")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with workroom() as out:
        print(table(measure(given.target, given.rounds, out)))


if __name__ == "__main__":
    main()
