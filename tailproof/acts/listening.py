"""More subscribers to the conversation: some come and go, some come back to where they left off, some do not read."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tailproof.acts.counting import Counts
from tailproof.faults.fault import Proof, Stage
from tailproof.history.server_records import Event, Stream
from tailproof.incoming.connection import Waiting
from tailproof.incoming.stream import MessageStream
from tailproof.protocol.since import From, Since
from tailproof.protocol.subscription import Subscription, SubscriptionRefused
from tailproof.waiting import Cancelled, DeadlineMissed

AT_ONCE_S = 2.0
"""How long the loop is kept held for it: a server may serve a newcomer only when the step under way has ended."""
ACCEPTED_S = 30.0
PAGE = 100
WAITS_S = 30.0
"""How long bytes are waited for that a subscriber does not read."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SubscribeOptions(_Options):
    """`with:` of `user.subscribe`."""

    since: Annotated[From, Field(alias="from")] = "now"
    behind: Annotated[int, Field(ge=1, le=PAGE)] | None = None
    """Of `cursor` and `time`: which event of the log (from 1) is the last one that the subscriber has."""
    count: Annotated[int, Field(ge=1, le=45)] = 1
    """So many at once."""
    rounds: Annotated[int, Field(ge=1, le=50)] = 1
    """How often they come; they go again but for the last time."""

    @model_validator(mode="after")
    def _behind_something(self) -> SubscribeOptions:
        if (self.since in ("cursor", "time")) is not (self.behind is not None):
            raise ValueError("`behind` belongs to `from: cursor` and `from: time`, and they need it")
        return self


class _Listening:
    """What both acts have in common."""

    name: str
    scope = "conversation"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str) -> None:
        self.id = identity


class UserSubscribe(_Listening):
    """More subscribers, from now on or from where they left off. Proven by the first event that the server sends to each."""

    name = "user.subscribe"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = SubscribeOptions.model_validate(options)
        self._waiting: list[Subscription] = []
        self._come = 0
        self._counts = Counts()
        self._left_off: Event | None = None

    def available(self, capabilities: frozenset[str]) -> str | None:
        if self.options.since != "now" and f"replays-{self.options.since}" not in capabilities:
            return f"no subscription of this server begins in the past ({self.options.since})"
        return None

    def describe(self) -> str:
        who = "another user subscribes" if self.options.count == 1 else f"{self.options.count} more users subscribe"
        again = f", and come and go {self.options.rounds} times" if self.options.rounds > 1 else ""
        where = {"now": "", "all": " and asks for the whole log"}.get(
            self.options.since, f" behind event {self.options.behind} of the log ({self.options.since})"
        )
        return f"{who}{where}{again}"

    def inject(self, stage: Stage) -> None:
        since = self._since(stage)
        for round_ in range(1, self.options.rounds + 1):
            fresh = [
                stage.company.listen(f"{self.id}-{round_}.{number}", since)
                for number in range(1, self.options.count + 1)
            ]
            self._waiting += fresh
            for one in fresh:
                one.begin()
            last = round_ == self.options.rounds
            self._wait_accepted(stage, AT_ONCE_S if last else ACCEPTED_S)
            if not last:
                for one in fresh:
                    one.close()
                self._counts.take(stage, when_let_go=round_ == self.options.rounds - 1)

    def verify(self, stage: Stage) -> Proof:
        """Every one of them was accepted: the server sent it an event."""
        self._wait_accepted(stage, ACCEPTED_S)
        wanted = self.options.count * self.options.rounds
        counters = {"accepted": self._come, "of": wanted}
        if self._left_off is not None:
            counters["left off behind event"] = self.options.behind or 0
        return Proof(self._come == wanted, counters)

    def heal(self, stage: Stage) -> None:
        """They stay as long as the observer does: what is sent last is due to them, too."""

    def _wait_accepted(self, stage: Stage, seconds: float) -> None:
        """Whoever is not served at once may be later: `verify` waits once more, and counts."""
        budget = stage.budget.part(seconds)
        while self._waiting:
            try:
                self._waiting[0].wait_accepted(budget)
            except DeadlineMissed:
                return
            except SubscriptionRefused:
                self._waiting.pop(0)
            else:
                self._waiting.pop(0)
                self._come += 1

    def _since(self, stage: Stage) -> Since:
        """Where they left off, as the log shows it. Raises LookupError: the log is shorter."""
        if self.options.behind is None:
            return Since(way=self.options.since)
        place = self.options.behind - 1
        found: list[Event] = []

        def look() -> bool:
            page = stage.company.api().page(stage.conversation, size=PAGE, budget=stage.budget)
            found[:] = page.events
            return len(found) > place

        stage.budget.wait_for(
            f"{self.options.behind} events in the log", look, within=ACCEPTED_S, saw=lambda: f"{len(found)}", every=0.2
        )
        self._left_off = event = found[place]
        return Since(way=self.options.since, event=event.id, ts=event.ts, place=place)


class UserStall(_Listening):
    """A subscriber that stops to read as soon as it has subscribed, behind the smallest buffer that there is. Proven by the bytes that
    the kernel counts as come and not read."""

    name = "user.stall"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        StallOptions.model_validate(options)
        self._stream: MessageStream | None = None
        self._ended = threading.Event()

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        return "another user subscribes and reads nothing"

    def inject(self, stage: Stage) -> None:
        self._stream = stream = stage.company.unread()
        self._tell(stage, "opened")
        stream.open(stage.budget.part(ACCEPTED_S))
        stream.narrow()
        self._tell(stage, "subscribed")

    def verify(self, stage: Stage) -> Proof:
        """Bytes wait that it does not read, by the kernel's count; or the server has ended the connection."""

        def look() -> Waiting | None:
            seen = self._stream.waiting() if self._stream is not None else None
            return seen if seen is not None and (seen.unread or seen.ended) else None

        try:
            seen = stage.budget.wait_for("bytes that nobody reads", look, within=WAITS_S, every=0.05)
        except DeadlineMissed:
            return Proof(False, {"bytes that wait": 0})
        return Proof(
            True, {"bytes that wait": seen.unread, "at the server": seen.unsent, "the server ended it": seen.ended}
        )

    def heal(self, stage: Stage) -> None:
        """It goes away without a word."""
        if self._stream is not None and not self._ended.is_set():
            self._ended.set()
            self._stream.interrupt()
            with suppress(Cancelled, OSError):
                self._stream.close(goodbye_s=0.0)
            self._tell(stage, "closed")

    def _tell(self, stage: Stage, what: Literal["opened", "subscribed", "closed"]) -> None:
        stage.company.tell(
            Stream(
                reading=f"stream:{self.id}",
                stage=what,
                conversation=stage.conversation,
                path="unread",
                epoch=stage.server.epoch,
            )
        )


class StallOptions(_Options):
    """`with:` of `user.stall`: nothing."""
