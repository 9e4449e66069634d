"""What a request to an OpenHands agent-server asks for, told from its request line alone."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from tailproof.adapters.adapter import Asked

CONVERSATIONS = "/api/conversations"
INIT = "/api/init"

ROUTES: Mapping[str, tuple[str, str]] = {
    "create": ("POST", CONVERSATIONS),
    "send": ("POST", f"{CONVERSATIONS}/*/events"),
    "run": ("POST", f"{CONVERSATIONS}/*/run"),
    "pause": ("POST", f"{CONVERSATIONS}/*/pause"),
    "interrupt": ("POST", f"{CONVERSATIONS}/*/interrupt"),
    "delete": ("DELETE", f"{CONVERSATIONS}/*"),
    "init": ("POST", INIT),
}
"""Verb -> method and path of the requests that change something; `*` stands for the id of a conversation."""

_FILTERED = (f"{CONVERSATIONS}/search", f"{CONVERSATIONS}/count")
"""Where `?status=WORD` asks for the conversations that have this status."""


def asked(method: str, target: str) -> Asked:
    """Verb, conversation and status words of one request; empty where it has none of ours."""
    path, _, query = target.partition("?")
    path = path.rstrip("/")
    words = tuple(parse_qs(query).get("status", ())) if path in _FILTERED else ()
    parts = path.split("/")
    for verb, (wanted, route) in ROUTES.items():
        pattern = route.split("/")
        if method == wanted and len(parts) == len(pattern):
            pairs = list(zip(parts, pattern, strict=True))
            if all(part == word or word == "*" for part, word in pairs):
                named = [part for part, word in pairs if word == "*"]
                return Asked(verb=verb, conversation=named[0] if named else "", words=words)
    return Asked(words=words)
