"""How small a finding becomes, and what that costs: whole explorations of broken variants, each finding shrunk as a user's would be."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from bench.explore_live import HELD_OUT
from bench.explore_table import HERE, OF_CLIENTS
from tailproof.explore.findings import Finding, findings_of
from tailproof.explore.journal import Journal

SHRUNK = HERE / "explore_shrink.jsonl"


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that was confirmed and shrunk. Sizes are faults and acts together, and turns."""

    guarantee: str
    signature: str
    landings_before: int
    turns_before: int
    landings: int
    turns: int
    trials: int


class Spent(msgspec.Struct, frozen=True, kw_only=True, tag="spent", tag_field="what"):
    """An exploration has ended. `findings` were confirmed and shrunk to their ends, `open_` were when its budget was spent."""

    variant: str
    seed: int
    findings: tuple[Shrunk, ...]
    open_: int = 0


def told() -> list[Spent]:
    """What was measured, a line that was cut off left out."""
    if not SHRUNK.exists():
        return []
    return [msgspec.json.decode(line, type=Spent) for line in SHRUNK.read_bytes().split(b"\n")[:-1]]


def shrink(seeds: int, most: int, out: Path, parallel: int) -> None:
    """Explore each held-out variant, seed by seed, with a budget of `most` trials, those that shrink included."""
    known = {(one.variant, one.seed) for one in told()}
    for seed in range(1, seeds + 1):
        for variant in HELD_OUT:
            if (variant, seed) in known:
                continue
            place = out / "shrink" / f"{variant}-{seed}"
            _explore(variant, seed, most, place, parallel)
            found = _found(place)
            settled = tuple(_shrunk(one) for one in found if one.settled and one.hits)
            _write(Spent(variant=variant, seed=seed, findings=settled, open_=sum(not one.settled for one in found)))


def _explore(variant: str, seed: int, most: int, out: Path, parallel: int) -> None:
    broken = f"reference:{variant}"
    pair = ["reference", "--client", broken] if variant in OF_CLIENTS else [broken, "--client", "reference"]
    command = ["explore", *pair, "--budget", str(most), "--seed", str(seed), "-n", str(parallel), "--out", str(out)]
    done = subprocess.run([sys.executable, "-m", "tailproof.cli", *command], stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"tailproof {' '.join(command)} ended with {done.returncode}")


def _found(out: Path) -> list[Finding]:
    with closing(Journal(out)) as journal:
        return findings_of(journal)


def _shrunk(one: Finding) -> Shrunk:
    (landings_before, turns_before), (landings, turns) = _size(one.original), _size(one.plan)
    return Shrunk(
        guarantee=one.guarantee, signature=one.signature, trials=one.trials,
        landings_before=landings_before, turns_before=turns_before, landings=landings, turns=turns,
    )  # fmt: skip


def _size(plan: dict[str, object]) -> tuple[int, int]:
    parts = {key: plan.get(key) or () for key in ("faults", "acts", "script")}
    faults, acts, script = (len(part) if isinstance(part, (list, tuple)) else 0 for part in parts.values())
    return faults + acts, script


def _write(one: Spent) -> None:
    with SHRUNK.open("ab") as file:
        file.write(msgspec.json.encode(one) + b"\n")
    print(one, flush=True)
