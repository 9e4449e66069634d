"""What a client that tells nothing has asked of the server, read from the journal of the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from tailproof.adapters.adapter import Adapter
from tailproof.history.records import AnyRecord, Exchange, Request, Vocabulary

_NOT_THE_SERVER = frozenset({"refused", "black-hole", "reset-before"})
"""The server never heard of these, whatever the client was answered."""


def requests_of(journal: Path, adapter: Adapter) -> Iterator[Request]:
    """The requests that change something, as the client's own, in the order of their ends. Reads stay the wire's alone."""
    for exchange in _exchanges(journal):
        asked = adapter.asked(exchange.method, exchange.path)
        if asked.verb and exchange.done not in _NOT_THE_SERVER:
            request = Request(
                verb=cast(Any, asked.verb),
                method=exchange.method,
                path=exchange.path,
                code=exchange.code,
                error="" if exchange.code else exchange.done,
                began_ns=exchange.began_ns,
                conversation=asked.conversation,
            )
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


def _exchanges(journal: Path) -> Iterator[Exchange]:
    """Lines that were torn off, or are no exchange, are left out: the reader of the history tells about them."""
    decoder = msgspec.json.Decoder(AnyRecord)
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    for line in lines:
        if b'"exchange"' not in line:
            continue
        try:
            record = decoder.decode(line)
        except msgspec.MsgspecError:
            continue
        if isinstance(record, Exchange):
            yield record
