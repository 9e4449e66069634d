"""The status that the client under test shows."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.about import client_reports
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.loop_returns import without_return
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Pointer,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, STATUS, STREAM, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Run
from tailproof.history.server_records import Status
from tailproof.history.timeline import SECOND, clean_statuses, client_runs, seconds
from tailproof.history.traffic import faulted_at, server_down


def shown(history: History, conversation: str) -> Verdict:
    """When a client's run returns, the status that the client shows is the server's status at that moment.

    Held against the statuses that healthy readers saw last before the return (the stream's, and that of REST unless it is the
    older of the two), and against all that they saw within T (1 s) after it: a client may know sooner. Whether it was right to
    return then is judged by `loop.returns`: a client that returns while the run goes on and shows `running` keeps this promise and
    breaks that one.
    The lag of the path is no excuse for a run that returned, since the client knew of the end. Not judged: a run that raised
    during a fault on the path or after the server went down, and a run that raised without showing a status.
    """
    backs = [back for _, back in client_runs(history, conversation) if back is not None]
    if not backs:
        return without_return(history, conversation)
    return all_of((_one_run(history, conversation, back) for back in backs), nothing="")


def _one_run(history: History, conversation: str, back: Run) -> Verdict:
    raised = back.stage == "raised"
    down = [life for life in server_down(history) if life.t_ns < back.t_ns]
    if down:
        return excused(
            f"the server went down before run() {back.stage}", evidence=[at(life, life.stage) for life in down]
        )
    ended = at(back, f"run() {back.stage} {back.error_type}".rstrip())
    if raised and faulted_at(history, back.t_ns):
        return excused(
            "run() raised during a fault on the client's connection, so the client could not know the status",
            evidence=[ended],
        )
    slack_s = parameter(history.header, "status.client")
    told = _told(history, back, int(slack_s * SECOND))
    if not told and raised:
        return excused("run() raised and the client showed no status", evidence=[ended])
    if not told:
        return inconclusive("the client showed no status when its run returned")
    clean = clean_statuses(history, conversation)
    before = {status.via: status for status in clean if status.t_ns <= back.t_ns}
    if "stream" in before and "rest" in before and before["rest"].t_ns < before["stream"].t_ns:
        del before["rest"]
    after = [status for status in clean if back.t_ns < status.t_ns <= back.t_ns + int(slack_s * SECOND)]
    true = [*before.values(), *after]
    if not true:
        return inconclusive("no healthy reader saw a status around the return of the run")
    if any(status.raw == told for status in true):
        return holds(
            f"the client showed {told} when run() {back.stage}, as the server did",
            compared={"returns": 1, "statuses of the server": len(true)},
            limit_s=slack_s,
        )
    earlier = [status for status in clean if status.raw == told and status.t_ns < back.t_ns]
    return violated(
        f"the client showed {told} when run() {back.stage}; the server showed {true[-1].raw}{_before(back, earlier)}",
        signature=f"shows-{'stale' if earlier else 'wrong'}-{_neutral(history, told)}",
        expected=[status.raw for status in true],
        seen=[told],
        evidence=[at(back, f"run() {back.stage}, showing {told}"), *(_seen(status) for status in true)],
    )


def _before(back: Run, earlier: Sequence[Status]) -> str:
    """When the server last said what the client showed."""
    return f", and had last shown that {seconds(back.t_ns - earlier[-1].t_ns):g} s before" if earlier else ""


def _told(history: History, back: Run, slack_ns: int) -> str:
    """What the client showed at the moment of this return, raw."""
    near = [
        status
        for status in history.statuses
        if status.witness == CLIENT and status.via == "client" and abs(status.t_ns - back.t_ns) <= slack_ns
    ]
    return min(near, key=lambda status: abs(status.t_ns - back.t_ns)).raw if near else back.status


def _neutral(history: History, raw: str) -> str:
    return next((status.neutral for status in history.statuses if status.raw == raw), "unknown")


def _seen(status: Status) -> Pointer:
    return at(status, f"{status.raw} via {status.via}")


GUARANTEES = (
    Guarantee(
        id="status.client",
        level=Level.MUST,
        promise="When a client's run returns, the status that the client shows is the server's status at that moment.",
        hurts="programs that decide by the status that the client shows",
        judge=per_conversation(shown),
        applies=client_reports("status", "the client tells no status"),
        rests_on=frozenset({STATUS, STREAM, ENGINE, CLIENT, WIRE}),
    ),
)
