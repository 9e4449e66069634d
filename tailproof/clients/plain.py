"""The plain protocol client: REST and one subscription through the wire. It never repairs what it missed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from tailproof.clients.client import ClientError, ClientRaised, Reportable, Returned
from tailproof.history.record import CLIENT, SETTLED
from tailproof.history.recorder import Recorder
from tailproof.history.records import Run
from tailproof.protocol.adapter import Adapter, Answer, Api
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.recording import request_of, status_of
from tailproof.protocol.subscription import FirstStep, Subscription, SubscriptionRefused
from tailproof.waiting import Budget

POLL_EVERY_S = 0.5
POLITE_S = 1.0
"""How long a request that is under way may take to end when the client is closed."""
ALREADY_RUNNING = 409


class PlainClient:
    """Its run posts one request and polls the status until it rests; `idle` does not count, a run starts from there."""

    name = "plain"
    reports: frozenset[Reportable] = frozenset()
    """It never repairs and has no loop of its own: the guarantees of clients are not about it."""
    tells_requests = True

    def __init__(self, adapter: Adapter, recorder: Recorder, *, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._adapter = adapter
        self._recorder = recorder
        self._witness = recorder.witness(CLIENT)
        self._api: Api | None = None
        self._stream: Subscription | None = None
        self._conversation = ""
        self._runs: list[threading.Thread] = []
        self._returned: dict[int, Returned] = {}
        self._progress = ""
        """How far the newest run has come."""
        self._closing = threading.Event()
        self._first_step = FirstStep(adapter.neutral, alone=False)

    def start(self) -> None:
        """Nothing to get ready."""

    def connect(self, url: str, *, key: str, version: str, budget: Budget) -> None:
        """Only remembers the address. No request outlasts the budget."""
        self._first_step = FirstStep(
            self._adapter.neutral, alone=bool(self._adapter.promises(version).facts.get("first_step_alone"))
        )
        self._api = self._adapter.api(url, key=key, version=version, budget=budget)

    def create(self, plan: ConversationPlan, budget: Budget) -> str:
        """Create the conversation unless it exists, subscribe, and return its id when the subscription was accepted."""
        api = self._connected()
        answer = None if plan.exists else self._record(api.create(plan))
        if answer is not None and not answer.ok:
            raise ClientRaised("create", "Refused", _brief(answer))
        self._conversation = plan.conversation
        self._stream = Subscription(
            self._adapter,
            api,
            self._recorder,
            self._witness,
            conversation=plan.conversation,
            reading="stream:0",
            path="wire",
            epoch=0,
            on_event=self._first_step.noticed,
        )
        try:
            self._stream.open(budget)
        except SubscriptionRefused as refused:
            raise ClientRaised("create", type(refused).__name__, str(refused)) from refused
        return plan.conversation

    def send(self, text: str, budget: Budget) -> None:
        """Post the message without starting a run."""
        answer = self._record(self._connected().send(self._conversation, text, run=False), text)
        if not answer.ok:
            raise ClientRaised("send", "Refused", _brief(answer))

    def run(self) -> None:
        """Post the run and poll, in a thread."""
        number = len(self._runs)
        thread = threading.Thread(target=self._run, args=(number,), name=f"client-run-{number}", daemon=True)
        self._runs.append(thread)
        thread.start()

    def wait_returned(self, budget: Budget) -> Returned:
        """Until the newest run has returned or raised."""
        number = len(self._runs) - 1
        return budget.wait_for(
            "the client's run to return", lambda: self._returned.get(number), saw=lambda: self._progress
        )

    def close(self) -> None:
        """End the polls and the subscription, within seconds whatever the server does."""
        self._closing.set()
        polite = Budget(POLITE_S)
        for thread in self._runs:
            thread.join(polite.left)
        if self._api is not None:
            self._api.close()
        for thread in self._runs:
            thread.join()
        if self._stream is not None:
            self._stream.close()

    def _run(self, number: int) -> None:
        api = self._connected()
        self._witness.write(Run(stage="called", number=number, conversation=self._conversation))
        self._progress = "the request to run is not answered yet"
        answer = self._record(api.run(self._conversation))
        if not answer.ok and answer.code != ALREADY_RUNNING:
            self._end(number, error=f"the run was not accepted: {_brief(answer)}", error_type="RunRefused")
            return
        self._first_step.wait(self._closing)
        while not self._closing.is_set():
            self._progress = "the status is not answered yet"
            answer, raw = api.status(self._conversation)
            self._record(answer)
            self._progress = f"status {raw}" if raw else f"no status: {_brief(answer)}"
            neutral = self._adapter.neutral(raw)
            if answer.ok:
                self._witness.write(
                    status_of(
                        raw,
                        self._adapter,
                        conversation=self._conversation,
                        via="rest",
                        epoch=0,
                        t_ns=answer.ended_ns,
                    )
                )
                if neutral in SETTLED:
                    self._end(number, status=raw)
                    return
            self._closing.wait(POLL_EVERY_S)

    def _end(self, number: int, *, status: str = "", error: str = "", error_type: str = "") -> None:
        record = Run(
            stage="raised" if error_type else "returned",
            number=number,
            conversation=self._conversation,
            status=status,
            neutral=self._adapter.neutral(status),
            error=error,
            error_type=error_type,
        )
        record.t_ns = time.monotonic_ns()
        self._witness.write(record)
        self._returned[number] = Returned(
            number=number, t_ns=record.t_ns, status=status, error=error, error_type=error_type
        )

    def _connected(self) -> Api:
        if self._api is None:
            raise ClientError("the client was not connected")
        return self._api

    def _record(self, answer: Answer, text: str = "") -> Answer:
        self._witness.write(request_of(answer, conversation=self._conversation, text=text))
        return answer


def _brief(answer: Answer) -> str:
    return f"{answer.method} {answer.path} {answer.code} {answer.error or answer.text}".strip()
