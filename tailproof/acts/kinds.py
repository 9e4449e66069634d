"""The acts that tailproof brings, by their names in a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.acts.user import UserDelete, UserMessage, UserPause
from tailproof.faults.fault import Make

KINDS: Mapping[str, Make] = {
    "user.message": UserMessage,
    "user.pause": UserPause,
    "user.delete": UserDelete,
}
