"""How small a finding becomes, and what that costs: whole explorations of broken variants, each finding shrunk as a user's would be."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from bench.explore_live import HELD_OUT
from bench.explore_table import HERE, OF_CLIENTS
from bench.kept import Kept
from tailproof.explore.findings import Finding, findings_of
from tailproof.explore.journal import NAME, Confirmed, Ended, Journal, Needed, Smaller
from tailproof.reports import json
from tailproof.runner.finished import result_file


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


KEPT = Kept(HERE / "explore_shrink.jsonl", msgspec.json.Decoder(Spent))


def shrink(seeds: int, most: int, out: Path, parallel: int) -> None:
    """Explore each held-out variant, seed by seed, with a budget of `most` trials, those that shrink included."""
    known = {(one.variant, one.seed) for one in KEPT.told()}
    for seed in range(1, seeds + 1):
        for variant in HELD_OUT:
            if (variant, seed) in known:
                continue
            place = out / "shrink" / f"{variant}-{seed}"
            _explore(variant, seed, most, place, parallel)
            found = _found(place)
            settled = tuple(_shrunk(one) for one in found if one.settled and one.hits)
            KEPT.write(Spent(variant=variant, seed=seed, findings=settled, open_=sum(not one.settled for one in found)))


def _explore(variant: str, seed: int, most: int, out: Path, parallel: int) -> None:
    broken = f"reference:{variant}"
    pair = ["reference", "--client", broken] if variant in OF_CLIENTS else [broken, "--client", "reference"]
    spent = _spent(out)
    left = most - (spent or 0)
    if left <= 0:
        return
    begun = [*pair, "--seed", str(seed), "--out", str(out)] if spent is None else ["--resume", str(out)]
    command = ["explore", *begun, "--budget", str(left), "-n", str(parallel)]
    done = subprocess.run([sys.executable, "-m", "tailproof.cli", *command], stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"tailproof {' '.join(command)} ended with {done.returncode}")
    result = json.read(result_file(out))
    if why := [*result.errors, *([result.cut_off] if result.cut_off else [])]:
        raise SystemExit(f"tailproof {' '.join(command)} did not come to its end: {'; '.join(why)}")


def _spent(out: Path) -> int | None:
    """So many trials were played; None for an exploration that has not begun."""
    if not (out / NAME).exists():
        return None
    with closing(Journal(out)) as journal:
        looked_into = [line.trials for kind in (Confirmed, Smaller, Needed) for line in journal.of(kind)]
        return len(journal.of(Ended)) + sum(looked_into) if journal.began else None


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
