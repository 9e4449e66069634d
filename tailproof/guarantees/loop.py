"""The loop always terminates."""

from __future__ import annotations

from tailproof.guarantees import loop_after, loop_bounded, loop_progress, loop_returns
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.executions import loop as executions
from tailproof.guarantees.executions.view import either, per_execution
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, LOG, MODEL, STATUS, STREAM, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.plan import HOLDING, is_of_the_path
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, SETTLED
from tailproof.history.records import Life
from tailproof.history.server_records import Status
from tailproof.history.timeline import SECOND, BegunRun, clean_statuses, runs_of, seconds, settled_at


def terminates(history: History, conversation: str) -> Verdict:
    """Every run reaches a terminal or waiting status within its time limit after the last fault is healed.

    A run begins with an accepted request to run. Its time limit is the scripted time plus T, counted from its beginning or from the
    last obstacle in it: the healing of a fault of the server, readiness after a restart, the release of a loop that the trial itself
    held. What is done to a client's path is no obstacle to the loop, which runs in the server. It has ended
    with the first settled status after which no other is seen before the next run. A run whose server died or was stopped is
    `status.crash`'s to judge, unless the server promises to run it again by itself. At rest without any call of the model counts
    as never begun.
    """
    return all_of(
        (_one_run(history, run) for run in runs_of(history, conversation)),
        nothing="no run was accepted",
    )


def _one_run(history: History, run: BegunRun) -> Verdict:
    settled = settled_at(history, run.conversation, run.began_ns, run.until_ns)
    down = _cut_off(history, run, settled)
    if down is not None and history.header.facts.get("crash_policy") != "run-again":
        return excused("the server went down during the run: see status.crash", evidence=[at(down, down.stage)])
    limit_s = parameter(history.header, "loop.terminates") + parameter(history.header, "scripted")
    end_ns = settled.t_ns if settled else run.until_ns
    base_ns, since = max(
        (one for one in _obstacles(history) if run.began_ns < one[0] < end_ns), default=(run.began_ns, "it began")
    )
    row = [
        status for status in clean_statuses(history, run.conversation) if run.began_ns <= status.t_ns <= run.until_ns
    ]
    late = [status for status in row if status.t_ns - base_ns > limit_s * SECOND]
    compared = {"runs": 1, "statuses": len(row)}
    if settled and seconds(settled.t_ns - base_ns) <= limit_s:
        return holds(
            f"the run ended with {settled.raw} {seconds(settled.t_ns - base_ns)} s after {since}",
            compared=compared,
            limit_s=limit_s,
            took_s=seconds(settled.t_ns - base_ns),
        )
    if not row:
        return inconclusive("no status was seen after the run had begun", limit_s=limit_s)
    unsettled = [status for status in late if status.neutral not in SETTLED]
    if not unsettled:
        if row[-1].neutral in SETTLED:
            return holds(f"the run stays {row[-1].raw}", compared=compared, limit_s=limit_s)
        return inconclusive(
            f"the run was last seen as {row[-1].raw}, {seconds(row[-1].t_ns - base_ns)} s after {since}",
            limit_s=limit_s,
        )
    last = unsettled[-1]
    if last.neutral == "idle":
        asked = any(call.turn >= 0 and run.began_ns < call.t_ns < last.t_ns for call in history.model_calls)
        if asked:
            return holds(f"the run came to rest as {last.raw}", compared=compared, limit_s=limit_s)
    return violated(
        f"the run is still {last.raw}, {seconds(last.t_ns - base_ns)} s after {since}",
        signature="late-end" if settled else ("never-begun" if last.neutral == "idle" else "still-running"),
        expected=sorted(SETTLED),
        seen=[last.raw],
        evidence=[at(run.record, "the run was accepted"), at(last, f"{last.raw} via {last.via}")],
        timed=True,
        limit_s=limit_s,
        took_s=seconds(last.t_ns - base_ns),
    )


def _obstacles(history: History) -> list[tuple[int, str]]:
    """When something stopped keeping a loop from its end, and what that was, in words."""
    healed = [fault for fault in history.faults if fault.stage == "healed" and not is_of_the_path(fault.name)]
    up = {"ready": "the server was ready again", "resumed": "the server was resumed"}
    released = [
        held for held in history.rendezvous if held.stage == "released" and held.point.partition(":")[0] in HOLDING
    ]
    return [
        *((fault.t_ns, f"the fault {fault.fault} was healed") for fault in healed),
        *((life.t_ns, up[life.stage]) for life in history.lives if life.stage in up),
        *((held.t_ns, f"the trial no longer held the loop at {held.point}") for held in released),
    ]


def _cut_off(history: History, run: BegunRun, settled: Status | None) -> Life | None:
    """The server went down before the run had come to rest, and was started again."""
    end_ns = settled.t_ns if settled else run.until_ns
    started = [life.t_ns for life in history.lives if life.stage == "started"]
    return next(
        (
            life
            for life in history.lives
            if life.stage in ("died", "stopped")
            and run.began_ns < life.t_ns < end_ns
            and any(moment > life.t_ns for moment in started)
        ),
        None,
    )


GUARANTEES = (
    Guarantee(
        id="loop.terminates",
        level=Level.MUST,
        promise="Every run reaches a terminal or waiting status within its time limit after the last fault is healed, every execution of "
        "an executor within the deadline that comes with it.",
        hurts="users: a run never ends, and blocks its conversation",
        judge=either(per_conversation(terminates), per_execution(executions.terminates)),
        rests_on=frozenset({STATUS, STREAM, ENGINE, MODEL, CLIENT, WIRE}),
        of_executors=frozenset({LOG, STATUS}),
        rests_on_time=True,
    ),
    *loop_progress.GUARANTEES,
    *loop_returns.GUARANTEES,
    *loop_after.GUARANTEES,
    *loop_bounded.GUARANTEES,
)
