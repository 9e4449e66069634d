"""Whether the client notices how a run ends."""

from __future__ import annotations

from typing import Any

from tailproof.guarantees.about import a_client_of_the_release
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Outcome,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, MODEL, STATUS, STREAM, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, TERMINAL
from tailproof.history.records import Exchange, Run
from tailproof.history.server_records import Request, Status
from tailproof.history.timeline import (
    SECOND,
    clean_statuses,
    client_runs,
    deletions,
    last_ns,
    last_record,
    seconds,
    settled_at,
)
from tailproof.history.traffic import SPOILED, FaultWindow, began, fault_windows

FAILED = frozenset({"failed", "stuck"})
DOWN = "wire.down"
"""The fault of the wire that spares no request, whatever its rule; the others name theirs."""
AT_REST = frozenset({"interrupted", "waiting"})
SLACK_NS = SECOND
"""A read of the status that was under way when a run returned may still show it running for this long."""
WORDS = {"interrupted": "paused", "waiting": "waiting"}
"""How signatures name a run that came to rest without having ended."""


def returns(history: History, conversation: str) -> Verdict:
    """The client's run or poll loop returns within T after the server's run has ended, and raises if that run ended in an error.

    T counts beyond the lag that was put on the client's path, from the status that a healthy reader saw (or from the healing of a
    fault on the path that came later, if the run returned after it). A run that is paused, or waits for the user, has come to
    rest: the client's run ends, too, by return or exception. When the conversation is deleted under it, it raises. A client that
    returns while the run still goes on, or without a run, breaks the promise, too. A script returns with exit code 0 and raises
    with any other.

    An exception is definite or not. One that comes when a fault ate the answer to a request that changes something (POST /run
    among them), or broke the repair after the end, is honest: nobody could know. A run during which the server died may end
    with any error. A client that tells nothing has no loop of its own, and one of another release is `client.compatible`'s.
    """
    return all_of(
        (_one_return(history, conversation, called, back) for called, back in client_runs(history, conversation)),
        nothing="the client never ran",
    )


def without_return(history: History, conversation: str) -> Verdict:
    """The verdict of a promise about what a client has when its run returns, where none returned: excused when `returns` convicts
    it for that, inconclusive else."""
    verdict = returns(history, conversation)
    if verdict.outcome is not Outcome.VIOLATED:
        return inconclusive("no run() of the client returned")
    return excused("no run() of the client returned: see loop.returns", evidence=verdict.evidence)


def _one_return(history: History, conversation: str, called: Run, back: Run | None) -> Verdict:
    limit_s = parameter(history.header, "loop.returns") + parameter(history.header, "lag")
    later = [run.t_ns for run, _ in client_runs(history, conversation) if run.t_ns > called.t_ns]
    until_ns = min(later, default=last_ns(history))
    ended = settled_at(history, conversation, called.t_ns, until_ns)
    gone = _deleted(history, conversation, called.t_ns, until_ns)
    if gone is not None and (ended is None or ended.neutral not in TERMINAL or ended.t_ns > gone.t_ns):
        return _deleted_under_it(history, called, back, gone, limit_s)
    judged_ns = (ended or back or called).t_ns
    down = [life for life in history.lives if life.stage in ("died", "stopped") and called.t_ns < life.t_ns < judged_ns]
    if down:
        return excused("the server went down during the run", evidence=[at(life, life.stage) for life in down])
    rested = _rest_at(history, conversation, called, back)
    if rested is not None and back is not None:
        return _ended_after(history, rested, back, limit_s)
    if ended is None:
        return _without_an_end(history, conversation, called, back)
    if back is None:
        return _never(history, called, ended, limit_s)
    if ended.t_ns > back.t_ns + SLACK_NS:
        return _early(history, conversation, back)
    return _ended_after(history, ended, back, limit_s, called=called)


def _rest_at(history: History, conversation: str, called: Run, back: Run | None) -> Status | None:
    """The pause (or the wait for the user) at which a run returned or raised; None when the run was on then, or had ended."""
    if back is None:
        return None
    seen = [
        status for status in clean_statuses(history, conversation) if called.t_ns < status.t_ns <= back.t_ns + SLACK_NS
    ]
    if not seen or seen[-1].neutral not in AT_REST:
        return None
    first = seen[-1]
    for status in reversed(seen):
        if status.neutral != first.neutral:
            break
        first = status
    return first


