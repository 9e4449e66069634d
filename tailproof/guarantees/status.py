"""The words of status: published ones only, and a terminal one is the last word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tailproof.guarantees import status_agree, status_children, status_crash
from tailproof.guarantees.events_log import NO_EVENTS
from tailproof.guarantees.neighbours import kept_statuses
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Pointer,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import DISK, LOG, MODEL, STATUS, STREAM, WIRE
from tailproof.history.header import Header
from tailproof.history.plan import is_dormant
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, SETTLED, TERMINAL
from tailproof.history.server_records import Request, Status
from tailproof.history.timeline import SECOND, accepted, changers, clean_statuses, seconds, statuses_of
from tailproof.history.views import belongs, conversations

SLACK_NS = SECOND // 4
"""How much earlier than seen a status may have been true: a poll or a frame is on its way for a moment."""


def known(history: History) -> Verdict:
    """Every status seen is in the server's published vocabulary; every status a client waits for exists in it.

    What a client waits for is in the history once for each place that says so: a line of a script, or a request.
    """
    words = {word for vocabulary in history.vocabularies for word in vocabulary.words}
    if not words:
        return inconclusive("the statuses that the server publishes were not recorded")
    waits = [
        (vocabulary, [word for word in vocabulary.waited_for if word not in words])
        for vocabulary in history.vocabularies
    ]
    phantoms = [(vocabulary, unknown) for vocabulary, unknown in waits if unknown]
    if phantoms:
        never = sorted({word for _, unknown in phantoms for word in unknown})
        return violated(
            f"the client waits for {', '.join(map(repr, never))} ({', '.join(one.source for one, _ in phantoms)}), "
            "which the server never shows",
            signature="waits-for-unknown",
            expected=sorted(words),
            seen=never,
            evidence=[
                at(vocabulary, f"{vocabulary.source} waits for {', '.join(map(repr, unknown))}")
                for vocabulary, unknown in phantoms
            ],
            places=len(phantoms),
        )
    seen = {status.raw: status for status in reversed(history.statuses) if status.raw}
    strange = {raw: status for raw, status in seen.items() if raw not in words}
    if strange:
        return violated(
            f"shown, but not among the statuses that the server publishes: {', '.join(map(repr, sorted(strange)))}",
            signature="unknown-status",
            expected=sorted(words),
            seen=sorted(strange),
            evidence=[at(status, f"{raw!r} via {status.via}") for raw, status in sorted(strange.items())],
        )
    waited = sum(len(vocabulary.waited_for) for vocabulary in history.vocabularies)
    return holds(
        f"all of {len(seen)} statuses seen are published",
        compared={"statuses": len(seen), "words waited for": waited},
        published=len(words),
    )


def final(history: History, conversation: str) -> Verdict:
    """A terminal status does not change without a new message or run.

    Each reader is judged for itself (the pages, each witness of a subscription, the disk), because two readers are never
    quite at the same moment. Any request that may change a status, whatever its answer, any run that a client called and
    anything written through the wire between the two sightings excuses the change, restarts do not. So does a message that was
    posted while the model gave its last reply: the model had not got it when the run ended, and the run goes on for it.
    """
    readers: dict[tuple[str, str], list[Status]] = {}
    for status in statuses_of(history, conversation):
        if status.witness != CLIENT and status.neutral != "unknown":
            readers.setdefault((status.witness, status.via), []).append(status)
    ended = looked = 0
    for (_, via), row in sorted(readers.items()):
        first: Status | None = None
        for status in row:
            if first is None or status.neutral == first.neutral:
                looked += first is not None
                first = status if first is None and status.neutral in TERMINAL else first
                ended += first is status
                continue
            since = _true_since(history, first) if via == "rest" else first.t_ns
            if _moved(history, conversation, since, status.t_ns) or _unanswered(history, conversation, first.t_ns):
                first = status if status.neutral in TERMINAL else None
                continue
            return violated(
                f"the terminal status {first.raw} became {status.raw} (via {via}) without a new message or run",
                signature=f"{first.neutral}-became-{status.neutral}",
                expected=[first.raw],
                seen=[status.raw],
                evidence=[at(first, f"{first.raw} via {via}"), at(status, f"{status.raw} via {via}")],
                after_s=seconds(status.t_ns - first.t_ns),
            )
    last = [row[-1] for row in readers.values() if row[-1].neutral in SETTLED or _is_rejected(row)]
    if not ended and last:
        return excused("no run came to a terminal status", evidence=[_shown(status) for status in last])
    return holds(
        "every terminal status stayed",
        compared={"terminal statuses": ended, "looks at one": looked},
    )


def final_everywhere(history: History) -> Verdict:
    """The conversations of the trial, and those of others to which somebody came back."""
    own = (final(history, conversation) for conversation in conversations(history))
    return all_of((*own, *kept_statuses(history)), nothing=NO_EVENTS)


def _is_rejected(row: Sequence[Status]) -> bool:
    """It waited for a user, who had nothing of it done."""
    return row[-1].neutral == "idle" and any(status.neutral == "waiting" for status in row)


def _shown(status: Status) -> Pointer:
    return at(status, f"{status.raw} via {status.via}")


def _moved(history: History, conversation: str, since_ns: int, changed_ns: int) -> bool:
    """Something that may change a status was under way between the two sightings. The slack is for what was asked for behind the
    beginning of the run that came to this end: what had set it going is no excuse for what follows its end, however short it was."""
    began_ns, ended = 0, True
    for status in clean_statuses(history, conversation):
        if status.t_ns > since_ns:
            break
        if status.neutral == "active" and ended:
            began_ns = status.t_ns
        ended = status.neutral in TERMINAL or (ended and status.neutral != "active")
    return any(
        asked < changed_ns and (answered > since_ns or (asked > began_ns and answered > since_ns - SLACK_NS))
        for asked, answered in changers(history, conversation)
    )


def _unanswered(history: History, conversation: str, moment_ns: int) -> bool:
    """A message was accepted that no request to the model could hold yet at this moment; the next one may be asked before the
    status is seen."""
    asked_ns = max(
        (
            call.t_ns
            for call in history.model_calls
            if call.stage == "asked" and call.turn >= 0 and call.t_ns < moment_ns - SLACK_NS
        ),
        default=moment_ns,
    )
    return any(
        request.verb == "send"
        and accepted(request)
        and asked_ns < (request.began_ns or request.t_ns) < moment_ns
        and belongs(history, conversation, request.conversation)
        for request in history.requests
    )


def _true_since(history: History, status: Status) -> int:
    """When the question was asked that this status answered."""
    asked = [
        request.began_ns
        for request in history.requests
        if request.witness == status.witness and request.verb == "status" and abs(request.t_ns - status.t_ns) < SLACK_NS
    ]
    return min((moment for moment in asked if moment), default=status.t_ns)


def gated(history: History) -> Verdict:
    """A dormant server answers 503 on every API route until initialised, then serves.

    Dormant is the time from the start to the first accepted initialisation. Every probe in it must get 503; a probe without
    any answer decides nothing. From its answer on nothing of the API may answer 503, and no probe may fail.
    """
    inits = [request for request in history.requests if request.verb == "init"]
    if not inits:
        return inconclusive("nobody asked to initialise the dormant server")
    opened = next((request for request in inits if accepted(request)), None)
    until = opened.began_ns or opened.t_ns if opened else max(request.t_ns for request in inits)
    probes = [request for request in history.requests if request.verb == "probe" and not request.flaw]
    dormant = [request for request in probes if request.t_ns <= until]
    wrong = [request for request in dormant if request.code not in (0, 503)]
    if wrong:
        served = any(accepted(request) for request in wrong)
        return _wrong_code(
            f"{len(wrong)} of {len(dormant)} routes did not answer 503 while the server was dormant",
            "served-while-dormant" if served else "not-503-while-dormant",
            wrong,
        )
    if opened is None:
        if any(request.code for request in inits):
            return _wrong_code("the server could not be initialised", "init-refused", inits)
        return inconclusive("the request to initialise got no answer")
    later = [request for request in history.requests if (request.began_ns or request.t_ns) >= opened.t_ns]
    api = [request for request in later if request.verb not in ("init", "ready") and request.code and not request.rule]
    closed = [request for request in api if request.code == 503]
    if closed:
        return _wrong_code("the server answered 503 after it was initialised", "still-gated", closed)
    failed = [request for request in api if request.verb == "probe" and request.code >= 500]
    if failed:
        return _wrong_code("routes failed after the server was initialised", "fails-once-initialised", failed)
    refused = [request for request in dormant if request.code == 503]
    if not refused:
        return inconclusive("no route was probed while the server was dormant")
    if not api:
        return inconclusive("nothing was asked of the server after it was initialised")
    return holds(
        f"{len(refused)} routes answered 503 until the server was initialised, then it served",
        compared={"probes while dormant": len(refused), "requests served": len(api)},
    )


def _wrong_code(says: str, signature: str, requests: Sequence[Request]) -> Verdict:
    codes: Iterable[str] = (f"{request.method} {request.path}: {request.code}" for request in requests)
    return violated(
        says,
        signature=signature,
        seen=codes,
        evidence=[at(request, f"{request.method} {request.path} answered {request.code}") for request in requests],
        routes=len(requests),
    )


def _was_dormant(header: Header) -> str:
    return "" if is_dormant(header) else "the server was not started dormant"


GUARANTEES = (
    Guarantee(
        id="status.known",
        level=Level.MUST,
        promise="Every status seen is in the server's published vocabulary; every status a client waits for exists in it.",
        hurts="clients that wait for a status which never comes",
        judge=known,
        rests_on=frozenset({STATUS, STREAM, DISK, CLIENT}),
    ),
    Guarantee(
        id="status.final",
        level=Level.MUST,
        promise="A terminal status does not change without a new message or run.",
        hurts="whoever acts when a run is over",
        judge=final_everywhere,
        rests_on=frozenset({STATUS, STREAM, DISK, MODEL, CLIENT, WIRE}),
    ),
    Guarantee(
        id="status.gated",
        level=Level.MUST,
        promise="A dormant server answers 503 on every API route until initialised, then serves.",
        hurts="operators who start servers before they are set up",
        judge=gated,
        applies=_was_dormant,
        rests_on=frozenset({LOG, STATUS, CLIENT, WIRE}),
    ),
    *status_agree.GUARANTEES,
    *status_children.GUARANTEES,
    *status_crash.GUARANTEES,
)
