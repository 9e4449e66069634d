"""One exploration: cells are drawn and played until the budget is spent, and whatever nobody knew is looked into."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from tailproof.explore import card
from tailproof.explore.cells import Cell
from tailproof.explore.compose import composed, name_of
from tailproof.explore.deck import Deck
from tailproof.explore.findings import AGAIN, CONFIRMING, FRESH, Finding, Inquest, findings_of
from tailproof.explore.journal import BadJournal, Drawn, Ended, Found, Journal, Seen
from tailproof.explore.playing import Played, Player, Stopped, proven_of
from tailproof.guarantees.verdict import Outcome
from tailproof.reports.result import VerdictResult
from tailproof.reports.words import count, span

_TOLD_EVERY = 10
"""Trials: what is left to draw is counted again then."""
FINDING = "finding"
"""How the journal begins to name what knows a violation, if no entry of the baseline does."""
FAILED = 3
"""So many trials that failed in a row are no property of their cells: the machine or the harness is broken."""

LATER = 5
"""So many trials behind it what failed is tried again."""


@dataclass(slots=True)
class Exploration:
    """What is known of it stands in the journal: an exploration that was broken off goes on from there."""

    deck: Deck
    journal: Journal
    player: Player
    say: Callable[[str], object]
    findings: list[Finding] = field(default_factory=list)
    broken: str = ""
    """Why trials fail, once that is so: nothing is said of the cells of the last of them then."""
    _failed: int = 0
    """How many in a row."""
    _later: deque[Drawn] = field(default_factory=deque)
    """Another attempt at what failed, behind everything else: the machine may be better by then."""
    _tried_twice: set[tuple[tuple[str, ...], bool]] = field(default_factory=set)
    """Cells, and whether they were alone, of which there is another attempt."""
    _open: deque[Drawn] = field(default_factory=deque)
    """Drawn, and not ended."""
    _numbers: int = 0
    """How many lines were drawn."""
    _asked: set[int] = field(default_factory=set)
    """Findings that somebody looks into."""
    _at_work: int = 0
    """Threads that may yet find something to do for others."""
    _change: threading.Condition = field(default_factory=threading.Condition)
    _failure: BaseException | None = None

    def __post_init__(self) -> None:
        """Begin where the journal ends. Raises BadJournal: it tells of cells that this version does not draw."""
        try:
            self._go_on()
        except ValueError as error:
            raise BadJournal(f"{self.journal.path} is of another version of tailproof: {error}") from error

    def _go_on(self) -> None:
        self.findings = findings_of(self.journal)
        ended = {line.number: line for line in self.journal.of(Ended)}
        before = self.journal.of(Drawn)
        self.deck.draws = self._numbers = len(before)
        self.deck.tried_again.update(Cell.read(cell) for drawn in before if drawn.again for cell in drawn.cells)
        self._tried_twice = {(drawn.cells, drawn.again) for drawn in before if drawn.attempt > 1}
        for drawn in before:
            if not drawn.again and drawn.attempt == 1:
                self.deck.take([*map(Cell.read, drawn.cells)])
            if drawn.number in ended:
                self._account(drawn, ended[drawn.number])
            else:
                self._open.append(drawn)
        self._reconsider()

    def run(self, parallel: int) -> None:
        """Until the budget is spent or nothing is left. Raises what went wrong in a thread of it."""
        threads = [
            threading.Thread(target=self._work, name=f"explore-{number}", daemon=True) for number in range(parallel)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                try:
                    job()
                finally:
                    self._has_ended()
        except Stopped as stopped:
            self.player.allowance.end(str(stopped))
        except BaseException as failure:  # noqa: BLE001 - told by whoever waits for this thread
            self._failure = self._failure or failure
            self.player.allowance.end("an error of the harness")

    def _next(self) -> Callable[[], None] | None:
        """Findings first, then what was begun, then new cells. Where there is none of them, what others are about may bring some."""
        with self._change:
            while (job := self._job()) is None and self._at_work and not self.player.allowance.over:
                self._change.wait()
            self._at_work += job is not None
        return job

    def _has_ended(self) -> None:
        with self._change:
            self._at_work -= 1
            self._change.notify_all()

    def _job(self) -> Callable[[], None] | None:
        for finding in self.findings:
            if not finding.settled and finding.number not in self._asked:
                self._asked.add(finding.number)
                return partial(self._look_into, finding)
        if self._later and self._numbers - self._later[0].number >= LATER:
            self._open.append(self._later.popleft())
        drawn = self._open.popleft() if self._open else self._draw()
        if drawn is None and self._later:
            drawn = self._later.popleft()
        return None if drawn is None else partial(self._play, drawn)

    def _look_into(self, finding: Finding) -> None:
        def meet(played: Played, plan: dict[str, Any], place: str) -> bool:
            with self._change:
                return self._meet(played, plan, place, finding)

        Inquest(finding, player=self.player, journal=self.journal, say=self.say, meet=meet).run()
        with self._change:
            self._reconsider()

    def _meet(self, played: Played, plan: dict[str, Any], place: str, played_for: Finding) -> bool:
        """What nobody knows is a finding, whatever its trial was played for. True if its history is needed for that."""
        needed = any(one.seen_in == place for one in self.findings)
        for verdict in played.result.verdicts if played.result else ():
            violation = verdict.guarantee, verdict.signature
            if verdict.outcome is not Outcome.VIOLATED or violation == (played_for.guarantee, played_for.signature):
                continue
            knows = self._knows(verdict, plan, played.landed)
            if not knows:
                self._find(violation, place, plan)
            elif knows.startswith(FINDING) and not needed:
                guarantee, signature = violation
                self.journal.write(
                    Seen(guarantee=guarantee, signature=signature, trial=place, scenario=plan, landed=played.landed)
                )
            needed = needed or not knows or knows.startswith(FINDING)
        return needed

    def _draw(self) -> Drawn | None:
        if self.player.allowance.over:
            return None
        deal = self.deck.deal()
        return self._drawn(deal.cells, again=deal.again) if deal.cells else None

    def _drawn(self, cells: Iterable[Cell], *, again: bool = False, attempt: int = 1) -> Drawn:
        some = tuple(cells)
        self._numbers += 1
        drawn = Drawn(number=self._numbers, cells=tuple(map(str, some)), trial="", again=again, attempt=attempt)
        repetition = _repetition(drawn)
        trial = f"{name_of(some)}.{repetition + 1}" if repetition else name_of(some)
        drawn = msgspec.structs.replace(drawn, trial=trial)
        self.journal.write(drawn)
        return drawn

    def _play(self, drawn: Drawn) -> None:
        plan = _plan(drawn)
        played = self.player.play(plan, repetition=_repetition(drawn))
        with self._change:
            self._failed = self._failed + 1 if played.error else 0
            if self._failed >= FAILED:
                if played.violated:
                    self._judge(drawn, plan, played)
                self.broken = f"{self._failed} trials in a row failed, the last one: {played.error}"
                raise Stopped(self.broken)
            self._judge(drawn, plan, played)

    def _judge(self, drawn: Drawn, plan: dict[str, Any], played: Played) -> None:
        proven, why = _proven(drawn, played)
        news: list[VerdictResult] = []
        violated = []
        for verdict in played.result.verdicts if played.result else ():
            if verdict.outcome is Outcome.VIOLATED:
                knows = self._knows(verdict, plan, played.landed)
                violated.append((verdict.guarantee, verdict.signature, knows))
                news += [] if knows else [verdict]
        ended = Ended(
            number=drawn.number, proven=proven, why=why, violated=tuple(violated), seconds=round(played.seconds, 1),
            error=played.error, landed=played.landed, sound=_sound(played) if drawn.again and not proven else (),
        )  # fmt: skip
        # Before the end of its trial: who is killed in between finds it once more, and not never.
        for verdict in news:
            self._find((verdict.guarantee, verdict.signature), drawn.trial, plan)
        self.journal.write(ended)
        self._account(drawn, ended)
        self._tell(drawn, ended)

    def _find(self, violation: tuple[str, str], trial: str, plan: dict[str, Any]) -> None:
        guarantee, signature = violation
        number = len(self.findings) + 1
        # A scenario that is being confirmed, or was, is confirmed by other trials than those that led to this.
        before = [
            one.beyond
            for one in self.findings
            if one.original["name"] == plan["name"] and (one.confirmed or one.number in self._asked)
        ]
        line = Found(
            finding=number, guarantee=guarantee, signature=signature, trial=trial, scenario=plan,
            beyond=max(before) + FRESH if before else 0,
        )  # fmt: skip
        self.journal.write(line)
        self.findings.append(Finding.of(line, self.journal.shard))

    def _reconsider(self) -> None:
        """What was taken for a finding that nobody had looked into yet may be another one: nothing shows it then, now that it is known
        what it takes to show that finding, or that it does not come back."""
        drawn = {line.number: line for line in self.journal.of(Drawn)}
        for ended in self.journal.of(Ended):
            for guarantee, signature, knows in ended.violated:
                if knows.startswith(FINDING):
                    of = drawn[ended.number]
                    self._find_unless_shown((guarantee, signature), of.trial, _plan(of), ended.landed)
        for seen in self.journal.of(Seen):
            self._find_unless_shown((seen.guarantee, seen.signature), seen.trial, seen.scenario, seen.landed)

    def _find_unless_shown(
        self, violation: tuple[str, str], trial: str, plan: dict[str, Any], landed: Collection[str] | None
    ) -> None:
        if not self._came_of(violation, trial) and not any(
            one.is_shown_by(violation, plan, landed) for one in self.findings
        ):
            self._find(violation, trial, plan)

    def _came_of(self, violation: tuple[str, str], trial: str) -> bool:
        return any(one.trial == trial and (one.guarantee, one.signature) == violation for one in self.findings)

    def _knows(self, verdict: VerdictResult, plan: dict[str, Any], landed: Collection[str]) -> str:
        if verdict.known:
            return verdict.known.entry
        violation = verdict.guarantee, verdict.signature
        same = next((one for one in self.findings if one.is_shown_by(violation, plan, landed)), None)
        return f"{FINDING} {same.number}" if same else ""

    def _account(self, drawn: Drawn, ended: Ended) -> None:
        """What a trial says of its cells. One that proved nothing is played once more alone, and is unreachable then. A trial that failed
        says nothing: there is another attempt."""
        if ended.error and not ended.violated and drawn.attempt == 1:
            if (drawn.cells, drawn.again) not in self._tried_twice:
                self._tried_twice.add((drawn.cells, drawn.again))
                self._later.append(self._drawn(map(Cell.read, drawn.cells), again=drawn.again, attempt=2))
            return
        for text in drawn.cells:
            cell = Cell.read(text)
            if text in ended.proven:
                self.deck.tell(cell, proven=True)
            elif drawn.again:
                self.deck.tell(cell, proven=False, why=ended.why, sound=ended.sound)
            else:
                self.deck.miss(cell)

    def _tell(self, drawn: Drawn, ended: Ended) -> None:
        seen = ", ".join(
            f"{guarantee} {signature}{f' ({knows})' if knows else ' NEW'}"
            for guarantee, signature, knows in ended.violated
        )
        what = " + ".join(drawn.cells)
        state = "proven" if len(ended.proven) == len(drawn.cells) else ended.why or ended.error
        self.say(
            f"{span(self.player.allowance.elapsed_s):>9}  {self.progress}  {what}: {state}{f'; {seen}' if seen else ''}"
        )
        if drawn.number % _TOLD_EVERY == 0:
            self.say(self.rest)

    @property
    def progress(self) -> str:
        """`45 of 68065 cells tried, 3 unreachable, pairs 60 %, 2 found`."""
        deck = self.deck
        found = [one for one in self.findings if one.hits]
        return (
            f"{len(deck.proven)} of {count(len(deck.cells), 'cell')} tried, {len(deck.unreachable)} unreachable, "
            f"pairs {100 * deck.covered:.0f} %, {len(found)} found"
        )

    @property
    def rest(self) -> str:
        """What the rest of the budget goes to: `1,312 pairs left to draw, 5 cells to be tried once more`."""
        more = f", {count(len(self.deck.waiting), 'cell')} to be tried once more" if self.deck.waiting else ""
        return f"{count(*self.deck.rest)} left to draw{more}"

    @property
    def told(self) -> list[str]:
        """A line for each finding."""
        return [
            f"{one.guarantee} {one.signature}: {card.confirmed(one)}; {card.size(one)}; found/{one.name}.md"
            for one in self.findings
        ]


def _plan(drawn: Drawn) -> dict[str, Any]:
    return composed([Cell.read(cell) for cell in drawn.cells]).model_dump(mode="json", by_alias=True)


def _repetition(drawn: Drawn) -> int:
    """Each trial of a scenario is another one: a supervisor plays none twice."""
    return (AGAIN if drawn.again else 0) if drawn.attempt == 1 else CONFIRMING[-1] + 1 + drawn.again


def _sound(played: Played) -> tuple[str, ...]:
    """Whether the fault of a cell that was alone was proven, with what goes beside it, and whether its act was."""
    told = played.result.faults if played.result and not played.error else ()
    by = {axis: [one.proven for one in told if one.act is (axis == "act")] for axis in ("fault", "act")}
    return tuple(axis for axis, proven in by.items() if proven and all(proven))


def _proven(drawn: Drawn, played: Played) -> tuple[tuple[str, ...], str]:
    """The cells of which all that lands was proven, and why the others were not."""
    if played.result is None or played.error:
        return (), played.error
    faults = played.result.faults
    why = [f"{one.name} {one.proof.get('reason') or 'had no effect'}" for one in faults if not one.proven]
    return proven_of(drawn.cells, faults), "; ".join(why) or played.result.broke_off
