"""What subscribers said on their streams, and which other subscriptions ended over it."""

from __future__ import annotations

from tailproof.history.plan import DELETION, planned_faults, plans
from tailproof.history.reader import History
from tailproof.history.server_records import Said, Stream
from tailproof.history.timeline import SECOND, last_ns
from tailproof.history.traffic import server_down

GO_AWAY = (DELETION, "user.subscribe")
"""Acts with which other subscriptions may end by themselves."""
OVER_IT_NS = SECOND
"""A stream that ends so long after what came of somebody else's frame may have ended over that."""
WITHOUT_A_WORD = frozenset({0, 1006})
"""Codes of a stream that ended without a close frame."""
ORDINARY = WITHOUT_A_WORD | {1000, 1001, 1005, 1012}
"""Those, a normal end, an end of the server's, no code in the frame, a restart."""
ENDING = frozenset({"healing", "recovering", "reading", "delivering", "stopping"})
"""From here on whoever listens may go away by themselves."""


def heard(history: History) -> list[Said]:
    """The frames that the server has read, or over which it has closed the stream of their sender."""
    return [one for one in history.said if one.read or one.code or one.back]


def ended_over(history: History, closed: Stream) -> Said | None:
    """The frame of somebody else over which this subscription past the wire was ended: none when something else may have ended it, as a
    fault, the end of the server, or the end of the trial."""
    ending = min((phase.t_ns for phase in history.phases if phase.name in ENDING), default=last_ns(history))
    if closed.t_ns >= ending or planned_faults(history.header) or plans(history.header, *GO_AWAY):
        return None
    if any(life.t_ns <= closed.t_ns for life in server_down(history)):
        return None
    over = (
        frame
        for frame in heard(history)
        if frame.reading != closed.reading and frame.began_ns <= closed.t_ns <= frame.t_ns + OVER_IT_NS
    )
    return next(over, None)
