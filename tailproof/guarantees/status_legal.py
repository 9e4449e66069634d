"""Whether a status becomes another one only where the server says that it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, ENGINE, LOG, STATUS, STREAM, WIRE
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, Neutral
from tailproof.history.server_records import Event, Status
from tailproof.history.timeline import SECOND, statuses_of
from tailproof.history.views import EventList, belongs, lists_of, log_of, neutral_of

WAITS_FOR_SOMEONE = frozenset({"interrupted", "waiting"})
"""At rest until somebody asks for something. Terminal ones are `status.final`'s."""
NO_CAUSE = frozenset({"status", "load", "probe", "ready", "pause", "interrupt"})
"""Requests that set nothing going."""
UNDER_WAY_NS = SECOND
"""A request that was answered so shortly before a status was seen may still take effect behind it."""
Step = tuple[Neutral, Neutral]


def legal(history: History, conversation: str) -> Verdict:
    """A status becomes another one only by a transition that the server's protocol has, and one that waits for somebody only when
    somebody asked for something.

    Steps are read where every change is told: the status events of the final log, and of each subscription past the wire (not its
    snapshots, which may be older than what they stand behind). Two of them that a restart lies between are no step: a crash may
    take one from between them. What is read now and then skips statuses, so of the reads only those are judged that leave a status
    which waits for somebody (`moved-by-itself-to-STATUS`): nothing that sets a conversation going was asked since it was first seen.
    What was answered before is no reason for what a later life of the server shows.
    """
    table = transitions(history.header)
    compared = 0
    for told in _tellers(history, conversation):
        for before, after, step in _steps(history, conversation, told):
            compared += 1
            if step[0] != step[1] and step[1] not in table.get(step[0], frozenset()):
                return violated(
                    f"the status went from {before.status} to {after.status} ({told.witness} {told.reading}), "
                    "a transition that the server does not have",
                    signature=f"{step[0]}-to-{step[1]}",
                    expected=sorted(table.get(step[0], ())),
                    seen=[step[1]],
                    evidence=[at(before, before.status), at(after, after.status)],
                )
    reads = _rows(history, conversation)
    for row in reads:
        for since, left in _left(row):
            compared += 1
            if not _asked(history, conversation, since.t_ns, left.t_ns):
                return violated(
                    f"{since.raw} became {left.raw} (via {left.via}) although nobody asked for anything",
                    signature=f"moved-by-itself-to-{left.neutral}",
                    expected=[since.raw],
                    seen=[left.raw],
                    evidence=[at(since, f"{since.raw} via {since.via}"), at(left, f"{left.raw} via {left.via}")],
                )
    if compared:
        return holds("every change of the status was a legal one", compared={"changes": compared})
    seen = [row[0] for row in reads if row]
    if seen:
        return excused("the status never changed", evidence=[at(seen[0], f"{seen[0].raw} via {seen[0].via}")])
    return inconclusive("no status was seen")


def transitions(header: Header) -> Mapping[str, frozenset[str]]:
    """From each neutral status to which others, as the adapter says it: `idle>active,failed active>done`."""
    said = (one.partition(">") for one in str(header.facts.get("transitions", "")).split())
    return {source: frozenset(goals.split(",")) for source, _, goals in said}


def _tellers(history: History, conversation: str) -> Iterator[EventList]:
    log = log_of(history, conversation)
    if log is not None:
        yield log.read_as
    yield from (one for one in lists_of(history, conversation, "stream") if one.path == "direct")


def _steps(history: History, conversation: str, told: EventList) -> Iterator[tuple[Event, Event, Step]]:
    words = neutral_of(history)
    events = [
        event for event in told.events if event.role == "status" and words.get(event.status, "unknown") != "unknown"
    ]
    for before, after in pairwise(events):
        if not _restarted_between(history, conversation, before, after):
            yield before, after, (words[before.status], words[after.status])


def _restarted_between(history: History, conversation: str, before: Event, after: Event) -> bool:
    starts = [life.t_ns for life in history.lives if life.stage == "started" and life.epoch > 0]
    if not starts:
        return False
    first = [_first_seen(history, conversation, event.id) for event in (before, after)]
    return any(first[0] < start <= first[1] for start in starts)


def _first_seen(history: History, conversation: str, identity: str) -> int:
    return min(event.t_ns for one in lists_of(history, conversation) for event in one.events if event.id == identity)


def _rows(history: History, conversation: str) -> list[list[Status]]:
    """The reads of the API, and what each subscription showed."""
    rows: dict[tuple[str, str], list[Status]] = {}
    for status in statuses_of(history, conversation):
        if status.witness != CLIENT and status.via in ("rest", "stream") and status.neutral != "unknown":
            rows.setdefault((status.witness, status.via), []).append(status)
    return [row for _, row in sorted(rows.items())]


def _left(row: Sequence[Status]) -> Iterator[tuple[Status, Status]]:
    """(first sight of a status that waits for somebody, first sight of what it became)"""
    first: Status | None = None
    for status in row:
        if first is not None and status.neutral == first.neutral:
            continue
        if first is not None:
            yield first, status
        first = status if status.neutral in WAITS_FOR_SOMEONE else None


def _asked(history: History, conversation: str, since_ns: int, until_ns: int) -> bool:
    """What may set a conversation going: requests whatever their answer, a client's run, and whatever wrote through the wire."""
    started_again = any(life.stage == "started" and since_ns < life.t_ns <= until_ns for life in history.lives)
    slack_ns = 0 if started_again else UNDER_WAY_NS
    requests = (
        (request.began_ns or request.t_ns, request.t_ns)
        for request in history.requests
        if request.verb not in NO_CAUSE and belongs(history, conversation, request.conversation)
    )
    runs = ((run.t_ns, run.t_ns) for run in history.runs if run.stage == "called")
    written = (
        (exchange.began_ns or exchange.t_ns, exchange.t_ns)
        for exchange in history.exchanges
        if exchange.method.upper() not in ("GET", "HEAD", "OPTIONS")
    )
    return any(asked < until_ns and answered > since_ns - slack_ns for asked, answered in (*requests, *runs, *written))


def _says_which(header: Header) -> str:
    return "" if header.facts.get("transitions") else "the adapter does not say which transitions its protocol has"


GUARANTEES = (
    Guarantee(
        id="status.legal",
        level=Level.MUST,
        promise="A status becomes another one only by a transition that the protocol has, and leaves one that waits for somebody only "
        "when somebody asked for something.",
        hurts="whoever decides by the status",
        judge=per_conversation(legal),
        applies=_says_which,
        rests_on=frozenset({LOG, STATUS, STREAM, DISK, ENGINE, CLIENT, WIRE}),
    ),
)
