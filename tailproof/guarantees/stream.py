"""Whether a client whose stream broke subscribes again."""

from __future__ import annotations

from typing import Any

from tailproof.guarantees.about import client_reports
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Pointer,
    Verdict,
    all_of,
    at,
    excused,
    first_of,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, LOG, STREAM, WIRE
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import BREAKERS, PATH, plans
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Frame, Rendezvous
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND, last_ns, seconds
from tailproof.history.traffic import (
    SUBTLE,
    ClientStream,
    attempts,
    began,
    client_streams,
    fault_windows,
    faulted_at,
    last_run_of_client,
    nameless,
    server_down,
)
from tailproof.history.views import conversations, lists_of, log_of

SLACK_NS = SECOND


def fatal_closes(history: History) -> frozenset[int]:
    """The close codes after which a client must not subscribe again (`fatal_closes`, as the adapter has it)."""
    return frozenset(int(code) for code in str(history.header.facts.get("fatal_closes", "")).split())


def resumed(history: History) -> Verdict:
    """A client whose stream broke subscribes again within T of the connection being healthy, and its callbacks get what follows.

    *Broke* is a stream through the wire that ended while a fault was on the path, before the client's last run returned. *Healthy*
    is the path from the end of the stream on, or from the healing of what keeps a client from subscribing (faults of requests, of
    the network), or from the end of the last attempt that a rule spoiled. *Subscribes again* is a new stream, opened through the
    wire. *Get what follows*: when a healthy subscriber got events of the log while the new stream was open, the callbacks got at
    least one of them (that they got all is `events.callbacks`). Not judged: a close code after which it must not, a server
    that went down, and a run that returned before T was over.
    """
    streams = client_streams(history)
    broken = [one for one in streams if _broke(history, one)]
    if not broken and streams and not (plans(history.header, *BREAKERS) and not any(map(_ended, streams))):
        return excused(
            "no stream broke while the client needed it",
            evidence=[
                at(one.closed or one.opened, "closed" if one.closed else "opened, and open ever since")
                for one in streams
            ],
        )
    return all_of((_one_break(history, one) for one in broken), nothing="no stream was seen to break")


def _ended(stream: ClientStream) -> bool:
    return stream.closed is not None


def _broke(history: History, stream: ClientStream) -> bool:
    closed = stream.closed
    return (
        closed is not None
        and closed.t_ns < _needed_until(history)
        and faulted_at(history, closed.t_ns, slack_ns=SLACK_NS)
    )


def _cut_frame(history: History, stream: ClientStream) -> Frame | None:
    """The frame at which the wire cut this stream; None when it did not."""
    return next((one for one in history.frames if one.conn == stream.number and one.done == "cut"), None)


def _needed_until(history: History) -> int:
    """Until when the client has to listen: its last run returned, or the trial took it down."""
    back = last_run_of_client(history)
    stopping = [phase.t_ns for phase in history.phases if phase.name == "stopping"]
    moments = [*stopping, last_ns(history)]
    return min([*moments, back.t_ns] if back else moments)


def _one_break(history: History, broken: ClientStream) -> Verdict:
    closed = broken.closed
    assert closed is not None
    if closed.code in fatal_closes(history):
        return excused(
            f"the stream was closed with {closed.code}, after which the client must not subscribe again",
            evidence=[at(closed, f"closed with {closed.code}")],
        )
    limit_s = parameter(history.header, "stream.resumed")
    healthy_ns = _healthy_since(history, closed.t_ns, int(limit_s * SECOND))
    if healthy_ns is None:
        return excused("the connection was never healthy again", evidence=[at(closed, f"closed with {closed.code}")])
    until_ns = _needed_until(history)
    later = [one for one in client_streams(history) if one.opened.t_ns >= closed.t_ns]
    # A subscription that nobody answers is none: the one that counts is the first that the server spoke on. One that was begun when
    # nobody needed it any more is not judged, and one that the wire cut in its turn is judged for itself.
    answered = [one for one in later if one.answered_ns is not None]
    again = next(iter(answered or [one for one in later if one.opened.t_ns <= until_ns]), None)
    if again is not None and not answered and (cut := _cut_frame(history, again)):
        return excused(
            "the client subscribed again, and that stream was cut, too",
            evidence=[at(again.opened, "subscribed again"), at(cut, f"cut by {cut.rule}")],
        )
    end_ns = again.opened.t_ns if again else until_ns
    down = [life for life in server_down(history) if closed.t_ns - SLACK_NS < life.t_ns < end_ns]
    if down:
        return excused("the server went down", evidence=[at(life, life.stage) for life in down])
    took_ns = end_ns - healthy_ns
    measured: dict[str, Any] = {"limit_s": limit_s, "took_s": max(0.0, seconds(took_ns))}
    if took_ns > limit_s * SECOND:
        waited = [one for one in history.rendezvous if one.point == "reconnected" and one.stage == "missed"]
        return violated(
            f"the client whose stream broke subscribed again only {seconds(took_ns)} s after the connection was healthy"
            if again
            else f"{seconds(took_ns)} s after the connection was healthy, the client had not subscribed again",
            signature="came-back-late" if again else "never-came-back",
            expected=[f"a new subscription within {limit_s:g} s"],
            seen=[one.opened.reading for one in client_streams(history)],
            evidence=[at(closed, f"closed with {closed.code}: {closed.reason}".rstrip(": ")), *_waited(waited)],
            timed=True,
            **measured,
        )
    if again is None:
        back = last_run_of_client(history)
        if back is None:
            return inconclusive(
                f"the trial ended {measured['took_s']} s after the connection was healthy, before the time limit was over"
            )
        return excused(
            f"run() {back.stage} {measured['took_s']} s after the connection was healthy, before the time limit was over",
            evidence=[at(back, f"run() {back.stage}")],
        )
    return _callbacks_get(history, again, measured)


