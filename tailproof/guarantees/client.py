"""Whether releases of client and server get along."""

from __future__ import annotations

from tailproof.guarantees import loop_bounded
from tailproof.guarantees.about import a_client
from tailproof.guarantees.events_client import end_of_run
from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Outcome,
    Pointer,
    Verdict,
    at,
    excused,
    first_of,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, LOG, STATUS, STREAM, WIRE
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import PATH, RESTARTS, client_tells, of_one_numbering, plans, skew
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import ClientError, Run
from tailproof.history.timeline import SECOND, client_runs, deletions, last_ns, seconds, settled_at
from tailproof.history.traffic import failed_requests, faulted_at, requests_of_the_ready, server_down
from tailproof.history.views import lists_of, log_of

REFUSALS = frozenset({"start", "create", "send"})
"""What a client can do before it runs; an exception there is an answer to its user."""
WORDS = 3
"""So many words name a cause."""


def compatible(history: History, conversation: str) -> Verdict:
    """A client one release older or newer than the server works, or fails with one clear error.

    *Works*: its run returns well within T of the end of the run, and the list that it holds is the log. *Fails with one clear
    error*: it raises while it creates, sends or runs, and the message says more than a bare type (a person can act on a field, a
    code, a version). It never loses events in silence, never hangs, never spins (`loop.bounded`), never returns from a failed
    run without an error. Judged where no fault is on the path or the server. A client of the server's own release has no such
    excuse (`client.works`), nor has one whose releases are not comparable with the server's (a script, for one).
    """
    refused = _refused(history)
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


def _refused(history: History) -> ClientError | None:
    return next((error for error in history.client_errors if error.verb in REFUSALS), None)


def works(history: History, conversation: str) -> Verdict:
    """A client creates its conversation, sends its message and runs.

    One of the server's own release, or one whose releases are not comparable with the server's (a script, for one), that gives up before
    it runs has no excuse but a fault that was on at that moment, a deletion by somebody else, or a server that failed it (`server.works`
    and `server.ready` judge that). One of another release may refuse with a clear error (`client.compatible`).
    """
    refused = _refused(history)
    if refused is not None:
        return _gave_up(history, conversation, refused)
    mine = [request for request in history.requests if request.witness == CLIENT]
    runs = client_runs(history, conversation)
    if not runs:
        return inconclusive("the client never ran")
    return holds(
        f"the client made {len(mine)} requests and ran {len(runs)} times",
        compared={"runs": len(runs), "requests": len(mine)},
    )


def _gave_up(history: History, conversation: str, refused: ClientError) -> Verdict:
    pointer = at(refused, f"{refused.verb} raised {refused.error_type}")
    gone = next((one for one in deletions(history, conversation) if one.witness != CLIENT), None)
    if gone is not None and (gone.began_ns or gone.t_ns) < refused.t_ns:
        return excused(
            f"the conversation was deleted before the client could {refused.verb}",
            evidence=[at(gone, "deleted"), pointer],
        )
    if faulted_at(history, refused.t_ns, slack_ns=SECOND) or any(
        life.t_ns < refused.t_ns for life in server_down(history)
    ):
        return inconclusive(
            f"the client gave up under a fault ({refused.verb}: {refused.error_type}) and never ran: nothing about it was judged"
        )
    failed = [request for request in failed_requests(history) if request.witness == CLIENT]
    failed += [request for request in requests_of_the_ready(history) if request.witness == CLIENT and request.flaw]
    if failed:
        return excused(
            f"the server failed the client: {failed[0].method} {failed[0].path} got {failed[0].error or failed[0].code}",
            evidence=[at(failed[0], "the server's failure"), pointer],
        )
    if skew(history.header):
        return excused(f"{skew(history.header)}, and it refused to {refused.verb}", evidence=[pointer])
    own = of_one_numbering(history.header)
    server = "a server of its own release" if own else "this server"
    return violated(
        f"the client failed to {refused.verb} with {server}: {refused.error_type}",
        signature="own-release-fails" if own else f"cannot-{refused.verb}",
        expected=[f"a client that works with {server}"],
        seen=[f"{refused.error_type}: {refused.error}"[:300]],
        evidence=[pointer],
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
    return holds(f"{what} with one clear error: {error.error_type}: {said[:160]}", compared={"errors": 1})


def _run(history: History, conversation: str, called: Run, back: Run | None) -> Verdict:
    limit_s = parameter(history.header, "loop.returns") + parameter(history.header, "lag")
    ended = settled_at(history, conversation, called.t_ns, last_ns(history))
    unread = [error for error in history.client_errors if error.verb not in REFUSALS]
    if back is not None and back.stage == "raised":
        return _clear(back, "run() raised")
    if ended is None:
        return inconclusive("no end of the run was seen")
    late_ns = (back.t_ns if back else last_ns(history)) - ended.t_ns
    evidence = [at(ended, f"{ended.raw} via {ended.via}"), *(at(error, error.error[:120]) for error in unread)]
    if back is None and late_ns <= limit_s * SECOND:
        return inconclusive(
            f"the trial ended {seconds(late_ns)} s after the run, before the client's time limit was over"
        )
    if late_ns > limit_s * SECOND:
        return violated(
            f"{_pair(history)}: the run was {ended.raw}, and the client's run() {'returned late' if back else 'never returned'}",
            signature="hangs",
            evidence=[at(called, "run() was called"), *evidence],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(late_ns),
        )
    assert back is not None
    if ended.neutral in ("failed", "stuck"):
        return violated(
            f"{_pair(history)}: run() returned without an error, but the run ended in {ended.raw}",
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
    if "held" in client_tells(history.header) and missing:
        return violated(
            f"{_pair(history)}: {len(missing)} of {end + 1} events were missing when run() returned without an error",
            signature="loses-events-silently",
            expected=[event.id for event in missing],
            evidence=[at(back, "run() returned"), *evidence, *(at(one, f"{one.name} {one.id}") for one in missing)],
            missing=len(missing),
            in_log=end + 1,
        )
    return holds(
        f"{_pair(history)}: run() returned and the client held the log",
        compared={"runs": 1, "events": len(held)},
        in_log=end + 1,
    )


def _of_another_release(header: Header) -> str:
    return "" if skew(header) else "client and server are of one release, or of releases that cannot be compared"


def _without_faults(header: Header) -> str:
    faulted = plans(header, *PATH, *RESTARTS)
    return "a scenario with faults says nothing about whether releases fit together" if faulted else ""


GUARANTEES = (
    Guarantee(
        id="client.works",
        level=Level.MUST,
        promise="A client creates its conversation, sends its message and runs.",
        hurts="everybody who uses this client with this server",
        judge=per_conversation(works),
        applies=a_client,
        rests_on=frozenset({CLIENT, WIRE, ENGINE}),
        judges_break_offs=True,
    ),
    Guarantee(
        id="client.compatible",
        level=Level.SHOULD,
        promise="A client one release older or newer than the server works, or fails with one clear error.",
        hurts="users whose client and server are not of the same release",
        judge=per_conversation(compatible),
        applies=first_of(a_client, _of_another_release, _without_faults),
        rests_on=frozenset({LOG, STREAM, STATUS, CLIENT, WIRE}),
        rests_on_time=True,
        judges_break_offs=True,
    ),
)
