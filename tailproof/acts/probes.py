"""Requests of other conversations, as records."""

from __future__ import annotations

from tailproof.history.server_records import Request
from tailproof.protocol.adapter import Answer
from tailproof.protocol.recording import request_of


def as_probe(answer: Answer) -> Request:
    """They are judged for their answers alone: they are no part of the trial's own."""
    said = request_of(answer)
    said.verb = "probe"
    return said
