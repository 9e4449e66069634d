"""What becomes of a violation that nobody knew: it is confirmed, shrunk, and asked what of it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tailproof.explore import card
from tailproof.explore.compose import as_yaml
from tailproof.explore.journal import Confirmed, Found, Journal, Needed, Settled, Smaller
from tailproof.explore.likeness import kinds_of
from tailproof.explore.playing import Player
from tailproof.explore.smaller import candidates, misses, still_rejected, without
from tailproof.history.directory import remove_history
from tailproof.outgoing.atomic import write_atomically
from tailproof.runner.out_dir import TRIALS
from tailproof.scenario.schema import Scenario

CONFIRMATIONS = 3
AGAIN = CONFIRMATIONS + 1
"""The repetition of a trial that is played once more because it proved nothing: those before it are confirmations."""
CONFIRMING = (*range(1, AGAIN), AGAIN + 1, AGAIN + 2)
"""The repetitions that may confirm: those behind `AGAIN` stand in for trials that failed."""
MOST_TRIALS = 25
"""The most trials that a finding is shrunk with."""
NECESSITY = 3
"""How often the smallest scenario is played without one of its parts."""
FOLDER = "found"
_UNSAFE = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True, kw_only=True)
class Finding:
    """One of them, as its lines in the journal tell it."""

    number: int
    guarantee: str
    signature: str
    trial: str
    original: dict[str, Any]
    plan: dict[str, Any]
    """The smallest scenario so far that shows it."""
    confirmed: Confirmed | None = None
    trials: int = 0
    """So many were played to shrink it."""
    rejected: set[str] = field(default_factory=set)
    needed: list[Needed] = field(default_factory=list)
    settled: bool = False
    shown: str = ""
    """The history of the smallest scenario, from `--out`; empty when the original is the smallest."""

    @classmethod
    def of(cls, found: Found, shard: str = "") -> Finding:
        """`shard` is K/N: no two shards give a scenario the same name."""
        number = f"{shard.partition('/')[0]} {found.finding}"
        words = _UNSAFE.sub("-", f"found {number} {found.guarantee} {found.signature}".lower())
        plan = {**found.scenario, "name": words[:70].strip("-")}
        return cls(
            number=found.finding, guarantee=found.guarantee, signature=found.signature, trial=found.trial,
            original=found.scenario, plan=plan,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """`found-1-events-paired-no-result`: what its scenario and its file are called."""
        return str(self.plan["name"])

    @property
    def hits(self) -> int:
        return self.confirmed.hits if self.confirmed else 0

    def hear(self, line: Confirmed | Smaller | Needed | Settled) -> None:
        """What the journal says of it, line by line."""
        if isinstance(line, Confirmed):
            self.confirmed = line
            self.settled = self.settled or not line.hits
        elif isinstance(line, Smaller):
            self.trials += line.trials
            if line.accepted:
                self.rejected = still_rejected(self.rejected, self.plan, line.scenario)
                self.plan = line.scenario
                self.shown = f"{FOLDER}/{TRIALS}/{self.name}.{self.trials + 1}"
            else:
                self.rejected.add(line.says)
        elif isinstance(line, Needed):
            self.needed.append(line)
        else:
            self.settled = True

    def is_shown_by(self, violation: tuple[str, str], plan: dict[str, Any]) -> bool:
        """A trial of this plan shows the same: it breaks the same promise in the same way, and does all that the smallest scenario does.
        While that is not known, any that breaks it so; one that was not confirmed is shown by none."""
        if violation != (self.guarantee, self.signature):
            return False
        return not self.settled or (self.hits > 0 and kinds_of(self.plan) <= kinds_of(plan))


def findings_of(journal: Journal) -> list[Finding]:
    """Those that the journal tells of, each as far as it came."""
    found = {line.finding: Finding.of(line, journal.shard) for line in journal.of(Found)}
    for line in journal.lines:
        if isinstance(line, Confirmed | Smaller | Needed | Settled):
            found[line.finding].hear(line)
    return list(found.values())


class Inquest:
    """Confirms a finding, shrinks it, and says what is needed of it. Whatever it learns is on the disk at once; it may be broken off at
    any moment (Stopped) and begun again."""

    def __init__(self, finding: Finding, *, player: Player, journal: Journal, say: Callable[[str], object]) -> None:
        self._finding = finding
        self._player = player
        self._journal = journal
        self._say = say

    def run(self) -> None:
        """Raises Stopped."""
        finding = self._finding
        self._save()
        if finding.confirmed is None:
            self._confirm()
        if not finding.settled:
            self._shrink()
            self._ask_what_is_needed()
            self._tell(Settled(finding=finding.number))
        self._save()

    def _confirm(self) -> None:
        finding = self._finding
        hits = trials = 0
        for repetition in CONFIRMING:
            played = self._player.confirm(finding.original, repetition=repetition)
            shown = (finding.guarantee, finding.signature) in played.violated
            hits += shown
            trials += shown or not played.error
            if trials == CONFIRMATIONS:
                break
        self._tell(Confirmed(finding=finding.number, hits=hits, trials=trials))
        self._say(f"confirmed {hits} of {trials}: {finding.guarantee} {finding.signature} [{finding.trial}]")

    def _shrink(self) -> None:
        finding = self._finding
        while finding.trials < MOST_TRIALS:
            left = next(((says, plan) for says, plan in candidates(finding.plan) if says not in finding.rejected), None)
            if left is None:
                return
            says, plan = left
            accepted, played = self._try(plan)
            self._tell(Smaller(finding=finding.number, says=says, scenario=plan, trials=played, accepted=accepted))
            if accepted:
                self._say(f"smaller: {finding.guarantee} {finding.signature} {says}")
                self._save()

    def _try(self, plan: dict[str, Any]) -> tuple[bool, int]:
        finding = self._finding
        assert finding.confirmed is not None, "what was not confirmed is not shrunk"
        most = min(misses(finding.hits, finding.confirmed.trials), MOST_TRIALS - finding.trials)
        for played in range(1, most + 1):
            # One that failed is a miss, too: what is accepted has shown the same.
            if self._shows(plan, repetition=finding.trials + played):
                return True, played
        return False, most

    def _ask_what_is_needed(self) -> None:
        finding = self._finding
        asked = {one.without for one in finding.needed}
        for place, part in enumerate(_parts(finding.plan)):
            smaller = without(finding.plan, part)
            if part in asked or smaller is None:
                continue
            # Each trial has a repetition of its own: an order that was given before is not played again.
            first = MOST_TRIALS + 1 + place * NECESSITY
            shown = [self._shows(smaller, repetition=first + number) for number in range(NECESSITY)]
            told = [one for one in shown if one is not None]
            self._tell(Needed(finding=finding.number, without=part, hits=sum(told), trials=len(told)))

    def _shows(self, plan: dict[str, Any], *, repetition: int) -> bool | None:
        """Whether a trial shows the same; its history is kept then. None when it failed, and so tells nothing."""
        finding = self._finding
        played = self._player.play(plan, repetition=repetition, below=FOLDER)
        if (finding.guarantee, finding.signature) in played.violated:
            return True
        remove_history(self._player.out / FOLDER / TRIALS / f"{finding.name}.{repetition + 1}")
        return None if played.error else False

    def _tell(self, line: Confirmed | Smaller | Needed | Settled) -> None:
        self._journal.write(line)
        self._finding.hear(line)

    def _save(self) -> None:
        """The smallest scenario so far, and what is known of it."""
        folder = self._player.out / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{self._finding.name}.yaml", as_yaml(_said(self._finding.plan)).encode())
        write_atomically(folder / f"{self._finding.name}.md", card.text(self._finding).encode())


def _parts(plan: dict[str, Any]) -> Iterator[str]:
    for key in ("faults", "acts"):
        yield from (str(one["id"]) for one in plan.get(key) or ())


def _said(plan: dict[str, Any]) -> dict[str, Any]:
    """Without what goes without saying: a file for people."""
    said: dict[str, Any] = Scenario.model_validate(plan).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return said
