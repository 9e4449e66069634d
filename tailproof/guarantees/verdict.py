"""The words in which a guarantee answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.record import Record


class Outcome(StrEnum):
    """`inconclusive` is a first-class answer: the history does not decide the question, and `says` tells why. `not-applicable`
    comes from the plan (`Guarantee.applies`) or from a fact that the history shows (`excused`), never from silence."""

    HOLDS = "holds"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not-applicable"


class Level(StrEnum):
    """How binding a promise is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A record that a verdict stands on: `witness` and `seq` find it in the history."""

    witness: str
    seq: int
    t_ns: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One answer, with what a stranger needs to believe it."""

    outcome: Outcome
    says: str
    """One sentence: what was found."""
    signature: str = ""
    """A short stable name of *how* it is violated (`missing-tail`, `running-after-restart`): the same defect gives the same
    signature in every trial, whatever ids and times it had."""
    expected: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    compared: dict[str, float | int] = field(default_factory=dict)
    """Of `holds`: how much it rests on, in named units (`events`, `requests`, `seconds`): what was compared or, for a promise that
    something does not happen, what was searched. Nothing at all decides nothing (`catalogue.weigh`)."""
    measured: dict[str, float | int | str] = field(default_factory=dict)
    """Parameters in force beside the measured values, in the units that the keys name (`limit_s`, `took_s`, `missing`)."""
    evidence: tuple[Pointer, ...] = ()
    planned: bool = False
    """Of `not-applicable`: the plan or the protocol says so (`Guarantee.applies`), and no record can change it."""
    timed: bool = False
    """A clock decided: `took_s` was more than `limit_s`. A stall of the supervisor can take such a violation back."""
    unsound: bool = False
    """Of `inconclusive`: the record of the trial cannot be trusted or has an end missing (a blind witness, a fault without proof, a
    trial that broke off), so that nobody could have decided the question (`catalogue.weigh`)."""


def always(header: Header) -> str:
    """The promise is about every trial."""
    return ""


def first_of(*reasons: Callable[[Header], str]) -> Callable[[Header], str]:
    """The promise is about a trial unless one of these says why not."""
    return lambda header: next((why for reason in reasons if (why := reason(header))), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """One named promise and the pure function that judges it."""

    id: str
    level: Level
    promise: str
    """One sentence that a user understands."""
    hurts: str = ""
    """Who is hurt when it is broken, in a phrase that follows the word "hurts"; empty for a guarantee of an extension that does not say."""
    judge: Callable[[History], Verdict]
    rests_on: frozenset[str]
    """The witnesses whose records `judge` reads (`witnesses.WITNESSES`): when one of them is blind, the verdict is inconclusive.
    The trial's own record always counts."""
    applies: Callable[[Header], str] = always
    """Why the promise is not about this trial, from its plan and from what its protocol and client can do; empty when it is."""
    judges_break_offs: bool = False
    """It says whose fault it is that a trial could not go on: a break-off takes nothing back from it."""
    of_executors: frozenset[str] = frozenset()
    """What it rests on where an executor of sandboxes is on trial; nothing for a promise about servers that run their agent themselves,
    which is not judged there."""
    rests_on_time: bool = False
    """A stall of the supervisor or of the machine makes a violation of it inconclusive."""


TAKEN_BACK = "; else "
"""Parts the reason for which a verdict was taken back from what it would have been: verdicts that share a reason are told as one."""
MOST = 30
"""How many ids and pointers a verdict carries at most of each."""


def at(record: Record, says: str) -> Pointer:
    """A pointer to a record."""
    return Pointer(witness=record.witness, seq=record.seq, t_ns=record.t_ns, says=says)


_WEIGHT = {Outcome.VIOLATED: 3, Outcome.INCONCLUSIVE: 2, Outcome.HOLDS: 1, Outcome.NOT_APPLICABLE: 0}


def all_of(verdicts: Iterable[Verdict], *, nothing: str) -> Verdict:
    """One verdict for several of the same promise (per conversation, run or death): the first of the worst, and for several that
    hold all that they compared; without any it is inconclusive, and `nothing` says why there was none."""
    every = list(verdicts)
    worst = max(every, key=lambda verdict: _WEIGHT[verdict.outcome], default=inconclusive(nothing))
    if worst.outcome is not Outcome.HOLDS:
        return worst
    compared: dict[str, float | int] = {}
    for verdict in every:
        for unit, number in verdict.compared.items():
            compared[unit] = compared.get(unit, 0) + number
    return replace(worst, compared=compared)


def holds(says: str, *, compared: Mapping[str, float | int], **measured: float | int | str) -> Verdict:
    """The promise was kept, and the history shows it on this much."""
    return Verdict(outcome=Outcome.HOLDS, says=says, compared=dict(compared), measured=measured)


def violated(
    says: str,
    *,
    signature: str,
    expected: Iterable[str] = (),
    seen: Iterable[str] = (),
    evidence: Iterable[Pointer] = (),
    timed: bool = False,
    **measured: float | int | str,
) -> Verdict:
    """The promise was broken, and the history shows where. Long lists are cut to `MOST` entries; `measured` has the counts."""
    return Verdict(
        outcome=Outcome.VIOLATED,
        says=says,
        signature=signature,
        expected=_cut(expected),
        seen=_cut(seen),
        evidence=tuple(evidence)[:MOST],
        timed=timed,
        measured=measured,
    )


def inconclusive(says: str, **measured: float | int | str) -> Verdict:
    """The history does not decide the question."""
    return Verdict(outcome=Outcome.INCONCLUSIVE, says=says, measured=measured)


def excused(says: str, *, evidence: Iterable[Pointer]) -> Verdict:
    """What the history shows takes the ground from the promise: the evidence is what excuses. Silence excuses nobody
    (`catalogue.weigh` calls an excuse without evidence inconclusive)."""
    return Verdict(outcome=Outcome.NOT_APPLICABLE, says=says, evidence=tuple(evidence)[:MOST])


def _cut(ids: Iterable[str]) -> tuple[str, ...]:
    every = tuple(ids)
    return every if len(every) <= MOST else (*every[:MOST], f"... and {len(every) - MOST} more")
