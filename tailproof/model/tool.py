"""The tool journal on the harness's side: which tools ran, and who may go on."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Literal

from tailproof.history.recorder import Witness
from tailproof.history.records import Effect, Note, Pulse
from tailproof.model.journal import TOKENS, gate_name, parse
from tailproof.outgoing.atomic import write_atomically
from tailproof.waiting import Budget

LOOK_EVERY_S = 0.02
LINE_CHARS = 200


class ToolJournal:
    """Watches one journal directory and records every begin and end of a tool as `Effect`, and as `Pulse` that what it left behind
    lives.

    Tools write the time of day; it is turned into the common clock with the offset measured when this object was made, so a
    clock that is set during a trial does not move effects. Tool and harness share one kernel, or the offset is `offset_ns`.
    """

    def __init__(self, directory: Path, witness: Witness, *, offset_ns: int | None = None) -> None:
        self.directory = directory
        self._witness = witness
        self._offset_ns = time.monotonic_ns() - time.time_ns() if offset_ns is None else offset_ns
        self._file = directory / TOKENS
        self._read = 0
        self._effects: list[Effect] = []
        self._began: dict[tuple[str, int], int] = {}
        self._pulses: dict[str, int] = {}
        self._noted: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="tool-journal", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._watcher.start()

    def seen(self, token: str, stage: Literal["begin", "end"] = "begin") -> int:
        """How often `token` was written."""
        self.look()
        with self._lock:
            return sum(effect.token == token and effect.stage == stage for effect in self._effects)

    def last_pulse(self, token: str) -> int:
        """When what the tool with this token left behind last said that it lives; 0 when it never did."""
        self.look()
        with self._lock:
            return self._pulses.get(token, 0)

    def total(self) -> int:
        """How many lines the journal holds."""
        self.look()
        with self._lock:
            return len(self._effects)

    def wait_token(self, token: str, stage: Literal["begin", "end"], budget: Budget, *, times: int = 1) -> None:
        """Until a tool wrote `token` `times` times. Raises as `Budget.wait_for` does."""
        budget.wait_for(
            f"a tool to write {token} {stage}",
            lambda: self.seen(token, stage) >= times,
            saw=lambda: ", ".join(f"{effect.token} {effect.stage}" for effect in self._effects[-6:]),
        )

    def open_gate(self, token: str, command: str = "") -> None:
        """Let the tool with this token go on, after it has run `command` (a line of shell). Idempotent; the last one wins."""
        write_atomically(self.directory / gate_name(token), f"{command}\n".encode())

    def look(self) -> None:
        """Read what was written since the last look. A line that is not whole yet is left for the next one. A journal that cannot be
        read is noted once: the tools tell the model, too, and that is how a witness is missed."""
        with self._lock:
            try:
                with self._file.open("rb") as file:
                    file.seek(self._read)
                    fresh = file.read()
            except FileNotFoundError:
                return
            except OSError as error:
                self._note_once(f"the tool journal cannot be read: {error.strerror or error}")
                return
            whole = fresh[: fresh.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.decode("utf-8", "replace").splitlines():
                self._record(line)

    def close(self) -> None:
        """Look once more and stop watching. Idempotent."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self.look()

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            self.look()

    def _note_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._witness.write(Note(text=text))

    def _record(self, text: str) -> None:
        line = parse(text)
        if line is None:
            shown = self._witness.masker.cut(text, LINE_CHARS)
            self._witness.write(Note(text=f"the tool journal holds a line that is none of ours: {shown}"))
            return
        t_ns = line.wall_ns + self._offset_ns
        if line.stage == "lives":
            self._pulses[line.token] = t_ns
            self._witness.write(Pulse(t_ns=t_ns, token=line.token, pid=line.pid, host=line.host))
            return
        effect = Effect(t_ns=t_ns, token=line.token, stage="begin", pid=line.pid, host=line.host)
        if line.stage == "begin":
            self._began[line.token, line.pid] = t_ns
        else:
            effect.stage = "end"
            effect.after_ns = t_ns - self._began.get((line.token, line.pid), t_ns)
        self._effects.append(effect)
        self._witness.write(effect)
