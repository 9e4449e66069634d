"""Whether the user is told why a turn failed, and whether that is what happened."""

from __future__ import annotations

import re

from tailproof.guarantees.executions.view import (
    Ended,
    Execution,
    deaths,
    ended_containers,
    finished,
    replaced,
    told_to_the_executor,
)
from tailproof.guarantees.verdict import Verdict, at, excused, holds, inconclusive, violated
from tailproof.history.reader import History

UNTELLING = frozenset({"", "Error", "Completed"})
"""Reasons that say no more than the exit code does."""
OOM = re.compile(r"\boom\b|oomkilled|out of memory", re.IGNORECASE)
LEVELS = ("none", "generic", "exit code", "reason")


def explained(history: History, execution: Execution) -> Verdict:
    """A turn that failed is explained in its terminal event, which the user sees: with the container that ended, its exit code and, where
    the cluster gives a reason that says more (`OOMKilled`), with that reason; and with no reason that is not true.

    Where no answer of the cluster told the executor of the death before the execution ended, any cause will do, and so it will where the
    sandbox was replaced after it. A turn whose agent finished in good order needs none.
    """
    over = execution.ended
    if over is None:
        return inconclusive("the execution did not end")
    if over.neutral != "failed":
        if over.neutral == "done" and not deaths(history, execution):
            return holds(f"it ended as {over.raw}: nothing is to be explained", compared={"ends": 1})
        return excused(f"the execution ended as {over.raw}", evidence=[at(over, over.raw)])
    if not execution.ends:
        return inconclusive("the execution failed, and the log has no terminal event")
    says = execution.cause
    mine = [death for death in deaths(history, execution) if not replaced(history, death)]
    truth = mine[0] if mine else None
    needed = _needed(history, truth, over.t_ns)
    level = _level(says, truth)
    evidence = [at(execution.ends[0], says or "no cause"), *([at(truth.record, _told(truth))] if truth else [])]
    if not says.strip() or (truth is not None and LEVELS.index(level) < LEVELS.index(needed)):
        return violated(
            f"the turn failed, and its cause is told as {says!r}; {_told(truth) if truth else 'no cause'} is what happened",
            signature=f"cause-{level.replace(' ', '-')}",
            expected=[_told(truth) if truth else "a cause"],
            seen=[says or "nothing"],
            evidence=evidence,
            level=level,
        )
    if truth is not None and needed != "generic" and not _names(says, truth.name):
        return violated(
            f"{truth.name} ended ({_told(truth)}), and the cause does not name it: {says!r}",
            signature="names-another-container",
            expected=[truth.name],
            seen=[says],
            evidence=evidence,
        )
    if OOM.search(says) and not any(OOM.search(one.reason) for one in ended_containers(history)):
        return violated(
            f"the cause speaks of memory, and no container was killed for it: {says!r}",
            signature="untrue-reason",
            expected=[_told(truth) if truth else "another cause"],
            seen=[says],
            evidence=evidence,
        )
    end = finished(history, execution)
    if truth is None and end is not None and end.says == "ok":
        return violated(
            f"the agent finished its turn in good order, and it was failed: {says!r}",
            signature="explains-what-did-not-happen",
            expected=["no failure"],
            seen=[says],
            evidence=[at(end, "finished"), *evidence],
        )
    return holds(f"told as {says!r}", compared={"causes": 1}, level=level)


def _needed(history: History, truth: Ended | None, until_ns: int) -> str:
    """How much the executor could know: an answer that told it of the death had reached it."""
    if truth is None:
        return "generic"
    told = [one for one in told_to_the_executor(history) if one.t_ns <= until_ns and one.pod == truth.pod]
    if not any(one.name == truth.name for one in told):
        return "generic"
    return "exit code" if truth.reason in UNTELLING else "reason"


def _level(says: str, truth: Ended | None) -> str:
    if not says.strip():
        return "none"
    if truth is None or truth.exit_code is None or not re.search(rf"\b{truth.exit_code}\b", says):
        return "generic"
    if truth.reason in UNTELLING or truth.reason.lower() in says.lower():
        return "reason"
    return "exit code"


def _names(says: str, container: str) -> bool:
    return re.search(rf"\b{re.escape(container)}\b", says) is not None


def _told(truth: Ended) -> str:
    return f"{truth.name}: {truth.reason or 'no reason'}, exit code {truth.exit_code}"
