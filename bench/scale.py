"""What the merge of a large check costs: `python -m bench.scale RESULT_DIR`.

The trials of a check that was played (`--out RESULT_DIR`) are dealt out again and again, under names of their own, until there are
so many; each shard gets a result and the histories, and `tailproof merge` puts them together. The floor is a plain copy of the same
files in the same run.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from tailproof.ownership.scratch import workroom
from tailproof.reports import json
from tailproof.reports.result import Result, ShardResult


def main() -> None:
    """Deal out, copy, merge; one line for each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("played", type=Path)
    options.add_argument("--trials", type=int, default=10_000)
    options.add_argument("--shards", type=int, default=100)
    chosen = options.parse_args()
    with workroom() as place:
        shards = deal(chosen.played, place / "shards", trials=chosen.trials, shards=chosen.shards)
        files = [path for path in (place / "shards").rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        say(f"{chosen.trials:,} trials in {chosen.shards} shards: {len(files):,} files, {size / 1e6:,.0f} MB")
        began = time.perf_counter()
        shutil.copytree(place / "shards", place / "copied")
        floor = time.perf_counter() - began
        shutil.rmtree(place / "copied")
        say(f"a plain copy takes {floor:.1f} s")
        began = time.perf_counter()
        code, peak_mb = run("merge", *map(str, shards), "--out", str(place / "merged"))
        took = time.perf_counter() - began
        page = (place / "merged" / "report.html").stat().st_size / 1e6
        result = (place / "merged" / "result.json").stat().st_size / 1e6
        say(f"the merge takes {took:.1f} s = {took / floor:.1f} x, peak {peak_mb:,.0f} MB, exit code {code}")
        say(f"result.json {result:,.1f} MB, report.html {page:,.1f} MB")
        began = time.perf_counter()
        code, peak_mb = run("gate", str(place / "merged"))
        say(f"its gate takes {time.perf_counter() - began:.1f} s, peak {peak_mb:,.0f} MB, exit code {code}")


def deal(played: Path, place: Path, *, trials: int, shards: int) -> list[Path]:
    """The results of so many shards, each with its share of `trials`."""
    original = json.read(played / "result.json")
    endless = itertools.cycle(original.trials)
    made = []
    for number in range(1, shards + 1):
        out = place / str(number)
        share = [next(endless) for _ in range(trials * (number - 1) // shards, trials * number // shards)]
        dealt = []
        for index, trial in enumerate(share):
            history = f"trials/{number}-{index}"
            shutil.copytree(played / trial.history, out / history)
            dealt.append(
                replace(
                    trial, scenario=f"{trial.scenario}-{number}-{index}", history=history, trial=f"{number}-{index}"
                )
            )
        shard: Result = replace(
            original,
            trials=tuple(dealt),
            not_run=(),
            shard=ShardResult(number=number, of=shards, scenarios=len(dealt), in_all=trials),
        )
        json.write(shard, out / "result.json")
        made.append(out)
    return made


def run(*command: str) -> tuple[int, float]:
    """The exit code of a command of tailproof, and its peak memory in MB."""
    running = subprocess.Popen([sys.executable, "-m", "tailproof.cli", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    return running.returncode, usage.ru_maxrss / 1e3


def say(text: str) -> None:
    """A line of the bench's table."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
