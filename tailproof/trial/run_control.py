"""The course of a run: the points at which the loop is held, and what tells that it ended and that the client returned or resubscribed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from tailproof.clients.client import Client
from tailproof.faults.fault import Stage
from tailproof.history.record import CLOSERS, RESTING, TERMINAL, Neutral
from tailproof.protocol.adapter import Adapter
from tailproof.scenario.schedule import Moment
from tailproof.trial.observer import Observer
from tailproof.waiting import Budget, DeadlineMissed

LATE_S = 5.0
"""How much longer a client is waited for that is late, behind the healing of every fault."""


class RunControl:
    """Waits with the budget of the trial; `parameters` are those of its history, `reported_s` what a client may take to report
    a long list."""

    def __init__(
        self,
        stage: Stage,
        observer: Observer,
        client: Client,
        adapter: Adapter,
        parameters: Mapping[str, float],
        *,
        reported_s: float,
    ) -> None:
        self.since_ns = 0
        """Statuses from before belong to an earlier run."""
        self.gave_up = False
        """The run was broken off and the server does not take it up again."""
        self.late = False
        """The client's newest run did not return in the time that it was given."""
        self._stage = stage
        self._client = client
        self._adapter = adapter
        self._parameters = parameters
        self._reported_s = reported_s
        self._healed_at = 0.0
        self._played = stage.model
        self._tools = stage.tools
        self._observer = observer
        self._wire = stage.wire
        self._budget = stage.budget

    # -- points of the loop -------------------------------------------------------------------------------------------

    def hold_for(self, moment: Moment) -> None:
        """Let the loop stand still when it gets there, where only the model can hold it."""
        if moment.held_turn is not None:
            self._played.hold(moment.held_turn)

    def reach(self, moment: Moment) -> bool:
        """Wait for the loop to get there; False when the run ended without getting there."""
        if moment.point.outside_runs:
            return True

        def there() -> bool:
            if moment.held_turn is not None:
                return self._played.asked(moment.held_turn) > 0
            if moment.token:
                return self._tools.seen(moment.token) > 0
            if moment.child:
                return self._played.children[moment.child].played.answered(0) > 0
            if moment.stored is not None:
                role, number = moment.stored
                return self._observer.streamed(CLOSERS if role == "observation" else {role}) >= number
            return self.run_ended(moment.last_turn)

        self._budget.wait_for(
            f"the loop to reach {moment.point}",
            lambda: there() or self.run_ended(moment.last_turn),
            within=self.patience(),
            saw=self.last_status,
        )
        if moment.point.name == "returned":
            self.wait_returned()
        return there()

    def release(self, moment: Moment) -> None:
        """Let the loop go on from there. Idempotent."""
        if moment.held_turn is not None:
            self._played.release(moment.held_turn)
        if moment.token:
            self._tools.open_gate(moment.token)

    # -- the course of a run ------------------------------------------------------------------------------------------

    def patience(self) -> float:
        """Seconds that a promise gives a run: scripted time, slack, the lag that was put on the path, and what still lasts."""
        limits = self._parameters
        return limits["scripted"] + limits["loop.terminates"] + limits["lag"] + self._still_lasts()

    def expect_healing(self, seconds: float) -> None:
        """A fault is healed after a fixed time, so many seconds from now: no promise counts before."""
        self._healed_at = max(self._healed_at, time.monotonic() + seconds)

    def _still_lasts(self) -> float:
        return max(0.0, self._healed_at - time.monotonic())

    def run_ended(self, last_turn: int) -> bool:
        """The run of the last message (or push) is over: a resting status behind an active one or behind its last reply. Raises
        WireError when nobody could see it end any more."""
        self._wire.check()
        if self.gave_up or self._stage.deleted:
            return True
        statuses = self._observer.statuses(self.since_ns)
        if not statuses or statuses[-1].neutral not in RESTING:
            return False
        active = next((place for place, status in enumerate(statuses) if status.neutral == "active"), None)
        was_active = active is not None
        if statuses[-1].neutral == "idle":
            # What somebody posts after the end makes a conversation idle again, and so does a rejection of what waited; before the run it
            # is idle anyway.
            return was_active and any(status.neutral in TERMINAL | {"waiting"} for status in statuses[active:])
        return was_active or self._played.answered(last_turn - 1) > 0

    def wait_returned(self) -> None:
        """Until the client's run has returned, or had the time that `loop.returns` gives it. Raises DeadlineMissed. One of which nothing is
        asked but the protocol's words looks for a deleted conversation for as long as it is let."""
        limits = self._parameters
        allowed = limits["loop.returns"] + limits["lag"] + self._still_lasts()
        # It has returned when all that it held was reported, and that may be a long list.
        budget = self._budget.part(allowed + 2.0 + self._reported_s)
        try:
            if self._client.reports:
                self._client.wait_returned(budget)
            else:
                self._wait_returned_or_deleted(budget)
        except DeadlineMissed:
            self.late = True
            raise

    def _wait_returned_or_deleted(self, budget: Budget) -> None:
        saw = ""

        def over() -> bool:
            nonlocal saw
            try:
                self._client.wait_returned(budget.part(0.0))
            except DeadlineMissed as missed:
                saw = missed.saw
                return self._stage.deleted
            return True

        budget.wait_for("the client's run to return", over, saw=lambda: saw)

    def wait_late(self, budget: Budget) -> None:
        """Give a run that did not return in its time a little more, now that nothing is in its way: late and never are two findings,
        and which one it is must not hang on how long the end of a trial takes."""
        if self.late:
            with suppress(DeadlineMissed):  # that it was waited for in vain is said already
                self._client.wait_returned(budget.part(LATE_S + self._reported_s))

    def streams(self) -> int:
        """How many subscriptions of the client the wire has seen upgraded so far."""
        return self._wire.counters()["streams"]

    def wait_reconnected(self, before: int) -> None:
        """Until the client has subscribed once more than `before` times, or had the time that `stream.resumed` gives it.

        Raises DeadlineMissed.
        """
        self._budget.wait_for(
            "the client to subscribe again",
            lambda: self.streams() > before,
            within=self._parameters["stream.resumed"],
            saw=lambda: f"{self.streams()} subscriptions",
            every=0.1,
        )

    def shows(self, status: Neutral) -> bool:
        """This is what the observer saw last: `active`, as far as it knows a run is under way."""
        return self._adapter.neutral(self._observer.last_status()) == status

    def last_status(self) -> str:
        """The raw status seen last."""
        return f"status {self._observer.last_status() or 'none'}"
