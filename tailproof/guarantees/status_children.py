"""What a user sees of the conversations that an agent has started."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import Guarantee, Level, Pointer, Verdict, all_of, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, STATUS, STREAM
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import starts_children
from tailproof.history.reader import History
from tailproof.history.record import SETTLED
from tailproof.history.server_records import Child
from tailproof.history.timeline import SECOND, deaths, last_ns, seconds, settled_at
from tailproof.history.views import belongs

RUNNING = frozenset({"active", "queued"})
GONE = 404


def children(history: History, conversation: str) -> Verdict:
    """T after the run of its parent has ended, and T after a restarted server is ready, a conversation that the agent has started is
    shown with a published status in which it has ended or waits for somebody.

    Judged for each child by its status alone, which nobody loads it for. A child may outlive the run that has started it; it is never
    left `running` (`left-running`) or not begun (`never-ran`), shows no word that the server does not publish (`unknown-status`), and
    does not vanish (`gone`).
    """
    looks: dict[str, list[Child]] = {}
    for one in history.children:
        if belongs(history, conversation, one.conversation):
            looks.setdefault(one.child, []).append(one)
    return all_of(
        (_one_child(history, conversation, seen) for seen in looks.values()),
        nothing="no reader was shown a conversation that the agent had started",
    )


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
    return "" if starts_children(header) else "no agent of this scenario starts a conversation"


GUARANTEES = (
    Guarantee(
        id="status.children",
        level=Level.MUST,
        promise="A conversation that an agent has started ends, too: within T of its parent's end, or of a restart, it is not shown as "
        "running any more, and its status is a published one.",
        hurts="users who wait for a sub-agent on which nobody works",
        judge=per_conversation(children),
        applies=_starts_some,
        rests_on=frozenset({STATUS, STREAM, ENGINE}),
    ),
)
