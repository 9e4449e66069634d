"""What a trial holds of its wire: a process of its own, driven over a pipe, safe from several threads."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from tailproof.protocol.naming import Naming
from tailproof.waiting import Budget
from tailproof.wire.rules import Rule, RuleError

ANSWER_S = 20.0
STOP_S = 5.0


class WireError(Exception):
    """The wire could not be started, has died, or does not answer; one sentence."""


class Wire:
    """A running wire. Ends with its owner: its stdin is a pipe of ours."""

    def __init__(
        self, process: subprocess.Popen[bytes], complaints: IO[bytes], on_failure: Callable[[str], object]
    ) -> None:
        self._process = process
        self._complaints = complaints
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._fired: dict[str, int] = {}
        self._address = ""
        self._ended = False
        self._stopping = False
        self._on_failure = on_failure
        self.records: int | None = None
        """How many records its journal has, the `End` included; None as long as it runs, and when it did not end in order."""
        self.failed = ""
        """Why it is no witness: it died, a defect of its own, a journal that could not be written. Empty when all is well."""
        self._last: dict[str, int] = {}
        self._reader = threading.Thread(target=self._read_for_ever, name="wire-answers", daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls,
        upstream: str,
        journal: Path,
        *,
        listen_port: int = 0,
        naming: Naming | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        on_failure: Callable[[str], object] = lambda why: None,
    ) -> Wire:
        """Start a wire on loopback in front of `upstream` (`HOST:PORT` or URL), writing its journal to a file.

        `naming`: where messages say what they are called, when it is not at their top. `environment` comes on top of ours (the
        trial's marker); `secrets` (name to value) stand nowhere in the journal. `on_failure` is called once, in a thread of ours,
        when it is no witness any more (`failed`). Returns when it listens. Raises WireError.
        """
        command = [sys.executable, "-m", "tailproof.wire", "--control", "--upstream", upstream]
        command += ["--listen", f"127.0.0.1:{listen_port}", "--journal", str(journal)]
        if naming is not None:
            command += ["--id", naming.identity, "--name", naming.name]
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 (as long-lived as the process)
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C is for the trial, which still needs its wire to heal and to read
        )
        wire = cls(process, complaints, on_failure)
        with wire._changed:
            wire._changed.wait_for(lambda: wire._address or wire._ended, timeout=ANSWER_S)
        if not wire._address:
            wire._on_failure = lambda why: None
            said = wire._said()
            wire.stop()
            raise WireError(f"the wire in front of {upstream} did not start: {said}")
        if secrets:
            try:
                wire._ask("mask", secrets=secrets)  # over the pipe: arguments and environments can be read by others
            except WireError:
                wire.stop()
                raise
        return wire

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._address.rpartition(":")[2])

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{self._address}"

    @property
    def pid(self) -> int:
        """The process of the wire."""
        return self._process.pid

    def add(self, rule: Rule) -> None:
        """Put a rule into force; it holds for what arrives after the return. Raises RuleError, WireError."""
        with self._changed:
            self._fired[rule.id] = 0
        self._ask("add", rule=msgspec.to_builtins(rule))

    def remove(self, rule_id: str) -> bool:
        """Heal a rule: what it holds goes on. Idempotent; False when it was not in force. Raises WireError."""
        return bool(self._ask("remove", id=rule_id))

    def release(self, rule_id: str) -> bool:
        """Let go what a rule holds at this moment; it stays in force. False when it is not. Raises WireError."""
        return bool(self._ask("release", id=rule_id))

    def counters(self) -> dict[str, int]:
        """The wire's counters (see `Proxy.counters`); of a wire that was stopped, the last that were read. Raises WireError when it
        has died: what it counted until then proves nothing of what came after."""
        if not (self._ended and self._stopping):
            self._last = {str(name): int(value) for name, value in self._ask("counters").items()}
        return dict(self._last)

    def sync(self) -> None:
        """The journal is on disk when this returns. Raises WireError."""
        self._ask("sync")

    def check(self) -> None:
        """Raises WireError when it has died, or did something that nobody asked of it: what goes over it means nothing any more."""
        if self.failed:
            raise WireError(self.failed)

    def answer(self) -> None:
        """Raises WireError as `check` does, also when it has just died, or does not answer."""
        try:
            self.sync()
        except WireError:
            self._reader.join(STOP_S)  # of one that died: it says so
            raise
        self.check()

    def fired(self, rule_id: str) -> int:
        """How often a rule has fired since it was added."""
        with self._changed:
            return self._fired.get(rule_id, 0)

    def wait_fired(self, rule_id: str, budget: Budget, times: int = 1) -> int:
        """Until a rule has fired `times` times; returns how often it has.

        Raises:
            DeadlineMissed, Cancelled: as every wait does.
            WireError: the wire has died.
        """

        def look() -> int:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._fired.get(rule_id, 0) >= times, timeout=0.05)
                fired = self._fired.get(rule_id, 0)
                if self._ended and fired < times:
                    raise WireError(f"the wire has ended: {self._said()}")
            return fired if fired >= times else 0

        return budget.wait_for(
            f"rule {rule_id} to fire {times} times",
            look,
            saw=lambda: f"{self.fired(rule_id)} firings",
            every=0.0,
        )

    def stop(self) -> None:
        """End the process; its journal is complete. Idempotent, never raises."""
        self._stopping = True
        if not self._ended:
            with contextlib.suppress(WireError):  # the last reading stays
                self.counters()
        with self._writing:
            if self._process.stdin is not None and not self._process.stdin.closed:
                with contextlib.suppress(BrokenPipeError):  # it has ended already, which is what is wanted
                    self._process.stdin.close()
        forced = False
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                forced = True
                end()
        code = self._process.wait()
        self._reader.join()
        if self.records is None:
            died = code < 0 and not forced  # of a signal that was not ours, before the reader could say so
            self._fail(f"the wire {'died' if died else 'did not end in order'} (exit code {code})")
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _ask(self, do: str, **more: Any) -> Any:
        with self._changed:
            self._number += 1
            number = self._number
        line = msgspec.json.encode({"n": number, "do": do, **more}) + b"\n"
        try:
            with self._writing:
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise WireError(f"the wire has ended: {self._said()}") from error
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._answers or self._ended, timeout=ANSWER_S):
                raise WireError(f"the wire did not answer `{do}` within {ANSWER_S:.0f} s")
            answer = self._answers.pop(number, None)
        if answer is None:
            raise WireError(f"the wire has ended: {self._said()}")
        if "error" in answer:
            raise RuleError(answer["error"])
        return answer["ok"]

    def _read_for_ever(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # the last line of a wire that was killed
                self._take(msgspec.json.decode(line))
        if not self._stopping:
            self._fail(f"the wire died (exit code {self._process.wait()})")
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _fail(self, why: str) -> None:
        """The first reason counts."""
        if not self.failed:
            self.failed = why
            self._on_failure(why)

    def _take(self, said: dict[str, Any]) -> None:
        with self._changed:
            match said:
                case {"listening": address}:
                    self._address = address
                case {"fired": rule, "times": times}:
                    self._fired[rule] = times
                case {"ended": records}:
                    self.records = records
                case {"failed": why}:
                    self._fail(f"the journal of the wire cannot be written: {why}")
                case {"defect": what}:
                    self._fail(f"a defect of the wire: {what}")
                case {"n": number}:
                    self._answers[number] = said
            self._changed.notify_all()

    def _said(self) -> str:
        if self._complaints.closed:
            return "it was stopped"
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("tailproof wire: ")
        return f"it said nothing (exit code {self._process.poll()})"
