"""Ready means ready."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, not_applicable, violated
from tailproof.history.reader import History
from tailproof.history.records import Life, Request
from tailproof.history.timeline import CLIENT, SECOND, accepted, is_of_the_path, seconds

LIMIT_S = 90.0
UNASKED = frozenset({"ready", "probe", "init"})
"""Requests that ask about readiness itself, or are made to be refused."""

Span = tuple[int, int]


def ready(history: History) -> Verdict:
    """Ready means ready: the server gets ready within T of its start, and a request accepted after that does not fail with 5xx.

    Judged on what the harness asked past the wire, from each readiness to the end of that life, without the time in which a
    fault was done to the server itself (from its intent to its healing) or in which the server was still to be initialised.
    """
    starts = [life for life in history.lives if life.stage == "started"]
    readies = [life for life in history.lives if life.stage == "ready"]
    limit_s = history.header.parameters.get("server.ready", LIMIT_S)
    if not readies:
        return inconclusive("the server never got ready") if starts else not_applicable("no server was started")
    for life in readies:
        started = next((start for start in starts if start.epoch == life.epoch), None)
        if started and life.t_ns - started.t_ns > limit_s * SECOND:
            return violated(
                f"the server was ready {seconds(life.t_ns - started.t_ns)} s after its start",
                signature="late-ready",
                evidence=[at(started, "started"), at(life, "ready")],
                timed=True,
                limit_s=limit_s,
                took_s=seconds(life.t_ns - started.t_ns),
            )
    spoiled = _spoiled(history)
    asked = [
        request
        for request in history.requests
        if request.witness != CLIENT
        and request.verb not in UNASKED
        and request.code
        and _in_a_life(history, readies, request)
    ]
    judged = [request for request in asked if not any(_touches(request, span) for span in spoiled)]
    failed = [request for request in judged if request.code >= 500]
    if failed:
        return violated(
            f"{len(failed)} of {len(judged)} requests after readiness failed: {failed[0].verb} got {failed[0].code}",
            signature="5xx-after-ready",
            expected=["2xx to 4xx"],
            seen=[f"{request.verb} {request.code}" for request in failed],
            evidence=[at(request, f"{request.method} {request.path} answered {request.code}") for request in failed],
            requests=len(judged),
            failed=len(failed),
        )
    if not judged:
        return inconclusive("nothing was asked of the server after it was ready")
    slowest = max(
        (life.t_ns - start.t_ns for life in readies for start in starts if start.epoch == life.epoch), default=0
    )
    return holds(
        f"{len(judged)} requests after readiness, none failed with 5xx",
        requests=len(judged),
        limit_s=limit_s,
        took_s=seconds(slowest),
    )


def _in_a_life(history: History, readies: Sequence[Life], request: Request) -> bool:
    """Asked and answered between one readiness and the end of that life."""
    for life in readies:
        ends = [
            end.t_ns for end in history.lives if end.epoch == life.epoch and end.stage in ("died", "stopped", "removed")
        ]
        if life.t_ns <= (request.began_ns or request.t_ns) and request.t_ns <= min(ends, default=request.t_ns):
            return True
    return False


def _spoiled(history: History) -> list[Span]:
    """Spans in which a failure is ours: faults of the server from intent to healing, pauses, the time before `init`."""
    last = max((request.t_ns for request in history.requests), default=0)
    spans: list[Span] = []
    for fault in history.faults:
        if fault.stage == "intent" and not is_of_the_path(fault):
            healed = [other.t_ns for other in history.faults if other.fault == fault.fault and other.stage == "healed"]
            spans.append((fault.t_ns, min((moment for moment in healed if moment >= fault.t_ns), default=last)))
    for life in history.lives:
        if life.stage == "paused":
            resumed = [other.t_ns for other in history.lives if other.stage == "resumed" and other.t_ns > life.t_ns]
            spans.append((life.t_ns, min(resumed, default=last)))
    inits = [request for request in history.requests if request.verb == "init"]
    if inits:
        spans.append((0, next((request.t_ns for request in inits if accepted(request)), last)))
    return spans


def _touches(request: Request, span: Span) -> bool:
    return request.t_ns >= span[0] and (request.began_ns or request.t_ns) <= span[1]


GUARANTEES = (
    Guarantee(
        id="server.ready",
        level=Level.MUST,
        promise="Ready means ready: a request accepted after readiness does not fail with 5xx.",
        source="OpenHands agent-server: GET /ready; software-agent-sdk #3184",
        judge=ready,
        rests_on_time=True,
    ),
)
