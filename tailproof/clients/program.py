"""Drives a client in a process and environment of its own by JSON lines; what it tells is written down.

The protocol is in `docs/clients/typescript.md`; any program that follows it can be a client under test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from tailproof.clients.client import EVERYTHING, ClientError, ClientRaised, Reportable, Returned
from tailproof.clients.program_reports import ENDED, ProgramReports, Report
from tailproof.history.recorder import TRIAL, Recorder
from tailproof.history.records import BreakOff
from tailproof.incoming.json import decoder
from tailproof.incoming.limits import MESSAGE_BYTES
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import Budget

LOG_NAME = "client.log"
LOG_BYTES = 64 << 10
"""How much of its end is looked at."""
LINE_BYTES = MESSAGE_BYTES + (1 << 20)
"""A report: an event, and what is said about it."""
CLOSE_S = 15.0
KILL_S = 5.0
LINE_CHARS = 200

Found = TypeVar("Found")


class ProgramClient:
    """`name` is the client as it was asked for, `facts` what goes into the header's `versions` beside its own release. What the
    program prints goes to `client.log` in `scratch`."""

    tells_requests = False

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        recorder: Recorder,
        *,
        command: Sequence[str | Path],
        scratch: Path,
        environment: Mapping[str, str],
        reports: frozenset[Reportable] = EVERYTHING,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.environment = environment
        self.reports = reports
        self._facts = facts or {}
        self._command = command
        self._recorder = recorder
        self._adapter = adapter
        self._told = ProgramReports(adapter, recorder)
        self._scratch = scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read, name="client-reports", daemon=True)
        self._runs = 0
        self._lines = 0
        self._code: int | None = None
        self._url = ""
        self._key = ""
        self._closed = False
        self._gone = threading.Event()

    def start(self) -> None:
        """Start the program; importing its libraries takes seconds, `connect` waits for it."""
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
                        "DO_NOT_TRACK": "1",
                        **self._adapter.client_environment,
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
        """Wait until the program is ready; it connects when the conversation is created."""
        self._url, self._key = url, key
        release = self._await("ready", "", "the client to be ready", budget).version
        self._recorder.header.versions.update({**self._facts, "client": release})
        self._recorder.write_header()

    def create(self, plan: ConversationPlan, budget: Budget) -> str:
        """Let it create the conversation (or attach to it), read it and subscribe."""
        if "callbacks" in self.reports:
            self._told.begin_callbacks()
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
                "tool_patience_s": self._adapter.tool_patience_s,
                "exists": plan.exists,
                "confirm": plan.confirm,
                "equipment": plan.equipment,
            }
        )
        created = self._await("created", "create", "the client to create the conversation", budget)
        self._told.conversation = created.conversation
        return created.conversation

    def send(self, text: str, budget: Budget) -> None:
        """Post a user message."""
        self._told.forget("sent")
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
            lambda: self._checked(lambda: self._told.returned.get(number), "run"),
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
                self._told.note(str(error))
            if not self._ends(process):
                self._told.note(f"the client did not end within {CLOSE_S:g} s and was killed")
                process.kill()
        process.wait(KILL_S)
        with suppress(ProcessLookupError):
            # What it started and left behind is in its group, and may hold our pipes open.
            os.killpg(process.pid, signal.SIGKILL)
        self._reader.join(KILL_S)
        # Closing a pipe that is still read would wait for its end.
        for pipe in (process.stdin, None if self._reader.is_alive() else process.stdout):
            if pipe is not None:
                _close(pipe)

    def _ends(self, process: subprocess.Popen[bytes]) -> bool:
        """It ends by itself. As long as it has something to report it may take its time: what it holds can be a long list."""
        seen = -1
        while seen < self._lines:
            seen = self._lines
            try:
                process.wait(CLOSE_S)
            except subprocess.TimeoutExpired:
                continue
            return True
        return False

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
        return budget.wait_for(
            waited_for, lambda: self._checked(lambda: self._told.said(report), verb), saw=self._last_words
        )

    def _checked(self, look: Callable[[], Found | None], verb: str) -> Found | None:
        """What is found; raises ClientError when it cannot come any more. `verb` is what the client was told to do."""
        gone = self._gone.is_set()  # asked first: what was told last is found then
        found = look()
        if found is not None:
            return found
        failed = self._told.failed
        if failed is not None:
            self._told.failed = None
            raise ClientRaised(failed.did, failed.type_, failed.error)
        if gone:
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
        text = _end_of(log) if log.exists() else ""
        lines = self._recorder.masker.text(text).splitlines()  # before anything is cut off
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "its log is empty")

    # -- what is reported -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        decode = decoder(Report).decode
        for line in _lines(self._process.stdout):
            self._lines += 1
            try:
                self._told.take(decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                shown = repr(self._recorder.masker.start(line, LINE_CHARS))
                self._unreadable(f"a report of the client cannot be read: {error}: {shown}")
        try:
            self._code = self._process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            self._told.note("the client closed its reports and did not end")
        in_order = self._closed and self._code == 0
        if not in_order:
            self._told.note(self._obituary())
        died = not self._closed and self._by_itself
        self._told.end(why="" if in_order else self._obituary(), died_with=self._code if died else None)
        self._gone.set()

    def _unreadable(self, says: str) -> None:
        """Nobody knows what the client has told here: what is missing from now on need not be missing with the client."""
        self._told.note(says)
        self._recorder.witness(TRIAL).write(BreakOff(by="harness", doing="hear", says=says))


def _lines(told: IO[bytes]) -> Iterator[bytes]:
    """Line by line; of one that is longer than is taken, its beginning."""
    while line := told.readline(LINE_BYTES):
        yield line
        while len(line) == LINE_BYTES and not line.endswith(b"\n"):
            line = told.readline(LINE_BYTES)


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        return file.read(LOG_BYTES).decode("utf-8", "replace")


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        # The program died with a command unread; its end is in the history already.
        return
