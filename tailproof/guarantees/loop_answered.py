"""What a user says is kept once, and the model gets it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailproof.guarantees.events_log import per_conversation, without_log
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
from tailproof.guarantees.witnesses import (
    COUNTED_SINCE,
    DISK,
    ENGINE,
    LOG,
    MODEL,
    STATUS,
    STREAM,
    WIRE,
    asked_turns,
)
from tailproof.history.header import Header
from tailproof.history.plan import IN_A_COPY, client_tells, is_seeded
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import ModelCall
from tailproof.history.server_records import Event, Request, Status
from tailproof.history.timeline import SECOND, accepted, clean_statuses, deaths, down_after, last_ns, runs_of, seconds
from tailproof.history.views import Log, belongs, log_of

CHARS = 200
"""How much of a text the records keep."""
WATCHED_NS = SECOND // 2
"""A run that goes on for a message does so at once: behind an end that was watched for longer nobody is waited for."""
BROKEN_OFF = {
    "interrupted": "the run was paused",
    "failed": "the run ended in an error",
    "stuck": "the run was stuck",
    "waiting": "an action waits for a confirmation",
}
"""Ends of a run at which a message may stay unanswered."""


def answered(history: History, conversation: str) -> Verdict:
    """A user message that was accepted is in the log exactly once, and in a later request to the model.

    Judged for each message with a text that the server accepted (2xx), whoever posted it. A text that was accepted twice is due
    twice; a message that the log lacks is `events.complete`'s. What was posted into a copy of the conversation is not to be in its
    log. What a script posted nobody told it to: its texts are those of the log, the last to the last. Excused is what the model was
    not to get (no run was on, asked for with it or after it), and what a run that was paused, failed, stuck, broken off or deleted
    did not come to.
    """
    if history.header.schema < COUNTED_SINCE:
        return inconclusive("a history of this schema does not say what the model was told")
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    strays = [event for event in log.events if event.role == "message" and IN_A_COPY in event.text]
    if strays:
        return violated(
            "a message that was posted into a copy of the conversation is in the log of the conversation",
            signature="message-of-a-copy",
            seen=[event.id for event in strays],
            evidence=[at(event, f"{event.name} {event.id} in the log: {event.text[:60]!r}") for event in strays],
        )
    said = _said(history, conversation, log)
    kept = {text: _kept(log, text) for text in {_head(one.text) for one in said}}
    for text, events in kept.items():
        posts = [one for one in said if _head(one.text) == text]
        if len(events) > len(posts):
            return _doubled(text, posts, events)
    verdicts = []
    for nth, message in _numbered(said):
        events = kept[_head(message.text)]
        if nth <= len(events):
            verdicts.append(_one_message(history, conversation, message, events[nth - 1], nth))
    return all_of(verdicts, nothing="no message that was accepted is in the log")


def _said(history: History, conversation: str, log: Log) -> list[Request]:
    """The messages that the server accepted, also with the creation of the conversation, in the order in which they were posted."""
    posts = sorted(
        (
            request
            for request in history.requests
            if request.verb in ("send", "create")
            and accepted(request)
            and not request.rule
            and belongs(history, conversation, request.conversation)
        ),
        key=_began,
    )
    said = [post for post in posts if post.text.strip()]
    if "exit" in client_tells(history.header) and not is_seeded(history.header):
        known = {_head(post.text) for post in said}
        texts = [_head(event.text) for event in log.events if event.role == "message" and event.source == "user"]
        bare = [post for post in posts if not post.text.strip()]
        unknown = [text for text in texts if text and text not in known]
        pairs = zip(reversed(bare), reversed(unknown), strict=False)
        said = sorted([*said, *(msgspec.structs.replace(post, text=text) for post, text in pairs)], key=_began)
    return said


def _kept(log: Log, text: str) -> list[Event]:
    """The messages of the log with this text, but for what the agent says."""
    return [
        event
        for event in log.events
        if event.role == "message" and event.source != "agent" and _head(event.text) == text
    ]


def _numbered(said: Sequence[Request]) -> list[tuple[int, Request]]:
    """Each message, and the how-manieth of its text it is."""
    count: dict[str, int] = {}
    numbered = []
    for message in said:
        text = _head(message.text)
        count[text] = count.get(text, 0) + 1
        numbered.append((count[text], message))
    return numbered


def _doubled(text: str, posts: Sequence[Request], events: Sequence[Event]) -> Verdict:
    return violated(
        f"the message {text[:60]!r} was accepted {_times(len(posts))} and is in the log {_times(len(events))}",
        signature="doubled-message",
        expected=[text] * len(posts),
        seen=[event.id for event in events],
        evidence=[
            *(at(post, f"accepted with {post.code}") for post in posts),
            *(at(event, f"{event.name} {event.id}") for event in events),
        ],
        accepted=len(posts),
        in_log=len(events),
    )


def _one_message(history: History, conversation: str, message: Request, event: Event, nth: int) -> Verdict:
    later = [
        call
        for call in asked_turns(history.model_calls)
        if call.t_ns > _began(message) and belongs(history, conversation, call.conversation)
    ]
    text = _head(message.text)
    if any(_told(call, text) >= nth for call in later):
        return holds(
            "every accepted message is in the log once and in a later request to the model",
            compared={"messages": 1, "requests to the model": len(later)},
        )
    accepted_here = at(message, f"accepted with {message.code}: {text[:60]!r}")
    if any(len(said) >= CHARS for call in later for said in call.said):
        return inconclusive(
            f"{text[:60]!r} may be in a request, but only the first {CHARS} characters of each message are kept"
        )
    excuse = _why_unanswered(history, conversation, message, accepted_here)
    if excuse is not None:
        return excuse
    last = [status for status in clean_statuses(history, conversation) if status.t_ns > message.t_ns]
    rest = _rest(last)
    if rest is None:
        return inconclusive(f"the run had not ended when it was seen last: {last[-1].raw if last else 'no status'}")
    down_ns = down_after(history, rest.t_ns)
    watched_ns = (last_ns(history) if down_ns is None else down_ns) - rest.t_ns
    if watched_ns < WATCHED_NS:
        return inconclusive(f"the end of the run was watched for {seconds(watched_ns)} s only")
    known = asked_turns(history.model_calls)
    return violated(
        f"the message {text[:60]!r} was accepted and is in the log, the run ended as {rest.raw}, and none of "
        f"{len(later)} later requests to the model has it",
        signature="never-answered",
        expected=[text],
        seen=later[-1].said if later else (known[-1].said if known else ()),
        evidence=[
            accepted_here,
            at(event, f"{event.name} {event.id} in the log"),
            *(at(call, f"the model was asked for turn {call.turn}") for call in known[-1:]),
            at(rest, f"{rest.raw} via {rest.via}"),
        ],
        later_requests=len(later),
        watched_s=seconds(watched_ns),
    )


def _told(call: ModelCall, text: str) -> int:
    """How often a request holds a text. A loop may put several messages of the user into one."""
    whole = sum(_head(said) == text for said in call.said)
    return whole or sum(said.count(text) for said in call.said)


def _rest(later: Sequence[Status]) -> Status | None:
    """The beginning of the last unbroken row of resting statuses behind a message; None while a run is on."""
    first = None
    for status in later:
        if status.neutral in ("active", "queued", "unknown"):
            first = None
        elif first is None:
            first = status
    return first


def _why_unanswered(history: History, conversation: str, message: Request, accepted_here: Pointer) -> Verdict | None:
    """What takes the ground from the promise for a message that the model was not told."""
    for request in history.requests:
        if request.verb == "delete" and accepted(request) and belongs(history, conversation, request.conversation):
            return excused(
                "the conversation was deleted", evidence=[accepted_here, at(request, f"deleted with {request.code}")]
            )
    runs = [run for run in runs_of(history, conversation) if run.began_ns > _began(message)]
    for death in deaths(history):
        died_ns = death.died.t_ns
        if died_ns < message.t_ns or any(run.began_ns > died_ns for run in runs):
            continue
        # A run that had come to rest without the message is not the death's fault.
        rest = _rest([one for one in clean_statuses(history, conversation) if message.t_ns < one.t_ns < died_ns])
        if rest is None or died_ns - rest.t_ns < WATCHED_NS:
            return excused(
                "the server died before the model got the message, and nobody ran the conversation again",
                evidence=[accepted_here, at(death.died, "the server died")],
            )
    later = [status for status in clean_statuses(history, conversation) if status.t_ns > message.t_ns]
    if later and later[-1].neutral in BROKEN_OFF:
        end = later[-1]
        return excused(BROKEN_OFF[end.neutral], evidence=[accepted_here, at(end, f"{end.raw} via {end.via}")])
    if runs or _asks_for_a_run(history.header, message) or _was_active(history, conversation, message):
        return None
    return excused("no run was active when the message was accepted, and none was requested", evidence=[accepted_here])


def _was_active(history: History, conversation: str, message: Request) -> bool:
    """A run was on when the message was accepted: the last that was seen of the status before."""
    before = [status for status in clean_statuses(history, conversation) if status.t_ns <= message.t_ns]
    return bool(before) and before[-1].neutral in ("active", "queued")


def _asks_for_a_run(header: Header, message: Request) -> bool:
    """The scenario posts this message with a run, or says it on a stream, where each message asks for one."""
    posted = [(plan.get("act"), plan.get("with") or {}) for plan in header.plan.get("acts") or ()]
    return any(
        (options.get("run") or act == "user.say") and _head(str(options.get("text", ""))) == _head(message.text)
        for act, options in posted
    )


def _began(request: Request) -> int:
    return request.began_ns or request.t_ns


def _head(text: str) -> str:
    return text.strip()[:CHARS].strip()


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


GUARANTEES = (
    Guarantee(
        id="loop.answered",
        level=Level.MUST,
        promise="A user message that was accepted is in the log exactly once and in a later request to the model, unless the run "
        "was paused, failed or deleted.",
        hurts="users whose message is not answered",
        judge=per_conversation(answered),
        rests_on=frozenset({LOG, DISK, MODEL, STATUS, STREAM, CLIENT, WIRE, ENGINE}),
    ),
)
