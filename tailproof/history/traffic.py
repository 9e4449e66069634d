"""What the client did on its path, as the wire saw it: its streams, its attempts to subscribe, and when a fault was on it."""

from __future__ import annotations

from dataclasses import dataclass

from tailproof.history.plan import is_of_the_path
from tailproof.history.reader import History, derived
from tailproof.history.record import CLIENT
from tailproof.history.records import Exchange, Life, Run
from tailproof.history.server_records import Listing, Neighbour, Request, Stream
from tailproof.history.timeline import SECOND, accepted, last_ns

SPOILED = frozenset({"refused", "reset-before", "reset-after", "truncated", "black-hole", "broken"})
"""What became of an exchange whose client did not get the server's answer, or not all of it."""
SUBTLE = frozenset(
    {
        *("wire.hold", "wire.delay", "wire.drop", "wire.drop-last", "wire.duplicate", "wire.reorder", "wire.silence"),
        "wire.cut",
    }
)
"""Faults of frames: they disturb a stream that is open, and nobody who subscribes."""

ENDS_WITHIN_S = 10.0
"""An answer that has begun ends within so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStream:
    """A stream of the client through the wire."""

    number: int
    """The wire's number of the connection."""
    opened: Stream
    closed: Stream | None
    answered_ns: int | None
    """When the server sent the first frame on it: from then on it is a subscription for sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWindow:
    """The time from the intent of a fault of the path that was injected to its healing (None: never healed)."""

    name: str
    began_ns: int
    healed_ns: int | None

    def on_at(self, moment_ns: int, *, slack_ns: int = 0) -> bool:
        """It was on at this moment."""
        return self.began_ns <= moment_ns and (self.healed_ns is None or moment_ns <= self.healed_ns + slack_ns)


@derived
def client_streams(history: History) -> tuple[ClientStream, ...]:
    """Every stream through the wire, in the order in which they were opened."""
    closed = {one.reading: one for one in history.streams if one.path == "wire" and one.stage == "closed"}
    answered: dict[int, int] = {}
    for frame in history.frames:
        if frame.direction == "down" and frame.done != "control":
            answered.setdefault(frame.conn, frame.t_ns)
    found = []
    for one in history.streams:
        if one.stage == "opened" and one.reading.startswith("wire:"):
            number = int(one.reading.partition(":")[2])
            found.append(
                ClientStream(
                    number=number,
                    opened=one,
                    closed=closed.get(one.reading),
                    answered_ns=answered.get(number),
                )
            )
    return tuple(found)


@derived
def attempts(history: History) -> tuple[Exchange, ...]:
    """Every attempt to subscribe, answered or not, in the order in which they were begun."""
    asked = [one for one in history.exchanges if one.upgrade or one.done == "upgraded"]
    return tuple(sorted(asked, key=began))


def began(exchange: Exchange) -> int:
    """When it was begun."""
    return exchange.began_ns or exchange.t_ns


@derived
def fault_windows(history: History) -> tuple[FaultWindow, ...]:
    """When a fault was on the path of the client, fault by fault."""
    healed = {fault.fault: fault.t_ns for fault in history.faults if fault.stage == "healed"}
    # What an injection did is seen at the wire before it is written down as done.
    meant = {fault.fault: fault.t_ns for fault in history.faults if fault.stage == "intent"}
    return tuple(
        FaultWindow(name=fault.name, began_ns=meant.get(fault.fault, fault.t_ns), healed_ns=healed.get(fault.fault))
        for fault in history.faults
        if fault.stage == "injected" and is_of_the_path(fault.name)
    )


def faulted_at(history: History, moment_ns: int, *, slack_ns: int = 0) -> bool:
    """Whether a fault was on the path at this moment."""
    return any(window.on_at(moment_ns, slack_ns=slack_ns) for window in fault_windows(history))


@derived
def server_down(history: History) -> tuple[Life, ...]:
    """Each time the server died or was stopped under the client. What happened before the client came is nothing to it: the server
    of a seeded history was stopped once."""
    came = min((exchange.began_ns or exchange.t_ns for exchange in history.exchanges), default=0)
    return tuple(life for life in history.lives if life.stage in ("died", "stopped", "removed") and life.t_ns > came)


@derived
def nameless(history: History) -> str:
    """Why it cannot be told which events a fault of the path touched: a message without an id was among them. Else empty."""
    for one in history.frames:
        if one.direction == "down" and one.done not in ("passed", "control") and not one.id:
            which = f"message {one.index} of connection {one.conn}"
            return f"{which} was {one.done} at the wire and has no id: nobody can tell which event it held"
    return ""


@derived
def last_run_of_client(history: History) -> Run | None:
    """How the newest run of the client ended, by return or exception; None when it did not, or when there was none."""
    mine = [run for run in history.runs if run.witness == CLIENT]
    return mine[-1] if mine and mine[-1].stage != "called" else None


UNASKED = frozenset({"ready", "init"})
"""Requests that ask about readiness itself."""
PATIENCE_NS = 8 * SECOND
"""A sender that hung up sooner had no answer to wait for any more."""
Span = tuple[int, int]


@derived
def requests_of_the_ready(history: History) -> tuple[Request, ...]:
    """What was asked of a server that said it was ready and to which nothing was done, by the harness past the wire and by the
    client where no rule touched the exchange; without what the harness itself ended, unless it had no end long before."""
    over = min((phase.t_ns for phase in history.phases if phase.name == "stopping"), default=None)
    return tuple(
        request
        for request in history.requests
        if request.verb not in UNASKED
        and not request.cut
        and not request.rule
        and not (
            request.witness == CLIENT and (_during_network_fault(history, request) or _met_a_rule(history, request))
        )
        and (
            over is None
            or request.t_ns <= over
            or (request.flaw == "endless" and request.began_ns + ENDS_WITHIN_S * SECOND <= over)
        )
        and left_alone(history, *span_of(request))
    )


def left_alone_until(history: History, began_ns: int, ended_ns: int) -> int:
    """How long the server was ready and left alone from one moment on, the other at most; the first one itself when it was not even
    then."""
    ends = [end.t_ns for end in history.lives if end.stage in ("died", "stopped", "removed") and end.t_ns > began_ns]
    spoiled = [since for since, until in spoiled_spans(history) if until >= began_ns]
    until_ns = min((ended_ns, *(moment - 1 for moment in (*ends, *spoiled))))
    return until_ns if until_ns > began_ns and left_alone(history, began_ns, until_ns) else began_ns


def left_alone(history: History, began_ns: int, ended_ns: int) -> bool:
    """The server was ready from one moment to the other, and nothing was done to it."""
    return _in_a_life(history, began_ns, ended_ns) and not any(
        ended_ns >= since and began_ns <= until for since, until in spoiled_spans(history)
    )


@derived
def flawed_exchanges(history: History) -> tuple[Exchange, ...]:
    """Those at the wire whose answers are not what they should be, of a server that was ready and to which nothing was done, where no
    rule touched them and no fault was on the path."""
    return tuple(
        exchange
        for exchange in history.exchanges
        if exchange.flaw
        and not exchange.rule
        and not _during_network_fault(history, exchange)
        and left_alone(history, *span_of(exchange))
    )


@derived
def failed_requests(history: History) -> tuple[Request, ...]:
    """Those of them that the server answered with 5xx or not at all; what it said wrongly is another matter (`server.sane`)."""
    waits = bool(history.header.facts.get("reads_wait_for_steps"))
    exchanges = {exchange.t_ns: exchange for exchange in history.exchanges if exchange.done == "broken"}
    return tuple(
        request
        for request in requests_of_the_ready(history)
        if request.code >= 500
        or (
            not request.code
            and not request.flaw
            and not (waits and request.verb in ("load", "status"))
            and _was_the_servers(request, exchanges.get(request.t_ns))
        )
    )


def _was_the_servers(request: Request, exchange: Exchange | None) -> bool:
    """It had no answer, and whoever asked had not just gone away."""
    waited_ns = request.t_ns - (request.began_ns or request.t_ns)
    hung_up = exchange is not None and exchange.ended_by != "server"
    return not hung_up or waited_ns >= PATIENCE_NS


def _during_network_fault(history: History, request: Request | Exchange) -> bool:
    """A fault of the network, which names no rule, was on while it was under way."""
    return any(
        not window.name.startswith("wire.") or window.name == "wire.down"
        for window in fault_windows(history)
        if window.on_at(request.t_ns, slack_ns=SECOND)
        or window.on_at(request.began_ns or request.t_ns, slack_ns=SECOND)
    )


def _met_a_rule(history: History, request: Request) -> bool:
    """A client that writes its own requests down does not know what the wire did to them: the wire's record of it does."""
    began_ns = request.began_ns or request.t_ns
    return any(
        exchange.method == request.method
        and exchange.path.partition("?")[0] == request.path.partition("?")[0]
        and began_ns <= exchange.t_ns
        and exchange.began_ns <= request.t_ns
        for exchange in exchanges_met_by_rules(history)
    )