def _waited(missed: list[Rendezvous]) -> list[Pointer]:
    return [
        at(one, f"the loop was held for the client to subscribe again: {one.detail}".rstrip(": ")) for one in missed
    ]


def _healthy_since(history: History, closed_ns: int, limit_ns: int) -> int | None:
    """When nothing kept the client from subscribing any more; None for never."""
    healthy_ns = closed_ns
    blocking = sorted((one for one in fault_windows(history) if one.name not in SUBTLE), key=lambda one: one.began_ns)
    for window in blocking:
        if window.began_ns <= healthy_ns + limit_ns and (window.healed_ns is None or window.healed_ns > healthy_ns):
            if window.healed_ns is None:
                return None
            healthy_ns = window.healed_ns
    spoiled = [one.t_ns for one in attempts(history) if one.rule and one.done != "upgraded" and began(one) >= closed_ns]
    return max((healthy_ns, *spoiled))


def _callbacks_get(history: History, again: ClientStream, measured: dict[str, Any]) -> Verdict:
    if again.answered_ns is None:
        return inconclusive("the server did not answer the new subscription", **measured)
    closed_ns = again.closed.t_ns if again.closed else last_ns(history)
    until_ns = min(closed_ns, _needed_until(history)) - SLACK_NS - int(parameter(history.header, "lag") * SECOND)
    touched = {frame.id for frame in history.frames if frame.done not in ("passed", "control")}
    published: dict[str, Event] = {}
    got: set[str] = set()
    cut = ""
    for conversation in conversations(history):
        log = log_of(history, conversation)
        known = log.position if log else {}
        for one in lists_of(history, conversation, "stream", "callback"):
            if one.source == "callback" and one.witness == CLIENT:
                got |= set(one.ids)
                cut = cut or (one.why_incomplete if one.end is not None and not one.end.complete else "")
            elif one.path == "direct":
                published |= {
                    event.id: event
                    for event in one.events
                    if event.durable
                    and event.role != "bookkeeping"
                    and again.answered_ns < event.t_ns < until_ns
                    and event.id in known
                    and event.id not in touched
                }
    if published and not got & published.keys() and cut:
        return inconclusive(cut, **measured)
    if published and not got & published.keys() and (why := nameless(history)):
        return inconclusive(why, **measured)
    if published and not got & published.keys():
        return violated(
            f"the client subscribed again, but its callbacks got none of the {len(published)} events that followed",
            signature="silent-after-return",
            expected=list(published),
            evidence=[
                at(again.opened, "subscribed again"),
                *(at(event, f"{event.name} {event.id} was published") for event in published.values()),
            ],
            published=len(published),
            **measured,
        )
    return holds(
        f"the client subscribed again {measured['took_s']:g} s after the connection was healthy",
        compared={"subscriptions": 1, "events heard": len(got & published.keys())},
        **measured,
    )


def _faults_on_the_path(header: Header) -> str:
    return "" if plans(header, *PATH) else "nothing in this scenario is done to the client's connection"


GUARANTEES = (
    Guarantee(
        id="stream.resumed",
        level=Level.MUST,
        promise="A client whose stream broke subscribes again within T of the connection being healthy, and its callbacks get the "
        "events published from then on.",
        hurts="users with a shaky connection: their client stays deaf",
        judge=resumed,
        applies=first_of(client_reports("callbacks", "the client tells nothing of its stream"), _faults_on_the_path),
        rests_on=frozenset({LOG, STREAM, ENGINE, CLIENT, WIRE}),
        rests_on_time=True,
    ),
)
