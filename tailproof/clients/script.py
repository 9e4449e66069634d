"""A script as a client: any program that talks to an agent server by itself. It tells nothing but how it ends.

What it gets, and what is judged, is in `docs/clients/script.md`.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tailproof.clients.client import ClientError, ClientRaised, Reportable, Returned
from tailproof.clients.kind import BadClient, ClientPlan, Kind, Sight
from tailproof.clients.status_words import SourceError, waited_for
from tailproof.history.record import CLIENT
from tailproof.history.records import Note, Run
from tailproof.history.server_records import Vocabulary
from tailproof.incoming.files import BadFile, is_file, place_of, read_bytes
from tailproof.incoming.limits import PROGRAM_BYTES
from tailproof.ownership import marks, processes
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import Budget, DeadlineMissed

FORM = "script:FILE"
PART = "script"
"""The mark of the script and its children; the wire wears that of the client."""
APPEARS_S = 60.0
"""How long a script may take until the server shows its conversation."""
KILL_S = 10.0
TAIL_LINES = 20
TAIL_CHARS = 2000


class ScriptClient:
    """Runs `file` in a process of its own. `create` starts it: from then on it does everything itself."""

    reports: frozenset[Reportable] = frozenset({"exit"})
    tells_requests = False

    def __init__(self, file: Path, plan: ClientPlan) -> None:
        if plan.sight is None:
            raise ClientError(f"{plan.name} drives itself and can only play in a trial")
        self.name = plan.name
        self.environment = plan.environment
        self._file = file
        self._sight: Sight = plan.sight
        self._adapter = plan.adapter
        self._recorder = plan.recorder
        self._witness = plan.recorder.witness(CLIENT)
        self._scratch = plan.scratch
        self._url = ""
        self._key = ""
        self._conversation = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._waiter: threading.Thread | None = None
        self._ended: tuple[int, int] | None = None
        self._runs = 0
        self._called_ns = 0
        self._returned: Returned | None = None
        self._closed = False

    def start(self) -> None:
        """Write down which file it is and what it waits for, as far as its source tells."""
        try:
            source = read_bytes(self._file, PROGRAM_BYTES)
        except BadFile as error:
            raise ClientError(str(error)) from error
        self._recorder.header.versions["client"] = f"sha256:{hashlib.sha256(source).hexdigest()[:12]}"
        self._recorder.write_header()
        if is_python(self._file, source):
            try:
                found = waited_for(source, self._file.name, self._adapter.status_reads)
            except SourceError as error:
                self._witness.write(Note(text=f"its status words are not known: {error}"))
                return
            for one in found:
                self._witness.write(Vocabulary(words=[], source=one.source, waited_for=list(one.words)))

    def connect(self, url: str, *, key: str, version: str, budget: Budget) -> None:
        """Only remembers the address."""
        self._url, self._key = url, key

    def create(self, plan: ConversationPlan, budget: Budget) -> str:
        """Start the script and wait until the server shows a conversation that was not there before."""
        before = frozenset(self._sight.conversations())
        self._begin(plan)

        def look() -> str | None:
            ended = self._ended is not None
            new = [one for one in self._sight.conversations() if one not in before]
            if not new and ended:
                raise self._gave_up("create", "ended before the server showed a conversation of it")
            return new[-1] if new else None

        try:
            self._conversation = budget.wait_for(
                "the server to show a conversation of the script",
                look,
                within=APPEARS_S,
                saw=self._last_words,
                every=0.1,
            )
        except DeadlineMissed as missed:
            if not budget.left:
                raise
            raise ClientRaised("create", "NoConversation", str(missed)) from missed
        return self._conversation

    def send(self, text: str, budget: Budget) -> None:
        """The script says what it wants: waits until it has begun a run."""
        if self._runs:
            raise ClientError(f"{self.name} has one run: it cannot play a scenario with several messages")

        def look() -> bool:
            ended = self._ended is not None
            if self._sight.began():
                return True
            if ended:
                raise self._gave_up("send", "ended without having begun a run")
            return False

        try:
            budget.wait_for("the script to begin a run", look, within=APPEARS_S, saw=self._last_words)
        except DeadlineMissed as missed:
            if not budget.left:
                raise
            raise ClientRaised("send", "NoRun", str(missed)) from missed

    def run(self) -> None:
        """It runs already: called when the run was seen to begin, which a hasty script may not even have waited for."""
        called = Run(stage="called", number=self._runs, conversation=self._conversation)
        self._called_ns = time.monotonic_ns() if self._ended is None else self._ended[1] - 1
        called.t_ns = self._called_ns
        self._witness.write(called)
        self._runs += 1

    def wait_returned(self, budget: Budget) -> Returned:
        """Until the script has ended: with code 0 it returned, with any other it raised."""
        budget.wait_for("the script to end", lambda: self._ended, saw=self._last_words)
        returned = self._write_end()
        assert returned is not None
        return returned

    def close(self) -> None:
        """Kill what is left of it. Idempotent."""
        if self._closed or self._process is None:
            return
        self._closed = True
        living = self._ended is None
        if not living:
            self._write_end()
        processes.end_all(Budget(KILL_S), trial=self.environment[marks.TRIAL], part=PART)
        if self._waiter is not None:
            self._waiter.join(KILL_S)
        if living:
            self._witness.write(Note(text=f"{self._file.name} had not ended and was killed; {self._tail()}"))

    # -- the process ------------------------------------------------------------------------------------------------

    def _begin(self, plan: ConversationPlan) -> None:
        home = self._scratch / "script-home"
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **self.environment,
            marks.PART: PART,
            **variables(plan, self._adapter, url=self._url, key=self._key, init_key=self._sight.init_key),
        }
        command = command_of(self._file)
        with (self._scratch / "script.out").open("wb") as out, (self._scratch / "script.err").open("wb") as err:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=home,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise ClientError(f"{self.name} cannot be started with {command[0]}: {error}") from error
        self._waiter = threading.Thread(target=self._await_exit, args=(self._process,), name="script-exit", daemon=True)
        self._waiter.start()

    def _await_exit(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        self._ended = (code, time.monotonic_ns())

    # -- what is written down ---------------------------------------------------------------------------------------

    def _write_end(self) -> Returned | None:
        """The end of the run, once; nothing for a script that lives or never ran."""
        if self._returned is None and self._ended is not None and self._runs:
            code, t_ns = self._ended[0], max(self._ended[1], self._called_ns + 1)
            raised = code != 0
            self._returned = Returned(
                number=0,
                t_ns=t_ns,
                error=self._last_words() if raised else "",
                error_type=_how(code) if raised else "",
            )
            run = Run(
                stage="raised" if raised else "returned",
                number=0,
                conversation=self._conversation,
                error=self._returned.error,
                error_type=self._returned.error_type,
                exit_code=code,
            )
            run.t_ns = t_ns
            self._witness.write(run)
            if raised:
                self._witness.write(Note(text=f"{self._file.name} ended with {_how(code)}; {self._tail()}"))
        return self._returned

    def _gave_up(self, verb: str, what: str) -> ClientRaised:
        assert self._ended is not None
        self._witness.write(Note(text=f"{self._file.name} {what}; {self._tail()}"))
        # The words first: a report cuts what is long at its end.
        return ClientRaised(verb, _how(self._ended[0]), f"{self._last_words()} ({self._file.name} {what})")

    def _last_words(self) -> str:
        lines = self._said("script.err") or self._said("script.out")
        return lines[-1][:300] if lines else "it said nothing"

    def _tail(self) -> str:
        lines = [*self._said("script.out"), *self._said("script.err")]
        return "\n".join(["it said:", *lines[-TAIL_LINES:]])[-TAIL_CHARS:] if lines else "it said nothing"

    def _said(self, name: str) -> list[str]:
        """The lines of one of its logs that are not blank; without secrets, before anything is cut off."""
        log = self._scratch / name
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        return [line.rstrip() for line in self._recorder.masker.text(text).splitlines() if line.strip()]


def variables(plan: ConversationPlan, adapter: Adapter, *, url: str, key: str, init_key: str) -> dict[str, str]:
    """What a script is told, by environment variables."""
    told = {
        "AGENT_SERVER_URL": url,
        "SESSION_API_KEY": key,
        "INIT_API_KEY": init_key,
        "AGENT_WORKSPACE": plan.workspace,
        "LLM_BASE_URL": plan.model_url,
        "LLM_MODEL": adapter.model,
        "LLM_API_KEY": adapter.model_key,
    }
    return {name: value for name, value in told.items() if value}


def is_python(file: Path, source: bytes) -> bool:
    """By its first line, or by its name when it has no `#!`."""
    first, _, _ = source.partition(b"\n")
    return b"python" in first if first.startswith(b"#!") else file.suffix == ".py"


def command_of(file: Path) -> Sequence[str]:
    """How a file is run: by its own `#!` line, by the harness's Python, or as it is.

    Raises:
        BadClient: it is none of these, or cannot be read.
    """
    try:
        with file.open("rb") as opened:
            first = opened.readline(4096).rstrip().decode("utf-8", "replace")
    except OSError as error:
        raise BadClient(f"{file} cannot be read: {error.strerror or error}") from error
    if first.startswith("#!"):
        # As the kernel does it: one argument at most. The file need not be executable for that.
        return [*first[2:].strip().split(None, 1), str(file)]
    if file.suffix == ".py":
        return [sys.executable, str(file)]
    if os.access(file, os.X_OK):
        return [str(file)]
    raise BadClient(f"{file} is no .py file, has no #! line and is not executable: script:FILE cannot run it")


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


# -- the kind --------------------------------------------------------------------------------------------------------


def _check(word: str) -> None:
    if not word:
        raise BadClient(f"script names no file: {FORM} takes a program that talks to an agent server")
    file = place_of(word)
    if not is_file(file):
        raise BadClient(f"{word} is not a file: {FORM} takes a program that talks to an agent server")
    command_of(file)


def _prepare(word: str, budget: Budget) -> object:
    return None


def _make(word: str, plan: ClientPlan) -> ScriptClient:
    return ScriptClient(place_of(word), plan)


SCRIPT = Kind(form=FORM, check=_check, prepare=_prepare, make=_make, file=place_of)
