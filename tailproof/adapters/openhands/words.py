"""The words that only this protocol has. Nothing outside of its package knows one of them, and a test looks for that."""

from __future__ import annotations

from tailproof.adapters.openhands.events import ROLES, STATE_UPDATE, WHOLE_STATE
from tailproof.adapters.openhands.requests import CONVERSATIONS, INIT, SOCKETS

WORDS: tuple[str, ...] = (
    *(CONVERSATIONS, INIT, SOCKETS, "/server_info", "/events/search", "respond_to_confirmation"),
    *(*ROLES, STATE_UPDATE, WHOLE_STATE, "execution_status", "waiting_for_confirmation"),
    *("base_state.json", "page_id", "sort_order", "session_api_key", "X-Session-API-Key", "X-Init-API-Key"),
    *("OpenHands", "openhands", "OPENHANDS", "agent_server", "agent-server", "OH_", "LITELLM"),
    *("RemoteConversation", "TypeScript"),
)
"""Routes; kinds of events and what is in them; files, parameters and headers; names of the product, of what it is built on, and of
their settings."""
