"""What the callbacks of the client under test get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from tailproof.guarantees.about import client_reports
from tailproof.guarantees.events_client import end_of_run
from tailproof.guarantees.events_log import per_conversation, sent_messages, without_log
from tailproof.guarantees.loop_returns import without_return
from tailproof.guarantees.stream import fatal_closes
from tailproof.guarantees.verdict import MOST, Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, LOG, STATUS, STREAM, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Run
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND, client_runs, settled_at
from tailproof.history.traffic import client_streams, nameless, server_down
from tailproof.history.views import Log, lists_of, log_of

SLACK_NS = SECOND
WITHHELD = frozenset({"dropped", "reordered"})
"""What the wire did to a frame that an open stream cannot show to its client: there is no number that it could miss."""


def callbacks(history: History, conversation: str) -> Verdict:
    """Each persisted event of the log reaches the client's callbacks exactly once, in log order.

    *From where on*: what was published after the client's subscription was answered, or after it called its first run, whichever
    was first. What was in the log before is history: a client reads it into its list and tells its callbacks nothing.
    *Up to where*: the end of the last run that returned, as in `events.tail`; bookkeeping behind it does not count, nor do
    snapshots, and an event told while the trial still lasts is in time. A run that raised before its end is not judged, nor is a
    client whose stream was closed for good. What a client could not tell of its callbacks to the end (it was killed, an event has
    no JSON) is not called missing.

    *Exactly once* holds whatever the path did: a client that fetches what it missed owes it to its callbacks, too, and one
    that gets a frame twice knows its id. *In order* holds across a cut: what was missed comes before what follows it. Only an event
    whose frame the wire withheld or reordered on a stream that stayed open may come late, because nothing told the client of the
    gap. Bookkeeping comes from other threads than the loop and may stand anywhere.
    """
    if not history.runs:
        return inconclusive("the client never ran")
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    back = _last_judged(history, conversation)
    if back is None:
        raised = [run for _, run in client_runs(history, conversation) if run is not None]
        if not raised:
            return without_return(history, conversation)
        return excused(
            "the client's run raised before the server had ended it",
            evidence=[at(run, f"run() raised {run.error_type}") for run in raised],
        )
    down = [life for life in server_down(history) if life.t_ns < back.t_ns]
    if down:
        return excused("the server went down during the run", evidence=[at(life, life.stage) for life in down])
    told_off = [
        one.closed for one in client_streams(history) if one.closed and one.closed.code in fatal_closes(history)
    ]
    if told_off:
        return excused(
            f"the stream was closed with {told_off[0].code}, after which the client must not subscribe again",
            evidence=[at(closed, f"closed with {closed.code}") for closed in told_off],
        )
    begin, end = _begin(history, conversation, log), end_of_run(history, conversation, log, back)
    if begin is None or end is None:
        return inconclusive("the log shows no end of the client's last run")
    due = [event for event in log.events[begin : end + 1] if event.durable]
    lists = [one for one in lists_of(history, conversation, "callback") if one.witness == CLIENT]
    told = [event for one in lists for event in one.events if event.durable and event.id in log.position]
    cut = next((one for one in lists if one.end is not None and not one.end.complete), None)
    if cut is not None and _missing(history, conversation, due, told, back):
        return _doubled(told) or _out_of_order(history, log, due, told) or inconclusive(cut.why_incomplete)
    return (
        _missing(history, conversation, due, told, back)
        or _doubled(told)
        or _out_of_order(history, log, due, told)
        or holds(
            f"the callbacks got each of {len(due)} events once, in log order",
            compared={"events": len(due)},
            told=len(told),
        )
    )


def _last_judged(history: History, conversation: str) -> Run | None:
    """The newest run that returned, or raised once the server had ended it."""
    for called, back in reversed(client_runs(history, conversation)):
        if back is not None and back.stage == "returned":
            return back
        if back is not None and settled_at(history, conversation, called.t_ns, back.t_ns + SLACK_NS):
            return back
    return None


def _begin(history: History, conversation: str, log: Log) -> int | None:
    """The place of the first event that was published to a client that had to get it."""
    answered = [one.answered_ns for one in client_streams(history)[:1] if one.answered_ns is not None]
    called = [run.t_ns for run in history.runs if run.stage == "called"]
    since_ns = min([*answered, *called])
    live = [
        log.position[event.id]
        for one in lists_of(history, conversation, "stream")
        for event in one.events
        if one.path == "direct" and event.t_ns >= since_ns and event.id in log.position and event.durable
    ]
    sent = [
        place
        for send, place in sent_messages(history, conversation)
        if place is not None and (send.began_ns or send.t_ns) >= since_ns
    ]
    return min((*live, *sent), default=None)


def _missing(
    history: History, conversation: str, due: Sequence[Event], told: Sequence[Event], back: Run
) -> Verdict | None:
    reached = {event.id for event in told}
    missing = [event for event in due if event.id not in reached]
    coming = _still_on_its_way(history) if missing else frozenset()
    missing = [event for event in missing if event.id not in coming]
    if not missing:
        return None
    held = {event.id for one in lists_of(history, conversation, "held") for event in one.events}
    known = sum(event.id in held for event in missing)
    of_them = "all" if known == len(missing) else known or "none"
    return violated(
        f"{len(missing)} of {len(due)} events never reached the client's callbacks; {of_them} of them are in the client's own list",
        signature="missing",
        expected=[event.id for event in missing],
        seen=[event.id for event in told[-10:]],
        evidence=[
            at(back, f"run() {back.stage}"),
            *(at(event, f"{event.name} {event.id} is in the log") for event in missing[:MOST]),
        ],
        missing=len(missing),
        due=len(due),
        held=known,
    )


def _still_on_its_way(history: History) -> frozenset[str]:
    """The events that were late by the lag that was put on the path when the client's last stream ended."""
    streams = client_streams(history)
    lag_ns = int(parameter(history.header, "lag") * SECOND)
    if not streams or streams[-1].closed is None or lag_ns <= 0:
        return frozenset()
    came: dict[str, int] = {}
    for frame in history.frames:
        if frame.direction == "down":
            came.setdefault(frame.id, frame.t_ns)
    closed_ns = streams[-1].closed.t_ns
    return frozenset(identity for identity, t_ns in came.items() if t_ns + lag_ns + SLACK_NS > closed_ns)


