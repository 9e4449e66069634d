"""What becomes of a violation that nobody knew: it is confirmed, shrunk, and asked what of it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailproof.explore import card
from tailproof.explore.compose import as_yaml
from tailproof.explore.journal import Confirmed, Found, Journal, Needed, Settled, Smaller
from tailproof.explore.likeness import Done
from tailproof.explore.playing import Played, Player
from tailproof.explore.smaller import candidates, lands, misses, still_rejected, without
from tailproof.history.directory import is_history, remove_history
from tailproof.outgoing.atomic import write_atomically
from tailproof.runner.out_dir import TRIALS
from tailproof.scenario.schema import Scenario

CONFIRMATIONS = 3
AGAIN = CONFIRMATIONS + 1
"""The repetition of a trial that is played once more because it proved nothing: those before it are confirmations."""
CONFIRMING = (*range(1, AGAIN), AGAIN + 1, AGAIN + 2)
"""The repetitions that may confirm: those behind `AGAIN` stand in for trials that told nothing."""
SPARE = len(CONFIRMING) - CONFIRMATIONS
"""So many trials that tell nothing may be played besides those that a question takes."""
FRESH = 10
"""How far the confirmations of a finding are from those of an earlier one with the same scenario."""
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
    beyond: int = 0
    """Its confirmations are the repetitions behind this one: those before it had been played when it was found."""

    @classmethod
    def of(cls, found: Found, shard: str = "") -> Finding:
        """`shard` is K/N: no two shards give a scenario the same name."""
        number = f"{shard.partition('/')[0]} {found.finding}"
        words = _UNSAFE.sub("-", f"found {number} {found.guarantee} {found.signature}".lower())
        plan = {**found.scenario, "name": words[:70].strip("-")}
        return cls(
            number=found.finding, guarantee=found.guarantee, signature=found.signature, trial=found.trial,
            original=found.scenario, plan=plan, beyond=found.beyond,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """`found-1-events-paired-no-result`: what its scenario and its file are called."""
        return str(self.plan["name"])

    @property
    def seen_in(self) -> str:
        """The history of the trial that showed it first, from `--out`."""
        return self.trial if self.trial.startswith(f"{FOLDER}/") else f"{TRIALS}/{self.trial}"

    @property
    def hits(self) -> int:
        return self.confirmed.hits if self.confirmed else 0

    @property
    def confirming(self) -> tuple[int, ...]:
        """The repetitions of the original that may confirm it."""
        return tuple(self.beyond + one for one in CONFIRMING)

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

    def is_shown_by(self, violation: tuple[str, str], plan: dict[str, Any], landed: Collection[str] | None) -> bool:
        """A trial of this plan, in which these ids landed (all of them, where that is not told), shows the same: it breaks the same
        promise in the same way, and does all that the smallest scenario does. While that is not known, any that breaks it so; one that
        was not confirmed is shown by none."""
        if violation != (self.guarantee, self.signature):
            return False
        return not self.settled or (self.hits > 0 and Done.by(self.plan).is_done_in(Done.by(plan, landed)))


def forget(out: Path) -> None:
    """Remove what an earlier exploration found in `out`."""
    for history in (out / FOLDER / TRIALS).iterdir() if (out / FOLDER / TRIALS).is_dir() else ():
        if is_history(history):
            remove_history(history)
    for ending in ("yaml", "md"):
        for place in (out / FOLDER).glob(f"found-*.{ending}"):
            place.unlink()


def findings_of(journal: Journal) -> list[Finding]:
    """Those that the journal tells of, each as far as it came."""
    found = {line.finding: Finding.of(line, journal.shard) for line in journal.of(Found)}
    for line in journal.lines:
        if isinstance(line, Confirmed | Smaller | Needed | Settled):
            found[line.finding].hear(line)
    return list(found.values())


Meet = Callable[[Played, dict[str, Any], str], bool]
"""Told of a trial, its plan and where its history is: whether that is to be kept, for something else that it shows."""


class Inquest:
    """Confirms a finding, shrinks it, and says what is needed of it. Whatever it learns is on the disk at once; it may be broken off at
    any moment (Stopped) and begun again. Whatever else its trials show is told to `meet`."""

    def __init__(
        self, finding: Finding, *, player: Player, journal: Journal, say: Callable[[str], object], meet: Meet
    ) -> None:
        self._finding = finding
        self._player = player
        self._journal = journal
        self._say = say
        self._meet = meet

    def run(self) -> None:
        """Raises Stopped."""
        finding = self._finding
        self._save()
        try:
            if finding.confirmed is None:
                self._confirm()
            if finding.hits and not finding.settled:
                self._shrink()
                self._ask_what_is_needed()
                self._tell(Settled(finding=finding.number))
        finally:
            self._save()

    def _confirm(self) -> None:
        finding = self._finding
        hits = trials = failed = 0
        for repetition in finding.confirming:
            played = self._player.ask(finding.original, repetition=repetition)
            self._meet(played, finding.original, f"{finding.original['name']}.{repetition + 1}")
            shown = self._is_shown(played)
            failed += bool(played.error)
            hits += bool(shown)
            trials += shown is not None
            if trials == CONFIRMATIONS:
                break
        if failed > SPARE and not hits:
            self._say(f"not confirmed yet, {failed} trials failed: {finding.guarantee} {finding.signature}")
            return  # whoever goes on asks again
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
        most = misses(finding.hits, finding.confirmed.trials)
        missed = played = 0
        while missed < most and played < min(most + SPARE, MOST_TRIALS - finding.trials):
            played += 1
            shown = self._shows(plan, repetition=finding.trials + played)
            if shown:
                return True, played
            missed += shown is not None
        return False, played

    def _ask_what_is_needed(self) -> None:
        finding = self._finding
        asked = {one.without for one in finding.needed}
        for place, part in enumerate(str(one["id"]) for one in lands(finding.plan)):
            smaller = without(finding.plan, part)
            if part in asked or smaller is None:
                continue
            # Each trial has a repetition of its own: an order that was given before is not played again.
            first = MOST_TRIALS + 1 + place * NECESSITY
            shown = [self._shows(smaller, repetition=first + number) for number in range(NECESSITY)]
            told = [one for one in shown if one is not None]
            self._tell(Needed(finding=finding.number, without=part, hits=sum(told), trials=len(told)))

    def _shows(self, plan: dict[str, Any], *, repetition: int) -> bool | None:
        """Whether a trial shows the same; its history is kept then. None when it tells nothing of that."""
        place = f"{FOLDER}/{TRIALS}/{self._finding.name}.{repetition + 1}"
        played = self._player.ask(plan, repetition=repetition, below=FOLDER)
        shown = self._is_shown(played)
        if not self._meet(played, {**plan, "name": f"{self._finding.name}-in-{repetition + 1}"}, place) and not shown:
            remove_history(self._player.out / place)
        return shown

    def _is_shown(self, played: Played) -> bool | None:
        """None when the trial does not tell: it failed, what was to land did not, or nothing was decided."""
        if (self._finding.guarantee, self._finding.signature) in played.violated:
            return True
        return False if played.tells(self._finding.guarantee) else None

    def _tell(self, line: Confirmed | Smaller | Needed | Settled) -> None:
        self._journal.write(line)
        self._finding.hear(line)

    def _save(self) -> None:
        """The smallest scenario so far, and what is known of it."""
        folder = self._player.out / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{self._finding.name}.yaml", as_yaml(_said(self._finding.plan)).encode())
        write_atomically(folder / f"{self._finding.name}.md", card.text(self._finding).encode())


def _said(plan: dict[str, Any]) -> dict[str, Any]:
    """Without what goes without saying: a file for people."""
    said: dict[str, Any] = Scenario.model_validate(plan).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return said
