"""Who said what to whom, in order: client, server, model and tools, for trials in which something was violated; and what the trial itself
asked of the server, where a verdict rests on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from tailproof.history.access_records import Canary, Knock
from tailproof.history.reader import History, derived
from tailproof.history.record import CLIENT
from tailproof.history.records import Effect, Exchange, Frame, ModelCall
from tailproof.history.server_records import Request
from tailproof.reports.page.records import Evidence
from tailproof.reports.record_words import address, route, says, troubled
from tailproof.reports.trimming import ends_of

Party = Literal["trial", "client", "server", "model", "tool"]
MOST = 400
"""Messages that are drawn at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One arrow. `flag` as in the records of the page."""

    sender: Party
    receiver: Party
    t_ns: int
    says: str
    address: str
    flag: int


@derived
def sequence(history: History, evidence: Evidence) -> list[Message]:
    """The messages of the trial in the order of the clock, frames that follow one another as one; of very many the first and the last,
    and those that a verdict rests on."""
    every = sorted(_messages(history, evidence), key=lambda message: message.t_ns)
    joined = list(_joined(every))
    return ends_of(joined, MOST, wanted=(place for place, message in enumerate(joined) if message.flag == 1))


def _messages(history: History, evidence: Evidence) -> Iterator[Message]:
    def message(
        record: Frame | Exchange | Request | ModelCall | Effect | Knock | Canary,
        sender: Party,
        receiver: Party,
        says: str,
        t_ns: int,
    ) -> Message:
        flag = 1 if (record.witness, record.seq) in evidence else 2 if troubled(record) else 0
        return Message(sender=sender, receiver=receiver, t_ns=t_ns, says=says, address=address(record), flag=flag)

    for exchange in history.exchanges:
        began = exchange.began_ns or exchange.t_ns
        begin = message(exchange, "client", "server", f"{exchange.method} {route(exchange.path)}", began)
        yield replace(begin, flag=0)
        came = exchange.code or "no answer"
        done = "" if exchange.done in ("passed", "upgraded") else f" ({exchange.done})"
        yield message(exchange, "server", "client", f"{came}{done}", exchange.t_ns)
    for frame in history.frames:
        if frame.done == "control":
            continue
        done = "" if frame.done == "passed" else f" ({frame.done})"
        up = frame.direction == "up"
        yield message(
            frame,
            "client" if up else "server",
            "server" if up else "client",
            f"{frame.name or 'frame'}{done}",
            frame.t_ns,
        )
    if not history.exchanges:
        for request in history.requests:
            if request.witness == CLIENT:
                yield message(
                    request, "client", "server", f"{request.verb} → {request.code or 'no answer'}", request.t_ns
                )
    asked_by_us: tuple[Request | Knock, ...] = (*history.requests, *history.knocks)
    for one in asked_by_us:
        if (one.witness, one.seq) in evidence and one.witness != CLIENT:
            answer = str(one.code or "no answer")
            told = f"{answer} to {says(one).replace(f' → {answer}', '', 1)}"
            yield message(one, "trial", "server", told, one.began_ns or one.t_ns)
    for found in history.canaries:
        if found.stage == "seen" and found.place in ("answer", "download"):
            asked_for, _, code = found.detail.rpartition(" ")
            yield replace(message(found, "trial", "server", asked_for, found.t_ns), flag=0)
            yield message(found, "server", "trial", f"secret in the {code}: {found.name}", found.t_ns)
    for call in history.model_calls:
        asked = call.stage == "asked"
        what = "side request" if call.turn < 0 else f"turn {call.turn + 1}"
        yield message(
            call, "server" if asked else "model", "model" if asked else "server", f"{what} {call.stage}", call.t_ns
        )
    for effect in history.effects:
        begun = effect.stage == "begin"
        yield message(
            effect,
            "server" if begun else "tool",
            "tool" if begun else "server",
            f"{effect.token} {effect.stage}",
            effect.t_ns,
        )


def _joined(messages: list[Message]) -> Iterator[Message]:
    """Plain frames from the server that nothing comes between are one arrow, at the time of the first."""
    row: list[Message] = []
    for message in messages:
        if row and _follows(row[-1], message):
            row.append(message)
            continue
        yield from _as_one(row)
        row = [message]
    yield from _as_one(row)


def _follows(before: Message, message: Message) -> bool:
    stream = all(one.address.startswith("wire:") and not one.says[0].isdigit() for one in (before, message))
    same = (before.sender, before.receiver, before.flag) == (message.sender, message.receiver, message.flag)
    return stream and same and message.flag == 0 and message.sender == "server"


def _as_one(row: list[Message]) -> Iterator[Message]:
    if row:
        yield row[0] if len(row) == 1 else replace(row[0], says=f"{row[0].says} and {len(row) - 1} more frames")
