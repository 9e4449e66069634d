"""Turns what an adapter saw and was answered into records of the history."""

from __future__ import annotations

from typing import Any, Literal, cast

from tailproof.history.extent import extent_of
from tailproof.history.recorder import Recorder, Witness
from tailproof.history.server_records import Request, Status, WholeEvent
from tailproof.protocol.adapter import Adapter, Answer

TEXT_CHARS = 200


def record_event(
    event: WholeEvent,
    recorder: Recorder,
    witness: Witness,
    *,
    reading: str,
    conversation: str,
    epoch: int,
    t_ns: int = 0,
) -> None:
    """Write down an event that was decoded, with the occasion on which `witness` saw it. It is left without its body, so that
    whoever goes on with it holds no whole log."""
    event.reading, event.conversation, event.epoch, event.t_ns = reading, conversation, epoch, t_ns
    if len(event.text) > TEXT_CHARS:
        event.text = recorder.masker.cut(event.text, TEXT_CHARS)
    witness.write(recorder.keep(event))
    event.body = None


def request_of(answer: Answer, *, conversation: str = "", epoch: int = 0, text: str = "", whole: str = "") -> Request:
    """A request and its answer. `text` is what was sent, or what the `whole` of it is known by; without it the text of an unexpected
    answer stands there."""
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
        extent=extent_of(whole or text),
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
