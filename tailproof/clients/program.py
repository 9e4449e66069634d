"""Drives a client in a process and environment of its own by JSON lines, and writes down what it reports.

The protocol is that of `sdk_program.py`; any program that follows it can be a client under test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from tailproof.adapters.adapter import Adapter, ConversationPlan
from tailproof.adapters.openhands_api import TOOL_PATIENCE_S
from tailproof.adapters.recording import event_of, status_of
from tailproof.clients.client import EVERYTHING, WITNESS, ClientError, ClientRaised, Returned, Tells
from tailproof.history import records
from tailproof.history.recorder import Recorder
from tailproof.history.records import Note, Reading, Run
from tailproof.waiting import Budget

SDK_PROGRAM = Path(__file__).with_name("sdk_program.py")
"""Drives a released OpenHands SDK: `INTERPRETER -I sdk_program.py`."""
LOG_NAME = "client.log"
CALLBACKS = "callback:0"
"""The reading that lists what callbacks got: begun before the client is told to create, ended when the program has."""
ENDED = "Ended"
"""The error type of a program that ended by itself."""
CLOSE_S = 15.0
KILL_S = 5.0

Found = TypeVar("Found")


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
    event: msgspec.Raw = msgspec.Raw(b"")


class ProgramClient:
    """`name` is the client as it was asked for, `facts` what goes into the header's `versions` beside its own release. What the
    program prints goes to `client.log` in `scratch`."""

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        recorder: Recorder,
        *,
        command: Sequence[str | Path],
        scratch: Path,
        environment: Mapping[str, str],
        tells: frozenset[Tells] = EVERYTHING,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.environment = environment
        self.tells = tells
        self._facts = facts or {}
        self._command = command
        self._adapter = adapter
        self._recorder = recorder
        self._witness = recorder.witness(WITNESS)
        self._scratch = scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read, name="client-reports", daemon=True)
        self._lock = threading.Lock()
        self._said: dict[str, Report] = {}
        self._failed: Report | None = None
        self._returned: dict[int, Returned] = {}
        self._open: dict[str, tuple[Report, int]] = {}
        self._runs = 0
        self._called: set[int] = set()
        self._heard = False
        self._code: int | None = None
        self._conversation = ""
        self._url = ""
        self._key = ""
        self._closed = False
        self._gone = threading.Event()

    def start(self) -> None:
        """Start the program; importing an SDK takes seconds, `connect` waits for it."""
        home = self._scratch / "client-home"
        home.mkdir(parents=True, exist_ok=True)
        with (self._scratch / LOG_NAME).open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    [str(word) for word in self._command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=home,
                    env={
                        "PATH": os.environ.get("PATH", os.defpath),
                        "HOME": str(home),
                        "LANG": "C.UTF-8",
                        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                        "OPENHANDS_SUPPRESS_BANNER": "1",
                        "DO_NOT_TRACK": "1",
                        **self.environment,
                    },
                    start_new_session=True,
                )
            except OSError as error:
                raise ClientError(
                    f"the client {self.name} cannot be started with {self._command[0]}: {error}"
                ) from error
        self._reader.start()

    def connect(self, url: str, *, key: str, version: str, budget: Budget) -> None:
        """Wait until the SDK is ready; it connects when the conversation is created."""
        self._url, self._key = url, key
        release = self._await("ready", "", "the client to be ready", budget).version
        self._recorder.header.versions.update({**self._facts, "client": release})
        self._recorder.write_header()

    def create(self, plan: ConversationPlan, budget: Budget) -> str:
        """Construct the `RemoteConversation`: it creates the conversation (or attaches to it), reads it and subscribes."""
        if "callbacks" in self.tells:
            self._write_callbacks("begin")
        self._tell(
            {
                "do": "create",
                "host": self._url,
                "key": self._key,
                "conversation": plan.conversation,
                "model_url": plan.model_url,
                "model_retries": plan.model_retries,
                "working_dir": plan.workspace,
                "max_iterations": plan.max_iterations,
                "tool_patience_s": TOOL_PATIENCE_S,
                "exists": plan.exists,
                "confirm": plan.confirm,
            }
        )
        created = self._await("created", "create", "the client to create the conversation", budget)
        self._conversation = created.conversation
        return self._conversation

    def send(self, text: str, budget: Budget) -> None:
        """Post a user message."""
        with self._lock:
            self._said.pop("sent", None)
        self._tell({"do": "send", "text": text})
        self._await("sent", "send", "the client to send the message", budget)

    def run(self) -> None:
        """Call the blocking `run()` in a thread of the program."""
        self._tell({"do": "run", "number": self._runs})
        self._runs += 1

    def wait_returned(self, budget: Budget) -> Returned:
        """Until the newest `run()` has returned or raised, and all that it held was reported. A program that ended by itself
        meanwhile has raised."""
        number = self._runs - 1
        return budget.wait_for(
            "the client's run to return",
            lambda: self._checked(self._returned.get(number), "run"),
            saw=self._last_words,
        )

    def kill(self) -> None:
        """SIGKILL the program, as a machine that fails would."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Ask the program to report what it holds and to end; kill it when it does not."""
        process = self._process
        if self._closed or process is None:
            return
        self._closed = True
        if process.poll() is None:
            try:
                self._tell({"do": "close"})
            except ClientError as error:
                self._witness.write(Note(text=str(error)))
            try:
                process.wait(CLOSE_S)
            except subprocess.TimeoutExpired:
                self._witness.write(Note(text=f"the client did not end within {CLOSE_S:g} s and was killed"))
                process.kill()
        process.wait(KILL_S)
        self._reader.join(KILL_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)

    # -- what is told -----------------------------------------------------------------------------------------------

    def _tell(self, command: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise ClientError("the client was not started")
        try:
            process.stdin.write(msgspec.json.encode(command) + b"\n")
            process.stdin.flush()
        except (OSError, ValueError) as error:
            self._gone.wait(KILL_S)
            raise self._ended(command["do"]) from error

    def _await(self, report: str, verb: str, waited_for: str, budget: Budget) -> Report:
        return budget.wait_for(waited_for, lambda: self._checked(self._said.get(report), verb), saw=self._last_words)

    def _checked(self, found: Found | None, verb: str) -> Found | None:
        """What was found; raises ClientError when it cannot come any more. `verb` is what the client was told to do."""
        if found is not None:
            return found
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise ClientRaised(failed.did, failed.type_, failed.error)
        if self._gone.is_set():
            raise self._ended(verb)
        return None

    def _ended(self, verb: str) -> ClientError:
        """A program that ends while it works with the server is a finding; one that never got ready, or was killed, is not."""
        if verb and self._by_itself:
            return ClientRaised(verb, ENDED, self._obituary())
        return ClientError(self._obituary())

    @property
    def _by_itself(self) -> bool:
        return self._code is not None and self._code != -signal.SIGKILL

    def _obituary(self) -> str:
        return f"the client ended by itself (exit code {self._code}): {self._last_words()}"

    def _last_words(self) -> str:
        log = self._scratch / LOG_NAME
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "its log is empty")

    # -- what is reported -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        decode = msgspec.json.Decoder(Report).decode
        for line in self._process.stdout:
            try:
                self._take(decode(line))
            except msgspec.MsgspecError as error:
                self._witness.write(Note(text=f"a report of the client cannot be read: {error}: {line[:200]!r}"))
        for held, left in self._open.values():
            cut = self._reading(held, "end")
            cut.complete, cut.error = False, f"the client ended with {left} events unreported"
            self._witness.write(cut)
        try:
            self._code = self._process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            self._witness.write(Note(text="the client closed its reports and did not end"))
        if self._heard:
            self._write_callbacks("end")
        if not self._closed:
            self._witness.write(Note(text=self._obituary()))
            self._end_open_runs()
        self._gone.set()

    def _take(self, report: Report) -> None:
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
                        error=report.error,
                        conversation=self._conversation,
                        t_ns=report.t_ns,
                    )
                )
            case "returned" | "raised":
                self._take_end(report)
            case "failed":
                self._witness.write(Note(text=f"{report.did}: {report.type_}: {report.error}"[:500]))
                if report.did == "dump":
                    self._count_down(report.reading)
                else:
                    self._failed = report
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
        seen = self._adapter.decode(bytes(report.event))
        if seen is None:
            self._witness.write(
                Note(text=f"{report.reading}: what the client gave is no event: {bytes(report.event)[:200]!r}")
            )
        else:
            event = event_of(
                seen,
                self._recorder,
                reading=report.reading,
                conversation=self._conversation,
                epoch=0,
                t_ns=report.t_ns,
            )
            self._witness.write(event)
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
                conversation=self._conversation,
                via="client",
                epoch=0,
                t_ns=report.t_ns,
            )
            self._witness.write(status)
        if report.status_error:
            self._witness.write(Note(text=f"the status could not be had when run() ended: {report.status_error}"))
        self._returned[report.number] = Returned(
            number=report.number,
            t_ns=report.t_ns,
            status=report.status,
            error=report.error,
            error_type=report.type_,
        )

    def _end_open_runs(self) -> None:
        """A program that ended by itself has raised in every run that it did not come back from."""
        if self._by_itself:
            for number in sorted(self._called - set(self._returned)):
                self._take_end(
                    Report(is_="raised", number=number, type_=ENDED, error=self._obituary(), t_ns=time.monotonic_ns())
                )

    def _write_callbacks(self, stage: Literal["begin", "end"]) -> None:
        """Everything that callbacks got stands between its begin and its end; it is whole when the client was asked to end."""
        record = Reading(
            reading=CALLBACKS, stage=stage, reader="client", conversation=self._conversation, order="as-held"
        )
        if stage == "end" and not (self._closed and self._code == 0):
            record.complete, record.error = False, self._obituary()
        record.t_ns = time.monotonic_ns()
        self._heard = stage == "begin"
        self._witness.write(record)

    def _write_run(self, report: Report, stage: str) -> None:
        run = Run(
            stage=stage,  # type: ignore[arg-type]
            number=report.number,
            conversation=self._conversation,
            status=report.status,
            neutral=self._adapter.neutral(report.status),
            error=report.error[:500],
            error_type=report.type_,
            reading=report.reading,
            exit_code=self._code,
        )
        run.t_ns = report.t_ns
        self._witness.write(run)

    def _reading(self, report: Report, stage: str) -> Reading:
        reading = Reading(
            reading=report.reading,
            stage=stage,  # type: ignore[arg-type]
            reader="client",
            conversation=self._conversation,
            final=report.final,
            order="as-held",
            count=report.count,
        )
        reading.t_ns = report.t_ns if stage == "begin" else time.monotonic_ns()
        return reading


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        # The program died with a command unread; its end is in the history already.
        return
