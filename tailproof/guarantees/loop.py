"""The loop always terminates, and the client notices."""

from __future__ import annotations

from tailproof.guarantees import loop_after
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Verdict,
    all_of,
    at,
    holds,
    inconclusive,
    not_applicable,
    violated,
)
from tailproof.history.reader import History
from tailproof.history.records import TERMINAL, Run, Status
from tailproof.history.timeline import (
    SECOND,
    SETTLED,
    BegunRun,
    clean_statuses,
    client_runs,
    last_ns,
    runs_of,
    seconds,
    settled_at,
)

TERMINATES_S = 30.0
RETURNS_S = 10.0
FAILED = frozenset({"failed", "stuck"})
SLACK_NS = SECOND
"""A read of the status that was under way when a run returned may still show it running for this long."""


def terminates(history: History, conversation: str) -> Verdict:
    """Every run reaches a terminal or waiting status within its budget after the last fault is healed.

    A run begins with an accepted request to run. Its budget is the scripted time plus T, counted from its beginning or from the
    last healing (or readiness after a restart) in it. It has ended with the first settled status after which no other is seen
    before the next run. A run whose server died or was stopped is `status.crash`'s to judge, unless the server promises to run
    it again by itself. At rest without any call of the model counts as never begun.
    """
    return all_of(
        (_one_run(history, run) for run in runs_of(history, conversation)),
        nothing="no run was accepted",
    )


def _one_run(history: History, run: BegunRun) -> Verdict:
    settled = settled_at(history, run.conversation, run.began_ns, run.until_ns)
    if history.header.facts.get("crash_policy") != "run-again" and _cut_off(history, run, settled):
        return not_applicable("the server went down during the run: see status.crash")
    limit_s = history.header.parameters.get("loop.terminates", TERMINATES_S) + history.header.parameters.get(
        "scripted", 0.0
    )
    healed = [fault.t_ns for fault in history.faults if fault.stage == "healed"]
    healed += [life.t_ns for life in history.lives if life.stage in ("ready", "resumed")]
    end_ns = settled.t_ns if settled else run.until_ns
    base_ns = max((moment for moment in healed if run.began_ns < moment < end_ns), default=run.began_ns)
    row = [
        status for status in clean_statuses(history, run.conversation) if run.began_ns <= status.t_ns <= run.until_ns
    ]
    late = [status for status in row if status.t_ns - base_ns > limit_s * SECOND]
    if settled and seconds(settled.t_ns - base_ns) <= limit_s:
        return holds(
            f"the run ended with {settled.raw} {seconds(settled.t_ns - base_ns)} s after its last obstacle",
            limit_s=limit_s,
            took_s=seconds(settled.t_ns - base_ns),
        )
    if not row:
        return inconclusive("no status was seen after the run had begun", limit_s=limit_s)
    unsettled = [status for status in late if status.neutral not in SETTLED]
    if not unsettled:
        if row[-1].neutral in SETTLED:
            return holds(f"the run rests as {row[-1].raw}", limit_s=limit_s)
        return inconclusive(
            f"the run was seen as {row[-1].raw} last, {seconds(row[-1].t_ns - base_ns)} s after its last obstacle",
            limit_s=limit_s,
        )
    last = unsettled[-1]
    if last.neutral in ("idle", "unknown"):
        asked = any(call.turn >= 0 and run.began_ns < call.t_ns < last.t_ns for call in history.model_calls)
        if asked:
            return holds(f"the run came to rest as {last.raw}", limit_s=limit_s)
    return violated(
        f"{seconds(last.t_ns - base_ns)} s after its last obstacle the run is still {last.raw}",
        signature="late-end" if settled else ("never-begun" if last.neutral == "idle" else "still-running"),
        expected=sorted(SETTLED),
        seen=[last.raw],
        evidence=[at(run.record, "the run was accepted"), at(last, f"{last.raw} via {last.via}")],
        timed=True,
        limit_s=limit_s,
        took_s=seconds(last.t_ns - base_ns),
    )


def _cut_off(history: History, run: BegunRun, settled: Status | None) -> bool:
    """The server went down before the run had come to rest, and came back."""
    end_ns = settled.t_ns if settled else run.until_ns
    started = [life.t_ns for life in history.lives if life.stage == "started"]
    return any(
        life.stage in ("died", "stopped")
        and run.began_ns < life.t_ns < end_ns
        and any(moment > life.t_ns for moment in started)
        for life in history.lives
    )