@derived
def exchanges_met_by_rules(history: History) -> tuple[Exchange, ...]:
    """Those to which a rule of the wire did something."""
    return tuple(exchange for exchange in history.exchanges if exchange.rule)


def _in_a_life(history: History, began_ns: int, ended_ns: int) -> bool:
    """Both between one readiness and the end of that life."""
    for life in (one for one in history.lives if one.stage == "ready"):
        ends = [
            end.t_ns for end in history.lives if end.epoch == life.epoch and end.stage in ("died", "stopped", "removed")
        ]
        if life.t_ns <= began_ns and ended_ns <= min(ends, default=ended_ns):
            return True
    return False


@derived
def spoiled_spans(history: History) -> tuple[Span, ...]:
    """Spans in which a failure is ours: faults of the server from intent to healing, pauses, the time before `init`."""
    last = last_ns(history)
    spans: list[Span] = []
    for fault in history.faults:
        if fault.stage == "intent" and not is_of_the_path(fault.name):
            healed = [other.t_ns for other in history.faults if other.fault == fault.fault and other.stage == "healed"]
            spans.append((fault.t_ns, min((moment for moment in healed if moment >= fault.t_ns), default=last)))
    for life in history.lives:
        if life.stage == "paused":
            resumed = [other.t_ns for other in history.lives if other.stage == "resumed" and other.t_ns > life.t_ns]
            spans.append((life.t_ns, min(resumed, default=last)))
    inits = [request for request in history.requests if request.verb == "init"]
    if inits:
        spans.append((0, next((request.t_ns for request in inits if accepted(request)), last)))
    return tuple(spans)


def span_of(one: Request | Exchange | Listing | Neighbour) -> Span:
    """From its beginning to its end."""
    return one.began_ns or one.t_ns, one.t_ns
