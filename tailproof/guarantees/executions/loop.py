"""Whether an executor gives up in time: attempts are counted, deadlines are kept, and a turn is delivered once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tailproof.guarantees.executions.view import (
    ENDED,
    Execution,
    agent_said,
    attachments,
    executions,
    final_log,
    got,
    per_execution,
    sandboxes,
)
from tailproof.guarantees.verdict import Pointer, Verdict, all_of, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import POD
from tailproof.history.execution_records import Turn
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.records import Exchange
from tailproof.history.timeline import SECOND, down_after, last_ns, seconds

SHRINKS = 0.5
"""A pause that is shorter than this part of an earlier one is no back-off: machines are not exact."""
SHORT_NS = SECOND // 2
"""Pauses below this are not compared."""


def bounded(history: History) -> Verdict:
    """An executor attaches to the agent of one execution at most N times, whatever the attempts brought, takes it up at most so often, and
    waits no shorter after an attempt that brought nothing than after the one before. It makes at most two sandboxes for it, and leaves
    none behind when the session was released.

    Attempts and pauses are those that the edge of the cluster saw; how often it was taken up is told by the `running` states in its log.
    """
    if final_log(history) is None or not executions(history):
        return inconclusive("the executor acknowledged no turn, or its log was not read")
    most = int(parameter(history.header, "loop.bounded.attempts"))
    boxes = int(parameter(history.header, "loop.bounded.sandboxes"))
    many = len(executions(history))
    row = attachments(history)
    begun = [
        event
        for one in executions(history)
        for event in one.log
        if event.role == "status" and one.words.get(event.status) == "active"
    ]
    made = sandboxes(history)
    if len(row) > most * many:
        return violated(
            f"the executor attached {len(row)} times to the agent of one execution; {most} times are allowed",
            signature="attaches-without-bound",
            expected=[f"at most {most}"],
            seen=[f"{len(row)} in {seconds(row[-1].began_ns - row[0].began_ns)} s"],
            evidence=[_attempt(one) for one in row],
            limit=most,
            counted=len(row),
            took_s=seconds(row[-1].t_ns - row[0].began_ns),
        )
    if len(begun) > (most + 1) * many:
        return violated(
            f"one execution was taken up {len(begun)} times; {most + 1} times are allowed",
            signature="reclaims-without-bound",
            expected=[f"at most {most + 1}"],
            seen=[str(len(begun))],
            evidence=[at(event, f"{event.status} again") for event in begun],
            limit=most + 1,
            counted=len(begun),
        )
    shrunk = _shrinks(history, row)
    if shrunk is not None:
        return shrunk
    if len(made) > boxes * many:
        return violated(
            f"{len(made)} sandboxes were made for one execution; {boxes} are allowed",
            signature="sandboxes-without-bound",
            expected=[f"at most {boxes}"],
            seen=made,
            limit=boxes,
            counted=len(made),
        )
    left = _left_behind(history, made)
    if left is not None:
        return left
    return holds(
        f"{len(row)} attachments, {len(made)} sandboxes, nothing left behind",
        compared={"attachments": len(row), "sandboxes": len(made)},
        limit=most,
    )


def _attempt(one: Exchange) -> Pointer:
    return at(one, f"attached: {one.code or 'no answer'}, {one.down_bytes} bytes of the agent")


def _shrinks(history: History, row: Sequence[Exchange]) -> Verdict | None:
    longest = 0
    for earlier, later in pairwise(row):
        pause = later.began_ns - earlier.t_ns
        died = down_after(history, earlier.began_ns)
        if earlier.down_bytes or (died is not None and died <= later.began_ns):
            longest = 0
            continue
        if longest > SHORT_NS and pause < longest * SHRINKS:
            return violated(
                f"after an attempt that brought nothing the executor waited {seconds(pause)} s, and {seconds(longest)} s before",
                signature="back-off-shrinks",
                expected=[f"at least {seconds(int(longest * SHRINKS))} s"],
                seen=[f"{seconds(pause)} s"],
                evidence=[_attempt(earlier), _attempt(later)],
            )
        longest = max(longest, pause)
    return None


def _left_behind(history: History, made: Sequence[str]) -> Verdict | None:
    released = next((one for one in history.requests if one.verb == "delete" and 200 <= one.code < 300), None)
    if released is None:
        return None
    gone = {one.pod for one in history.pods if one.witness == POD and one.phase == "Gone"}
    left = [pod for pod in made if pod not in gone]
    if not left:
        return None
    return violated(
        f"the session was released, and {len(left)} of its {len(made)} sandboxes were still there at the end of the trial",
        signature="left-behind",
        expected=["none"],
        seen=left,
        evidence=[at(released, f"released: {released.code}")],
    )


def terminates(history: History, execution: Execution) -> Verdict:
    """No execution outlives the deadline that the executor advertises with it, and one that ends has a status and an event that say so.

    The deadline counts from the acknowledgement; some slack is given on top (`loop.terminates.deadline`).
    """
    said_s = history.header.facts.get("deadline_s")
    if not isinstance(said_s, int):
        return inconclusive("the executor advertised no deadline")
    limit_s = said_s + parameter(history.header, "loop.terminates.deadline")
    over = execution.ended
    took_ns = (over.t_ns if over else last_ns(history)) - execution.turn.t_ns
    if took_ns > limit_s * SECOND:
        return violated(
            f"{seconds(took_ns)} s after it was acknowledged the execution had not ended; its deadline is {said_s} s",
            signature="outlives-its-deadline",
            expected=[f"an end within {limit_s:g} s"],
            seen=[one.raw for one in execution.statuses[-5:]],
            evidence=[at(execution.turn, "acknowledged"), *([at(over, over.raw)] if over else [])],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(took_ns),
        )
    if over is None:
        return inconclusive("the trial ended before the deadline of the execution")
    return holds(
        f"it ended as {over.raw} after {seconds(took_ns)} s",
        compared={"ends": 1},
        took_s=seconds(took_ns),
        limit_s=limit_s,
    )


def once(history: History) -> Verdict:
    """The agent gets a turn at most once in each sandbox and, when its sandbox was replaced, once more in the new one within T, or the
    execution ends. A turn that was acknowledged is delivered or its execution ends, whatever happens to the executor. The same
    idempotency key names the same execution, and with another payload it is refused, across restarts, too.
    """
    return all_of(
        (_keys(history), per_execution(_delivered)(history)),
        nothing="the executor acknowledged no turn",
    )


def _keys(history: History) -> Verdict:
    firsts: dict[tuple[str, str], Turn] = {}
    again = 0
    for turn in history.turns:
        if not turn.code:
            continue
        first = firsts.setdefault((turn.session, turn.key), turn)
        if first is turn or not first.execution:
            continue
        again += 1
        same = turn.payload == first.payload
        if same and turn.execution != first.execution:
            return violated(
                f"the key {turn.key} was answered with {first.execution}, and then with {turn.execution or turn.code}",
                signature="key-names-another-execution",
                expected=[first.execution],
                seen=[turn.execution or str(turn.code)],
                evidence=[at(first, "the first answer"), at(turn, "the same key and payload")],
            )
        if not same and turn.code != 409:
            return violated(
                f"the key {turn.key} came with another payload and was answered with {turn.code}",
                signature="key-takes-another-payload",
                expected=["409"],
                seen=[str(turn.code)],
                evidence=[at(first, "the first answer"), at(turn, "the same key, another payload")],
            )
    return holds(f"{again} keys were used again", compared={"keys": len(firsts)})


def _delivered(history: History, execution: Execution) -> Verdict:
    mine = got(history, execution)
    for pod in dict.fromkeys(one.pod for one in mine):
        row = [one for one in mine if one.pod == pod]
        if len(row) > 1:
            return violated(
                f"the agent in {pod} got the turn {len(row)} times",
                signature="delivered-twice",
                expected=["once"],
                seen=[str(len(row))],
                evidence=[at(one, "got the turn") for one in row],
            )
    over = execution.ended
    until_ns = over.t_ns if over else last_ns(history)
    limit_s = parameter(history.header, "loop.once.replaced")
    begun = [one for one in agent_said(history, "began") if one.life == 0 and execution.turn.t_ns < one.t_ns]
    replaced = [one for one in begun if one.pod not in {said.pod for said in mine}]
    silent = [one for one in replaced if mine and one.t_ns > mine[0].t_ns and until_ns - one.t_ns > limit_s * SECOND]
    if silent:
        waited = seconds(until_ns - silent[0].t_ns)
        return violated(
            f"the sandbox was replaced by {silent[0].pod}, whose agent never got the turn; the execution went on for {waited} s",
            signature="silent-sandbox",
            expected=["the turn once more, or the end of the execution"],
            seen=["neither"],
            evidence=[at(mine[0], "got the turn"), at(silent[0], "another agent began")],
            took_s=waited,
            limit_s=limit_s,
        )
    if not mine:
        if over is not None and over.neutral in ENDED - {"done"}:
            return excused(
                f"the turn was never delivered, and its execution ended as {over.raw}", evidence=[at(over, over.raw)]
            )
        return violated(
            "the turn was acknowledged and never delivered, and its execution has no end that says so",
            signature="acknowledged-and-lost",
            expected=["a delivered turn, or a failed execution"],
            seen=[one.raw for one in execution.statuses[-3:]] or ["an unknown execution"],
            evidence=[at(execution.turn, "acknowledged")],
        )
    return holds("the agent got the turn once", compared={"turns": 1})
