"""Every protocol that the harness speaks, by name."""

from __future__ import annotations

from tailproof.adapters.adapter import Adapter
from tailproof.adapters.openhands.adapter import OpenHands

PROTOCOL = "openhands"
"""The one that a check speaks; there is no other yet."""

CATALOGUE: dict[str, Adapter] = {"openhands": OpenHands()}


def adapter_for(name: str) -> Adapter:
    """Raises KeyError for a protocol that nobody has written yet."""
    return CATALOGUE[name]
