"""The acts that tailproof brings, by their names in a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.acts.access import UserGiveSecret, UserProbeAccess, UserSendSpoiled
from tailproof.acts.beside import UserConversation
from tailproof.acts.comparing import UserCompare
from tailproof.acts.listening import UserStall, UserSubscribe
from tailproof.acts.listing import UserList
from tailproof.acts.speaking import UserSay
from tailproof.acts.user import UserDelete, UserMessage, UserPause
from tailproof.acts.verbs import UserConfirm, UserFork, UserInterrupt, UserReject, UserRequest, UserRun
from tailproof.faults.fault import Make

KINDS: Mapping[str, Make] = {
    "user.message": UserMessage,
    "user.pause": UserPause,
    "user.delete": UserDelete,
    "user.probe-access": UserProbeAccess,
    "user.send-spoiled": UserSendSpoiled,
    "user.give-secret": UserGiveSecret,
    "user.run": UserRun,
    "user.interrupt": UserInterrupt,
    "user.confirm": UserConfirm,
    "user.reject": UserReject,
    "user.fork": UserFork,
    "user.request": UserRequest,
    "user.subscribe": UserSubscribe,
    "user.stall": UserStall,
    "user.say": UserSay,
    "user.conversation": UserConversation,
    "user.list": UserList,
    "user.compare": UserCompare,
}
