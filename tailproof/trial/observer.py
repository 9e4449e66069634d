"""The clean-room observer: what a healthy subscriber and reader get, on a direct connection past the wire."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from tailproof.history.record import TERMINAL
from tailproof.history.recorder import Recorder
from tailproof.history.server_records import Event, Reading, Status
from tailproof.incoming.limits import EMPTY_PAGES, LOG_EVENTS, LOG_PAGES, Exceeded
from tailproof.protocol.adapter import Adapter, Answer, Api, Page
from tailproof.protocol.part import ALL, Part
from tailproof.protocol.recording import record_event, request_of, status_of
from tailproof.protocol.subscription import FirstStep, Subscription
from tailproof.trial.log import Log
from tailproof.waiting import Budget, DeadlineMissed

POLL_EVERY_S = 0.5
POLITE_S = 2.0
"""How long a poll that is under way may take to end, once it is not wanted any more."""
CURSOR_CHARS = 60
COUNT_S = 1.0
"""What the server's own count of events is left of the time for a reading: it tells of one that does not end."""
COUNT_EVERY = 10_000
"""Behind so many events of a reading the server is asked how many there are: one that shows more and more is not read for as long as it
likes, but as far as it can be told from one whose log grows."""
LARGEST = 100
"""Events of a page, unless asked for otherwise."""


