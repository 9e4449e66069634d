"""Whether a client backs off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tailproof.guarantees.about import a_client
from tailproof.guarantees.executions import loop as executions
from tailproof.guarantees.executions.view import either, of_servers
from tailproof.guarantees.stream import fatal_closes
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, violated
from tailproof.guarantees.witnesses import EDGE, ENGINE, LOG, POD, STATUS, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Exchange
from tailproof.history.timeline import SECOND, accepted, seconds
from tailproof.history.traffic import SPOILED, attempts, began, client_streams

POLL_S = 0.2
READS = frozenset({"GET", "HEAD", "OPTIONS"})


def bounded(history: History) -> Verdict:
    """A client backs off when it reconnects or retries, and stops when there is nothing left to subscribe to.

    Counted at the wire. Attempts to subscribe: at most 5 in any second and 20 in any ten (parameters `loop.bounded.1s`,
    `loop.bounded.10s`). The same request (method, path and query) asked again after it had failed: the same, but a read at a
    steady pace of 0.2 s or slower is polling and no retry; no read, failed or not, is asked more than ten times in a second.
    After a fatal close code, and after the conversation is known to be deleted (the first 404 or 410 to
    it), at most ten more attempts or failed requests (`loop.bounded.after`).
    """
    one_s = int(parameter(history.header, "loop.bounded.1s"))
    ten_s = int(parameter(history.header, "loop.bounded.10s"))
    after = int(parameter(history.header, "loop.bounded.after"))
    subscribing = attempts(history)
    return (
        _too_fast("subscribed", "reconnects-without-back-off", subscribing, ((1, one_s), (10, ten_s)))
        or _retries(history, one_s, ten_s)
        or _after_a_fatal_close(history, after)
        or _after_deletion(history, after)
        or holds(
            f"{len(subscribing)} attempts to subscribe, at most {_most(subscribing, 1)} in a second",
            compared={"attempts to subscribe": len(subscribing), "requests": len(history.exchanges)},
            in_one_s=_most(subscribing, 1),
            in_ten_s=_most(subscribing, 10),
        )
    )


def _retries(history: History, one_s: int, ten_s: int) -> Verdict | None:
    asked: dict[tuple[str, str], list[Exchange]] = {}
    for exchange in sorted(history.exchanges, key=began):
        if not exchange.upgrade and exchange.done != "upgraded":
            asked.setdefault((exchange.method.upper(), exchange.path), []).append(exchange)
    for (method, path), every in asked.items():
        failed = [exchange for exchange in every if _failed(exchange)]
        # A read every 0.2 s is at most 5 a second; more of them in ten seconds is what polling looks like.
        limits = ((1, max(one_s, int(1 / POLL_S) + 1)),) if method in READS else ((1, one_s), (10, ten_s))
        found = _too_fast(f"asked {method} {path}", "retries-without-back-off", failed, limits)
        if found is None and method in READS:
            found = _too_fast(f"asked {method} {path}", "polls-without-pause", every, ((1, 2 * one_s),))
        if found:
            return found
    return None


def _failed(exchange: Exchange) -> bool:
    return exchange.done in SPOILED or exchange.code >= 500 or exchange.code == 429 or exchange.code == 0


def _too_fast(did: str, signature: str, row: Sequence[Exchange], limits: Iterable[tuple[int, int]]) -> Verdict | None:
    for span_s, limit in limits:
        burst = _densest(row, span_s)
        if len(burst) > limit:
            return violated(
                f"the client {did} {len(burst)} times within {span_s} s; {limit} times are allowed",
                signature=signature,
                expected=[f"at most {limit} in {span_s} s"],
                seen=[f"{len(burst)} in {seconds(began(burst[-1]) - began(burst[0]))} s, {len(row)} in all"],
                evidence=[at(one, f"{one.method} {one.path}: {one.done} {one.code or ''}".rstrip()) for one in burst],
                limit=limit,
                span_s=span_s,
                counted=len(burst),
                in_all=len(row),
            )
    return None


def _most(row: Sequence[Exchange], span_s: int) -> int:
    return len(_densest(row, span_s))


def _densest(row: Sequence[Exchange], span_s: int) -> Sequence[Exchange]:
    """The most exchanges that were begun within so many seconds."""
    first, best = 0, row[:0]
    for last, exchange in enumerate(row):
        while began(exchange) - began(row[first]) >= span_s * SECOND:
            first += 1
        if last + 1 - first > len(best):
            best = row[first : last + 1]
    return best


def _after_a_fatal_close(history: History, limit: int) -> Verdict | None:
    codes = fatal_closes(history)
    fatal = next((one.closed for one in client_streams(history) if one.closed and one.closed.code in codes), None)
    if fatal is None:
        return None
    more = [one for one in attempts(history) if began(one) > fatal.t_ns]
    if len(more) <= limit:
        return None
    return violated(
        f"the server closed the stream with {fatal.code}, and the client tried to subscribe {len(more)} more times",
        signature="comes-back-after-fatal-close",
        expected=[f"at most {limit} more attempts"],
        seen=[f"{len(more)} attempts"],
        evidence=[at(fatal, f"closed with {fatal.code}"), *(at(one, f"{one.path}: {one.done}") for one in more)],
        limit=limit,
        counted=len(more),
    )


def _after_deletion(history: History, limit: int) -> Verdict | None:
    deleted = [
        request.t_ns
        for request in history.requests
        if request.verb == "delete" and request.witness != CLIENT and accepted(request)
    ]
    if not deleted:
        return None
    rejected = [
        one
        for one in sorted(history.exchanges, key=began)
        if began(one) > min(deleted) and (one.code >= 400 or one.upgrade)
    ]
    known = next((index for index, one in enumerate(rejected) if one.code in (404, 410)), len(rejected))
    more = rejected[known + 1 :]
    if len(more) <= limit:
        return None
    return violated(
        f"the conversation was deleted, the client learned that from a {rejected[known].code}, and sent {len(more)} more requests",
        signature="goes-on-after-deletion",
        expected=[f"at most {limit} more requests"],
        seen=[f"{len(more)} requests"],
        evidence=[
            at(rejected[known], f"{rejected[known].method} answered {rejected[known].code}"),
            *(at(one, f"{one.method} {one.path}: {one.code}") for one in more),
        ],
        limit=limit,
        counted=len(more),
    )


GUARANTEES = (
    Guarantee(
        id="loop.bounded",
        level=Level.MUST,
        promise="A client backs off when it reconnects or retries, and stops after a fatal close code or the deletion of the conversation; "
        "an executor attaches to the agent of one execution a bounded number of times, and backs off.",
        hurts="operators: a client floods the server",
        judge=either(bounded, executions.bounded),
        applies=of_servers(a_client),
        rests_on=frozenset({WIRE, STATUS}),
        of_executors=frozenset({LOG, ENGINE, POD, EDGE}),
    ),
)
