"""Ready means ready, and a server that is does what it is there for."""

from __future__ import annotations

from collections.abc import Iterator

from tailproof.guarantees.about import a_restart
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, STATUS, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.plan import DAMAGE, RESTARTS, damages_state
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import BreakOff, Life, ModelCall
from tailproof.history.server_records import Request, Stream
from tailproof.history.spoken import asked_to_delete, ended_over, ending_ns
from tailproof.history.timeline import (
    ALREADY_RUNNING,
    NOT_THERE,
    SECOND,
    accepted,
    clean_statuses,
    deletions,
    last_ns,
    last_record,
    passing,
    seconds,
    wire_faults,
)
from tailproof.history.traffic import (
    attempts,
    client_streams,
    failed_requests,
    left_alone,
    requests_of_the_ready,
    spoiled_spans,
)
from tailproof.history.views import belongs, same

WORK = ("create", "send", "run")
"""What a conversation needs of its server."""
READS = ("status", "load")
_OF_A_GATEWAY = frozenset({1001, 1012, 1013})
"""Codes of a server that goes away, is restarted, or has too much to do: of one that somebody else runs nobody sees why."""
_KEEPALIVE_NS = 60 * SECOND
"""What was done to a server so long ago is no reason any more to give a subscriber up."""


def ready(history: History) -> Verdict:
    """Ready means ready: the server gets ready within T of its start, and a request made after that is answered, with no 5xx.

    Judged on what the harness asked past the wire and on what the client asked through it where no rule touched the exchange,
    from each readiness to the end of that life, without the time in which a fault was done to the server itself (from its
    intent to its healing) or in which the server was still to be initialised. Not answered is a request that its sender gave up
    after its own patience, or that the server ended; reads do not count where a release lets them wait for the step under way.
    """
    starts = [life for life in history.lives if life.stage == "started"]
    readies = [life for life in history.lives if life.stage == "ready"]
    limit_s = parameter(history.header, "server.ready")
    if not readies:
        return inconclusive("the server never got ready")
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
    judged = [request for request in requests_of_the_ready(history) if not request.flaw]
    failed = failed_requests(history)
    if failed:
        first = failed[0]
        return violated(
            f"{len(failed)} of {len(judged)} requests after readiness failed: {first.verb} got {first.code or first.error}",
            signature="5xx-after-ready" if first.code else "no-answer-after-ready",
            expected=["an answer of 2xx to 4xx"],
            seen=[f"{request.verb} {request.code or request.error}" for request in failed],
            evidence=[
                at(request, f"{request.method} {request.path} got {request.code or request.error}")
                for request in failed
            ],
            requests=len(judged),
            failed=len(failed),
        )
    slowest = max(
        (life.t_ns - start.t_ns for life in readies for start in starts if start.epoch == life.epoch), default=0
    )
    return holds(
        f"{len(judged)} requests after readiness, each answered without 5xx",
        compared={"requests": len(judged)},
        limit_s=limit_s,
        took_s=seconds(slowest),
    )


