"""Whether an executor learns that an agent is dead, and takes no living one for dead."""

from __future__ import annotations

from tailproof.guarantees.executions.view import (
    Ended,
    Execution,
    attachments,
    deaths,
    finished,
    only_executors,
    per_execution,
    replaced,
    sidecar_ends,
)
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import AGENT, EDGE, LOG, POD, STATUS
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.timeline import SECOND, last_ns, seconds


def dead(history: History, execution: Execution) -> Verdict:
    """An agent that ends in the middle of its turn, for whatever cause and whatever sidecars live on, makes the execution end within T,
    not as done, and its session is no longer shown as running. The end of a sidecar alone, or a source of the status that fails
    for a while, fails no turn of a living agent, unless the cause names that sidecar.

    T counts from the moment at which the cluster told that the container had ended. A death after which another sandbox was begun
    within T was noticed: what becomes of the turn is `loop.once`'s to judge.
    """
    limit_s = parameter(history.header, "status.dead")
    mine = deaths(history, execution)
    for death in mine:
        if (wrong := _unnoticed(history, execution, death, limit_s)) is not None:
            return wrong
    if not mine and (wrong := _taken_for_dead(history, execution)) is not None:
        return wrong
    if mine:
        took_s = max(_took_s(execution, death) for death in mine)
        return holds(
            f"the execution ended as {_raw(execution)} within {took_s} s of the agent's death",
            compared={"deaths": len(mine)},
            took_s=took_s,
            limit_s=limit_s,
        )
    if finished(history, execution) is not None:
        return holds(
            f"the agent lived to its end, and the execution ended as {_raw(execution)}", compared={"living agents": 1}
        )
    over = execution.ended
    if over is None:
        return inconclusive("the agent neither died nor finished, and the execution did not end")
    return excused(
        f"the execution ended as {over.raw} while the agent was at work",
        evidence=[at(over, f"{over.raw}; no agent died")],
    )


def _unnoticed(history: History, execution: Execution, death: Ended, limit_s: float) -> Verdict | None:
    limit_ns = int(limit_s * SECOND)
    other = replaced(history, death)
    if other is not None and other.t_ns <= death.t_ns + limit_ns:
        return None
    told = f"{death.name} {death.reason or 'ended'}, exit code {death.exit_code}"
    over = execution.ended
    took_ns = (over.t_ns if over else last_ns(history)) - death.t_ns
    if took_ns > limit_ns:
        last = execution.statuses[-1] if execution.statuses else None
        before = [one for one in execution.statuses if over is None or one.t_ns < over.t_ns]
        return violated(
            f"the agent was dead, and {seconds(took_ns)} s later the execution was still {before[-1].raw if before else 'unknown'}",
            signature="active-after-death",
            expected=[f"an end within {limit_s:g} s"],
            seen=[f"{one.raw} after {seconds(one.t_ns - death.t_ns)} s" for one in execution.statuses[-10:]],
            evidence=[at(death.record, told), *([at(last, last.raw)] if last else [])],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(took_ns),
        )
    if over is None:
        return inconclusive("the trial ended before T was over")
    if over.neutral == "done":
        return violated(
            f"the agent died in the middle of its turn ({told}), and the execution is shown as {over.raw}",
            signature="done-after-death",
            expected=["failed"],
            seen=[over.raw],
            evidence=[at(death.record, told), at(over, over.raw)],
        )
    shown = [one for one in history.statuses if not one.run and one.t_ns >= death.t_ns and one.witness == over.witness]
    good = next((one for one in shown if one.neutral != "active"), None)
    took_ns = (good.t_ns if good else last_ns(history)) - death.t_ns
    if took_ns > limit_ns:
        return violated(
            f"the agent was dead, and {seconds(took_ns)} s later its session was still shown as running",
            signature="session-running-after-death",
            expected=[f"not running within {limit_s:g} s"],
            seen=[one.raw for one in shown[-5:]] or ["nothing else"],
            evidence=[at(death.record, told)],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(took_ns),
        )
    return None


def _taken_for_dead(history: History, execution: Execution) -> Verdict | None:
    over = execution.ended
    if over is None or over.neutral != "failed":
        return None
    if len(attachments(history)) >= parameter(history.header, "loop.bounded.attempts"):
        return None  # it had given its stream up
    end = finished(history, execution)
    if end is not None and end.says == "error":
        return None  # as the agent said itself
    sidecars = sidecar_ends(history, execution)
    if any(one.name in execution.cause for one in sidecars):
        return None
    asked = [*sidecars, *(fault for fault in history.faults if fault.name.startswith("edge.status"))]
    if not asked and end is None:
        return None
    return violated(
        f"the agent lived, and its execution was failed: {execution.cause or 'no cause is told'}",
        signature="live-turn-failed",
        expected=["the turn goes on, or the cause names what ended"],
        seen=[f"{over.raw}: {execution.cause}"],
        evidence=[
            *(at(one.record, f"{one.name} ended") for one in sidecars),
            *([at(end, "the agent finished its turn")] if end else []),
            at(over, over.raw),
        ],
    )


def _took_s(execution: Execution, death: Ended) -> float:
    return seconds(execution.ended.t_ns - death.t_ns) if execution.ended else 0.0


def _raw(execution: Execution) -> str:
    return execution.ended.raw if execution.ended else "nothing"


GUARANTEES = (
    Guarantee(
        id="status.dead",
        level=Level.MUST,
        promise="An agent that ends in the middle of its turn makes its execution end within T, whatever sidecars live on, and its "
        "session is not shown as running; the end of a sidecar fails no turn of a living agent unless the cause names it.",
        hurts="users of an executor: a dead turn is shown as running, or a living one as failed",
        judge=per_execution(dead),
        applies=only_executors,
        rests_on=frozenset(),
        of_executors=frozenset({LOG, STATUS, POD, AGENT, EDGE}),
        rests_on_time=True,
    ),
)
