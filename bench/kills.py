"""A hundred kills: one part of a check is killed at a random moment, and then the next command is typed.

`python -m bench.kills [--process N] [--container N] [--pod N] [--executor N] [--seed S] [--victim NAME]` prints a line for each kill and
the totals. For none of them may a check of an honest server end with 1, or with 0 or 2 and no result that says so; every history can be
read; and after the next start of any command there is no process, container, network, volume, namespace, directory or socket of ours.

What was killed in a cluster is left to `tailproof clean`. These kills are spread over the length of a check, and kept in `kills.jsonl`,
from which docs/pods.md has its table.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from fixtures.sabotage.killing import CLEAN, VICTIMS, Ended, Plan, next_command, play
from tailproof.outgoing.atomic import write_atomically
from tailproof.ownership.scratch import workroom
from tailproof.runner.leftovers import PLURAL

PROCESS = Plan(target="reference", client="reference", scenarios=("calm", "kill-tool-running"))
CONTAINER = Plan(target="docker:tailproof/agent-server:1.58.0", client="sdk:1.58.0", scenarios=("calm", "oom-server"))
POD = Plan(target="k8s:tailproof/agent-server:1.58.0", client="sdk:1.58.0", scenarios=("calm", "oom-server"))
EXECUTOR = Plan(target="executor:reference", client="plain", scenarios=("executor-turn", "executor-oom"))
LINES = Path(__file__).resolve().with_suffix(".jsonl")
PAGE = LINES.parents[1] / "docs" / "pods.md"
BEGIN, END = "<!-- the table: python -m bench.kills -->", "<!-- end of the table -->"
TRIES = 4
"""How often a kill that came too late is tried again, at another moment."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `kills.jsonl`: a kill of a check whose trials are in a cluster."""

    target: str
    victim: str
    of: int
    """Into how many parts the length of the check was divided..."""
    part: int
    """... and in which of them it was killed, from 1 on."""
    at_s: float
    day: str
    stood: str
    removed: list[str]
    wrong: list[str]


def main() -> int:
    """Kill; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument("--process", type=int, default=80, metavar="N", help="kills of checks of the reference server")
    parser.add_argument("--container", type=int, default=20, metavar="N", help="kills of checks of an image")
    parser.add_argument("--pod", type=int, default=0, metavar="N", help="kills of checks of an image in a pod")
    parser.add_argument("--executor", type=int, default=0, metavar="N", help="kills of checks of an executor")
    parser.add_argument("--victim", choices=VICTIMS, help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    victims = [given.victim] if given.victim else list(VICTIMS)
    tally: Counter[str] = Counter()
    plans = (
        (PROCESS, given.process),
        (CONTAINER, given.container),
        (POD, given.pod),
        (EXECUTOR, given.executor),
    )
    with workroom() as place:
        for plan, number in plans:
            if number:
                parts = [one for one in victims if one not in plan.lacks]
                _series(plan, [parts[at % len(parts)] for at in range(number)], chance, place, tally)
    total = tally["kills"]
    codes = ", ".join(f"{tally[name]} {name}" for name in sorted(tally) if name.startswith("exit"))
    print(
        f"{total} kills (seed {given.seed}): {codes}; {tally['histories']} histories, {tally['wrong']} wrong",
        flush=True,
    )
    return 1 if tally["wrong"] else 0


def _series(plan: Plan, victims: list[str], chance: random.Random, place: Path, tally: Counter[str]) -> None:
    checks = plan.target.startswith("docker:")  # only who starts trials looks at the engine
    control = play(plan, place / str(len(list(place.iterdir()))), victim="", moment_s=0, then=["list"])
    wrong = control.wrong("") + ([] if control.code == 0 else ["the gate is not open"])
    print(f"{plan.target}: not killed, it takes {control.seconds:.1f} s; {'; '.join(wrong) or 'open'}", flush=True)
    tally["wrong"] += bool(wrong)
    longest = control.seconds
    for number, victim in enumerate(victims):
        for _ in range(TRIES):
            part = number / len(victims), (number + 1) / len(victims)
            at = chance.uniform(*part) * longest if plan.in_cluster else chance.uniform(0, longest)
            room = place / str(len(list(place.iterdir())))
            then = list(CLEAN) if plan.in_cluster else next_command(chance, room, checks=checks)
            ended = play(plan, room, victim=victim, moment_s=at, then=then)
            if ended.killed:
                break
            longest = min(longest, ended.seconds)
        _tell(ended, victim, at, tally)
        if plan.in_cluster:
            _keep(plan, ended, victim, at, number + 1, len(victims))


def _tell(ended: Ended, victim: str, at: float, tally: Counter[str]) -> None:
    wrong = _wrong(ended, victim)
    exit_ = "killed" if ended.code < 0 else f"exit {ended.code}"
    tally.update(
        kills=1, wrong=int(bool(wrong)), histories=ended.histories, **{exit_.replace("killed", "exit by signal"): 1}
    )
    said = f"{ended.histories} histories; next: {ended.said or 'silent'}"
    print(
        f"{victim:<10} at {at:5.1f} s  {exit_:<7} after {ended.seconds:5.1f} s  {'; '.join(wrong) or said}"[:400],
        flush=True,
    )


def _wrong(ended: Ended, victim: str) -> list[str]:
    return ended.wrong(victim) + ([] if ended.killed else ["it was never there to be killed"])


def _keep(plan: Plan, ended: Ended, victim: str, at: float, part: int, of: int) -> None:
    """Append it, and write the page: of each target, victim and part the newest kill is kept."""
    kinds = Counter(
        kind
        for said in ended.removed
        for kind in PLURAL
        if said.startswith((f"removed {kind} ", f"could not remove {kind} "))
    )
    line = Line(
        target=plan.target,
        victim=victim,
        of=of,
        part=part,
        at_s=round(at, 1),
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        stood=ended.stood,
        removed=[f"{number} {kind if number == 1 else PLURAL[kind]}" for kind, number in kinds.items()],
        wrong=_wrong(ended, victim),
    )
    known = [msgspec.json.decode(one, type=Line) for one in LINES.read_bytes().splitlines()] if LINES.exists() else []
    newest = {
        (one.target, one.victim, one.part): one for one in [*known, line] if one.target != plan.target or one.of == of
    }
    lines = sorted(newest.values(), key=lambda one: (one.target, one.at_s))
    write_atomically(LINES, b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table = "\n".join(_table(lines))
    write_atomically(PAGE, f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}".encode())


def _table(lines: Sequence[Line]) -> Iterable[str]:
    yield "| target | killed | at (s) | in the cluster then | what `tailproof clean` removed | left behind, or wrong |"
    yield "|---|---|---|---|---|---|"
    for one in lines:
        yield (
            f"| `{one.target}` | {one.victim} | {one.at_s:g} | {one.stood} | {', '.join(one.removed) or 'nothing'} "
            f"| {'; '.join(one.wrong) or 'nothing'} |"
        )


if __name__ == "__main__":
    raise SystemExit(main())