def works(history: History) -> Verdict:
    """A server that is ready lets a client create a conversation, subscribe to it, send a message and run it, and does not die by
    itself.

    `NAME-refused` is an answer of 4xx to the plain protocol client, which asks for nothing but what the protocol offers, when the trial
    broke off for it; what other clients are refused is theirs (`client.works`), unless the server fails (5xx, no answer:
    `NAME-fails`); who asks for a conversation that somebody deleted is refused rightly. `subscription-refused` needs two who were refused,
    the observer past the wire and the client: one alone may have itself to blame. `subscription-ended`: while nothing was done to
    the server it said goodbye to somebody who was subscribed and wanted more, and the loop went on behind that, at once or with a
    later run. `died-by-itself` is a death in a life to which no fault was done.
    """
    by_itself = next((life for life in history.lives if _died_by_itself(history, life)), None)
    if by_itself is not None:
        return violated(
            f"the server died by itself (exit code {by_itself.exit_code})",
            signature="died-by-itself",
            evidence=[at(by_itself, f"died, exit code {by_itself.exit_code}")],
        )
    for one in (*history.break_offs, *_refusals(history)):
        refused = [
            request
            for request in _asked(history, one.doing)
            if not accepted(request) and not _was_gone(history, request) and not _was_running(history, request)
        ]
        failed = [request for request in failed_requests(history) if request.verb == one.doing]
        if one.by != "harness" and (failed or (refused and history.header.client == "plain")):
            request = (failed or refused)[0]
            return violated(
                f"the server could not be used: {request.method} {request.path} got {request.code or request.error}",
                signature=f"{one.doing}-{'fails' if failed else 'refused'}",
                expected=["2xx"],
                seen=[f"{request.code or request.error} {request.text}".strip()],
                evidence=[at(request, f"answered {request.code or request.error}"), at(one, one.says)],
            )
    turned_away = _turned_away(history)
    if turned_away is not None:
        return violated(
            f"neither the observer nor the client could subscribe: the observer got {turned_away.code} {turned_away.reason}",
            signature="subscription-refused",
            evidence=[
                at(turned_away, f"closed with {turned_away.code}"),
                *(at(one, f"{one.path}: {one.done} {one.code}") for one in attempts(history)),
            ],
        )
    thrown_out = _thrown_out(history)
    if thrown_out is not None:
        closed, asked = thrown_out
        whose = "client" if closed.path == "wire" else closed.witness
        return violated(
            f"the server closed the {whose}'s subscription ({closed.code} {closed.reason}".rstrip()
            + "), and the loop went on",
            signature="subscription-ended",
            expected=["open as long as the loop goes on"],
            seen=[f"{closed.code} {closed.reason}".rstrip()],
            evidence=[at(closed, f"closed with {closed.code}"), at(asked, "the loop asked the model behind that")],
        )
    if any(one.by == "server" and one.doing == "subscribe" for one in history.break_offs):
        return inconclusive("only the observer was refused, so the cause may be the observer")
    done = {verb: sum(accepted(request) for request in _asked(history, verb)) for verb in WORK}
    return holds(
        "the server did everything that it was asked for and did not die by itself",
        compared={f"{verb} accepted": number for verb, number in done.items()},
    )


def _refusals(history: History) -> list[BreakOff]:
    """What the client was refused, where the trial came to its end all the same."""
    known = {one.doing for one in history.break_offs}
    return [
        BreakOff("client", one.verb, one.error, t_ns=one.t_ns, witness=one.witness, seq=one.seq)
        for one in history.client_errors
        if one.verb == "send" and one.verb not in known
    ]


def _asked(history: History, verb: str) -> list[Request]:
    return [request for request in requests_of_the_ready(history) if request.verb == verb and not request.flaw]


def _was_gone(history: History, request: Request) -> bool:
    return request.code in NOT_THERE and any(
        (gone.began_ns or gone.t_ns) < request.t_ns for gone in deletions(history, same(request.conversation))
    )


def _was_running(history: History, request: Request) -> bool:
    """A run was refused because one is on, and the last that was seen of the conversation says so, too."""
    if request.code != ALREADY_RUNNING:
        return False
    before = [one for one in clean_statuses(history, same(request.conversation)) if one.t_ns < request.t_ns]
    return bool(before) and before[-1].neutral in ("active", "queued")


def _died_by_itself(history: History, life: Life) -> bool:
    """It had got ready, and nothing was done to this life of it. What ended the life before was done to that one, also where it counts as
    healed only when this life is ready; a damaged disk stays damaged."""
    if life.stage != "died" or life.by_us:
        return False
    mine = [one.t_ns for one in history.lives if one.epoch == life.epoch and one.stage == "ready"]
    if not mine or any(fault.name == DAMAGE and fault.t_ns < life.t_ns for fault in history.faults):
        return False
    born_ns = min((one.t_ns for one in history.lives if one.epoch == life.epoch and one.stage == "started"), default=0)
    before = {
        one.t_ns for one in history.faults if one.stage == "intent" and one.name in RESTARTS and one.t_ns < born_ns
    }
    return not any(
        began <= life.t_ns and ended >= (life.t_ns if began in before else min(mine))
        for began, ended in spoiled_spans(history)
    )


