"""What a run costs beyond what it needs."""

from __future__ import annotations

from typing import Any

from tailproof.guarantees.about import client_reports
from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.loop_returns import without_return
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import LOG, STATUS, STREAM, WIRE
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Exchange, Run
from tailproof.history.server_records import Status
from tailproof.history.timeline import SECOND, client_runs, seconds, settled_at
from tailproof.history.traffic import SPOILED, nameless
from tailproof.history.views import Log, conversations, log_of

PAGE_SIZE = 100
TELLS_APART = 3
"""A whole read must be so many times a repair, or the two look alike."""
BEFORE_NS = SECOND // 4
"""The client may notice the end of the run this much before a healthy reader did."""


def reconcile(history: History, conversation: str) -> Verdict:
    """After a run, the client's REST requests and bytes grow with the events that it missed, not with the length of the history.

    Counted at the wire: the answers to plain reads between the terminal status and the return of the client's run, without those
    of the status, which a client may poll as it likes, and without answers that a rule or an error spoiled:
    whoever gets half a page asks for it again. A repair is what the stream did not bring, by the
    sizes of the events in the log, and two pages on top. Judged only where reading the whole log would cost at least three times
    a repair.
    """
    if len(conversations(history)) > 1:
        return inconclusive("several conversations share the wire")
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    runs = client_runs(history, conversation)
    raised = [back for _, back in runs if back is not None and back.stage == "raised"]
    if raised and len(raised) == len(runs):
        return excused("no run of the client returned", evidence=[at(back, f"run() {back.stage}") for back in raised])
    returns = [(called, back) for called, back in runs if back and back.stage == "returned"]
    if not returns:
        return without_return(history, conversation)
    return all_of(
        (_one_run(history, conversation, log, called, back) for called, back in returns),
        nothing="",
    )


def _one_run(history: History, conversation: str, log: Log, called: Run, back: Run) -> Verdict:
    size = max(1, int(history.header.facts.get("page_size", PAGE_SIZE)))
    whole = sum(event.size for event in log.events)
    if not whole:
        return inconclusive("the sizes of the events of the log are not recorded")
    missed = _missed(history, log, back)
    missed_bytes = sum(event.size for event in log.events if event.id in missed)
    repair = missed_bytes + 2 * size * whole // len(log.events)
    if whole < TELLS_APART * repair:
        needed = TELLS_APART * (len(missed) + 2 * size)
        return excused(
            f"a log of {len(log.events)} events is too short to tell a repair from a whole read: with {len(missed)} events missed "
            f"and pages of {size} it must have {needed}",
            evidence=[at(log.events[-1], "the last event of the log"), at(back, "run() returned")],
        )
    ended = settled_at(history, conversation, called.t_ns, back.t_ns + BEFORE_NS)
    if ended is None:
        return inconclusive("no terminal status was seen before the client's run returned")
    reads = _reads(history, called, ended, back)
    if not history.exchanges:
        return inconclusive("the wire recorded no request")
    fetched = sum(read.down_bytes for read in reads)
    measured: dict[str, Any] = {
        "requests": len(reads),
        "fetched_bytes": fetched,
        "missed_events": len(missed),
        "repair_bytes": repair,
        "whole_bytes": whole,
    }
    if fetched > repair:
        if why := nameless(history):
            return inconclusive(why)
        return violated(
            f"{len(reads)} requests fetched {fetched} bytes after the run; the missed events have {missed_bytes} of {whole} bytes",
            signature="reads-whole-history" if 2 * fetched >= whole else "reads-more-than-missed",
            evidence=[
                at(ended, f"{ended.raw} via {ended.via}"),
                at(back, "run() returned"),
                *(at(read, f"{read.method} {read.path}: {read.down_bytes} bytes") for read in reads),
            ],
            **measured,
        )
    return holds(
        f"{len(reads)} requests fetched {fetched} bytes in {seconds(max(0, back.t_ns - ended.t_ns))} s; a repair may cost {repair}",
        compared={"runs": 1, "requests": len(history.exchanges)},
        **measured,
    )


def _missed(history: History, log: Log, back: Run) -> set[str]:
    """What the stream had not brought to the client: frames that were touched, and events of this run without a frame."""
    frames = [frame for frame in history.frames if frame.direction == "down" and frame.id in log.position]
    touched = {frame.id for frame in frames if frame.done != "passed" or frame.t_ns > back.t_ns}
    framed = {frame.id for frame in frames}
    first = min((log.position[identity] for identity in framed), default=0)
    return touched | {event.id for event in log.events[first:] if event.id not in framed}


def _reads(history: History, called: Run, ended: Status, back: Run) -> list[Exchange]:
    span = [
        exchange
        for exchange in history.exchanges
        if exchange.method.upper() == "GET"
        and not exchange.upgrade
        and exchange.done != "upgraded"
        and exchange.done not in SPOILED
        and exchange.code < 400
        and called.t_ns <= exchange.t_ns
    ]
    polled = {request.path for request in history.requests if request.witness == CLIENT and request.verb == "status"}
    return [
        exchange
        for exchange in span
        if exchange.t_ns >= ended.t_ns - BEFORE_NS
        and (exchange.began_ns or exchange.t_ns) <= back.t_ns
        and exchange.path not in polled
    ]


GUARANTEES = (
    Guarantee(
        id="cost.reconcile",
        level=Level.SHOULD,
        promise="After a run, the client's REST requests and bytes grow with the events that it missed, not with the length of the "
        "history.",
        hurts="users of a client in a long conversation",
        judge=per_conversation(reconcile),
        applies=client_reports("held", "the client holds no list that it could repair"),
        rests_on=frozenset({LOG, STREAM, STATUS, CLIENT, WIRE}),
    ),
)
