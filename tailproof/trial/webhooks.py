"""The receiver of webhooks of one trial: how it is made, how the server is told of it, and how long it is listened to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from tailproof.history.recorder import Recorder
from tailproof.history.server_records import Event
from tailproof.hooks.receiver import Receiver
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.webhooks import HooksWanted
from tailproof.scenario.schema import Scenario
from tailproof.targets.target import TargetError
from tailproof.trial.canaries import Lookout
from tailproof.waiting import Budget

WITNESS = "hooks"


class TrialHooks:
    """The receiver, if the scenario has one. Raises TargetError when it gets no port."""

    def __init__(
        self, scenario: Scenario, adapter: Adapter, recorder: Recorder, removal: ExitStack, lookout: Lookout
    ) -> None:
        self.receiver: Receiver | None = None
        self.environment: Mapping[str, str] = {}
        """What the server is told."""
        plan, words = scenario.server.hooks, adapter.webhooks
        if plan is None or words is None:
            return
        # The server proves by it who it is: that is no leak.
        of_the_key = f"the field {words.key_field}" if words.key_field else ""

        def sighted(raw: bytes | bytearray, where: str) -> None:
            if where != of_the_key:
                lookout.look(raw, "hook", where)

        try:
            self.receiver = Receiver(recorder.witness(WITNESS), words.posted, sighted=sighted)
        except OSError as error:
            raise TargetError(f"the receiver of webhooks cannot listen: {error.strerror or error}") from error
        removal.callback(self.receiver.close)
        self.environment = words.environment(HooksWanted(url=self.receiver.url, **plan.model_dump()))

    def start(self) -> None:
        """Take requests from now on."""
        if self.receiver is not None:
            self.receiver.start()

    def await_all(self, log: Iterable[Event], budget: Budget) -> None:
        """Until every event of the log was taken. Raises DeadlineMissed."""
        if self.receiver is None:
            return
        receiver, wanted = self.receiver, {event.id for event in log if event.durable}
        budget.wait_for(
            "every event of the log to be posted",
            lambda: wanted <= receiver.taken(),
            saw=lambda: f"{len(wanted & receiver.taken())} of {len(wanted)} events",
            every=0.05,
        )

    def close(self) -> None:
        """Idempotent."""
        if self.receiver is not None:
            self.receiver.close()
