"""A soak: the quick tier on the reference server, again and again, while parts of the harness are killed and a hostile server is checked
beside it.

`python -m bench.soak --minutes N [--seed S]` prints a line for whatever is wrong, and at last one with trials, kills, wrong verdicts,
leftovers, and the peaks of memory and descriptors. Zero wrong verdicts is the bar: an honest server whose gate closes, a gate that opens
although a part of the check was dead, a hostile server that passes or is convicted where it broke no promise.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from fixtures.hostile.stage import Played
from fixtures.hostile.stage import play as played
from fixtures.hostile.table import WAYS
from fixtures.hostile.way import Closed, Open, Way
from fixtures.sabotage.killing import MARK, VICTIMS, Ended, Plan, next_command, play
from tailproof.ownership.scratch import workroom

PLANS = tuple(Plan(target="reference", client=client, tier="quick") for client in ("plain", "reference"))
SPARED = 1 / 2
"""How many checks nobody is killed in."""
SAMPLE_S = 1.0


def main() -> int:
    """Soak; 0 when no verdict was wrong and nothing was left."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    until = time.monotonic() + given.minutes * 60
    tally: Counter[str] = Counter()
    stop = threading.Event()
    with workroom() as place, _Sampler(stop) as sampler:
        beside = threading.Thread(target=_hostile, args=(random.Random(given.seed + 1), place / "h", until, tally))
        beside.start()
        _honest(random.Random(given.seed), place, until, tally)
        beside.join()
        stop.set()
    print(
        f"{given.minutes:g} minutes (seed {given.seed}): {tally['trials']} trials in {tally['checks']} checks, {tally['kills']} kills "
        f"({', '.join(f'{tally[name]} {name}' for name in VICTIMS)}), {tally['hostile']} checks of hostile servers · "
        f"{tally['wrong']} wrong verdicts · {tally['left']} leftovers · {tally['unknown']} of {tally['spared']} checks without a kill "
        f"could not tell · {tally['odd']} other findings · peak {sampler.bytes >> 20} MB and {sampler.descriptors} descriptors in "
        f"{sampler.processes} processes",
        flush=True,
    )
    return 1 if tally["wrong"] or tally["left"] else 0


def _honest(chance: random.Random, place: Path, until: float, tally: Counter[str]) -> None:
    number, seconds = 0, 20.0
    while time.monotonic() < until:
        number += 1
        room, plan = place / str(number), chance.choice(PLANS)
        victim = "" if chance.random() < SPARED else chance.choice(VICTIMS)
        then = next_command(chance, room, checks=False)
        ended = play(plan, room, victim=victim, moment_s=chance.uniform(0, seconds), then=then)
        if not victim:
            seconds = ended.seconds
        _count(ended, victim if ended.killed else "", tally, f"check {number}")
        shutil.rmtree(room, ignore_errors=True)


def _count(ended: Ended, victim: str, tally: Counter[str], name: str) -> None:
    tally.update(checks=1, trials=ended.histories, left=len(ended.left), kills=int(bool(victim)))
    tally[victim or "spared"] += 1
    tally["unknown"] += not victim and ended.code == 2
    tally["wrong"] += bool(ended.wrong_verdicts(victim))
    for what in ended.wrong(victim):
        _say(f"{name} ({victim or 'nobody'} killed): {what}")


def _hostile(chance: random.Random, place: Path, until: float, tally: Counter[str]) -> None:
    number = 0
    while time.monotonic() < until:
        number += 1
        way, room = chance.choice(WAYS), place / str(number)
        seen = played(way, room)
        shutil.rmtree(room, ignore_errors=True)
        wrong = _wrong(way, seen)
        tally.update(
            hostile=1, trials=len(seen.result.trials) if seen.result else 0, wrong=int(wrong), left=len(seen.left)
        )
        findings = seen.wrong(way)
        tally["odd"] += bool(findings) and not wrong
        for what in findings:
            _say(f"hostile {way.name}: {what}")


def _wrong(way: Way, seen: Played) -> bool:
    """Convicted where no promise is broken, or passed where one is. That nobody could tell is not wrong, whatever the row expects."""
    return (seen.code == 1 and not isinstance(way.expected, Closed)) or (
        seen.code == 0 and not isinstance(way.expected, Open)
    )


class _Sampler:
    """The peaks of all processes of the harness together, servers aside."""

    def __init__(self, stop: threading.Event) -> None:
        self.bytes = self.descriptors = self.processes = 0
        self._stop = stop
        self._thread = threading.Thread(target=self._sample, name="sampler", daemon=True)

    def __enter__(self) -> _Sampler:
        os.environ[MARK] = "soak"
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            sizes, descriptors = [], 0
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    if entry.name.isdigit() and _is_harness(entry):
                        sizes.append(int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
                        descriptors += len(list((entry / "fd").iterdir()))
            self.bytes = max(self.bytes, sum(sizes))
            self.descriptors = max(self.descriptors, descriptors)
            self.processes = max(self.processes, len(sizes))


def _is_harness(entry: Path) -> bool:
    inherited = f"{MARK}=".encode() in (entry / "environ").read_bytes()
    return inherited and b"reference_server.py" not in (entry / "cmdline").read_bytes()


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}"[:300], flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
