"""What a receiver of webhooks gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tailproof.guarantees.events_log import NO_EVENTS, without_log
from tailproof.guarantees.neighbours import strangers
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, all_of, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, HOOKS, LOG, STREAM
from tailproof.history.header import Header
from tailproof.history.plan import has_hooks, hooks_limit
from tailproof.history.reader import History
from tailproof.history.records import Life, Post
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND, last_ns, seconds
from tailproof.history.views import Log, conversations, lists_of, log_of, same

KILLED = frozenset({-9, 137})
"""The exit codes of a server that did not end in the time that it was given."""


@dataclass(frozen=True, slots=True)
class Outage:
    """When the receiver was not well."""

    began_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Due:
    """One event that had to be posted, and until when."""

    event: Event
    until_ns: int
    taken: Post | None


def delivered(history: History, conversation: str) -> Verdict:
    """Each event of the log is taken by the receiver once, in log order, after an outage, too.

    Taken is what was answered with 2xx: what was not may come again. An event is due so long after it was stored, or after the
    receiver was well again, as the server was told to wait before it posts (`hooks_limit`). A server that is asked to end before
    posts what it holds; one that is killed owes nothing that was not due yet. Bookkeeping may take another place in the row.
    No event that is in the log of one conversation is posted as one of another.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    posts = [post for post in history.posts if same(post.conversation) == conversation]
    taken = [post for post in posts if post.done == "answered" and 200 <= post.code < 300]
    due = list(_due(history, conversation, log, taken))
    if not due:
        return inconclusive("no event was due to the receiver")
    return (
        _missing(history, due, posts)
        or _late(history, due)
        or _doubled(taken, log)
        or _disordered(taken, log)
        or holds(
            f"the receiver took {len(due)} events once and in order",
            compared={"events": len(due)},
            requests=len(posts),
            not_taken=len(posts) - len(taken),
        )
    )


def delivered_everywhere(history: History) -> Verdict:
    """The events of the trial, and what was posted for any conversation of the server."""
    own = (delivered(history, conversation) for conversation in conversations(history))
    return all_of((*_mixed(history), *own), nothing=NO_EVENTS)


def _mixed(history: History) -> Iterator[Verdict]:
    found = [
        (post, strange) for post in history.posts if (strange := strangers(history, post.conversation, post.batch))
    ]
    if found:
        ids = [identity for _, strange in found for identity in strange]
        yield violated(
            f"{len(ids)} events were posted as those of a conversation that does not have them; another one does",
            signature="posted-for-another",
            seen=ids,
            evidence=[at(post, f"posted as of {post.conversation}") for post, _ in found],
            strange=len(ids),
        )


def _due(history: History, conversation: str, log: Log, taken: Sequence[Post]) -> Iterator[Due]:
    """The events that had to be posted; those that a death took, and those of an outage that outlasted the server, are left out."""
    limit_ns = int(hooks_limit(history.header) * SECOND)
    outages = _outages(history)
    stored = _stored(history, conversation)
    first: dict[str, Post] = {}
    for post in taken:
        for identity in post.batch:
            first.setdefault(identity, post)
    for event in log.events:
        if not event.durable:
            continue
        since_ns = stored.get(event.id, log.taken_ns)
        until_ns = since_ns + limit_ns
        for outage in outages:
            if outage.began_ns <= until_ns and outage.ended_ns > since_ns:
                until_ns = max(until_ns, outage.ended_ns + limit_ns)
        had = first.get(event.id)
        end = next((life for life in history.lives if life.stage in ("died", "stopped") and life.t_ns > since_ns), None)
        if end is not None and end.t_ns - _stop_takes(history, end) < until_ns:
            excused = _was_killed(end) or _is_out(outages, end.t_ns)
            if excused and had is None:
                continue
            if excused and had is not None and had.began_ns > end.t_ns:
                # Who kept it over the end has done more than was owed, and as long for it as after an outage.
                back = (life.t_ns for life in history.lives if life.stage == "ready" and life.t_ns > end.t_ns)
                until_ns = max(until_ns, next(back, end.t_ns) + limit_ns)
            else:
                until_ns = end.t_ns
        yield Due(event, until_ns, had)


def _outages(history: History) -> list[Outage]:
    healed = {fault.fault: fault.t_ns for fault in history.faults if fault.stage == "healed"}
    return [
        Outage(fault.t_ns, healed.get(fault.fault, last_ns(history)))
        for fault in history.faults
        if fault.stage == "intent" and fault.name.startswith("hooks.")
    ]