class Observer:
    """Everything it asks and gets is recorded, because reads act. Used by the trial's thread; streams and polls have their own.

    `epoch` is set by the trial at every new life of the server, before anything else is asked. No request outlasts `budget`, or the
    budget that a method was called with.
    """

    def __init__(
        self,
        adapter: Adapter,
        recorder: Recorder,
        *,
        url: str,
        key: str,
        version: str,
        budget: Budget | None = None,
        secret: str = "",
        witness: str = "observer",
    ) -> None:
        self.epoch = 0
        self.api_at = partial(adapter.api, key=key, version=version, budget=budget, secret=secret)
        """The same user's way to a server at another address."""
        self.api = self.api_at(url)
        self._adapter = adapter
        self._recorder = recorder
        self._witness = recorder.witness(witness)
        self._streams: list[Subscription] = []
        self._readings = itertools.count()
        self._listing: tuple[int, str] | None = None
        self._statuses: list[Status] = []
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self.beside_poll: Callable[[Budget], object] = lambda budget: None
        """What else is looked at whenever the status is polled."""
        self._poller: threading.Thread | None = None
        self._stop_polling = threading.Event()
        self._cut_poll = Budget(math.inf)
        self.facts = adapter.promises(version).facts
        """What the protocol promises."""
        self._first_step = FirstStep(adapter.neutral, alone=bool(self.facts.get("first_step_alone")))

    # -- readiness ------------------------------------------------------------------------------------------------

    def ready(self, budget: Budget, *, alive: Callable[[], bool] = lambda: True) -> Answer:
        """Ask until the server says that it takes requests. Only the first refusal of a kind and the last answer are recorded.

        Raises as `Budget.wait_for` does, and DeadlineMissed at once when the server is not `alive` any more.
        """
        last: list[Answer] = []

        def look() -> Answer | None:
            if last and not alive():
                ended = f"{_brief(last[-1])}; the server has ended"
                raise DeadlineMissed("the server to be ready", time.monotonic() - began, ended)
            answer = self.api.ready(budget)
            if answer.cut and last:
                return None
            if not last or (answer.code, answer.error) != (last[-1].code, last[-1].error):
                self._record(answer, "")
            last.append(answer)
            return answer if answer.ok else None

        began = time.monotonic()
        return budget.wait_for("the server to be ready", look, saw=lambda: _brief(last[-1]), every=0.1)

    # -- another user -----------------------------------------------------------------------------------------------

    def ask(self, verb: Callable[[Api, str], Answer], conversation: str, *, text: str = "", whole: str = "") -> Answer:
        """Ask the server for anything, as another user of it would. `text` is what is sent along, or, beside the `whole` of it, what it is
        known by. Safe from any thread."""
        answer = verb(self.api, conversation)
        self._witness.write(request_of(answer, conversation=conversation, epoch=self.epoch, text=text, whole=whole))
        return answer

    def version(self) -> str:
        """The release that the server says it is; empty when it does not say. Only what is wrong with its answer is recorded."""
        answer, version = self.api.version()
        self._record_flaw(answer)
        return version

    def vocabulary(self) -> tuple[tuple[str, ...], str]:
        """The status words that the server publishes, and where. Only what is wrong with its answer is recorded."""
        answer, words, source = self.api.vocabulary()
        self._record_flaw(answer)
        return words, source

    def conversations(self) -> tuple[str, ...]:
        """The conversations that the server shows. Only an answer of another kind than the last one is recorded."""
        answer, shown = self.api.conversations()
        if (answer.code, answer.error) != self._listing:
            self._listing = (answer.code, answer.error)
            self._record(answer, "")
        return shown

    # -- streams --------------------------------------------------------------------------------------------------

    def subscribe(self, conversation: str, budget: Budget) -> str:
        """Subscribe and return the name of the reading once the server has accepted.

        Raises:
            SubscriptionRefused: the server did not accept.
            DeadlineMissed, Cancelled: as `Budget.wait_for`.
        """
        stream = Subscription(
            self._adapter,
            self.api,
            self._recorder,
            self._witness,
            conversation=conversation,
            reading=f"stream:{len(self._streams)}",
            path="direct",
            epoch=self.epoch,
            on_event=lambda event: self._noticed(conversation, event),
        )
        self._streams.append(stream)
        stream.open(budget)
        return stream.reading

    @property
    def subscribed(self) -> bool:
        """The newest subscription is alive."""
        return bool(self._streams) and self._streams[-1].alive

    def unsubscribe(self) -> None:
        """Close every subscription. Idempotent."""
        for stream in self._streams:
            stream.close()

    # -- statuses -------------------------------------------------------------------------------------------------

    def read_status(self, conversation: str, *, after_load: bool = False, budget: Budget | None = None) -> str:
        """Read the status without loading the conversation; the raw word, empty when the server shows none.

        `after_load` is set by a caller that has loaded the conversation before, in this life of the server.
        """
        answer, raw = self.api.status(conversation, budget)
        self._record(answer, conversation)
        if answer.ok:
            status = status_of(
                raw,
                self._adapter,
                conversation=conversation,
                via="rest",
                epoch=self.epoch,
                t_ns=answer.ended_ns,
                after_load=after_load,
            )
            self._witness.write(status)
            self._saw_status(status)
        return raw

    def poll(self, conversation: str) -> None:
        """Read the status every half second, in a thread, until `stop_polling`."""
        self.stop_polling()
        self._stop_polling = stop = threading.Event()
        self._cut_poll = Budget(math.inf)
        self._poller = threading.Thread(
            target=self._poll, args=(conversation, stop, self._cut_poll), name="status-poll", daemon=True
        )
        self._poller.start()

    def stop_polling(self) -> None:
        """Idempotent; when it returns, no poll is under way."""
        self._stop_polling.set()
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.join(POLITE_S)
            self._cut_poll.cancel.set()
            poller.join()

    def last_status(self) -> str:
        """The status seen last, raw; empty when none was seen."""
        with self._lock:
            return self._statuses[-1].raw if self._statuses else ""

    def statuses(self, since_ns: int = 0) -> list[Status]:
        """All statuses that were seen (stream or poll) from `since_ns` on, in the order in which they were seen."""
        with self._lock:
            return [status for status in self._statuses if status.t_ns >= since_ns]

    def wait_status(
        self, waited_for: str, wanted: Callable[[Status], bool], budget: Budget, *, since_ns: int = 0
    ) -> Status:
        """Until a status that `wanted` accepts was seen (stream or poll) after `since_ns`. Raises as `Budget.wait_for` does."""
        return budget.wait_for(
            waited_for,
            lambda: next((status for status in self.statuses(since_ns) if wanted(status)), None),
            saw=lambda: f"status {self.last_status() or 'none'}",
        )

    def wait_terminal(self, budget: Budget, *, since_ns: int = 0) -> Status:
        """Until a terminal status was seen after `since_ns`."""
        return self.wait_status(
            "a terminal status", lambda status: status.neutral in TERMINAL, budget, since_ns=since_ns
        )

    def wait_event(
        self, waited_for: str, wanted: Callable[[Event], bool], budget: Budget, *, n: int = 1, since_ns: int = 0
    ) -> Event:
        """Until the stream brought `n` events that `wanted` accepts; the n-th. Raises as `Budget.wait_for` does."""

        def look() -> Event | None:
            with self._lock:
                found = [event for event in self._events if event.t_ns >= since_ns and wanted(event)]
            return found[n - 1] if len(found) >= n else None

        return budget.wait_for(waited_for, look, saw=self._last_event)

    def streamed(self, roles: Collection[str]) -> int:
        """How many events with one of these roles the stream has brought so far."""
        with self._lock:
            return len({event.id for event in self._events if event.role in roles})

    # -- the log --------------------------------------------------------------------------------------------------

    def read_log(
        self,
        conversation: str,
        *,
        page_size: int = LARGEST,
        ascending: bool = True,
        part: Part = ALL,
        final: bool = False,
        budget: Budget | None = None,
    ) -> Log:
        """Read the whole log, or a part of it, page by page, and the server's own count behind it. A page that fails ends the reading,
        and so does the end of `budget`."""
        name = f"{'part' if part.said else 'page'}:{next(self._readings)}"
        begin = Reading(name, "begin", "rest", conversation=conversation, final=final, epoch=self.epoch)
        begin.order, begin.part, begin.page_size = (
            "ascending" if ascending else "descending",
            dict(part.said),
            page_size,
        )
        self._witness.write(begin)
        paging = budget.part(max(0.0, budget.left - COUNT_S)) if budget is not None else None
        events, pages, code, error = self._read_pages(begin, part, paging)
        count = -1
        if not part.id:
            answer, count = self._count(conversation, part, budget)
            self._record(answer, conversation)
        end = Reading(name, "end", "rest", conversation=conversation, final=final, epoch=self.epoch)
        end.order, end.part, end.page_size = begin.order, begin.part, page_size
        end.count, end.pages, end.complete, end.error, end.code = count, pages, not error, error, code
        self._witness.write(end)
        return Log(reading=name, events=events, count=count, complete=not error, error=error)

    def close(self) -> None:
        """Stop polling, end the subscriptions, give the connections back. Idempotent."""
        self.stop_polling()
        self.unsubscribe()
        self.api.close()

    def _read_pages(self, begin: Reading, part: Part, budget: Budget | None) -> tuple[list[Event], int, int, str]:
        """Events, pages, what the last of these was answered with, and why there are no more; empty when that was the last one."""
        conversation, events = begin.conversation, list[Event]()
        cursor, cursors, empty, asks_at = "", {""}, 0, COUNT_EVERY
        for pages in range(1, LOG_PAGES + 1):
            page = self._page(begin, part, cursor, budget)
            empty = 0 if page.events or not page.cursor else empty + 1
            answer = page.answer
            if empty > EMPTY_PAGES:
                said = f"more than {EMPTY_PAGES} pages came one behind the other without an event, and each names a next one"
                answer = replace(answer, error=said, flaw=Exceeded.flaw)
            self._record(answer, conversation)
            for event in page.events:
                record_event(
                    event,
                    self._recorder,
                    self._witness,
                    reading=begin.reading,
                    conversation=conversation,
                    epoch=self.epoch,
                    t_ns=page.answer.ended_ns,
                )
            events.extend(page.events)
            code = answer.code
            if not answer.ok:
                return events, pages, code, f"page {pages}: {_brief(answer)}"
            if not page.cursor:
                return events, pages, code, ""
            if page.cursor in cursors:
                shown = self._recorder.masker.cut(page.cursor, CURSOR_CHARS)
                return events, pages, code, f"page {pages}: the cursor {shown!r} came a second time"
            if len(events) > LOG_EVENTS:
                return events, pages, code, f"page {pages}: the log has more than {LOG_EVENTS} events"
            if len(events) >= asks_at:
                asks_at += COUNT_EVERY
                answer, count = self._count(conversation, part, budget)
                self._record(answer, conversation)
                if answer.ok and 0 <= count < len(events) - COUNT_EVERY // 2:
                    return (
                        events,
                        pages,
                        code,
                        f"page {pages}: {len(events)} events came, and the server counts {count}",
                    )
            if budget is not None and not budget.left:
                return events, pages, code, f"no time was left behind page {pages}"
            cursor = page.cursor
            cursors.add(cursor)
        return events, LOG_PAGES, code, f"the log has more than {LOG_PAGES} pages"

    def _page(self, begin: Reading, part: Part, cursor: str, budget: Budget | None) -> Page:
        read = partial(self.api.page_of, part=part) if part.said else self.api.page
        ascending = begin.order == "ascending"
        return read(begin.conversation, cursor=cursor, size=begin.page_size, ascending=ascending, budget=budget)

    def _count(self, conversation: str, part: Part, budget: Budget | None) -> tuple[Answer, int]:
        if part.said:
            return self.api.count_of(conversation, part, budget)
        return self.api.count(conversation, budget)

    # -- what was seen --------------------------------------------------------------------------------------------

    def _poll(self, conversation: str, stop: threading.Event, budget: Budget) -> None:
        self._first_step.wait(stop)
        while not stop.is_set():
            self.read_status(conversation, budget=budget)
            self.beside_poll(budget)
            stop.wait(POLL_EVERY_S)

    def _noticed(self, conversation: str, event: Event) -> None:
        t_ns = time.monotonic_ns()
        self._first_step.noticed(event)
        with self._lock:
            self._events.append(event)
        if event.status:
            self._saw_status(
                status_of(
                    event.status, self._adapter, conversation=conversation, via="stream", epoch=self.epoch, t_ns=t_ns
                )
            )

    def _saw_status(self, status: Status) -> None:
        with self._lock:
            self._statuses.append(status)

    def _last_event(self) -> str:
        with self._lock:
            last = self._events[-1] if self._events else None
        return f"{last.name} {last.id}" if last else "no event"

    def _record_flaw(self, answer: Answer) -> None:
        if answer.flaw:
            self._record(answer, "")

    def _record(self, answer: Answer, conversation: str) -> None:
        self._witness.write(request_of(answer, conversation=conversation, epoch=self.epoch))


def _brief(answer: Answer) -> str:
    return f"{answer.code} {answer.error or answer.text}".strip()
