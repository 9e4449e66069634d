"""More users of the server than the client under test and the observer: acts bring them on stage."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from tailproof.history.record import Record
from tailproof.history.recorder import Recorder, Witness
from tailproof.history.server_records import Reading
from tailproof.incoming.stream import MessageStream
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.protocol.adapter import Adapter, Answer, Api, Page
from tailproof.protocol.conversation import ConversationPlan, Equipment
from tailproof.protocol.hearing import Hearing
from tailproof.protocol.recording import record_event
from tailproof.protocol.since import NOW, Since
from tailproof.protocol.subscription import Subscription
from tailproof.trial.observer import Observer

USER = "user"
"""The name of their witness."""


class Company:
    """They go past the wire. `conversation` tells that of the trial. What the model says in other conversations is written below
    `scratch`, where nobody reads it. Every agent has the same `equipment`."""

    def __init__(
        self,
        adapter: Adapter,
        recorder: Recorder,
        observer: Observer,
        model: ScriptedModel,
        *,
        conversation: Callable[[], str],
        workspace: str,
        scratch: Path,
        equipment: Equipment,
    ) -> None:
        self._adapter = adapter
        self._recorder = recorder
        self._observer = observer
        self._model = model
        self._conversation = conversation
        self._workspace = workspace
        self._scratch = scratch
        self._equipment = equipment
        self.others: set[str] = set()
        self.deleted: set[str] = set()
        self._numbers = itertools.count()
        self._elsewhere: Witness | None = None
        self._subscriptions: list[Subscription] = []
        self._hearings: list[Hearing] = []
        self._gone = False

    def listen(self, reading: str, since: Since) -> Subscription:
        """See `faults.fault.Company`."""
        subscription = Subscription(
            self._adapter,
            self._observer.api,
            self._recorder,
            self._recorder.witness(USER),
            conversation=self._conversation(),
            reading=f"stream:{reading}",
            path="direct" if since == NOW else "resumed",
            epoch=self._observer.epoch,
            since=since,
            tells_status=False,
        )
        self._subscriptions.append(subscription)
        if self._gone:
            subscription.close()
        return subscription

    def unread(self) -> MessageStream:
        """See `faults.fault.Company`."""
        return self._observer.api.stream(self._conversation())

    def look(self, reading: str, *, ascending: bool) -> Answer:
        """See `faults.fault.Company`."""
        shown = list[Page]()

        def ask(api: Api, conversation: str) -> Answer:
            shown.append(api.page(conversation, ascending=ascending))
            return shown[0].answer

        conversation, epoch, witness = self._conversation(), self._observer.epoch, self._recorder.witness(USER)
        answer = self._observer.ask(ask, conversation)
        page = shown[0]
        begin = Reading(reading, "begin", "rest", conversation=conversation, epoch=epoch)
        begin.order = "ascending" if ascending else "descending"
        begin.t_ns = answer.began_ns
        witness.write(begin)
        for event in page.events:
            record_event(
                event,
                self._recorder,
                witness,
                reading=reading,
                conversation=conversation,
                epoch=epoch,
                t_ns=answer.ended_ns,
            )
        end = Reading(reading, "end", "rest", conversation=conversation, epoch=epoch)
        end.order, end.pages, end.code, end.t_ns = begin.order, 1, answer.code, answer.ended_ns
        end.error = answer.error or ("one page of several" if page.cursor else "")
        end.complete = answer.ok and not page.cursor
        witness.write(end)
        return answer

    def hear(self, conversation: str) -> Hearing:
        """See `faults.fault.Company`."""
        hearing = Hearing(self._adapter, self._observer.api, conversation, epoch=self._observer.epoch)
        self._hearings.append(hearing)
        if self._gone:
            hearing.leave()
        return hearing

    def tell(self, record: Record) -> None:
        """See `faults.fault.Company`."""
        self._recorder.witness(USER).write(record)

    def beside(self, name: str, script: Sequence[Turn]) -> tuple[ConversationPlan, PlayedScript]:
        """See `faults.fault.Company`."""
        if self._elsewhere is None:
            self._elsewhere = Witness("model", self._scratch / "beside.jsonl", self._recorder.masker)
        played = self._model.serve(f"{name}-{next(self._numbers)}", script, journal="", witness=self._elsewhere)
        plan = ConversationPlan(
            conversation=str(uuid.uuid4()),
            model_url=played.url,
            workspace=f"{self._workspace}/{played.name}",
            equipment=self._equipment,
        )
        return plan, played

    def api(self, url: str = "") -> Api:
        """See `faults.fault.Company`."""
        return self._observer.api_at(url) if url else self._observer.api

    def unsubscribe(self) -> None:
        """Close every subscription, and whatever is opened later. Idempotent."""
        self._gone = True
        for hearing in list(self._hearings):
            hearing.leave()
        for subscription in list(self._subscriptions):
            subscription.close()

    def close(self) -> None:
        """Give back what was opened for them. Idempotent."""
        self.unsubscribe()
        if self._elsewhere is not None:
            self._elsewhere.close()
