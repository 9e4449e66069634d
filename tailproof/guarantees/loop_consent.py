"""What waits for a confirmation waits."""

from __future__ import annotations

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, first_of, holds, violated
from tailproof.guarantees.witnesses import LOG, MODEL, STATUS, TOOL, WIRE
from tailproof.history.header import Header
from tailproof.history.plan import asks_for_confirmation, harmless, leaves_tokens
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Effect, ModelCall
from tailproof.history.timeline import accepted, clean_statuses, runs_of
from tailproof.history.views import conversations

CONFIRMS = frozenset({"run", "resume"})
"""Requests by which a user says yes. To send a message is none of them, also one that asks for a run: it may say no."""


def consent(history: History) -> Verdict:
    """An action that waits for a confirmation has no effect before one.

    Every tool effect needs a confirmation (a run that somebody asked for and that was not refused) between the answer of the model
    that called the tool and its begin. The calls that are still waiting at the end were searched for effects, too. An agent that waits
    for risky actions alone needs none for those that the model called harmless.
    """
    free = harmless(history.header)
    called = [
        call for call in history.model_calls if call.stage in ("answered", "broken") and call.turn >= 0 and call.calls
    ]
    said_yes = sorted(_confirmations(history))
    begun = [effect for effect in history.effects if effect.stage == "begin" and effect.token not in free]
    early = [
        (effect, call)
        for effect in begun
        if (call := _called_by(called, effect)) is not None
        and not any(call.t_ns < moment <= effect.t_ns for moment in said_yes)
    ]
    if early:
        return violated(
            f"{len(early)} of {len(begun)} tool effects began before anybody had confirmed the action",
            signature="ran-unconfirmed",
            seen=[effect.token for effect, _ in early],
            evidence=[
                pointer
                for effect, call in early
                for pointer in (
                    at(call, f"the model answered turn {call.turn} with a call"),
                    at(effect, f"tool {effect.token} begins (pid {effect.pid})"),
                )
            ],
            effects=len(begun),
            unconfirmed=len(early),
        )
    return holds(
        f"{len(begun)} tool effects, none before a confirmation",
        compared={"answers with calls": len(called), "tool effects": len(begun)},
    )


def _called_by(called: list[ModelCall], effect: Effect) -> ModelCall | None:
    """The last answer of the model with a call in it before a tool began."""
    return next((call for call in reversed(called) if call.t_ns <= effect.t_ns), None)


def _confirmations(history: History) -> list[int]:
    """When somebody asked for a run. A request whose answer got lost may have arrived."""
    runs = [
        run.began_ns
        for conversation in conversations(history)
        for run in runs_of(history, conversation)
        if not _spoken_in_since(history, conversation, run.began_ns)
    ]
    return runs + [
        request.began_ns or request.t_ns
        for request in history.requests
        if request.verb in CONFIRMS
        and (accepted(request) or not request.code)
        and not any(
            _spoken_in_since(history, conversation, request.began_ns or request.t_ns)
            for conversation in conversations(history)
        )
    ]


def _spoken_in_since(history: History, conversation: str, moment_ns: int) -> bool:
    """Somebody said something in a conversation that waited, and the last that was seen of it before the run is that it does not wait."""
    before = [one for one in clean_statuses(history, conversation) if one.t_ns < moment_ns]
    waited = next((one.t_ns for one in reversed(before) if one.neutral == "waiting"), None)
    if waited is None or before[-1].neutral != "idle":
        return False
    return any(one.verb == "send" and accepted(one) and waited < one.t_ns < moment_ns for one in history.requests)


def _confirms(header: Header) -> str:
    return "" if asks_for_confirmation(header) else "no action waits for a confirmation in this scenario"


def _acts(header: Header) -> str:
    return "" if leaves_tokens(header) else "no tool of this scenario leaves a trace"


GUARANTEES = (
    Guarantee(
        id="loop.consent",
        level=Level.MUST,
        promise="An action that waits for a confirmation has no effect before one.",
        hurts="users: something is done that they had not allowed",
        judge=consent,
        applies=first_of(_confirms, _acts),
        rests_on=frozenset({MODEL, TOOL, STATUS, LOG, CLIENT, WIRE}),
    ),
)
