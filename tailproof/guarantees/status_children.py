"""What a user sees of the conversations and tasks that an agent has started."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.loop_after import quiet_spans
from tailproof.guarantees.verdict import Guarantee, Level, Pointer, Verdict, all_of, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, LOG, MODEL, STATUS, STREAM, WIRE
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import children_of
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, SETTLED
from tailproof.history.server_records import Child
from tailproof.history.timeline import SECOND, deaths, last_ns, seconds, settled_at
from tailproof.history.views import belongs

RUNNING = frozenset({"active", "queued"})
GONE = 404


def children(history: History, conversation: str) -> Verdict:
    """T after the run of its parent has ended, and T after a restarted server is ready, a conversation that the agent has started is
    shown with a published status in which it has ended or waits for somebody. The task of a sub-agent, for which the run of its parent
    waits, is over with that run.

    A conversation is judged by its status alone, which nobody loads it for. It may outlive the run that has started it; it is never
    left `running` (`left-running`) or not begun (`never-ran`), shows no word that the server does not publish (`unknown-status`), and
    does not vanish (`gone`). A task is judged by what the model is asked in its name: nothing more when its parent has been at rest (or
    deleted) for T of its own (`works-on`), so that what is shown as paused is paused.
    """
    header = history.header
    verdicts = [_one_task(history, conversation, task) for task in children_of(header, "task")]
    if children_of(header, "conversation"):
        looks: dict[str, list[Child]] = {}
        for one in history.children:
            if belongs(history, conversation, one.conversation):
                looks.setdefault(one.child, []).append(one)
        verdicts += [_one_child(history, conversation, seen) for seen in looks.values()]
        planned = len(children_of(header, "conversation"))
        if len(looks) < planned:
            verdicts.append(
                inconclusive(f"readers were shown {len(looks)} of {planned} conversations that the agent was to start")
            )
    return all_of(verdicts, nothing="the agent of this scenario starts nothing")


def _one_task(history: History, conversation: str, task: str) -> Verdict:
    asked = [call for call in history.child_calls if call.child == task and call.stage == "asked"]
    if not asked:
        return inconclusive(f"the model was asked nothing for the task {task}")
    limit_s = parameter(history.header, "status.children.tasks")
    spans = quiet_spans(history, conversation)
    watched_ns = max((until_ns - began_ns for began_ns, until_ns, _ in spans), default=0)
    for began_ns, until_ns, status in spans:
        late = [call for call in asked if began_ns + limit_s * SECOND < call.t_ns < until_ns]
        if late:
            rest = status.raw if status else "deleted"
            return violated(
                f"the conversation is {rest}, and the task {task} that it had started asked the model {len(late)} times more, until "
                f"{seconds(late[-1].t_ns - began_ns)} s later",
                signature="works-on",
                expected=["nothing more for the task"],
                seen=[f"turn {call.turn}" for call in late],
                evidence=[
                    *([at(status, f"{status.raw} via {status.via}")] if status else []),
                    *(at(call, f"the model is asked for turn {call.turn} of {task}") for call in late),
                ],
                timed=True,
                limit_s=limit_s,
                took_s=seconds(late[-1].t_ns - began_ns),
            )
    if watched_ns <= limit_s * SECOND and not _is_over(history, task):
        return inconclusive(f"the conversation was watched at rest for {seconds(watched_ns)} s only")
    return holds(
        "nothing that the agent has started outlives it",
        compared={"tasks": 1, "requests of tasks": len(asked)},
        limit_s=limit_s,
    )


def _is_over(history: History, task: str) -> bool:
    """The task was told its last reply: there is nothing left to ask for."""
    planned = (history.header.plan.get("children") or {}).get(task) or {}
    last = len(planned.get("script") or ()) - 1
    return any(call.child == task and call.stage == "answered" and call.turn >= last for call in history.child_calls)


def _one_child(history: History, conversation: str, seen: Sequence[Child]) -> Verdict:
    shown = [one for one in seen if one.raw]
    if not shown:
        return inconclusive("the status of a child was never answered")
    words = {word for vocabulary in history.vocabularies for word in vocabulary.words}
    strange = next((one for one in shown if words and one.raw not in words), None)
    if strange is not None:
        return violated(
            f"the child {strange.child} was shown as {strange.raw!r}, which the server does not publish",
            signature="unknown-status",
            expected=sorted(words),
            seen=[strange.raw],
            evidence=[at(strange, strange.raw)],
        )
    gone = next((one for one in seen if one.code == GONE and one.t_ns > shown[0].t_ns), None)
    if gone is not None:
        return violated(
            f"the child {gone.child} was there, and its status was answered with {GONE} later",
            signature="gone",
            evidence=[at(shown[0], shown[0].raw), at(gone, f"answered {gone.code}")],
        )
    died = deaths(history)
    before = [one for one in shown if died and one.t_ns < died[0].died.t_ns]
    if died and (not before or before[-1].neutral not in RUNNING):
        return inconclusive("no reader saw the child at work when the server died")
    end = settled_at(history, conversation, 0, last_ns(history))
    if end is None:
        return inconclusive("the conversation that has started it was not seen to end")
    return _its_end(history, [at(end, f"its parent is {end.raw}")], end.t_ns, shown)


def _its_end(history: History, evidence: list[Pointer], parent_ns: int, shown: Sequence[Child]) -> Verdict:
    limit_s = parameter(history.header, "status.children")
    lives = [life for life in history.lives if life.stage == "ready" and life.epoch > 0]
    since_ns = max([parent_ns, *(life.t_ns for life in lives)])
    last = shown[-1]
    if last.neutral not in SETTLED:
        watched_ns = last.t_ns - since_ns
        if watched_ns <= limit_s * SECOND:
            return inconclusive(f"the child {last.child} was seen last as {last.raw}, before its time was over")
        return violated(
            f"the child {last.child} is shown as {last.raw} {seconds(watched_ns)} s after its parent has ended"
            + (" and the server was ready again" if lives else ""),
            signature="left-running" if last.neutral in RUNNING else "never-ran",
            expected=["a status in which it has ended, or waits for somebody"],
            seen=[last.raw],
            evidence=[*evidence, *(at(life, "ready again") for life in lives), at(last, last.raw)],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(watched_ns),
        )
    ended = last
    for one in reversed(shown):
        if one.neutral not in SETTLED:
            break
        ended = one
    return holds(
        "every child has ended",
        compared={"children": 1, "looks": len(shown)},
        limit_s=limit_s,
        took_s=max(0.0, seconds(ended.t_ns - since_ns)),
    )


def _starts_some(header: Header) -> str:
    started = (*children_of(header, "conversation"), *children_of(header, "task"))
    return "" if started else "no agent of this scenario starts a conversation or a task"


GUARANTEES = (
    Guarantee(
        id="status.children",
        level=Level.MUST,
        promise="What an agent has started ends, too: within T of its parent's end, or of a restart, a conversation is not shown as "
        "running any more, and its status is a published one; a sub-agent's task does nothing more when its parent is at rest.",
        hurts="users who wait for a sub-agent on which nobody works, or believe that one has stopped",
        judge=per_conversation(children),
        applies=_starts_some,
        rests_on=frozenset({STATUS, STREAM, ENGINE, MODEL, LOG, CLIENT, WIRE}),
    ),
)
