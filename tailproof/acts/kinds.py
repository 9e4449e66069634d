"""The acts that tailproof brings, by their names in a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.acts.access import UserProbeAccess, UserSendSpoiled
from tailproof.acts.user import UserDelete, UserList, UserMessage, UserPause
from tailproof.faults.fault import Make

KINDS: Mapping[str, Make] = {
    "user.message": UserMessage,
    "user.list": UserList,
    "user.pause": UserPause,
    "user.delete": UserDelete,
    "user.probe-access": UserProbeAccess,
    "user.send-spoiled": UserSendSpoiled,
}
