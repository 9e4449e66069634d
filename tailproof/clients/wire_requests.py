"""What a client has asked of the server, read from the journal of the wire: no client is believed about itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from tailproof.history.extent import extent_of
from tailproof.history.records import AnyRecord, Exchange
from tailproof.history.server_records import Request, Vocabulary
from tailproof.incoming.json import decoder
from tailproof.protocol.adapter import Adapter

TEXT_CHARS = 200
Said = Sequence[tuple[int, str]]
"""From when on the client was to say what, in that order."""


def requests_of(journal: Path, adapter: Adapter, said: Said = ()) -> Iterator[Request]:
    """What was asked of the server that the adapter knows, as the client's own, in the order of their ends. The server never got
    a request that a rule kept back for good, whatever its sender was answered; one that was kept back for a while was asked
    when it was passed on. Texts are not in the journal of the wire: what the client was told to say, it sends from then on,
    until it is told something else."""
    for exchange in _exchanges(journal):
        asked = adapter.asked(exchange.method, exchange.path)
        if asked.verb and exchange.passed_ns:
            request = Request(
                verb=cast(Any, asked.verb),
                method=exchange.method,
                path=exchange.path,
                code=exchange.code,
                error=exchange.error or ("" if exchange.code else exchange.done),
                flaw=exchange.flaw,
                began_ns=exchange.passed_ns,
                conversation=asked.conversation,
                rule=exchange.rule,
            )
            if asked.verb == "send":
                text = _text(said, exchange.began_ns)
                request.text, request.extent = text[:TEXT_CHARS], extent_of(text)
            request.t_ns = exchange.t_ns
            yield request


def words_asked_for(journal: Path, adapter: Adapter) -> list[Vocabulary]:
    """The status words that the client asked the server to filter by; each request line once."""
    found: dict[str, Vocabulary] = {}
    for exchange in _exchanges(journal):
        words = adapter.asked(exchange.method, exchange.path).words
        if words:
            source = f"{exchange.method} {exchange.path}"
            found.setdefault(source, Vocabulary(words=[], source=source, waited_for=list(words)))
    return list(found.values())


def _text(said: Said, moment_ns: int) -> str:
    return next((text for since_ns, text in reversed(said) if since_ns <= moment_ns), "")


def _exchanges(journal: Path) -> Iterator[Exchange]:
    """Lines that were torn off, or are no exchange, are left out: the reader of the history tells about them."""
    decode = decoder(AnyRecord).decode
    if not journal.exists():
        return
    with journal.open("rb") as lines:
        for line in lines:
            if b'"exchange"' not in line:
                continue
            try:
                record = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if isinstance(record, Exchange):
                yield record
