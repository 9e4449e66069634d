"""Whether the event stream of an executor can be left and taken up again, and whether it says once how an execution ended."""

from __future__ import annotations

from tailproof.guarantees.executions.view import (
    ENDED,
    GAP,
    Execution,
    agent_said,
    deaths,
    executions,
    final_log,
    per_execution,
)
from tailproof.guarantees.verdict import Verdict, all_of, at, excused, holds, inconclusive, violated
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND, last_ns, seconds
from tailproof.history.views import EventList, lists
from tailproof.incoming.stream import IN_ORDER

LAST_WORDS_NS = 2 * SECOND
"""What an agent printed so shortly before its executor gave its turn up need not be in the log."""


def resumable(history: History) -> Verdict:
    """A reader that asks for the events behind any cursor gets exactly the rest of the log, before and after a restart of the executor,
    and nothing for a cursor at or beyond its end. What the agent printed while nobody was attached is in the log, or a gap marker says so.

    Each subscription and each page with a cursor is compared with the final log; one that was ended early has a beginning of it.
    """
    log = final_log(history)
    if log is None:
        return inconclusive("the log of the session was not read at the end of the trial")
    streams = [one for one in lists(history) if one.source == "stream" and one.subscribed]
    return all_of(
        (*(_suffix(log, one) for one in streams), *(_printed(history, one) for one in executions(history))),
        nothing="nobody subscribed",
    )


def _suffix(log: EventList, one: EventList) -> Verdict:
    assert one.subscribed is not None, "only those that were accepted are judged"
    after, run = one.subscribed.after, one.subscribed.run
    due = [event.id for event in log.events if _behind(event, after) and (not run or event.run == run)]
    seen = [event.id for event in one.events]
    whole = one.path == "replay"  # whether another one ended too early is `events.terminal`'s to say
    if seen == (due if whole else due[: len(seen)]):
        return holds(
            f"{one.reading} went on behind {after or 'the beginning'}",
            compared={"events": len(seen), "subscriptions": 1},
        )
    missing = [identity for identity in (due if whole else due[: len(seen) + 1]) if identity not in seen]
    more = [identity for identity in seen if identity not in due]
    twice = len(seen) - len(set(seen))
    what = f"lacks {len(missing)} events" if missing else f"has {len(more)} others" if more else "has another order"
    return violated(
        f"{one.reading}, behind event {after or 'none'}, {what}" + (f", {twice} twice" if twice else ""),
        signature="gap" if missing else "not-of-the-log" if more else "doubled" if twice else "another-order",
        expected=missing or due,
        seen=more or seen,
        evidence=[
            at(one.subscribed, f"subscribed behind {after or 'none'}"),
            *(at(event, event.name) for event in one.events[:3]),
        ],
        missing=len(missing),
        due=len(due),
    )


def _behind(event: Event, after: str) -> bool:
    return not after or (event.id.isdigit() and after.isdigit() and int(event.id) > int(after))


def _printed(history: History, execution: Execution) -> Verdict:
    over = execution.ended
    # Whoever ends a turn while its agent works need not have heard the last words.
    given_up = over is not None and over.neutral != "done" and not deaths(history, execution)
    until_ns = over.t_ns - LAST_WORDS_NS if over is not None and given_up else last_ns(history)
    printed = [one for one in agent_said(history, "printed") if one.turn == execution.turn.key and one.t_ns <= until_ns]
    lost = [one for one in printed if one.line not in execution.lines]
    if lost and not any(event.name == GAP for event in execution.log):
        return violated(
            f"{len(lost)} of {len(printed)} lines that the agent printed are not in the log, and no gap marker says so",
            signature="output-lost",
            expected=[f"line {one.line}" for one in lost],
            seen=[f"line {number}" for number in sorted(execution.lines)],
            evidence=[at(one, f"printed line {one.line}") for one in lost],
            missing=len(lost),
            due=len(printed),
        )
    return holds("every line of the agent is in the log, or is told to be lost", compared={"lines": len(printed)})


