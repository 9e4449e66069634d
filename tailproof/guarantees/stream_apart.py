"""What one subscriber says on its stream is no matter of the others."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, LOG, STREAM
from tailproof.history.header import Header
from tailproof.history.plan import plans
from tailproof.history.reader import History
from tailproof.history.server_records import Event, Said, Stream
from tailproof.history.spoken import ended_over, heard
from tailproof.history.views import conversations, log_of

SAY = "user.say"
MEANT = "message"


def apart(history: History) -> Verdict:
    """What a subscriber says that is no message ends no other subscription, and is not in the log.

    Judged is each frame that the server has read, or over which it has closed the stream of its sender (which it may). A subscription
    past the wire that ends while it has to answer a frame of somebody else, or within a second of it, has ended over that frame: nothing
    else is done to it, since trials with faults, or in which the server went down, are judged by their logs alone.
    """
    said = heard(history)
    if not said:
        return inconclusive("no frame of a subscriber was read by the server")
    closed = _closed_over(history, said)
    if closed:
        _, frame = closed[0]
        return violated(
            f"{len(closed)} subscriptions of others ended over a frame that somebody sent ({frame.frame})",
            signature="others-closed",
            expected=["open"],
            seen=[f"{one.witness} {one.reading}: {one.code} {one.reason}".rstrip() for one, _ in closed],
            evidence=[
                at(frame, f"{frame.reading} sent {frame.frame}"),
                *(at(one, f"{one.witness} {one.reading} closed with {one.code}") for one, _ in closed),
            ],
            closed=len(closed),
        )
    kept = list(_kept(history, said))
    if kept:
        frame, event = kept[0]
        return violated(
            f"what was no message is in the log as {event.name}: {event.text[:60]!r}",
            signature="garbage-stored",
            seen=[event.id for _, event in kept],
            evidence=[
                at(frame, f"{frame.reading} sent {frame.frame}"),
                *(at(event, f"{event.name} {event.id} in the log") for _, event in kept),
            ],
        )
    if not any(log_of(history, conversation) for conversation in conversations(history)):
        return inconclusive("there is no final reading of the log")
    return holds(
        f"{len(said)} frames of subscribers changed nothing for anybody else",
        compared={"frames": len(said), "subscriptions": len(_others(history, said))},
    )


def _others(history: History, said: Sequence[Said]) -> list[Stream]:
    """The ends of the subscriptions of everybody else past the wire, and the beginnings of those that have no end."""
    of_them = {one.reading for one in said}
    ends = {(one.witness, one.reading): one for one in history.streams if one.stage in ("subscribed", "closed")}
    return [one for one in ends.values() if one.path == "direct" and one.reading not in of_them]


def _closed_over(history: History, said: Sequence[Said]) -> list[tuple[Stream, Said]]:
    ends = [one for one in _others(history, said) if one.stage == "closed"]
    return [(one, frame) for one in ends if (frame := ended_over(history, one)) is not None]


def _kept(history: History, said: Sequence[Said]) -> list[tuple[Said, Event]]:
    garbage = [one for one in said if one.frame != MEANT and one.text]
    logs = [log for conversation in conversations(history) if (log := log_of(history, conversation)) is not None]
    return [
        (one, event)
        for log in logs
        for event in log.events
        if event.role == "message" and event.source != "agent"
        for one in garbage
        if one.text in event.text
    ]


def _somebody_speaks(header: Header) -> str:
    return "" if plans(header, SAY) else "nobody says anything on a stream in this scenario"


GUARANTEES = (
    Guarantee(
        id="stream.apart",
        level=Level.MUST,
        promise="What one subscriber says on its stream ends nobody else's, and what is no message is not in the log.",
        hurts="everybody else who looks at the conversation",
        judge=apart,
        applies=_somebody_speaks,
        rests_on=frozenset({LOG, STREAM, ENGINE}),
    ),
)
