"""The readings of a trial that show a whole log at once: the server's own pages, and its disk."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from math import ceil
from pathlib import Path

from tailproof.history.recorder import Recorder
from tailproof.history.server_records import Reading
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.recording import record_event, status_of
from tailproof.trial.log import Log
from tailproof.trial.observer import COUNT_S, LARGEST, Observer
from tailproof.trial.parts import page_size, parts_of
from tailproof.waiting import Budget

PAGINGS = ((3, True), (10, True), (7, False))
"""Page sizes and directions (ascending) in which the log is read once more at the end; larger pages where it is long."""
AT_THE_LIMITS = ((1, False), (LARGEST - 1, True), (LARGEST, False), (LARGEST + 1, True), (0, True))
"""The same, around the least and the largest page: where the log is longer than that, and so short that it can be read event by event."""
PAGES = 100
"""So many requests are spent on one paging at most, as far as the largest page of the server allows it."""
READ_S = 0.02
"""How long it may take to read one event of a long log, all pagings together, in seconds."""


def read_at_last(observer: Observer, conversation: str, budget: Budget) -> Log:
    """Status, the whole log, the log in other pages and directions and in parts in both, all while `budget` lasts, and the status again;
    the log."""
    observer.stop_polling()
    observer.read_status(conversation, budget=budget.part(budget.left / 2))
    log = observer.read_log(conversation, final=True, budget=budget)
    for size, ascending in _pagings(len(log.events), observer.facts):
        if budget.left > COUNT_S:
            observer.read_log(conversation, page_size=size, ascending=ascending, budget=budget)
    parts = list(parts_of(log.events, str(observer.facts.get("filters", "")).split()))
    # Each part in one direction, and only then each in the other: whoever runs out of time has asked with every filter.
    for turn in (0, 1):
        for number, part in enumerate(parts):
            if budget.left > COUNT_S and not (part.id and turn):
                size, ascending = page_size(log.events), (number + turn) % 2 == 0
                observer.read_log(conversation, part=part, page_size=size, ascending=ascending, budget=budget)
    observer.read_status(conversation, after_load=True, budget=budget)
    return log


def _pagings(events: int, facts: Mapping[str, object]) -> Iterator[tuple[int, bool]]:
    """Page sizes and directions in which a log of so many events is read once more."""
    for least, ascending in PAGINGS:
        yield min(LARGEST - least, least * max(1, ceil(events / least / PAGES))), ascending
    if LARGEST < events <= 2 * LARGEST and facts.get("page_size") == LARGEST:
        yield from AT_THE_LIMITS


def record_disk(
    adapter: Adapter,
    recorder: Recorder,
    copy: Path,
    *,
    epoch: int,
    final: bool,
    only: str,
    damaged: Container[str] = (),
) -> str:
    """The conversation `only` in a copy of the server's disk, as the witness `disk`, and its raw status; empty where there is none. It is
    whole without the files that were `damaged`."""
    found = ""
    witness = recorder.witness("disk")
    name = f"disk:{epoch}{'-final' if final else ''}"
    for conversation, status, events, unreadable in adapter.disk(copy):
        if conversation.replace("-", "") != only.replace("-", ""):
            continue
        witness.write(Reading(name, "begin", "disk", conversation=conversation, final=final, epoch=epoch))
        for event in events:
            record_event(event, recorder, witness, reading=name, conversation=conversation, epoch=epoch)
        end = Reading(name, "end", "disk", conversation=conversation, final=final, epoch=epoch)
        end.complete = all(one.partition(":")[0] in damaged for one in unreadable)
        end.error = ", ".join(unreadable)
        witness.write(end)
        if status:
            found = status
            witness.write(status_of(status, adapter, conversation=conversation, via="disk", epoch=epoch))
    return found
