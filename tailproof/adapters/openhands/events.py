"""Translates events of the OpenHands agent-server into neutral words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailproof.history.extent import extent_of
from tailproof.history.record import TERMINAL, Neutral, Role
from tailproof.history.server_records import WholeEvent
from tailproof.incoming import json as incoming
from tailproof.incoming.words import word
from tailproof.protocol.adapter import EventWord, NotAnEvent

TEXT_CHARS = 8192
"""More than is kept: whoever keeps it knows what must not be cut in half."""
STATE_UPDATE = "ConversationStateUpdateEvent"
WHOLE_STATE = "full_state"

NEUTRAL: Mapping[str, Neutral] = {
    "": "none",
    "idle": "idle",
    "running": "active",
    "paused": "interrupted",
    "waiting_for_confirmation": "waiting",
    "finished": "done",
    "error": "failed",
    "stuck": "stuck",
    "deleting": "none",
}
"""`ConversationExecutionStatus` (the same words since 1.6.0). `deleting` is shown to webhooks only, when nothing is left to
have a status."""

SHOWN: Mapping[EventWord, Mapping[str, Any]] = {
    "terminal-status": {
        "name": STATE_UPDATE,
        "field": {"key": "execution_status", "value": [raw for raw, neutral in NEUTRAL.items() if neutral in TERMINAL]},
    }
}
"""How the events are known that show something."""

ROLES: Mapping[str, Role] = {
    "MessageEvent": "message",
    "ActionEvent": "action",
    "ObservationEvent": "observation",
    "UserRejectObservation": "rejection",
    "AgentErrorEvent": "error",
    "ConversationErrorEvent": "error",
    "ServerErrorEvent": "error",
    "Condensation": "bookkeeping",
    "CondensationRequest": "bookkeeping",
    "CondensationSummaryEvent": "bookkeeping",
    "LLMCompletionLogEvent": "bookkeeping",
    "HookExecutionEvent": "bookkeeping",
    "SecurityAnalysisEvent": "bookkeeping",
    "TokenEvent": "bookkeeping",
}
"""Kinds that are not here are `other`: system prompts, pauses, interrupts, deltas, and whatever a later release adds."""

NEVER_STORED = frozenset({"ServerErrorEvent", "StreamingDeltaEvent"})

_EXACT = 1 << 53
"""Below it a number with a fraction and one without are the same number everywhere."""


def decode(raw: bytes | bytearray) -> WholeEvent:
    """One event from a frame, an item of a page or a file.

    A null field and an absent one mean the same in this protocol, and so do 0.0 and 0; readers differ in which they write. The
    body comes without nulls and with whole numbers as such, so that one event has one digest whoever read it.

    Raises NotAnEvent, and Unsound for what is more than is taken or no JSON at all.
    """
    body = incoming.decode(raw)
    if not isinstance(body, dict) or body.get("id", "") == "" or "kind" not in body:
        raise NotAnEvent("what came is no event")
    identity, name = word(body["id"], "the id of an event"), word(body["kind"], "the kind of an event")
    role = ROLES.get(name, "other")
    durable = name not in NEVER_STORED
    status = ""
    if name == STATE_UPDATE:
        role, durable, status = _state_update(body)
    readable = _READABLE.get(name, _no_text)(body)
    return WholeEvent(
        id=identity,
        name=name,
        role=role,
        durable=durable,
        call=word(_text(body.get("tool_call_id")), "the tool call id of an event"),
        status=word(status, "the status in an event"),
        ts=word(_text(body.get("timestamp")), "the time stamp of an event"),
        source=word(_text(body.get("source")), "the source of an event"),
        text=readable[:TEXT_CHARS],
        extent=extent_of(readable) if role == "message" else None,
        body=_canonical(body),
        size=len(raw),
    )


def _state_update(body: dict[str, Any]) -> tuple[Role, bool, str]:
    key, value = body.get("key"), body.get("value")
    if key == WHOLE_STATE:
        return "snapshot", False, _text(value.get("execution_status")) if isinstance(value, dict) else ""
    if key == "execution_status":
        return "status", True, _text(value)
    return "bookkeeping", True, ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _no_text(body: dict[str, Any]) -> str:
    return ""


def _content(body: dict[str, Any], *path: str) -> str:
    here: Any = body
    for key in path:
        here = here.get(key) if isinstance(here, dict) else None
    if isinstance(here, str):
        return here
    parts = here if isinstance(here, list) else []
    return " ".join(_text(part.get("text")) for part in parts if isinstance(part, dict)).strip()


def _action(body: dict[str, Any]) -> str:
    action = body.get("action")
    words = action if isinstance(action, dict) else {}
    return _text(words.get("command")) or _text(words.get("message")) or _text(body.get("tool_name"))


_READABLE: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "MessageEvent": lambda body: _content(body, "llm_message", "content"),
    "SystemPromptEvent": lambda body: _content(body, "system_prompt", "text"),
    "ActionEvent": _action,
    "ObservationEvent": lambda body: _content(body, "observation", "content"),
    "UserRejectObservation": lambda body: _text(body.get("rejection_reason")),
    "AgentErrorEvent": lambda body: _text(body.get("error")),
    "ConversationErrorEvent": lambda body: f"{_text(body.get('code'))}: {_text(body.get('detail'))}",
    "ServerErrorEvent": lambda body: f"{_text(body.get('code'))}: {_text(body.get('detail'))}",
    STATE_UPDATE: lambda body: _text(body.get("key")),
}


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and abs(value) < _EXACT and value.is_integer():
        return int(value)
    return value
