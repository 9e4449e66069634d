"""Where the promises of an executor come from."""

from __future__ import annotations

from collections.abc import Mapping

SOURCES: Mapping[str, str] = {
    "status.dead": "paradigmxyz/centaur PR 498: a session whose agent container has terminated is stopped, whatever sidecars live on",
    "loop.bounded": "paradigmxyz/centaur PR 498: re-attachments went on until the hard deadline",
    "loop.terminates": "the deadline_s that comes with each execution",
    "loop.once": "the Idempotency-Key of a turn, as draft-ietf-httpapi-idempotency-key-header has it",
    "loop.explained": "paradigmxyz/centaur PR 498: no failure reached the user",
    "events.resumable": "the `after` of its event streams: everything behind that id, in order",
    "events.terminal": "one terminal event for each execution, committed with its status",
}
"""Guarantee -> source."""