def _doubled(told: Sequence[Event]) -> Verdict | None:
    counts = Counter(event.id for event in told)
    again = [identity for identity, count in counts.items() if count > 1]
    if not again:
        return None
    return violated(
        f"{len(again)} events reached the client's callbacks more than once",
        signature="doubled",
        seen=again,
        evidence=[at(event, f"{event.name} {event.id} was told") for event in told if counts[event.id] > 1],
        doubled=len(again),
        told=len(told),
    )


def _out_of_order(history: History, log: Log, due: Sequence[Event], told: Sequence[Event]) -> Verdict | None:
    withheld = {frame.id for frame in history.frames if frame.direction == "down" and frame.done in WITHHELD}
    loop = {event.id for event in due if event.role != "bookkeeping"} - withheld
    row = [event for event in told if event.id in loop]
    for earlier, event in pairwise(row):
        if log.position[event.id] < log.position[earlier.id]:
            if why := nameless(history):
                return inconclusive(why)
            return violated(
                f"the callbacks got {event.name} {event.id} after {earlier.name} {earlier.id}; "
                "the log has them the other way round",
                signature="out-of-order",
                expected=[event.id, earlier.id],
                seen=[earlier.id, event.id],
                evidence=[at(earlier, "told first"), at(event, "told after it")],
            )
    return None


GUARANTEES = (
    Guarantee(
        id="events.callbacks",
        level=Level.MUST,
        promise="Each persisted event of a run reaches the client's callbacks exactly once, in log order.",
        hurts="programs that act on the client's callbacks",
        judge=per_conversation(callbacks),
        applies=client_reports("callbacks", "the client has no callbacks"),
        rests_on=frozenset({LOG, STREAM, STATUS, ENGINE, CLIENT, WIRE}),
    ),
)
