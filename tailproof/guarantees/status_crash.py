"""What a user sees of a run whose server died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tailproof.guarantees.about import a_restart
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.loop_after import waits_again
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
from tailproof.guarantees.witnesses import DISK, ENGINE, LOG, MODEL, STATUS, STREAM, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Life
from tailproof.history.server_records import Request, Status
from tailproof.history.timeline import (
    SECOND,
    STARTERS,
    Death,
    accepted,
    clean_statuses,
    down_after,
    ends,
    last_ns,
    passing,
    seconds,
    statuses_of,
)
from tailproof.history.views import belongs, lists_of, log_of

POLL_NS = 2 * SECOND
"""A reader that looks until T is over may have looked for the last time this much before."""
RUNNING = frozenset({"active", "queued"})
NOBODY_SAID = frozenset({0, 401, 403, 429})
"""Answers to the push that tell nothing about the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """Everything seen of a conversation between the readiness after a death and the push (or the end of that life)."""

    history: History
    conversation: str
    death: Death
    ready: Life
    limit_s: float
    alone: Sequence[Status]
    """Reads that load nothing, before anybody loaded."""
    loaded: Sequence[Status]
    """Reads after a load."""
    push: Request | None
    until_ns: int

    def worked_before(self, moment_ns: int) -> bool:
        """The loop asked the model by itself: what is shown as running has a worker."""
        return any(
            call.stage == "asked" and call.turn >= 0 and self.ready.t_ns < call.t_ns <= min(moment_ns, self.until_ns)
            for call in self.history.model_calls
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check says: nothing wrong, a signature, or why it cannot tell."""

    says: str
    signature: str = ""
    undecided: bool = False
    timed: bool = False
    evidence: tuple[Pointer, ...] = ()


def crash(history: History, conversation: str) -> Verdict:
    """T after the restarted server is ready, a run that the server's end interrupted is no longer shown as running (unless a worker
    continues it), is marked as interrupted where a user looks, and the conversation can be used again.

    Four checks after each death of a server that was running the conversation, and each stop that left it shown as running:
    `running-after-restart`: a plain read of the status (no load) still shows it running T after the next life was ready;
    `running-after-load`: also after a load of the conversation; `unmarked`: neither a failed status nor a new error event that
    somebody saw before the push says that the run was interrupted (`interrupted` is as good after a stop, for a server that
    promises it, and for a run that was shown so before, because a user had paused it; one that promises `run-again` needs no mark);
    `not-usable`: the first request to run after all that is refused. An action that nobody had begun, and that waits for a confirmation
    again, needs no mark. What the model was asked by itself is a worker. A life that the
    scenario ended at once is not judged: the next one is.
    The signature joins all that failed.
    """
    limit_s = parameter(history.header, "status.crash")
    return all_of(
        (_one_death(history, conversation, death, limit_s) for death in ends(history)),
        nothing="the server did not end and start again in this trial",
    )


def _one_death(history: History, conversation: str, death: Death, limit_s: float) -> Verdict:
    running = _running_at(history, conversation, death)
    if running is None:
        return inconclusive("no witness saw what the conversation was doing when the server died")
    if running.neutral not in RUNNING:
        return excused(
            f"the conversation was not running when the server died ({running.raw})",
            evidence=[at(running, f"{running.raw} via {running.via}"), at(death.died, "the server died")],
        )
    cut_short = _cut_short(history, death)
    if cut_short is not None:
        return excused("the next life was ended before anybody could look", evidence=[at(cut_short, "ended by us")])
    if death.ready is None:
        return inconclusive("the server did not get ready again after it had died")
    after = _aftermath(history, conversation, death, death.ready, limit_s)
    findings = [check(after) for check in CHECKS]
    broken = [finding for finding in findings if finding.signature]
    measured = _measured(after)
    if broken:
        return violated(
            "; ".join(finding.says for finding in broken),
            signature="+".join(finding.signature for finding in broken),
            evidence=[
                at(running, f"{running.raw} before the death"),
                at(death.died, "the server died"),
                at(death.ready, "ready again"),
                *(pointer for finding in broken for pointer in finding.evidence),
            ],
            timed=all(finding.timed for finding in broken),
            **measured,
        )
    undecided = [finding.says for finding in findings if finding.undecided]
    if undecided:
        return inconclusive("; ".join(undecided), **measured)
    looks = {"reads before a load": len(after.alone), "reads behind a load": len(after.loaded), "pushes": 1}
    return holds(
        "the interrupted run was shown as interrupted, and the conversation could be used again",
        compared=looks,
        **measured,
    )


def _cut_short(history: History, death: Death) -> Life | None:
    """The end of the next life, which the harness caused, or which is a part of a fault, before it had got ready or before anybody asked
    for a run."""
    if death.restarted is None:
        return None
    end = next((life for life in history.lives if life.epoch == death.restarted.epoch and life.stage == "died"), None)
    if end is None or not (end.by_us or passing(history, end.epoch)):
        return None
    began_ns = death.ready.t_ns if death.ready else end.t_ns
    asked = any(
        request.verb in ("load", "run", "send") and began_ns < request.t_ns < end.t_ns for request in history.requests
    )
    return None if asked else end


def _was_paused(history: History, conversation: str, death: Death) -> bool:
    """Last before the death it was shown as interrupted, as somebody had asked this life, and nobody has set it going since."""
    born_ns = max(
        (life.t_ns for life in history.lives if life.stage == "ready" and life.epoch == death.epoch), default=0
    )
    shown = [one for one in clean_statuses(history, conversation) if born_ns <= one.t_ns <= death.died.t_ns]
    if not shown or shown[-1].neutral != "interrupted":
        return False
    mine = [
        one
        for one in history.requests
        if belongs(history, conversation, one.conversation) and born_ns <= (one.began_ns or one.t_ns) <= death.died.t_ns
    ]
    asked = [one for one in mine if one.verb in ("pause", "interrupt") and accepted(one)]
    if not asked or (asked[-1].began_ns or asked[-1].t_ns) > shown[-1].t_ns:
        return False
    return not any(one.verb in STARTERS and one.t_ns > (asked[-1].began_ns or asked[-1].t_ns) for one in mine)


def _running_at(history: History, conversation: str, death: Death) -> Status | None:
    """The last status of the life that died: running when the API or the disk says so, since one of them may be behind. The API is when
    the server left a log in which the run has ended since."""
    mine = statuses_of(history, conversation)
    seen = [status for status in mine if status.via in ("rest", "stream") and status.t_ns <= death.died.t_ns]
    until = death.restarted.t_ns if death.restarted else last_ns(history)
    disk = [status for status in mine if status.via == "disk" and death.died.t_ns <= status.t_ns <= until]
    if disk and seen and _ended_since(history, conversation, death, said=disk[-1], shown=seen[-1]):
        return disk[-1]
    last = [*disk[-1:], *seen[-1:]]
    return next((status for status in last if status.neutral in RUNNING), last[0] if last else None)


def _ended_since(history: History, conversation: str, death: Death, *, said: Status, shown: Status) -> bool:
    """The log on the dead server's disk holds every status that anybody heard of, and ends with the one that the disk tells. Nobody had
    heard that one when the API told its own: it is not the end of an earlier run."""
    until_ns = death.restarted.t_ns if death.restarted else last_ns(history)
    readings = lists_of(history, conversation)
    left = [one for one in readings if one.source == "disk" and death.died.t_ns <= one.began_ns <= until_ns and one.end]
    told = [event for event in left[-1].events if event.role == "status"] if left else []
    heard = [
        event
        for one in readings
        for event in one.events
        if one.source != "disk" and event.role == "status" and event.durable and event.t_ns <= death.died.t_ns
    ]
    return (
        bool(told)
        and told[-1].status == said.raw
        and {event.id for event in heard} <= {event.id for event in told}
        and not any(event.id == told[-1].id and event.t_ns <= shown.t_ns for event in heard)
    )


def _aftermath(history: History, conversation: str, death: Death, ready: Life, limit_s: float) -> Aftermath:
    end_ns = down_after(history, ready.t_ns) or last_ns(history)
    requests = [
        request
        for request in history.requests
        if ready.t_ns < request.t_ns <= end_ns and belongs(history, conversation, request.conversation)
    ]
    push = next((request for request in requests if request.verb in ("run", "send")), None)
    until_ns = min(end_ns, push.began_ns or push.t_ns) if push else end_ns
    load_ns = min(
        (request.began_ns or request.t_ns for request in requests if request.verb == "load"),
        default=until_ns,
    )
    rest = [
        status
        for status in statuses_of(history, conversation)
        if status.via == "rest" and ready.t_ns <= status.t_ns <= until_ns
    ]
    return Aftermath(
        history=history,
        conversation=conversation,
        death=death,
        ready=ready,
        limit_s=limit_s,
        alone=[status for status in rest if not status.after_load and status.t_ns <= load_ns],
        loaded=[status for status in rest if status.after_load],
        push=push,
        until_ns=until_ns,
    )


def _measured(after: Aftermath) -> dict[str, Any]:
    shown = [status for status in after.alone if status.neutral in RUNNING]
    return {
        "limit_s": after.limit_s,
        "took_s": seconds(shown[-1].t_ns - after.ready.t_ns) if shown else 0.0,
        "after_restart": after.alone[-1].raw if after.alone else "not read",
        "after_load": after.loaded[-1].raw if after.loaded else "not read",
        "push": after.push.code if after.push else "not tried",
    }


def _after_restart(after: Aftermath) -> Finding:
    shown = [status for status in after.alone if status.neutral in RUNNING]
    if not after.alone:
        return Finding(says="the status was not read between the restart and the first load", undecided=True)
    if not shown:
        return Finding(says=f"shown as {after.alone[-1].raw}")
    last = shown[-1]
    took_ns = last.t_ns - after.ready.t_ns
    waited_ns = int(after.limit_s * SECOND) - POLL_NS
    if after.worked_before(last.t_ns):
        return Finding(says="running, with a worker")
    if took_ns >= waited_ns and (after.alone[-1] is last or took_ns > after.limit_s * SECOND):
        return Finding(
            says=f"{seconds(took_ns)} s after the server was ready again a read of the status still says {last.raw}",
            signature="running-after-restart",
            timed=after.alone[-1] is not last,
            evidence=(at(last, f"{last.raw}, though nothing works on it"),),
        )
    if after.alone[-1] is last:
        return Finding(
            says=f"the status was not watched for {after.limit_s:g} s after the restart; last seen: {last.raw}",
            undecided=True,
        )
    return Finding(says=f"running for {seconds(took_ns)} s")


def _after_load(after: Aftermath) -> Finding:
    if not after.loaded:
        return Finding(says="the status was not read after the conversation was loaded", undecided=True)
    last = after.loaded[-1]
    if last.neutral not in RUNNING or after.worked_before(last.t_ns):
        return Finding(says=f"after a load: {last.raw}")
    if last.t_ns - after.ready.t_ns < after.limit_s * SECOND - POLL_NS:
        return Finding(says=f"after a load {last.raw}, but the time limit was not over", undecided=True)
    return Finding(
        says=f"after the conversation was loaded, the status is still {last.raw}",
        signature="running-after-load",
        evidence=(at(last, f"{last.raw} after a load"),),
    )


def _marked(after: Aftermath) -> Finding:
    if waits_again(after.history, after.conversation, after.death) is not None:
        return Finding(says="the action waits for a confirmation again, and nobody had begun it: no mark is required")
    policy = str(after.history.header.facts.get("crash_policy", ""))
    if policy not in ("error", "interrupted"):
        return Finding(says=f"crash policy {policy or 'unknown'}: no mark is required")
    stopped = after.death.died.stage == "stopped"
    paused = _was_paused(after.history, after.conversation, after.death)
    good = {"failed"} | ({"interrupted"} if policy == "interrupted" or stopped or paused else set())
    seen = [
        status
        for status in statuses_of(after.history, after.conversation)
        if status.neutral in good
        and after.ready.t_ns <= status.t_ns <= after.until_ns
        and status.via in ("rest", "stream")
    ]
    log = log_of(after.history, after.conversation)
    if seen:
        return Finding(says=f"marked by the status {seen[0].raw}")
    if log is None:
        return Finding(
            says="no status marks the interrupted run, and there is no final log to look for an event", undecided=True
        )
    restarted = after.death.restarted or after.ready
    readings = lists_of(after.history, after.conversation)
    before = {event.id for one in readings for event in one.events if event.t_ns < restarted.t_ns}
    marks = [
        event
        for one in readings
        for event in one.events
        if event.role == "error" and event.id not in before and event.t_ns <= after.until_ns
    ]
    if marks:
        return Finding(says=f"marked by {marks[0].name}")
    if not any(
        one.source == "page"
        and one.witness == "observer"
        and one.complete
        and after.ready.t_ns <= one.began_ns <= after.until_ns
        for one in readings
    ):
        return Finding(
            says="no status marks the interrupted run, and nobody read its events before it was run again",
            undecided=True,
        )
    return Finding(says="neither a status nor an event says that the run was interrupted", signature="unmarked")


def _usable(after: Aftermath) -> Finding:
    push = after.push
    if push is None:
        return Finding(says="nobody tried to run the conversation again", undecided=True)
    if accepted(push):
        return Finding(says=f"run again: {push.code}")
    if push.code in NOBODY_SAID:
        return Finding(says=f"the request to run again got {push.code or push.error}", undecided=True)
    if push.code == 409 and after.worked_before(push.t_ns):
        return Finding(says="already running, with a worker")
    return Finding(
        says=f"the conversation cannot be used again: {push.method} {push.path} answers {push.code}",
        signature="not-usable",
        evidence=(at(push, f"answered {push.code}"),),
    )


CHECKS: tuple[Callable[[Aftermath], Finding], ...] = (_after_restart, _after_load, _marked, _usable)

GUARANTEES = (
    Guarantee(
        id="status.crash",
        level=Level.MUST,
        promise="T after the restarted server is ready, a run that the server's end interrupted is no longer shown as running "
        "(unless a worker continues it), is marked as interrupted where a user looks, and the conversation can be used again.",
        hurts="users whose run was going on, and whoever operates the server",
        judge=per_conversation(crash),
        applies=a_restart,
        rests_on=frozenset({LOG, STATUS, STREAM, DISK, ENGINE, MODEL, CLIENT, WIRE}),
        rests_on_time=True,
    ),
)
