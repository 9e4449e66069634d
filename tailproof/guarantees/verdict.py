"""The words in which a guarantee answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tailproof.history.reader import History


class Outcome(StrEnum):
    """`inconclusive` is a first-class answer: the history does not decide the question, and `says` tells why."""

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
    measured: dict[str, float | int | str] = field(default_factory=dict)
    """Parameters in force beside the measured values, in the units that the keys name (`limit_s`, `took_s`, `missing`)."""
    evidence: tuple[Pointer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """One named promise and the pure function that judges it."""

    id: str
    level: Level
    promise: str
    """One sentence that a user understands."""
    source: str
    """Where the promise was made: a specification, a pull request, a line of documentation."""
    judge: Callable[[History], Verdict]
    rests_on_time: bool = False
    """A stall of the supervisor or of the machine makes a violation of it inconclusive."""


def holds(says: str, **measured: float | int | str) -> Verdict:
    """The promise was kept, and the history shows it."""
    return Verdict(outcome=Outcome.HOLDS, says=says, measured=measured)


def inconclusive(says: str, **measured: float | int | str) -> Verdict:
    """The history does not decide the question."""
    return Verdict(outcome=Outcome.INCONCLUSIVE, says=says, measured=measured)


def not_applicable(says: str) -> Verdict:
    """The situation, the server or the client does not have what the promise is about."""
    return Verdict(outcome=Outcome.NOT_APPLICABLE, says=says)
