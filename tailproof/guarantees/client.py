"""Whether releases of client and server get along."""

from __future__ import annotations

from tailproof.guarantees import loop_bounded
from tailproof.guarantees.events_client import end_of_run
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Outcome,
    Pointer,
    Verdict,
    at,
    holds,
    inconclusive,
    not_applicable,
    violated,
)
from tailproof.history.reader import History
from tailproof.history.records import ClientError, Run
from tailproof.history.timeline import SECOND, client_runs, last_ns, seconds, settled_at
from tailproof.history.traffic import hurts
from tailproof.history.views import SERVERS_NUMBERS, client_tells, lists_of, log_of, skew

RETURNS_S = 10.0
REFUSALS = frozenset({"start", "create", "send"})
"""What a client can do before it runs; an exception there is an answer to its user."""
WORDS = 3
"""So many words name a cause."""


def compatible(history: History, conversation: str) -> Verdict:
    """A client one release older or newer than the server works, or fails with one clear error.

    *Works*: its run comes back well within T of the end of the run, and the list that it holds is the log. *Fails with one clear
    error*: it raises while it creates, sends or runs, and the message says more than a bare type (a person can act on a field, a
    code, a version). It never loses events in silence, never hangs, never spins (`loop.bounded`), never returns from a failed
    run as if all were well. Judged where nothing hurts the path or the server. A client of the server's own release that raises
    at create or send has no such excuse, nor has one whose releases are not comparable with the server's (a script, the
    TypeScript client).
    """
    if not client_tells(history):
        return not_applicable("the plain protocol client is of no release")
    refused = next((error for error in history.client_errors if error.verb in REFUSALS), None)
    if hurts(history) or _went_down(history):
        if refused is not None and not history.runs:
            return inconclusive(
                f"the client gave up under a fault ({refused.verb}: {refused.error_type}) and never ran: nothing of it was judged"
            )
        return not_applicable("what a fault caused tells nothing of the releases")
    if not skew(history):
        return _own_release(history, refused)
    if refused is not None:
        return _clear(refused, f"the client refused to {refused.verb}")
    spins = loop_bounded.bounded(history)
    if spins.outcome is Outcome.VIOLATED:
        return violated(f"{_pair(history)}: {spins.says}", signature="spins", evidence=spins.evidence, seen=spins.seen)
    runs = client_runs(history, conversation)
    if not runs:
        return inconclusive("the client never ran")
    called, back = runs[-1]
    return _run(history, conversation, called, back)


def _went_down(history: History) -> bool:
    return any(life.stage == "died" or (life.stage == "started" and life.epoch > 0) for life in history.lives)


def _own_release(history: History, refused: ClientError | None) -> Verdict:
    if refused is None:
        return not_applicable("client and server are of one release, or of releases that cannot be compared")
    own = history.header.client.partition(":")[0] in SERVERS_NUMBERS and bool(history.header.versions.get("server"))
    server = "a server of its own release" if own else "this server"
    return violated(
        f"the client cannot {refused.verb} with {server}: {refused.error_type}",
        signature="own-release-fails" if own else f"cannot-{refused.verb}",
        expected=[f"a client that works with {server}"],
        seen=[f"{refused.error_type}: {refused.error}"[:300]],
        evidence=[at(refused, f"{refused.verb} raised {refused.error_type}")],
    )


def _pair(history: History) -> str:
    versions = history.header.versions
    return f"client {versions.get('client')} with server {versions.get('server')}"


def _clear(error: ClientError | Run, what: str) -> Verdict:
    """One error that names something."""
    said = error.error.strip()
    if len(said.split()) < WORDS:
        return violated(
            f"{what} with {error.error_type or 'an error'} and no word of the cause",
            signature="unclear-error",
            expected=["a message that names the cause"],
            seen=[f"{error.error_type}: {said}"],
            evidence=[at(error, what)],
        )
    return holds(f"{what} with one clear error: {error.error_type}: {said[:160]}")


def _run(history: History, conversation: str, called: Run, back: Run | None) -> Verdict:
    limit_s = history.header.parameters.get("loop.returns", RETURNS_S) + history.header.parameters.get("lag", 0.0)
    ended = settled_at(history, conversation, called.t_ns, last_ns(history))
    unread = [error for error in history.client_errors if error.verb not in REFUSALS]
    if back is not None and back.stage == "raised":
        return _clear(back, "run() raised")
    if ended is None:
        return inconclusive("no end of the run was seen")
    late_ns = (back.t_ns if back else last_ns(history)) - ended.t_ns
    evidence = [at(ended, f"{ended.raw} via {ended.via}"), *(at(error, error.error[:120]) for error in unread)]
    if back is None and late_ns <= limit_s * SECOND:
        return inconclusive(f"the trial ended {seconds(late_ns)} s after the run, before its client was late")
    if late_ns > limit_s * SECOND:
        return violated(
            f"{_pair(history)}: the run was {ended.raw} and the client came back {'late' if back else 'never'}",
            signature="hangs",
            evidence=[at(called, "run() was called"), *evidence],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(late_ns),
        )
    assert back is not None
    if ended.neutral in ("failed", "stuck"):
        return violated(
            f"{_pair(history)}: run() returned as if all were well; the run ended in {ended.raw}",
            signature="silent-error",
            evidence=[at(back, "run() returned"), *evidence],
        )
    return _holds_the_log(history, conversation, back, evidence)


def _holds_the_log(history: History, conversation: str, back: Run, evidence: list[Pointer]) -> Verdict:
    log = log_of(history, conversation)
    end = end_of_run(history, conversation, log, back) if log else None
    if log is None or end is None:
        return inconclusive("the log shows no end of the run that the client returned from")
    held = {
        event.id
        for one in lists_of(history, conversation, "held")
        if one.reading == back.reading
        for event in one.events
    }
    missing = [event for event in log.events[: end + 1] if event.durable and event.id not in held]
    if "held" in client_tells(history) and missing:
        return violated(
            f"{_pair(history)}: {len(missing)} of {end + 1} events were missing when run() returned without an error",
            signature="loses-events-silently",
            expected=[event.id for event in missing],
            evidence=[at(back, "run() returned"), *evidence, *(at(one, f"{one.name} {one.id}") for one in missing)],
            missing=len(missing),
            in_log=end + 1,
        )
    return holds(f"{_pair(history)}: run() returned and the client held the log", in_log=end + 1)


GUARANTEES = (
    Guarantee(
        id="client.compatible",
        level=Level.SHOULD,
        promise="A client one release older or newer than the server works, or fails with one clear error.",
        source="OpenHands software-agent-sdk: events are strict in both directions",
        judge=per_conversation(compatible),
        rests_on_time=True,
    ),
)
