"""The second socket of a conversation (from 1.45.0): events in envelopes, and other things between them."""

from __future__ import annotations

import msgspec

from tailproof.incoming import json
from tailproof.incoming.websocket import WebSocket

_OF_EVENTS = ("durable", "transient")
"""The envelopes that hold an event."""


class SessionSocket(WebSocket):
    """Brings the events out of their envelopes."""

    def receive(self) -> bytearray | None:
        """The next event; what is no envelope of one is read over. Raises Unsound."""
        while (raw := super().receive()) is not None:
            envelope = json.decode(raw, _Envelope, outline=True)
            if envelope.type in _OF_EVENTS:
                return bytearray(envelope.event)
        return None


class _Envelope(msgspec.Struct):
    type: str = ""
    event: msgspec.Raw = msgspec.Raw()
