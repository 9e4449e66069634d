"""What a server says ends, is within the size limits, and follows the protocol."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, violated
from tailproof.guarantees.witnesses import ENGINE, STATUS, WIRE
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Exchange
from tailproof.history.server_records import Request, Stream
from tailproof.history.timeline import seconds
from tailproof.history.traffic import ENDS_WITHIN_S, flawed_exchanges, requests_of_the_ready, spoiled_spans
from tailproof.history.views import lists

TOLD_SINCE = 3
"""The schema from which on it is told what is wrong with an answer itself."""
Said = Request | Exchange | Stream
SIGNATURES = {"endless": "never-ends", "too-large": "too-large", "misshapen": "not-the-protocol"}


def sane(history: History) -> Verdict:
    """An answer that has begun ends within 10 s, answers and messages are within the size limits (`incoming.limits`) and follow
    the protocol.

    Judged on what the harness asked past the wire, on what the client asked through it where no rule touched the exchange, and on the
    observer's subscriptions, while nothing was done to the server itself. An answer that never began, and one that broke off,
    is no matter of this promise (`server.ready`), and neither is what a server says during a fault of its own.
    """
    answers = [request for request in requests_of_the_ready(history) if request.code or request.flaw]
    flawed: list[Said] = [request for request in answers if request.flaw]
    told = {one.t_ns for one in flawed}
    flawed += [one for one in flawed_exchanges(history) if one.t_ns not in told]
    flawed += [one for one in history.streams if one.flaw and _is_the_servers(history, one)]
    if flawed:
        first = min(flawed, key=lambda one: one.t_ns)
        return violated(
            f"{_count(flawed)} a limit or the protocol: {_where(first)}: {_what(first)}",
            signature=SIGNATURES[first.flaw],
            expected=["an answer or a message that ends, is within the size limits, and follows the protocol"],
            seen=[f"{_where(one)}: {_what(one)}" for one in flawed],
            evidence=[at(one, f"{_where(one)}: {_what(one)}") for one in flawed],
            timed=first.flaw == "endless",
            flawed=len(flawed),
            **_times(first),
        )
    messages = sum(len(one.events) for one in lists(history) if one.path == "direct")
    return holds(
        f"{len(answers)} answers and {messages} messages ended and follow the protocol",
        compared={"answers": len(answers), "messages": messages},
    )


def _is_the_servers(history: History, one: Stream) -> bool:
    """It came past the wire while nothing was done to the server."""
    return one.path in ("direct", "resumed") and not any(
        began <= one.t_ns <= ended for began, ended in spoiled_spans(history)
    )


def _count(flawed: Sequence[Said]) -> str:
    what = "answers or messages of the server break" if len(flawed) > 1 else "answer or message of the server breaks"
    return f"{len(flawed)} {what}"


def _where(one: Said) -> str:
    return one.reading if isinstance(one, Stream) else f"{one.method} {one.path}"


def _what(one: Said) -> str:
    return one.reason if isinstance(one, Stream) else one.error


def _times(first: Said) -> dict[str, float]:
    if first.flaw != "endless" or isinstance(first, Stream):
        return {}
    return {"took_s": seconds(first.t_ns - first.began_ns), "limit_s": ENDS_WITHIN_S}


def a_history_that_tells(header: Header) -> str:
    """Of one in which it is told what is wrong with an answer itself."""
    return (
        ""
        if header.schema >= TOLD_SINCE
        else f"a history of schema {header.schema} does not tell what an answer is like"
    )


GUARANTEES = (
    Guarantee(
        id="server.sane",
        level=Level.MUST,
        promise="Every answer and message of the server ends in time, is within the size limits, and follows the protocol.",
        hurts="every client: it hangs, or cannot read the answer",
        judge=sane,
        applies=a_history_that_tells,
        rests_on=frozenset({STATUS, ENGINE, CLIENT, WIRE}),
        rests_on_time=True,
        judges_break_offs=True,
    ),
)
