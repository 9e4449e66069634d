"""What this protocol is called."""

from __future__ import annotations

PROTOCOL = "openhands"