def _turned_away(history: History) -> Stream | None:
    """The end of the observer's first subscription, which nobody accepted, when nobody accepted the client's, either."""
    direct = [one for one in history.streams if one.path == "direct"]
    if not direct or any(one.stage == "subscribed" for one in direct):
        return None
    if any(one.answered_ns is not None for one in client_streams(history)) or any(
        one.rule for one in attempts(history)
    ):
        return None
    return next((one for one in direct if one.stage == "closed"), None) if attempts(history) else None


def _thrown_out(history: History) -> tuple[Stream, ModelCall] | None:
    """The end of a subscription that the server closed while it was left alone, and the question to the model with which the loop went on
    behind that. The client's counts where nothing was planned for its path."""
    paths = ("direct", "resumed") if wire_faults(history) else ("direct", "resumed", "wire")
    began = {
        (one.witness, one.reading): one.t_ns
        for one in history.streams
        if one.path in paths and not one.run and one.stage == ("opened" if one.path == "wire" else "subscribed")
    }
    undecided = _OF_A_GATEWAY if history.header.target.startswith("url:") else frozenset[int]()
    for one in history.streams:
        since_ns = began.get((one.witness, one.reading))
        if (
            since_ns is not None
            and one.by_server
            and one.code not in undecided
            and one.t_ns < ending_ns(history)
            and not any(stall.t_ns <= one.t_ns for stall in history.stalls)
            and not asked_to_delete(history, one.t_ns)
            and ended_over(history, one) is None
            and left_alone(history, max(since_ns, one.t_ns - _KEEPALIVE_NS), one.t_ns)
            and (asked := _asks_again(history, one)) is not None
        ):
            return one, asked
    return None


def _asks_again(history: History, closed: Stream) -> ModelCall | None:
    """The first question to the model for a step of this conversation behind the end of a subscription to it."""
    return next(
        (
            call
            for call in history.model_calls
            if call.stage == "asked"
            and call.turn >= 0
            and call.t_ns > closed.t_ns
            and (not closed.conversation or belongs(history, same(closed.conversation), call.conversation))
        ),
        None,
    )


def returns(history: History) -> Verdict:
    """A server that is stopped or killed and started again is ready within T, stays, and knows the conversations that it had.

    Judged for each life that follows an end which the harness caused. One that ends by itself before it is ready, and one that runs
    and does not get ready, does not return; the trial waits for it as long as `server.ready` allows. `conversation-not-found`: after
    it was ready it answered 404 for a conversation whose status an earlier life had shown, which nobody deleted, and whose state no
    fault had damaged. That it is found a minute later is no excuse: who asks once believes that it is gone.
    """
    limit_s = parameter(history.header, "server.ready")
    later = [life for life in history.lives if life.stage == "started" and life.epoch > 0]
    return all_of(
        (verdict for life in later for verdict in (_one_return(history, life, limit_s), *_known_again(history, life))),
        nothing="the server was not started again after its end",
    )