def terminal(history: History) -> Verdict:
    """An execution that has ended has exactly one terminal event in the log, nothing of it stands behind, and it says what GET says. The
    event is there as soon as the status is: no stream of the execution ends without it, and no page that is read afterwards lacks it.
    """
    return per_execution(_terminal)(history)


def _terminal(history: History, execution: Execution) -> Verdict:
    over, ends = execution.ended, execution.ends
    if over is None and not ends:
        return excused("the execution did not end", evidence=[at(execution.turn, "acknowledged")])
    log = final_log(history)
    assert log is not None, "judged with a log only"
    limit_s = parameter(history.header, "status.agree")
    if not ends:
        assert over is not None
        if last_ns(history) - over.t_ns < limit_s * SECOND and log.began_ns < over.t_ns:
            return inconclusive("the log was read before the execution ended")
        return violated(
            f"the execution is {over.raw}, and the log has no terminal event of it",
            signature="no-terminal-event",
            expected=["one"],
            seen=["none"],
            evidence=[at(over, over.raw)],
        )
    if len(ends) > 1:
        return violated(
            f"the execution ended {len(ends)} times: {', '.join(event.status for event in ends)}",
            signature="ended-twice",
            expected=[ends[0].status],
            seen=[event.status for event in ends],
            evidence=[at(event, event.status) for event in ends],
        )
    behind = execution.log[execution.log.index(ends[0]) + 1 :]
    if behind:
        return violated(
            f"{len(behind)} events of the execution stand behind its end ({ends[0].status})",
            signature="events-after-end",
            expected=[ends[0].id],
            seen=[event.id for event in behind],
            evidence=[at(ends[0], ends[0].status), *(at(event, event.name) for event in behind)],
        )
    last = execution.statuses[-1] if execution.statuses else None
    if last is not None and last.neutral in ENDED and last.neutral != execution.words.get(ends[0].status):
        return violated(
            f"GET says {last.raw}, and the log {ends[0].status}",
            signature="status-and-log-differ",
            expected=[last.raw],
            seen=[ends[0].status],
            evidence=[at(last, last.raw), at(ends[0], ends[0].status)],
        )
    early = _without_it(history, execution, ends[0])
    if early is not None:
        return early
    if over is None:
        return violated(
            f"the log says {ends[0].status}, and GET never said that the execution had ended",
            signature="event-without-status",
            expected=[ends[0].status],
            seen=[last.raw if last else "nothing"],
            evidence=[at(ends[0], ends[0].status)],
            took_s=seconds(last_ns(history) - ends[0].t_ns),
        )
    return holds(f"one terminal event, {ends[0].status}", compared={"ends": 1, "events": len(execution.log)})


def _without_it(history: History, execution: Execution, end: Event) -> Verdict | None:
    over = execution.ended
    for one in lists(history):
        stream = one.subscribed
        ended = one.closed is not None and one.closed.code == IN_ORDER
        if (
            stream is not None
            and stream.run == execution.id
            and ended
            and end.id not in one.ids
            and _behind(end, stream.after)
        ):
            assert one.closed is not None
            return violated(
                f"{one.reading} of the execution came to its end without the terminal event",
                signature="stream-ends-without-terminal",
                expected=[end.id],
                seen=one.ids[-3:],
                evidence=[at(one.closed, "the executor ended it"), at(end, end.status)],
            )
        if (
            one.source == "page"
            and over is not None
            and one.began_ns > over.t_ns
            and one.complete
            and end.id not in one.ids
        ):
            assert one.begin is not None
            return violated(
                f"GET said {over.raw}, and {seconds(one.began_ns - over.t_ns)} s later the log had no terminal event",
                signature="status-before-event",
                expected=[end.id],
                seen=one.ids[-3:],
                evidence=[at(over, over.raw), at(one.begin, "read afterwards"), at(end, end.status)],
            )
    return None