def _stored(history: History, conversation: str) -> dict[str, int]:
    """When each event was seen first by somebody who listens past the wire."""
    seen: dict[str, int] = {}
    for one in lists_of(history, conversation, "stream", "page"):
        for event in one.events:
            seen[event.id] = min(event.t_ns, seen.get(event.id, event.t_ns))
    return seen


def _stop_takes(history: History, end: Life) -> int:
    """How long before its end the server was asked to end: what is posted from then on is posted because of that."""
    if end.stage != "stopped":
        return 0
    asked = [phase.t_ns for phase in history.phases if phase.name == "stopping"]
    asked += [fault.t_ns for fault in history.faults if fault.stage == "intent" and fault.name == "process.restart"]
    return end.t_ns - max((moment for moment in asked if moment <= end.t_ns), default=end.t_ns)


def _was_killed(end: Life) -> bool:
    return end.stage == "died" or end.exit_code in KILLED


def _is_out(outages: Sequence[Outage], moment_ns: int) -> bool:
    return any(outage.began_ns <= moment_ns <= outage.ended_ns for outage in outages)


def _missing(history: History, due: Sequence[Due], posts: Sequence[Post]) -> Verdict | None:
    missing = [one.event for one in due if one.taken is None]
    if not missing:
        return None
    last = max((place for place, one in enumerate(due) if one.taken), default=-1)
    behind = [one.event for one in due[last + 1 :]]
    signature = "nothing-posted" if len(missing) == len(due) else "tail-not-posted" if behind else "gap"
    tried = [post for post in posts if set(post.batch) & {event.id for event in missing}]
    return violated(
        f"the receiver never took {len(missing)} of the {len(due)} events of the log",
        signature=signature,
        expected=[event.id for event in missing],
        seen=[identity for post in posts[-3:] for identity in post.batch],
        evidence=[
            *(at(post, f"posted then, and {_answer(post)}") for post in tried[-3:]),
            *(at(event, f"{event.name} {event.id} is in the log") for event in missing),
        ],
        missing=len(missing),
        due=len(due),
        attempts=len(tried),
    )


def _answer(post: Post) -> str:
    return f"answered {post.code}" if post.code else post.done


def _late(history: History, due: Sequence[Due]) -> Verdict | None:
    late = [(one, one.taken) for one in due if one.taken is not None and one.taken.began_ns > one.until_ns]
    if not late:
        return None
    limit_s = hooks_limit(history.header)
    one, post = max(late, key=lambda pair: pair[1].began_ns - pair[0].until_ns)
    return violated(
        f"{len(late)} events were posted too late, {one.event.name} {one.event.id} by "
        f"{seconds(post.began_ns - one.until_ns)} s",
        signature="late",
        expected=[each.event.id for each, _ in late],
        evidence=[at(post, "posted then"), at(one.event, f"{one.event.name} {one.event.id} is in the log")],
        timed=True,
        limit_s=limit_s,
        took_s=round(limit_s + (post.began_ns - one.until_ns) / SECOND, 2),
    )


def _doubled(taken: Sequence[Post], log: Log) -> Verdict | None:
    first: dict[str, Post] = {}
    for post in taken:
        for identity in post.batch:
            if identity in first and identity in log.position:
                return violated(
                    f"the receiver took {identity} twice",
                    signature="doubled",
                    seen=[identity],
                    evidence=[at(first[identity], "taken first"), at(post, "taken again")],
                )
            first[identity] = post
    return None


def _disordered(taken: Sequence[Post], log: Log) -> Verdict | None:
    """In the order in which the requests came; each has its answer before the next one."""
    roles = {event.id: event.role for event in log.events}
    row = [
        (identity, post)
        for post in sorted(taken, key=lambda post: post.number)
        for identity in post.batch
        if roles.get(identity, "bookkeeping") != "bookkeeping"
    ]
    for (earlier, before), (identity, post) in pairwise(row):
        if log.position[identity] < log.position[earlier]:
            return violated(
                f"the receiver took {identity} after {earlier}; the log has them the other way round",
                signature="out-of-order",
                expected=[identity, earlier],
                seen=[earlier, identity],
                evidence=[at(before, f"{earlier} came"), at(post, f"{identity} came")],
            )
    return None


def _with_hooks(header: Header) -> str:
    return "" if has_hooks(header) else "the server of this scenario has no webhooks"


GUARANTEES = (
    Guarantee(
        id="hooks.delivered",
        level=Level.MUST,
        promise="A receiver of webhooks takes every event once, in log order, after an outage too.",
        hurts="whoever builds on webhooks",
        judge=delivered_everywhere,
        applies=_with_hooks,
        rests_on=frozenset({LOG, STREAM, ENGINE, HOOKS}),
        rests_on_time=True,
    ),
)