def returns(history: History, conversation: str) -> Verdict:
    """The client's run or poll loop returns within T of the terminal status, and raises when the status is an error.

    T counts beyond the lag that was put on the client's path, from the terminal status that a healthy reader saw (or from the
    healing of a fault on the path that came later, if the run returned after it). A client that returns while the run still
    goes on breaks the promise, too. A run during which the server died may end with any error. The plain protocol client has
    no loop of its own; the promise is not about it.
    """
    if history.header.client == "plain":
        return not_applicable("the plain protocol client has no loop of its own")
    return all_of(
        (_one_return(history, conversation, called, back) for called, back in client_runs(history, conversation)),
        nothing="the client never ran",
    )


def _one_return(history: History, conversation: str, called: Run, back: Run | None) -> Verdict:
    parameters = history.header.parameters
    limit_s = parameters.get("loop.returns", RETURNS_S) + parameters.get("lag", 0.0)
    later = [run.t_ns for run, _ in client_runs(history, conversation) if run.t_ns > called.t_ns]
    until_ns = min(later, default=last_ns(history))
    ended = settled_at(history, conversation, called.t_ns, until_ns)
    judged_ns = (ended or back or called).t_ns
    if any(life.stage in ("died", "stopped") and called.t_ns < life.t_ns < judged_ns for life in history.lives):
        return not_applicable("the server went down during the run")
    if ended is None or ended.neutral not in TERMINAL:
        return not_applicable("the run reached no terminal status that the client could notice")
    if back is None:
        waited_ns = last_ns(history) - ended.t_ns
        if waited_ns <= limit_s * SECOND:
            return inconclusive(f"the trial ended {seconds(waited_ns)} s after the run, before its client was late")
        return violated(
            f"the run was {ended.raw} and its client had not come back {seconds(waited_ns)} s later",
            signature="never-returned",
            evidence=[at(called, "run() was called"), at(ended, f"{ended.raw} via {ended.via}")],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(waited_ns),
        )
    evidence = [at(ended, f"{ended.raw} via {ended.via}"), at(back, f"run() {back.stage} {back.error_type}".rstrip())]
    if ended.t_ns > back.t_ns + SLACK_NS:
        return _early(history, conversation, back)
    healed = [fault.t_ns for fault in history.faults if fault.stage == "healed" and ended.t_ns < fault.t_ns < back.t_ns]
    took_ns = back.t_ns - max(ended.t_ns, *healed, ended.t_ns)
    measured = {"limit_s": limit_s, "took_s": seconds(took_ns)}
    if ended.neutral in FAILED and back.stage == "returned":
        return violated(
            f"run() returned as if all were well; the run ended in {ended.raw}",
            signature="silent-error",
            expected=["an exception"],
            seen=[f"returned {back.status}".strip()],
            evidence=evidence,
        )
    if ended.neutral == "done" and back.stage == "raised":
        return violated(
            f"run() raised {back.error_type or 'an error'} although the run ended well ({ended.raw})",
            signature="raised-although-done",
            expected=["a return"],
            seen=[f"{back.error_type}: {back.error}"],
            evidence=evidence,
        )
    if took_ns > limit_s * SECOND:
        return violated(
            f"run() came back {seconds(took_ns)} s after the terminal status {ended.raw}",
            signature="late-return",
            evidence=evidence,
            timed=True,
            limit_s=limit_s,
            took_s=seconds(took_ns),
        )
    return holds(f"run() {back.stage} {max(0.0, seconds(took_ns))} s after {ended.raw}", **measured)


def _early(history: History, conversation: str, back: Run) -> Verdict:
    running = [
        status
        for status in clean_statuses(history, conversation)
        if status.neutral in ("active", "queued") and status.t_ns > back.t_ns + SLACK_NS
    ]
    if not running:
        return inconclusive("run() came back before a terminal status was seen, but nobody saw the run go on")
    if back.stage == "raised":
        if any(fault.stage == "injected" and fault.t_ns < back.t_ns for fault in history.faults):
            return not_applicable(f"run() raised {back.error_type} under a fault, before the run had ended")
        signature, says = "raised-early", f"run() raised {back.error_type} while the run went on"
    else:
        signature, says = "returned-early", "run() returned while the run went on"
    return violated(
        says,
        signature=signature,
        evidence=[at(back, f"run() {back.stage}"), at(running[0], f"still {running[0].raw} via {running[0].via}")],
    )


GUARANTEES = (
    Guarantee(
        id="loop.terminates",
        level=Level.MUST,
        promise="Every run reaches a terminal or waiting status within its budget after the last fault is healed.",
        source="OpenHands software-agent-sdk #1511, #4997",
        judge=per_conversation(terminates),
        rests_on_time=True,
    ),
    Guarantee(
        id="loop.returns",
        level=Level.MUST,
        promise="The client's run returns within T of the terminal status, and raises when the status is an error.",
        source="OpenHands software-agent-sdk #1546, #1865, #3793",
        judge=per_conversation(returns),
        rests_on_time=True,
    ),
    *loop_after.GUARANTEES,
)
