"""What happens in a check, as it happens: whoever shows its progress reads these, and nothing else.

They are kept as one JSON line each in `run.ndjson` beside the result, and `--progress json` prints them. `t_s` counts seconds since the
check began.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from tailproof.guarantees.verdict import Outcome
from tailproof.reports.result import GateState, TrialResult


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    t_s: float


class CheckBegan(_Event, frozen=True, kw_only=True, tag="check began"):
    """So many trials will be run, `parallel` side by side, which takes about `expected_s` seconds. `started` is ISO 8601 in UTC."""

    started: str
    target: str
    client: str
    trials: int
    parallel: int
    expected_s: float


class TrialEntered(_Event, frozen=True, kw_only=True, tag="trial entered"):
    """A trial entered a phase, or something landed in it (`detail`), so many seconds after its begin."""

    trial: str
    phase: str
    seconds: float
    detail: str = ""


class TrialEnded(_Event, frozen=True, kw_only=True, tag="trial ended"):
    """A trial has ended; with an `error` the harness or the environment failed. `done` have ended by now, and all will have in about
    `left_s` seconds."""

    trial: str
    seconds: float
    done: int
    left_s: float
    error: str = ""


class TrialJudged(_Event, frozen=True, kw_only=True, tag="trial judged"):
    """What a trial gave: how many verdicts of each outcome, and which guarantees are violated and not known. `says` is that in a line."""

    trial: str
    outcomes: dict[str, int]
    violated: tuple[str, ...]
    says: str


class ShardTold(_Event, frozen=True, kw_only=True, tag="shard told"):
    """Of a check whose parts run on a cluster: part `number` of `of` runs, was lost, or what it found is here. `says` is where it runs, or
    why it was lost; `undone` of its trials that had ended count no more."""

    number: int
    of: int
    state: Literal["running", "lost", "collected"]
    says: str = ""
    undone: int = 0


class CheckEnded(_Event, frozen=True, kw_only=True, tag="check ended"):
    """The gate, as it stands in `result.json`."""

    state: GateState
    exit_code: int
    says: str


RunEvent = CheckBegan | TrialEntered | TrialEnded | TrialJudged | ShardTold | CheckEnded


class Follows(Protocol):
    """Shows a check while it runs, or keeps what happened in it."""

    def tell(self, event: RunEvent) -> None:
        """The next event. Never called by two threads at once. Raises OSError when nothing can be written."""

    def close(self) -> None:
        """No event will follow. Idempotent."""


def judged(trial: TrialResult, name: str, *, t_s: float, says: str) -> TrialJudged:
    """The event of a judged trial; `name` is that of its order."""
    outcomes = [verdict.outcome for verdict in trial.verdicts]
    return TrialJudged(
        t_s=t_s,
        trial=name,
        outcomes={str(outcome): outcomes.count(outcome) for outcome in Outcome if outcome in outcomes},
        violated=tuple(verdict.guarantee for verdict in trial.verdicts if verdict.violated),
        says=says,
    )
