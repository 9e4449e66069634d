"""A step of the loop keeps nobody waiting who wants to look, or to say something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, LOG, MODEL, STATUS, STREAM, TOOL, WIRE
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import lingers_s, looks_or_writes, number_of, turns
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.server_records import Stream
from tailproof.history.timeline import SECOND, seconds
from tailproof.history.traffic import Span, left_alone_until, requests_of_the_ready, span_of

ASKED = ("load", "status", "send")
"""Requests that look, at the events, at their number, at the status, or write a message. Where requests of several kinds wait, the kind
that stands first here names the violation: waiting messages may be why the others wait, and which of the others a trial catches differs."""
Of = Literal["tool", "model"]
"""What a step waits for."""


@dataclass(frozen=True, slots=True)
class Step:
    """A time in which the loop waits for a tool, or for the model."""

    of: Of
    began_ns: int
    ended_ns: int

    def part_of(self, span: Span) -> Span:
        """From when to when it was under way within this span; the other way round when it never was."""
        return max(span[0], self.began_ns), min(span[1], self.ended_ns)


@dataclass(frozen=True, slots=True)
class Wait:
    """For an answer, or for the first event of a subscription, during steps."""

    waited_ns: int
    """While steps were under way."""
    of: Of
    """What most of this time was waited for."""


def responsive(history: History) -> Verdict:
    """While a step is under way, whoever asks for the status or the events, posts a message or subscribes is answered within T, whoever
    holds the step.

    A step is under way from each question to the model to its answer, and from the begin of each tool, or of a guard that tells of it, to
    its end; a tool that tells of no end, to the next question to the model or to the end of the server, unless several conversations ask
    the model. Of what a request or a subscription waits only the time of steps counts; one that waits longer than T in all, and not during
    steps, decides nothing. Judged on what `server.ready` is judged on; one request that hangs is enough, whatever it is answered at last.
    What was asked at no step decides nothing, and neither does a message that was said on a stream: nothing tells when that is accepted.
    """
    limit_s = parameter(history.header, "server.responsive")
    limit_ns = limit_s * SECOND
    steps = _steps(history)
    asked = [
        (wait, request)
        for request in requests_of_the_ready(history)
        if request.verb in ASKED
        and request.method != "SAY"
        and (wait := _wait(span_of(request), steps, limit_ns)) is not None
    ]
    served = [
        (wait, one, first)
        for one, first, until_ns in _newcomers(history)
        if (wait := _wait((one.t_ns, until_ns), steps, limit_ns)) is not None
        and (wait.waited_ns > limit_ns or (first.stage == "subscribed" and first.t_ns == until_ns))
    ]
    kept = [(wait, one, first) for wait, one, first in served if wait.waited_ns > limit_ns]
    if kept:
        longest, worst_one, first = max(kept, key=lambda found: found[0].waited_ns)
        took_s = seconds(longest.waited_ns)
        return violated(
            f"{worst_one.witness} {worst_one.reading} subscribed during a step and was sent nothing for {took_s} s",
            signature="subscribe-waits",
            expected=[f"a first event within {limit_s:g} s"],
            seen=[f"{other.reading} {other.stage} after {seconds(wait.waited_ns)} s" for wait, one, other in kept],
            evidence=[at(worst_one, "asked to subscribe"), at(first, first.stage)],
            timed=True,
            limit_s=limit_s,
            took_s=took_s,
        )
    late = [(wait, request) for wait, request in asked if wait.waited_ns > limit_ns]
    if late:
        longest, worst = min(late, key=lambda found: (ASKED.index(found[1].verb), -found[0].waited_ns))
        return violated(
            f"{len(late)} of {len(asked)} requests that were made during a step waited for longer than {limit_s:g} s: "
            f"{worst.method} {worst.path} for {seconds(longest.waited_ns)} s",
            signature=f"send-waits-for-{longest.of}" if worst.verb == "send" else f"{worst.verb}-waits",
            expected=[f"an answer within {limit_s:g} s"],
            seen=[f"{request.verb} {seconds(wait.waited_ns)} s" for wait, request in late],
            evidence=[at(one, f"{one.method} {one.path} answered {one.code}") for _, one in late],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(longest.waited_ns),
        )
    if not asked and not served:
        return inconclusive("nobody who asked, posted or subscribed had only a step to wait for")
    slowest = max(wait.waited_ns for wait in (*(found[0] for found in asked), *(found[0] for found in served)))
    return holds(
        f"{len(asked)} requests and {len(served)} subscriptions during a step, each answered within {limit_s:g} s",
        compared={"requests during a step": len(asked), "subscriptions during a step": len(served)},
        limit_s=limit_s,
        took_s=seconds(slowest),
    )


def _newcomers(history: History) -> list[tuple[Stream, Stream, int]]:
    """Who subscribed past the wire, with the first event or the end of it, whichever came first, and how long the server was left alone
    until then."""
    later: dict[tuple[str, str], Stream] = {}
    for one in history.streams:
        if one.stage in ("subscribed", "closed"):
            later.setdefault((one.witness, one.reading), one)
    return [
        (one, first, until_ns)
        for one in history.streams
        if one.stage == "opened"
        and one.path in ("direct", "resumed")
        and (first := later.get((one.witness, one.reading))) is not None
        and (until_ns := left_alone_until(history, one.t_ns, first.t_ns)) > one.t_ns
    ]


def _steps(history: History) -> list[Step]:
    """When the model was asked and had not answered, and when a tool ran."""
    asked = {call.request: call.t_ns for call in history.model_calls if call.stage == "asked" and call.turn >= 0}
    questions = list(asked.values())
    steps = [
        Step("model", asked.pop(call.request), call.t_ns)
        for call in history.model_calls
        if call.stage in ("answered", "broken") and call.request in asked
    ]
    begun: dict[tuple[str, int], int] = {}
    for effect in history.effects:
        key = (effect.token, effect.pid)
        if effect.stage == "begin":
            begun[key] = effect.t_ns
        elif effect.stage == "end" and key in begun:
            steps.append(Step("tool", begun.pop(key), effect.t_ns))
    over = [
        *questions,
        *(life.t_ns for life in history.lives if life.stage in ("died", "stopped", "removed")),
        *(phase.t_ns for phase in history.phases if phase.name == "stopping"),
    ]
    several = len({call.conversation for call in history.model_calls if call.conversation}) > 1
    for began_ns in () if several else begun.values():
        behind = [moment for moment in over if moment > began_ns]
        if behind:
            steps.append(Step("tool", began_ns, min(behind)))
    return steps


def _wait(span: Span, steps: Sequence[Step], limit_ns: float) -> Wait | None:
    """None when no step was under way, or something else was waited for."""
    parts = sorted((*step.part_of(span), step.of) for step in steps)
    during = [(since, until, of) for since, until, of in parts if since <= until]
    if not during:
        return None
    waited_ns = reached = 0
    by: dict[Of, int] = {"tool": 0, "model": 0}
    for since, until, of in during:
        waited_ns += max(0, until - max(since, reached))
        reached = max(reached, until)
        by[of] += until - since
    if waited_ns <= limit_ns < span[1] - span[0]:
        return None
    return Wait(waited_ns, max(by, key=lambda of: by[of]))


def _takes_long(header: Header) -> str:
    """Reads of the status come twice a second: a step that is longer than T meets some."""
    limit_s = parameter(header, "server.responsive")
    slow = any(
        number_of(turn, "delay_s", 0) > limit_s or turn.get("fails") in ("silent", "stalls") for turn in turns(header)
    )
    return (
        ""
        if slow or looks_or_writes(header) or lingers_s(header) > limit_s
        else "no step of the script takes long, and nobody asks or posts anything during one"
    )


GUARANTEES = (
    Guarantee(
        id="server.responsive",
        level=Level.MUST,
        promise="While a step is under way, whoever asks for the status or the events, posts a message or subscribes is answered within T, "
        "whoever holds the step.",
        hurts="everybody who looks at a conversation that is working, or has something to say to it",
        judge=responsive,
        applies=_takes_long,
        rests_on=frozenset({LOG, STREAM, STATUS, MODEL, TOOL, ENGINE, CLIENT, WIRE}),
        rests_on_time=True,
    ),
)
