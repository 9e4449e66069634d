"""The webhooks of the OpenHands agent-server: batches of events at `/events/<id>`, and the conversation itself at another route."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from tailproof.adapters.openhands.events import decode
from tailproof.incoming import json
from tailproof.protocol.webhooks import HooksWanted, Posted, Webhooks

_BATCH = re.compile(r"/events/([0-9a-f-]{32,36})$")
_FIRST = "OH_WEBHOOKS_0_"


class OpenHandsWebhooks(Webhooks):
    """A value without state. The receiver gets the session key (`WebhookSubscriber.session_api_key`)."""

    key_field = "x-session-api-key"

    def environment(self, wanted: HooksWanted) -> Mapping[str, str]:
        return {
            f"{_FIRST}BASE_URL": wanted.url,
            f"{_FIRST}EVENT_BUFFER_SIZE": str(wanted.batch),
            f"{_FIRST}FLUSH_DELAY": f"{wanted.flush_s:g}",
            f"{_FIRST}NUM_RETRIES": str(wanted.retries),
            f"{_FIRST}RETRY_DELAY": str(wanted.retry_s),
        }

    def posted(self, path: str, raw: bytes | bytearray) -> Posted:
        route = _BATCH.search(path)
        if route is None:
            return Posted()
        batch = json.decode(raw, list[msgspec.Raw])
        return Posted(conversation=route[1], events=[decode(bytes(item)) for item in batch])
