"""Turns what an adapter saw and was answered into records of the history."""

from __future__ import annotations

from typing import Any, Literal, cast

from tailproof.history.recorder import Recorder
from tailproof.history.server_records import Event, Request, Status
from tailproof.protocol.adapter import Adapter, Answer, Seen

TEXT_CHARS = 200


def event_of(seen: Seen, recorder: Recorder, *, reading: str, conversation: str, epoch: int, t_ns: int = 0) -> Event:
    """An event as one witness saw it on one occasion, its body kept in the line or in the store."""
    event = Event(
        reading=reading,
        id=seen.id,
        name=seen.name,
        conversation=conversation,
        role=seen.role,
        durable=seen.durable,
        call=seen.call,
        status=seen.status,
        ts=seen.ts,
        source=seen.source,
        text=recorder.masker.cut(seen.text, TEXT_CHARS) if len(seen.text) > TEXT_CHARS else seen.text,
        epoch=epoch,
    )
    event.t_ns = t_ns
    return recorder.keep(event, seen.body, seen.raw)


def request_of(answer: Answer, *, conversation: str = "", epoch: int = 0, text: str = "") -> Request:
    """A request and its answer. `text` is what was sent; without it the text of an unexpected answer stands there."""
    request = Request(
        verb=cast(Any, answer.verb),
        method=answer.method,
        path=answer.path,
        code=answer.code,
        error=answer.error,
        flaw=answer.flaw,
        cut=answer.cut,
        began_ns=answer.began_ns,
        conversation=conversation,
        epoch=epoch,
        text=(text or answer.text)[:TEXT_CHARS],
    )
    request.t_ns = answer.ended_ns
    return request


def status_of(
    raw: str,
    adapter: Adapter,
    *,
    conversation: str,
    via: Literal["rest", "stream", "disk", "client"],
    epoch: int,
    t_ns: int = 0,
    after_load: bool = False,
) -> Status:
    """A status that somebody saw, raw and neutral."""
    status = Status(
        conversation=conversation, via=via, raw=raw, neutral=adapter.neutral(raw), epoch=epoch, after_load=after_load
    )
    status.t_ns = t_ns
    return status
