"""A step of the loop keeps nobody waiting who wants to look, or to say something."""

from __future__ import annotations

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, LOG, MODEL, STATUS, STREAM, TOOL, WIRE
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import lingers_s, looks_or_writes, number_of, turns
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.server_records import Request, Stream
from tailproof.history.timeline import SECOND, seconds
from tailproof.history.traffic import Span, requests_of_the_ready

ASKED = ("load", "status", "send")
"""Requests that look, at the events, at their number, at the status, or write a message. Where several wait the first of them gives the
violation its name: messages that wait may be what keeps the others waiting, and of those not every trial meets the same ones."""


def responsive(history: History) -> Verdict:
    """Whoever asks for the status or the events during a step, posts a message or subscribes, is answered within T, whoever holds it.

    A step is under way from each question to the model to its answer, and from the begin of each tool, or of a guard that tells of it,
    to its end. Judged on what `server.ready` is judged on; one request that hangs is enough, whatever it is answered at last. What was
    asked at no step decides nothing.
    """
    limit_s = parameter(history.header, "server.responsive")
    steps = _steps(history)
    asked = [
        request
        for request in requests_of_the_ready(history)
        if request.verb in ASKED and any(_during(request, step) for step in steps)
    ]
    served = _newcomers(history, steps)
    kept = [(one, first) for one, first in served if first.t_ns - one.t_ns > limit_s * SECOND]
    if kept:
        worst_one, first = max(kept, key=lambda pair: pair[1].t_ns - pair[0].t_ns)
        took_s = seconds(first.t_ns - worst_one.t_ns)
        return violated(
            f"{worst_one.witness} {worst_one.reading} subscribed during a step and was sent nothing for {took_s} s",
            signature="subscribe-waits",
            expected=[f"a first event within {limit_s:g} s"],
            seen=[f"{other.reading} {other.stage} after {seconds(other.t_ns - one.t_ns)} s" for one, other in kept],
            evidence=[at(worst_one, "subscribed"), at(first, first.stage)],
            timed=True,
            limit_s=limit_s,
            took_s=took_s,
        )
    late = [request for request in asked if _waited(request) > limit_s * SECOND]
    if late:
        worst = min(late, key=lambda request: (ASKED.index(request.verb), -_waited(request)))
        return violated(
            f"{len(late)} of {len(asked)} requests that were made during a step waited for longer than {limit_s:g} s: "
            f"{worst.method} {worst.path} for {seconds(_waited(worst))} s",
            signature=f"{worst.verb}-waits",
            expected=[f"an answer within {limit_s:g} s"],
            seen=[f"{request.verb} {seconds(_waited(request))} s" for request in late],
            evidence=[at(request, f"{request.method} {request.path} answered {request.code}") for request in late],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(_waited(worst)),
        )
    if not asked and not served:
        return inconclusive("nobody asked for anything while a step was under way")
    slowest = max((*map(_waited, asked), *(first.t_ns - one.t_ns for one, first in served)))
    return holds(
        f"{len(asked)} requests and {len(served)} subscriptions during a step, each answered within {limit_s:g} s",
        compared={"requests during a step": len(asked), "subscriptions during a step": len(served)},
        limit_s=limit_s,
        took_s=seconds(slowest),
    )


def _newcomers(history: History, steps: list[Span]) -> list[tuple[Stream, Stream]]:
    """Who subscribed past the wire during a step, with the first event or the end of it, whichever came first."""
    later: dict[tuple[str, str], Stream] = {}
    for one in history.streams:
        if one.stage in ("subscribed", "closed"):
            later.setdefault((one.witness, one.reading), one)
    return [
        (one, later[one.witness, one.reading])
        for one in history.streams
        if one.stage == "opened"
        and one.path in ("direct", "resumed")
        and (one.witness, one.reading) in later
        and any(began <= one.t_ns <= ended for began, ended in steps)
    ]


def _steps(history: History) -> list[Span]:
    """When the model was asked and had not answered, and when a tool ran."""
    asked = {call.request: call.t_ns for call in history.model_calls if call.stage == "asked" and call.turn >= 0}
    spans = [
        (asked.pop(call.request), call.t_ns)
        for call in history.model_calls
        if call.stage in ("answered", "broken") and call.request in asked
    ]
    begun: dict[tuple[str, int], int] = {}
    for effect in history.effects:
        key = (effect.token, effect.pid)
        if effect.stage == "begin":
            begun[key] = effect.t_ns
        elif key in begun:
            spans.append((begun.pop(key), effect.t_ns))
    return spans


def _during(request: Request, step: Span) -> bool:
    return (request.began_ns or request.t_ns) <= step[1] and request.t_ns >= step[0]


def _waited(request: Request) -> int:
    return request.t_ns - (request.began_ns or request.t_ns)


def _takes_long(header: Header) -> str:
    """Reads of the status come twice a second: a step that is longer than T meets some."""
    limit_s = parameter(header, "server.responsive")
    slow = any(
        number_of(turn, "delay_s", 0) > limit_s or turn.get("fails") in ("silent", "stalls") for turn in turns(header)
    )
    return (
        ""
        if slow or looks_or_writes(header) or lingers_s(header) > limit_s
        else "no step of the script takes long, and nobody asks during one"
    )


GUARANTEES = (
    Guarantee(
        id="server.responsive",
        level=Level.MUST,
        promise="Whoever asks for the status or the events during a step, or posts a message, is answered within T, whoever holds it.",
        hurts="everybody who looks at a conversation that is working, or has something to say to it",
        judge=responsive,
        applies=_takes_long,
        rests_on=frozenset({LOG, STREAM, STATUS, MODEL, TOOL, ENGINE, CLIENT, WIRE}),
        rests_on_time=True,
    ),
)