def _ended_after(history: History, ended: Status, back: Run, limit_s: float, *, called: Run | None = None) -> Verdict:
    evidence = [at(ended, f"{ended.raw} via {ended.via}"), at(back, _how(back))]
    took_ns = back.t_ns - _counted_from(history, ended, back.t_ns)
    measured: dict[str, Any] = {"limit_s": limit_s, "took_s": max(0.0, seconds(took_ns))}
    if ended.neutral in FAILED and back.stage == "returned":
        return violated(
            f"run() returned without an error, but the run ended in {ended.raw}",
            signature="silent-error",
            expected=["an exception"],
            seen=[f"returned {back.status}".strip()],
            evidence=evidence,
        )
    if ended.neutral == "done" and back.stage == "raised":
        eaten = _eaten(history, called or back, ended, back)
        if eaten is not None:
            return excused(
                f"run() raised {back.error_type or 'an error'} after {eaten.method} {eaten.path} got no answer ({eaten.done}): "
                "it could not know how the run ended",
                evidence=[at(eaten, f"{eaten.method} {eaten.path}: {eaten.done}"), at(back, _how(back))],
            )
        return violated(
            f"run() raised {back.error_type or 'an error'} although the run ended well ({ended.raw})",
            signature="raised-although-done",
            expected=["a return"],
            seen=[_how(back)],
            evidence=evidence,
        )
    if took_ns > limit_s * SECOND:
        return violated(
            f"run() {back.stage} only {seconds(took_ns)} s after the status {ended.raw}",
            signature=f"late-return{_from(ended)}",
            evidence=evidence,
            timed=True,
            **measured,
        )
    return holds(f"run() {back.stage} {measured['took_s']:g} s after {ended.raw}", compared={"runs": 1}, **measured)


def _counted_from(history: History, ended: Status, until_ns: int) -> int:
    """When T begins: the end of the run, or the healing of a fault on the path that came later.

    What the trial heals at its own end is no such healing: it does so because the client is late. Only a path on which nothing
    went until then excuses that.
    """
    ending_ns = min((phase.t_ns for phase in history.phases if phase.name == "healing"), default=until_ns)
    healed = [
        window.healed_ns
        for window in fault_windows(history)
        if window.healed_ns is not None
        and ended.t_ns < window.healed_ns < until_ns
        and (window.healed_ns < ending_ns or _of_all_requests(window))
    ]
    return max([ended.t_ns, *healed])


def _from(ended: Status) -> str:
    return f"-from-{WORDS[ended.neutral]}" if ended.neutral in WORDS else ""


def _how(back: Run) -> str:
    if back.exit_code is not None:
        return f"ended with exit code {back.exit_code}"
    return f"run() {back.stage} {back.error_type}: {back.error}"[:200].rstrip(": ")


def _eaten(history: History, called: Run, ended: Status, back: Run) -> Exchange | None:
    """The exchange whose answer a fault ate, so that the client could not know: of any request that changes something, and after
    the end of the run of any at all."""
    spoiled = [
        one
        for one in history.exchanges
        if (one.rule or _during_network_fault(history, one))
        and (one.done in SPOILED or one.done in ("delayed", "held"))
    ]
    return next(
        (
            one
            for one in spoiled
            if called.t_ns - SLACK_NS <= began(one) <= back.t_ns
            and not one.upgrade
            and (one.method.upper() not in ("GET", "HEAD") or (one.t_ns >= ended.t_ns and one.done in SPOILED))
        ),
        None,
    )


def _during_network_fault(history: History, exchange: Exchange) -> bool:
    return any(
        _of_all_requests(window) and (window.on_at(began(exchange)) or window.on_at(exchange.t_ns))
        for window in fault_windows(history)
    )


def _of_all_requests(window: FaultWindow) -> bool:
    return window.name == DOWN or not window.name.startswith("wire.")


def _never(history: History, called: Run, ended: Status, limit_s: float) -> Verdict:
    waited_ns = last_ns(history) - _counted_from(history, ended, last_ns(history))
    if waited_ns <= limit_s * SECOND:
        return inconclusive(
            f"the trial ended {seconds(waited_ns)} s after the run, before the client's time limit was over"
        )
    return violated(
        f"the run had come to the status {ended.raw}, and {seconds(waited_ns)} s later the client's run() had neither returned nor raised",
        signature=f"never-returned{_from(ended)}",
        expected=[f"a return or an exception within {limit_s:g} s"],
        seen=[f"neither of them in the {seconds(waited_ns)} s until the trial ended"],
        evidence=[
            at(called, "run() was called"),
            at(ended, f"the status is {ended.raw}, as the {ended.via} showed it to a healthy reader"),
            at(last_record(history), "the record ends here, without a return or an exception of run()"),
        ],
        timed=True,
        limit_s=limit_s,
        took_s=seconds(waited_ns),
    )


