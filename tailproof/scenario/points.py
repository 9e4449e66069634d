"""The named points of the loop at which a fault can land, and their order within one trial."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tailproof.history.plan import HOLDING
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip

_POINT = re.compile(
    r"(connected|created|model-called|action-stored|tool-running|child-at-work|condensing|observation-stored|final-reply|terminal|returned|end|accepted|line)"
    r"(?::([0-9]{1,6}))?"
)
_OF_A_TURN = {
    "condensing": -1,
    "model-called": 0,
    "action-stored": 1,
    "tool-running": 2,
    "child-at-work": 3,
    "observation-stored": 4,
}
OF_EXECUTIONS = frozenset({"accepted", "line"})
"""Points of an executor's turn; it has `created` and `end`, too."""
_OUTSIDE_RUNS = frozenset({"connected", "created", "end", "accepted"})
_OF_A_RUN = {"final-reply": 0, "terminal": 5, "returned": 6}


@dataclass(frozen=True, slots=True)
class Point:
    """One point: `connected`, `created`, `condensing:K`, `model-called:K`, `action-stored:K`, `tool-running:K`, `child-at-work:K`,
    `observation-stored:K`, `final-reply`, `terminal`, `returned`, `end`.

    K counts the turns of the script from 1, as a person reads it. At `connected` the client knows the server and has not asked
    it for anything. Nobody holds the loop at `action-stored` and `observation-stored`: they are reached when the stream
    shows the first action of turn K, or what answers it; `child-at-work` when the model has told the child of turn K what to do first.
    `condensing` is the model's first summary of the conversation (held), which it is asked for before turn K.
    `final-reply` is the model's last reply of a run (held),
    `terminal` the server's terminal status and `returned` the return of the client's run; they mean the last run unless a
    run is named (`terminal:1`). `end` is the end of driving.

    An executor's turn has `created` (there is a session), `accepted` (the turn was acknowledged), `line:N` (the agent has printed N lines
    and stands still) and `end`.
    """

    name: str
    number: int = 0
    """The turn, or the run; 0 for the last run."""

    @classmethod
    def parse(cls, text: str) -> Point:
        """Raises ValueError with the list of what there is."""
        match = _POINT.fullmatch(text)
        name, number = (match[1], match[2]) if match else ("", None)
        wrong_number = number is not None and (name in _OUTSIDE_RUNS or int(number) < 1)
        if not name or wrong_number or (name in {*_OF_A_TURN, "line"} and number is None):
            raise ValueError(
                f"{clip(repr(text), SAID_CHARS)} is no point of the loop; there are connected, created, condensing:K, model-called:K, "
                "action-stored:K, tool-running:K, child-at-work:K, observation-stored:K, final-reply, terminal, returned and end "
                "(K counts the turns of the script from 1); an execution has created, accepted, line:N and end"
            )
        return cls(name, int(number or 0))

    def __str__(self) -> str:
        return f"{self.name}:{self.number}" if self.number else self.name

    @property
    def of_a_turn(self) -> bool:
        """The number counts turns, not runs."""
        return self.name in _OF_A_TURN

    @property
    def outside_runs(self) -> bool:
        """No run has to be under way for it: it is reached by going there."""
        return self.name in _OUTSIDE_RUNS

    @property
    def holds(self) -> bool:
        """The loop stands still here until it is let go."""
        return self.name in HOLDING

    def order(self, last_turns: Sequence[int]) -> tuple[int, int]:
        """Sorts points by the moment at which the loop reaches them.

        `last_turns` holds, for each run, the number of the script's turn that ends it (from 1).
        """
        if self.name in ("connected", "created"):
            return (0, int(self.name == "created"))
        if self.name in OF_EXECUTIONS:
            return (0, 2 + self.number)
        if self.name == "end":
            return (last_turns[-1] + 1, 0)
        if self.of_a_turn:
            return (self.number, _OF_A_TURN[self.name])
        return (last_turns[self.run(last_turns) - 1], _OF_A_RUN[self.name])

    def run(self, last_turns: Sequence[int]) -> int:
        """The run (from 1) in which the loop reaches this point."""
        if self.of_a_turn:
            return next(run for run, last in enumerate(last_turns, 1) if self.number <= last)
        return self.number or len(last_turns)
