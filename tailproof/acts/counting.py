"""What a server holds while users come and go, counted by the kernel."""

from __future__ import annotations

from contextlib import suppress

from tailproof.faults.fault import Stage
from tailproof.history.records import Counter
from tailproof.ownership.held import held
from tailproof.waiting import DeadlineMissed

LETS_GO_S = 10.0
"""How long a server may take to let go of what is over."""
LET_GO = ("processes", "descriptors")


class Counts:
    """The counts of one act, made behind each of its rounds: witness `user`."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}

    def take(self, stage: Stage, *, when_let_go: bool) -> None:
        """Count and write down; with `when_let_go` as soon as the server holds no more than at first, or has had its time."""
        holds = _held(stage)
        first = self._first = self._first or holds
        if when_let_go:
            with suppress(DeadlineMissed):
                stage.budget.wait_for(
                    "the server to let go of what is over",
                    lambda: all(_held(stage).get(what, 0) <= first.get(what, 0) for what in LET_GO),
                    within=LETS_GO_S,
                    every=0.5,
                )
            holds = _held(stage)
        for what, number in holds.items():
            stage.company.tell(Counter(f"server.{what}", float(number), stage.server.epoch))


def _held(stage: Stage) -> dict[str, int]:
    """Processes of the server wherever they hang, and what its own process holds."""
    pids = stage.server.counters().get("pids")
    return {**held(stage.server.server_pid()), **({} if pids is None else {"processes": int(pids)})}
