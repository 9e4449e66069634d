"""A hundred kills: one part of a check is killed at a random moment, and then the next command is typed.

`python -m bench.kills [--process N] [--container N] [--pod N] [--seed S] [--victim NAME]` prints a line for each kill and the totals. For
none of them may a check of an honest server end with 1, or with 0 or 2 and no result that says so; every history can be read; and after
the next start of any command there is no process, container, network, volume, namespace, directory or socket of ours.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from fixtures.sabotage.killing import VICTIMS, Ended, Plan, next_command, play
from tailproof.ownership.scratch import workroom

PROCESS = Plan(target="reference", client="reference", scenarios=("calm", "kill-tool-running"))
CONTAINER = Plan(target="docker:tailproof/agent-server:1.58.0", client="sdk:1.58.0", scenarios=("calm", "oom-server"))
POD = Plan(target="k8s:tailproof/agent-server:1.58.0", client="sdk:1.58.0", scenarios=("calm", "oom-server"))
TRIES = 4
"""How often a kill that came too late is tried again, at another moment."""


def main() -> int:
    """Kill; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument("--process", type=int, default=80, metavar="N", help="kills of checks of the reference server")
    parser.add_argument("--container", type=int, default=20, metavar="N", help="kills of checks of an image")
    parser.add_argument("--pod", type=int, default=0, metavar="N", help="kills of checks of an image in a pod")
    parser.add_argument("--victim", choices=VICTIMS, help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    victims = [given.victim] if given.victim else list(VICTIMS)
    tally: Counter[str] = Counter()
    with workroom() as place:
        for plan, number in ((PROCESS, given.process), (CONTAINER, given.container), (POD, given.pod)):
            if number:
                _series(plan, [victims[at % len(victims)] for at in range(number)], chance, place, tally)
    total = tally["kills"]
    codes = ", ".join(f"{tally[name]} {name}" for name in sorted(tally) if name.startswith("exit"))
    print(
        f"{total} kills (seed {given.seed}): {codes}; {tally['histories']} histories, {tally['wrong']} wrong",
        flush=True,
    )
    return 1 if tally["wrong"] else 0


def _series(plan: Plan, victims: list[str], chance: random.Random, place: Path, tally: Counter[str]) -> None:
    checks = plan.target.startswith(("docker:", "k8s:"))  # only who starts trials looks at engine and cluster
    control = play(plan, place / str(len(list(place.iterdir()))), victim="", moment_s=0, then=["list"])
    wrong = control.wrong("") + ([] if control.code == 0 else ["the gate is not open"])
    print(f"{plan.target}: not killed, it takes {control.seconds:.1f} s; {'; '.join(wrong) or 'open'}", flush=True)
    tally["wrong"] += bool(wrong)
    longest = control.seconds
    for victim in victims:
        for _ in range(TRIES):
            at, room = chance.uniform(0, longest), place / str(len(list(place.iterdir())))
            ended = play(plan, room, victim=victim, moment_s=at, then=next_command(chance, room, checks=checks))
            if ended.killed:
                break
            longest = min(longest, ended.seconds)
        _tell(ended, victim, at, tally)


def _tell(ended: Ended, victim: str, at: float, tally: Counter[str]) -> None:
    wrong = ended.wrong(victim) + ([] if ended.killed else ["it was never there to be killed"])
    exit_ = "killed" if ended.code < 0 else f"exit {ended.code}"
    tally.update(
        kills=1, wrong=int(bool(wrong)), histories=ended.histories, **{exit_.replace("killed", "exit by signal"): 1}
    )
    said = f"{ended.histories} histories; next: {ended.said or 'silent'}"
    print(
        f"{victim:<10} at {at:5.1f} s  {exit_:<7} after {ended.seconds:5.1f} s  {'; '.join(wrong) or said}"[:400],
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
