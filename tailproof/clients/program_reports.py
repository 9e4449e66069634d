"""What a client program told, one line at a time, and how it is written down."""

from __future__ import annotations

import threading
import time
from typing import Literal

import msgspec

from tailproof.clients.client import Returned
from tailproof.history import records
from tailproof.history.record import CLIENT
from tailproof.history.recorder import Recorder
from tailproof.history.records import Note, Run
from tailproof.history.server_records import Reading
from tailproof.incoming.limits import Unsound
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.recording import record_event, status_of

CALLBACKS = "callback:0"
"""The reading that lists what callbacks got: begun before the client is told to create, ended when the program has."""
ERROR_CHARS = 500
EVENT_CHARS = 200
ENDED = "Ended"
"""The error type of a program that ended by itself."""


class Report(msgspec.Struct, rename={"is_": "is", "type_": "type"}):
    """One line of the program."""

    is_: str
    t_ns: int = 0
    version: str = ""
    conversation: str = ""
    number: int = -1
    status: str = ""
    status_error: str = ""
    error: str = ""
    type_: str = ""
    did: str = ""
    reading: str = ""
    count: int = 0
    final: bool = False
    exit_code: int | None = None
    """Of a run that ended with the program itself."""
    event: msgspec.Raw = msgspec.Raw(b"")


class ProgramReports:
    """The reports of one program: kept for the one who waits for them, and written as records of the client witness."""

    def __init__(self, adapter: Adapter, recorder: Recorder) -> None:
        self.conversation = ""
        """What the client says that it created; set by the one who waited for it."""
        self.failed: Report | None = None
        """The newest command that raised, until somebody took it."""
        self.returned: dict[int, Returned] = {}
        """How each run ended, once all that was held at its end is written."""
        self._adapter = adapter
        self._recorder = recorder
        self._witness = recorder.witness(CLIENT)
        self._lock = threading.Lock()
        self._said: dict[str, Report] = {}
        self._open: dict[str, tuple[Report, int]] = {}
        self._called: set[int] = set()
        self._callbacks_begun = False
        self._undumped = 0

    def said(self, word: str) -> Report | None:
        """The newest report of this kind: `ready`, `created`, `sent`."""
        return self._said.get(word)

    def forget(self, word: str) -> None:
        """The next report of this kind is a new one."""
        with self._lock:
            self._said.pop(word, None)

    def note(self, text: str) -> None:
        """Something worth reading that no guarantee stands on."""
        self._witness.write(Note(text=text))

    def begin_callbacks(self) -> None:
        """From here on everything that callbacks get is told."""
        self._callbacks_begun = True
        self._write_callbacks("begin")

    def end(self, *, why: str, died_with: int | None) -> None:
        """The program has ended. `why` is empty when it was asked to and had told everything; `died_with` is the exit code of one
        that ended by itself: it has raised in every run that it did not return from."""
        for held, left in self._open.values():
            cut = self._reading(held, "end")
            cut.complete, cut.error = False, f"the client ended with {left} events unreported"
            self._witness.write(cut)
        if self._callbacks_begun:
            unread = f"{self._undumped} events of the client have no JSON" if self._undumped else ""
            self._write_callbacks("end", why_cut=why or unread)
        if died_with is not None:
            now = time.monotonic_ns()
            for number in sorted(self._called - set(self.returned)):
                self._take_end(
                    Report(is_="raised", number=number, type_=ENDED, error=why, exit_code=died_with, t_ns=now)
                )

    def take(self, report: Report) -> None:
        """Write down one report. Called by one thread, in the order of the reports."""
        match report.is_:
            case "event":
                self._take_event(report)
            case "held":
                self._begin_held(report)
            case "called":
                self._write_run(report, "called")
                self._called.add(report.number)
            case "swallowed":
                self._witness.write(
                    records.ClientError(
                        verb=report.did,
                        error_type=report.type_,
                        error=self._cut(report.error),
                        conversation=self.conversation,
                        t_ns=report.t_ns,
                    )
                )
            case "returned" | "raised":
                self._take_end(report)
            case "failed":
                self._witness.write(Note(text=self._cut(f"{report.did}: {report.type_}: {report.error}")))
                if report.did == "dump":
                    self._undumped += report.reading == CALLBACKS
                    self._count_down(report.reading)
                else:
                    self.failed = report
            case _:
                with self._lock:
                    self._said[report.is_] = report

    def _begin_held(self, report: Report) -> None:
        begin = self._reading(report, "begin")
        self._witness.write(begin)
        if report.count:
            self._open[report.reading] = (report, report.count)
        else:
            self._witness.write(self._reading(report, "end"))

    def _take_event(self, report: Report) -> None:
        try:
            event = self._adapter.decode(bytes(report.event))
        except Unsound as unsound:
            given = self._recorder.masker.start(bytes(report.event), EVENT_CHARS)
            self._witness.write(Note(text=f"{report.reading}: what the client gave is no event: {unsound}: {given!r}"))
        else:
            record_event(
                event,
                self._recorder,
                self._witness,
                reading=report.reading,
                conversation=self.conversation,
                epoch=0,
                t_ns=report.t_ns,
            )
        self._count_down(report.reading)

    def _count_down(self, reading: str) -> None:
        """One event of a list that is held has come, readable or not; with the last one the reading ends."""
        if reading not in self._open:
            return
        held, left = self._open.pop(reading)
        if left > 1:
            self._open[reading] = (held, left - 1)
        else:
            self._witness.write(self._reading(held, "end"))

    def _take_end(self, report: Report) -> None:
        self._write_run(report, "raised" if report.is_ == "raised" else "returned")
        if report.status:
            status = status_of(
                report.status,
                self._adapter,
                conversation=self.conversation,
                via="client",
                epoch=0,
                t_ns=report.t_ns,
            )
            self._witness.write(status)
        if report.status_error:
            self._witness.write(Note(text=f"the status could not be had when run() ended: {report.status_error}"))
        self.returned[report.number] = Returned(
            number=report.number,
            t_ns=report.t_ns,
            status=report.status,
            error=report.error,
            error_type=report.type_,
        )

    def _write_callbacks(self, stage: Literal["begin", "end"], *, why_cut: str = "") -> None:
        record = Reading(
            reading=CALLBACKS, stage=stage, reader="client", conversation=self.conversation, order="as-held"
        )
        record.complete, record.error = not why_cut, why_cut
        record.t_ns = time.monotonic_ns()
        self._witness.write(record)

    def _write_run(self, report: Report, stage: str) -> None:
        run = Run(
            stage=stage,  # type: ignore[arg-type]
            number=report.number,
            conversation=self.conversation,
            status=report.status,
            neutral=self._adapter.neutral(report.status),
            error=self._cut(report.error),
            error_type=report.type_,
            reading=report.reading,
            exit_code=report.exit_code,
        )
        run.t_ns = report.t_ns
        self._witness.write(run)

    def _cut(self, text: str, limit: int = ERROR_CHARS) -> str:
        return self._recorder.masker.cut(text, limit)

    def _reading(self, report: Report, stage: str) -> Reading:
        reading = Reading(
            reading=report.reading,
            stage=stage,  # type: ignore[arg-type]
            reader="client",
            conversation=self.conversation,
            final=report.final,
            order="as-held",
            count=report.count,
        )
        reading.t_ns = report.t_ns if stage == "begin" else time.monotonic_ns()
        return reading
