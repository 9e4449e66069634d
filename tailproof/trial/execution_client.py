"""The client of an executor: what it asks, what it is told, what it reads again; all of it is recorded as the witness `observer`."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from tailproof.history.execution_records import Turn
from tailproof.history.recorder import Recorder
from tailproof.history.server_records import Reading, Status, Stream, WholeEvent
from tailproof.incoming.limits import Unsound
from tailproof.incoming.stream import IN_ORDER, MessageStream, Refused
from tailproof.protocol.adapter import Answer
from tailproof.protocol.executor import ExecutorAdapter, ExecutorApi, Said
from tailproof.protocol.recording import record_event, request_of
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

POLL_S = 0.2
AGAIN_S = 0.2
"""The pause before a stream that broke is taken up again."""
REPLAY_S = 10.0
BEYOND = "999999999"
"""The id of an event that there is not."""
_JOIN_S = 5.0


class ExecutionClient:
    """One session with one turn."""

    def __init__(
        self,
        adapter: ExecutorAdapter,
        api: ExecutorApi,
        recorder: Recorder,
        budget: Budget,
        *,
        epoch: Callable[[], int],
    ) -> None:
        self.session = ""
        self.execution = ""
        self.deadline_s = 0
        self._adapter = adapter
        self._api = api
        self._recorder = recorder
        self._witness = recorder.witness("observer")
        self._budget = budget
        self._epoch = epoch
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}
        self._neutral: dict[str, str] = {}
        self._readings = 0
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stream: MessageStream | None = None

    # -- asking -----------------------------------------------------------------------------------------------------------

    def ready(self) -> Answer:
        """Whether it takes requests. Recorded when it does."""
        answer = self._api.ready()
        if answer.ok:
            self._record(answer)
        return answer

    def create(self, sandbox: dict[str, object]) -> Answer:
        """A session."""
        answer, self.session = self._api.create_session(sandbox)
        self._record(answer)
        return answer

    def ask(self, script: Sequence[str], *, key: str) -> Turn:
        """A turn; the first execution that is acknowledged is the one that is followed."""
        answer, execution = self._api.send_turn(self.session, script, key=key)
        self._record(answer, text=key)
        turn = Turn(
            session=self.session,
            key=key,
            payload=hashlib.blake2b(msgspec.json.encode(list(script)), digest_size=8).hexdigest(),
            execution=execution,
            code=answer.code,
            error=answer.error,
            began_ns=answer.began_ns,
            epoch=self._epoch(),
        )
        turn.t_ns = answer.ended_ns
        self._witness.write(turn)
        self.execution = self.execution or execution
        return turn

    def release(self) -> Answer:
        """Give the session back."""
        return self.told(self._api.release(self.session))

    def told(self, answer: Answer) -> Answer:
        """Write an answer down that somebody else got."""
        self._record(answer)
        return answer

    # -- watching ---------------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """From now on ask for the status again and again, and listen to the execution's events, until `close`."""
        for work in (self._poll, self._listen):
            thread = threading.Thread(target=work, name=work.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def shows(self, *, session: bool = False) -> str:
        """The last status of the execution, or of the session, in neutral words."""
        with self._lock:
            return self._neutral.get("session" if session else "execution", "none")

    def ended(self) -> bool:
        """The execution was seen to have ended."""
        return self.shows() in ("done", "failed", "interrupted")

    def close(self) -> None:
        """Stop watching. Idempotent."""
        self._closing.set()
        stream = self._stream
        if stream is not None:
            stream.end()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def _poll(self) -> None:
        while not self._closing.is_set():
            answer, said = self._api.execution(self.execution)
            self._record(answer)
            self.deadline_s = said.deadline_s or self.deadline_s
            self._status(answer, said, run=self.execution)
            answer, said = self._api.session(self.session)
            self._record(answer)
            self._status(answer, said, run="")
            self._closing.wait(POLL_S)

    def _status(self, answer: Answer, said: Said, *, run: str) -> None:
        if not answer.ok:
            return
        neutral = self._adapter.neutral(said.raw)
        whose = "execution" if run else "session"
        with self._lock:
            known = self._last.get(whose)
            self._last[whose], self._neutral[whose] = said.raw, neutral
        if known == said.raw:
            return
        status = Status(
            conversation=self.session, via="rest", raw=said.raw, neutral=neutral, run=run, epoch=self._epoch()
        )
        status.t_ns = answer.ended_ns
        self._witness.write(status)

    def _listen(self) -> None:
        """To the end of the execution; whenever the stream breaks, from the last event on."""
        after = ""
        while not self._closing.is_set():
            try:
                after, over = self._subscription(after, run=self.execution, path="direct")
            except (Refused, Unsound, OSError, DeadlineMissed):
                over = False
            except Cancelled:
                return
            if over:
                return
            self._closing.wait(AGAIN_S)

    def _subscription(self, after: str, *, run: str, path: str) -> tuple[str, bool]:
        """The id of the last event, and whether the executor ended the stream. Raises what `MessageStream.open` does."""
        stream = self._api.stream(execution=run, after=after)
        self._stream = stream if path == "direct" else self._stream
        reading = self._reading("stream")
        since = "cursor" if after else "all"
        way = {"conversation": self.session, "run": run, "path": path, "since": since, "after": after}
        self._witness.write(_stream(reading, "opened", self._epoch(), way))
        code, reason = 0, ""
        try:
            stream.open(self._budget.part(REPLAY_S))
            self._witness.write(_stream(reading, "subscribed", self._epoch(), way))
            while (raw := stream.receive()) is not None:
                event = self._adapter.decode(raw)
                after = event.id
                self._event(event, reading)
        except (Refused, Unsound, OSError, DeadlineMissed) as error:
            reason = str(error)
            raise
        finally:
            code, said = stream.close()
            ended = code == IN_ORDER and not self._closing.is_set() and not reason
            closed = _stream(reading, "closed", self._epoch(), way)
            closed.code, closed.reason = (IN_ORDER if ended else 0), reason or said
            self._witness.write(closed)
        return after, ended

    # -- reading ----------------------------------------------------------------------------------------------------------

    def read(self, *, final: bool) -> list[str]:
        """The log of the session, and the ids in it."""
        reading = self._reading("page")
        way = {"reading": reading, "reader": "rest", "conversation": self.session, "final": final}
        self._witness.write(_reading("begin", way))
        answer, events = self._api.events(self.session)
        self._record(answer)
        ids = [event.id for event in events]
        for event in events:
            self._event(event, reading)
        end = _reading("end", way)
        end.count, end.pages, end.complete, end.error = (
            len(ids),
            1,
            answer.ok,
            answer.error or ("" if answer.ok else str(answer.code)),
        )
        self._witness.write(end)
        return ids

    def replay(self, ids: Sequence[str]) -> None:
        """Ask once more for what is behind the beginning, the middle, the last event but one, the last one, and one that is not there."""
        if not ids:
            return
        cursors = dict.fromkeys(("", ids[len(ids) // 2], ids[-2] if len(ids) > 1 else "", ids[-1], BEYOND))
        for after in cursors:
            try:
                self._subscription(after, run=self.execution, path="replay")
            except (Refused, Unsound, OSError, DeadlineMissed):
                continue  # its record says how it ended

    def _event(self, event: WholeEvent, reading: str) -> None:
        record_event(
            event,
            self._recorder,
            self._witness,
            reading=reading,
            conversation=event.conversation or self.session,
            epoch=self._epoch(),
        )

    def _reading(self, source: str) -> str:
        with self._lock:
            self._readings += 1
            return f"{source}:{self._readings}"

    def _record(self, answer: Answer, text: str = "") -> None:
        self._witness.write(request_of(answer, conversation=self.session, epoch=self._epoch(), text=text))


def _stream(reading: str, stage: str, epoch: int, way: dict[str, str]) -> Stream:
    record = Stream(reading=reading, stage=stage, epoch=epoch, **way)  # type: ignore[arg-type]
    record.t_ns = time.monotonic_ns()
    return record


def _reading(stage: str, way: dict[str, object]) -> Reading:
    return Reading(stage=stage, **way)  # type: ignore[arg-type]
