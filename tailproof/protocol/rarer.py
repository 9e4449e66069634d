"""Verbs that some protocols have and others lack. An adapter that has one says so in its facts (`can`, `replays`,
`filters`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from tailproof.incoming.stream import MessageStream, SpokenStream
from tailproof.protocol.frames import MeantWord
from tailproof.protocol.listing import Listed, ListPage
from tailproof.protocol.part import Part
from tailproof.protocol.since import Since
from tailproof.waiting import Budget

if TYPE_CHECKING:
    from tailproof.protocol.adapter import Answer, Page


class RarerVerbs(Protocol):
    """What a subclass of `Api` gets that says nothing else: no scenario that needs it is played with such a protocol."""

    def interrupt(self, conversation: str) -> Answer:
        """Break the step off that is under way; the run then waits for somebody to go on."""
        raise LookupError("no run of this protocol can be interrupted")

    def confirm(self, conversation: str, *, yes: bool) -> Answer:
        """Answer an agent that waits for a confirmation: its actions are carried out, or rejected."""
        raise LookupError("no agent of this protocol waits for a confirmation")

    def fork(self, conversation: str, copy: str) -> Answer:
        """Make another conversation, with the id `copy`, that begins with all that this one holds."""
        raise LookupError("no conversation of this protocol can be forked")

    def give_secret(self, conversation: str, name: str, value: str) -> Answer:
        """Give the conversation one more secret, which its tools may use and nobody may read."""
        raise LookupError("no conversation of this protocol is given secrets later")

    def children(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, tuple[str, ...]]:
        """The ids of the conversations that the agent of this one has started, without loading any."""
        raise LookupError("no agent of this protocol starts conversations")

    def list_page(
        self,
        *,
        status: str = "",
        cursor: str = "",
        size: int = 100,
        ascending: bool = False,
        budget: Budget | None = None,
    ) -> ListPage:
        """Read one page of the list of conversations, of all or of those with this raw status, by the time of their creation. Loads
        none of them."""
        raise LookupError("no server of this protocol lists its conversations")

    def list_count(self, *, status: str = "", budget: Budget | None = None) -> tuple[Answer, int]:
        """The server's own count of them; -1 when it does not say."""
        raise LookupError("no server of this protocol counts its conversations")

    def those(
        self, conversations: Sequence[str], budget: Budget | None = None
    ) -> tuple[Answer, Sequence[Listed | None]]:
        """Several conversations by their ids, in the order asked for; None for one that the server does not know. Loads none."""
        raise LookupError("nobody asks for several conversations of this protocol at once")

    def page_of(
        self,
        conversation: str,
        part: Part,
        *,
        cursor: str = "",
        size: int = 100,
        ascending: bool = True,
        budget: Budget | None = None,
    ) -> Page:
        """Read one page of a part of the log, as `Api.page` reads one of the whole."""
        raise LookupError("no log of this protocol is read in part")

    def count_of(self, conversation: str, part: Part, budget: Budget | None = None) -> tuple[Answer, int]:
        """The server's own count of the events of a part; -1 when it does not say."""
        raise LookupError("no log of this protocol is read in part")

    def stream_since(self, conversation: str, since: Since) -> MessageStream:
        """A subscription that begins in the past, not yet opened (`Api.stream`). A message of it that is no event is not among its
        messages."""
        raise LookupError("no subscription of this protocol begins in the past")

    def speaker(self, conversation: str) -> SpokenStream:
        """A subscription on which one may say something, not yet opened."""
        raise LookupError("on no stream of this protocol anything can be said")

    def meant(self, word: MeantWord, text: str) -> bytes:
        """What is sent on such a stream, as text: a message of the user, or the key once more."""
        raise LookupError("on no stream of this protocol anything can be said")


def abilities_of(facts: Mapping[str, object]) -> frozenset[str]:
    """What of this a release has, as acts ask for it: `can-fork`, `replays-cursor`."""
    return frozenset(f"{fact}-{word}" for fact in ("can", "replays") for word in str(facts.get(fact, "")).split())