def _known_again(history: History, started: Life) -> Iterator[Verdict]:
    """For each conversation that an earlier life had shown, and that somebody asked this life for."""
    back = next((life for life in history.lives if life.epoch == started.epoch and life.stage == "ready"), None)
    if back is None or damages_state(history.header):
        return
    for conversation in sorted({same(one.conversation) for one in history.statuses if one.epoch < started.epoch}):
        mine = [one for one in history.requests if same(one.conversation) == conversation and not one.rule]
        deleted_ns = next((one.began_ns for one in mine if one.verb == "delete" and accepted(one)), last_ns(history))
        reads = [
            one
            for one in mine
            if one.verb in READS and one.epoch == started.epoch and back.t_ns < one.began_ns and one.t_ns < deleted_ns
        ]
        missed = [one for one in reads if one.code == 404]
        if not missed:
            if found := sum(accepted(one) for one in reads):
                yield holds("the conversation was there again", compared={"reads after a return": found})
            continue
        found_ns = min((one.t_ns for one in reads if accepted(one) and one.t_ns > missed[-1].t_ns), default=0)
        yield violated(
            f"ready again, the server did not find a conversation that it had: 404 to {len(missed)} of {len(reads)} reads, "
            + (f"until {seconds(found_ns - back.t_ns)} s after it was ready" if found_ns else "to the end"),
            signature="conversation-not-found",
            expected=["200"],
            seen=[f"404 {seconds(one.t_ns - back.t_ns)} s after it was ready" for one in missed],
            evidence=[
                at(back, "ready again"),
                at(missed[0], "not found"),
                at(missed[-1], "not found for the last time"),
            ],
            not_found=len(missed),
        )


def _one_return(history: History, started: Life, limit_s: float) -> Verdict:
    mine = {life.stage: life for life in reversed(history.lives) if life.epoch == started.epoch}
    back, end = mine.get("ready"), mine.get("died")
    if back is not None:
        return holds(
            f"the server was ready again {seconds(back.t_ns - started.t_ns)} s after its start",
            compared={"returns": 1},
            limit_s=limit_s,
            took_s=seconds(back.t_ns - started.t_ns),
        )
    if part := passing(history, started.epoch):
        return excused("this life is a part of the fault", evidence=[at(part, "its end")])
    if end is not None and not end.by_us:
        return violated(
            f"the server was started again and ended by itself before it was ready (exit code {end.exit_code})",
            signature="dies-again",
            expected=["ready"],
            seen=[f"exit code {end.exit_code}"],
            evidence=[at(started, "started again"), at(end, f"died, exit code {end.exit_code}")],
        )
    if end is not None:
        return excused("the server was killed again before it was ready", evidence=[at(end, "killed again")])
    until = min(
        (life.t_ns for stage in ("died", "stopped", "removed") if (life := mine.get(stage))), default=last_ns(history)
    )
    waited_s = seconds(until - started.t_ns)
    if waited_s <= limit_s:
        return inconclusive(
            f"the server was not ready again after {waited_s} s, and the trial did not wait longer", limit_s=limit_s
        )
    return violated(
        f"{waited_s} s after its start the server was not ready again",
        signature="never-ready-again",
        expected=[f"ready within {limit_s:g} s"],
        evidence=[
            at(started, "started again"),
            at(last_record(history), "the record ends here; the server was not seen ready since"),
        ],
        timed=True,
        limit_s=limit_s,
        took_s=waited_s,
    )


GUARANTEES = (
    Guarantee(
        id="server.ready",
        level=Level.MUST,
        promise="Ready means ready: a request made after readiness is answered, and not with 5xx.",
        hurts="operators and load balancers that trust readiness",
        judge=ready,
        rests_on=frozenset({STATUS, ENGINE, CLIENT, WIRE}),
        rests_on_time=True,
        judges_break_offs=True,
    ),
    Guarantee(
        id="server.works",
        level=Level.MUST,
        promise="A server that is ready lets a client create a conversation, subscribe to it for as long as it likes and run it, and "
        "does not die by itself.",
        hurts="everybody who uses this server",
        judge=works,
        rests_on=frozenset({STATUS, ENGINE, CLIENT, WIRE}),
        judges_break_offs=True,
    ),
    Guarantee(
        id="server.returns",
        level=Level.MUST,
        promise="A server that is stopped or killed and started again is ready within T, with the conversations that it had.",
        hurts="everybody whose conversation was on the server when it stopped",
        judge=returns,
        applies=a_restart,
        rests_on=frozenset({ENGINE, STATUS}),
        rests_on_time=True,
        judges_break_offs=True,
    ),
)