def _deleted(history: History, conversation: str, after_ns: int, until_ns: int) -> Request | None:
    """The deletion that somebody else asked for during the run."""
    return next(
        (
            request
            for request in deletions(history, conversation)
            if request.witness != CLIENT and after_ns < request.t_ns < until_ns
        ),
        None,
    )


def _deleted_under_it(history: History, called: Run, back: Run | None, gone: Request, limit_s: float) -> Verdict:
    asked_ns = gone.began_ns or gone.t_ns
    if back is not None and back.t_ns < asked_ns:
        return excused(
            f"run() had {back.stage} before the conversation was deleted",
            evidence=[at(back, _how(back)), at(gone, "the conversation was deleted")],
        )
    evidence = [at(called, "run() was called"), at(gone, "the conversation was deleted")]
    took_ns = (back.t_ns if back else last_ns(history)) - gone.t_ns
    measured: dict[str, Any] = {"limit_s": limit_s, "took_s": max(0.0, seconds(took_ns))}
    if back is not None and back.stage == "returned":
        return violated(
            "run() returned without an error, but its conversation had been deleted",
            signature="silent-deletion",
            expected=["an exception"],
            seen=[f"returned {back.status}".strip()],
            evidence=[*evidence, at(back, _how(back))],
        )
    if took_ns > limit_s * SECOND:
        return violated(
            f"the conversation was deleted, and run() raised only {seconds(took_ns)} s later"
            if back
            else f"the conversation was deleted, and {seconds(took_ns)} s later run() had not ended",
            signature="late-return-from-deleted" if back else "never-returned-from-deleted",
            evidence=evidence,
            timed=True,
            **measured,
        )
    if back is None:
        return inconclusive(
            f"the trial ended {seconds(took_ns)} s after the deletion, before the client's time limit was over"
        )
    return holds(
        f"run() raised {back.error_type} {measured['took_s']:g} s after the deletion", compared={"runs": 1}, **measured
    )


def _without_an_end(history: History, conversation: str, called: Run, back: Run | None) -> Verdict:
    """No end of the run was seen: a client that returned all the same must have had a run."""
    says = "the run reached no status that the client could notice"
    if back is not None and back.stage != "returned":
        return excused(says, evidence=[at(back, _how(back))])
    nothing = inconclusive(says)
    if back is None:
        return nothing
    later = [status for status in clean_statuses(history, conversation) if status.t_ns > back.t_ns + SLACK_NS]
    moved = [call for call in history.model_calls if call.turn >= 0 and call.t_ns > called.t_ns]
    if moved or not later or any(status.neutral != "idle" for status in later):
        return _early(history, conversation, back) if later else nothing
    return violated(
        "run() returned without an error, but the server had never started a run",
        signature="returned-without-a-run",
        evidence=[
            at(called, "run() was called"),
            at(back, _how(back)),
            at(later[-1], f"{later[-1].raw} via {later[-1].via}"),
        ],
    )


def _early(history: History, conversation: str, back: Run) -> Verdict:
    running = [
        status
        for status in clean_statuses(history, conversation)
        if status.neutral in ("active", "queued") and status.t_ns > back.t_ns + SLACK_NS
    ]
    if not running:
        return inconclusive(
            f"run() {back.stage} before a terminal status was seen, but no witness saw the run continue"
        )
    if back.stage == "raised":
        if any(fault.stage == "injected" and fault.t_ns < back.t_ns for fault in history.faults):
            return excused(
                f"run() raised {back.error_type} under a fault, before the run had ended",
                evidence=[at(back, _how(back))],
            )
        signature, says = "raised-early", f"run() raised {back.error_type} while the run was still going"
    else:
        signature, says = "returned-early", "run() returned while the run was still going"
    return violated(
        says,
        signature=signature,
        evidence=[at(back, _how(back)), at(running[0], f"still {running[0].raw} via {running[0].via}")],
    )


GUARANTEES = (
    Guarantee(
        id="loop.returns",
        level=Level.MUST,
        promise="The client's run returns within T after the server's run has ended; it raises if that run ended in an error or the "
        "conversation was deleted.",
        hurts="programs that call the client's run(): they hang, or go on with a wrong result",
        judge=per_conversation(returns),
        applies=a_client_of_the_release,
        rests_on=frozenset({STATUS, STREAM, ENGINE, MODEL, CLIENT, WIRE}),
        rests_on_time=True,
    ),
)
