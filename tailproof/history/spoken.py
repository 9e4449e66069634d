"""What subscribers said on their streams, and which other subscriptions ended over it."""

from __future__ import annotations

from tailproof.history.plan import DELETION, planned_faults, plans
from tailproof.history.reader import History
from tailproof.history.server_records import Said, Stream
from tailproof.history.timeline import SECOND, accepted, last_ns
from tailproof.history.traffic import server_down

GO_AWAY = (DELETION, "user.subscribe")
"""Acts with which other subscriptions may end by themselves."""
OVER_IT_NS = SECOND
"""A stream that ends so long after what came of somebody else's frame may have ended over that."""
ENDING = frozenset({"healing", "recovering", "reading", "delivering", "stopping"})
"""From here on, behind the last run, whoever listens may go away by themselves. A trial recovers in between, too."""


def heard(history: History) -> list[Said]:
    """The frames that the server has read, or over which it has closed the stream of their sender."""
    return [one for one in history.said if one.read or one.code or one.back]


def asked_to_delete(history: History, before_ns: int) -> bool:
    """Somebody had asked for the deletion of the conversation by then, and was not refused."""
    return any(
        request.verb == "delete"
        and (accepted(request) or not request.code)
        and (request.began_ns or request.t_ns) <= before_ns
        for request in history.requests
    )


def ending_ns(history: History) -> int:
    """When the end of the trial began, behind all that was driven."""
    driven = max((phase.t_ns for phase in history.phases if phase.name == "driving"), default=0)
    moments = [phase.t_ns for phase in history.phases if phase.name in ENDING and phase.t_ns > driven]
    return min(moments, default=last_ns(history))


def ended_over(history: History, closed: Stream) -> Said | None:
    """The frame of somebody else over which this subscription past the wire was ended: none when something else may have ended it, as a
    fault, the end of the server, or the end of the trial."""
    if closed.t_ns >= ending_ns(history) or planned_faults(history.header) or plans(history.header, *GO_AWAY):
        return None
    if any(life.t_ns <= closed.t_ns for life in server_down(history)):
        return None
    over = (
        frame
        for frame in heard(history)
        if frame.reading != closed.reading and frame.began_ns <= closed.t_ns <= frame.t_ns + OVER_IT_NS
    )
    return next(over, None)
