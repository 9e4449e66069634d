"""What a conversation of another user shows: when it is left alone, and to whoever comes back to it."""

from __future__ import annotations

import time
from typing import Literal

from tailproof.acts.probes import as_probe
from tailproof.faults.fault import Stage
from tailproof.history.server_records import Neighbour

EVENTS = 100
"""The conversations of others are short: one page."""


def look_at(stage: Stage, conversation: str, when: Literal["left", "found"]) -> None:
    """Ask for its status, and then for its events, which may load it. Raises Cancelled, DeadlineMissed."""
    api, began_ns = stage.company.api(), time.monotonic_ns()
    answer, raw = api.status(conversation, stage.budget)
    stage.company.tell(as_probe(answer))
    page = api.page(conversation, size=EVENTS, budget=stage.budget)
    stage.company.tell(as_probe(page.answer))
    stage.company.tell(
        Neighbour(
            conversation=conversation,
            when=when,
            began_ns=began_ns,
            code=answer.code,
            raw=raw,
            neutral=stage.adapter.neutral(raw),
            events=[event.id for event in page.events if event.durable],
            complete=page.answer.ok and not page.cursor,
            epoch=stage.server.epoch,
            t_ns=time.monotonic_ns(),
        )
    )
