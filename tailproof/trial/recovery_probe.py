"""What is asked of a server that is up again, and in which order: observers act."""

from __future__ import annotations

from tailproof.history import records
from tailproof.history.recorder import Witness
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.recording import request_of
from tailproof.protocol.subscription import SubscriptionRefused
from tailproof.trial.break_off import break_off
from tailproof.trial.observer import Observer
from tailproof.waiting import Budget, DeadlineMissed

_AFTER_LOAD_S = 5.0
_SLACK_S = 0.5
_SUBSCRIBE_S = 30.0


class RecoveryProbe:
    """One return of the server to one conversation. What it does not do in time is for the guarantees to judge: the trial goes
    on by what it shows."""

    def __init__(
        self, observer: Observer, adapter: Adapter, log: Witness, budget: Budget, *, conversation: str
    ) -> None:
        self._observer = observer
        self._adapter = adapter
        self._log = log
        self._budget = budget
        self._conversation = conversation

    def look(self, within_s: float) -> None:
        """The status by GET alone, until it is not active or `within_s` is over; then a load, the status again, a subscription."""
        self._wait_not_active(
            "a status that is not active after the restart, by GET alone", within_s + _SLACK_S, after_load=False
        )
        self._observer.read_log(self._conversation, budget=self._budget)
        self._wait_not_active(
            "a status that is not active after the conversation was loaded", _AFTER_LOAD_S, after_load=True
        )
        self.subscribe()

    def find(self, within_s: float) -> None:
        """The status by GET and the number of events, until both are there or `within_s` is over; then a subscription. For a conversation
        that was at rest."""
        try:
            self._budget.wait_for(
                "the conversation to be there after the restart", self._is_there, within=within_s, every=0.5
            )
        except DeadlineMissed as missed:
            self._log.write(records.Missed(missed.waited_for, missed.seconds, missed.saw))
        self.subscribe()

    def subscribe(self) -> None:
        """Subscribe past the wire, if the server lets us; from here on nobody listens if it does not."""
        try:
            self._observer.subscribe(self._conversation, self._budget.part(_SUBSCRIBE_S))
        except (SubscriptionRefused, DeadlineMissed) as error:
            self._log.write(break_off(error, ("server", "subscribe"), self._log.masker))

    def push(self) -> bool:
        """Ask once for the run that was broken off, and poll its status; False when the server refuses."""
        answer = self._observer.api.run(self._conversation)
        self._log.write(request_of(answer, conversation=self._conversation, epoch=self._observer.epoch))
        if answer.ok:
            self._observer.poll(self._conversation)
        return answer.ok

    def _is_there(self) -> bool:
        """One that fails in any other way is judged for that."""
        return bool(self._observer.read_status(self._conversation)) and (
            self._observer.ask(lambda api, conversation: api.count(conversation)[0], self._conversation).code != 404
        )

    def _wait_not_active(self, waited_for: str, within_s: float, *, after_load: bool) -> None:
        def rests() -> bool:
            raw = self._observer.read_status(self._conversation, after_load=after_load)
            return bool(raw) and self._adapter.neutral(raw) != "active"

        try:
            self._budget.wait_for(
                waited_for,
                rests,
                within=within_s,
                saw=lambda: f"status {self._observer.last_status() or 'none'}",
                every=0.5,
            )
        except DeadlineMissed as missed:
            self._log.write(records.Missed(missed.waited_for, missed.seconds, missed.saw))
