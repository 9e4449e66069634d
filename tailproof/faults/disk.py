"""A fault of the disk: a file of a conversation is damaged while the server is stopped, as a crash of its machine leaves it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import DAMAGE
from tailproof.protocol.stored import Stored

To = Literal["last-event", "message", "action", "observation", "state"]
FOREIGN = ".bak"
"""What a foreign file is called behind the name of an event's: a copy that a person or a tool of backups left there."""


class DamageOptions(BaseModel):
    """`with:` of `disk.damage`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    does: Literal["torn", "empty", "missing", "foreign-file"]
    """`torn`: the second half of the file is gone. `foreign-file`: the file stays, and a copy of it lies beside it."""
    to: To = "last-event"
    """The file: that of the last event, of the first message, action or observation, or that of the conversation's state."""
    ends: Literal["stop", "kill"] = "stop"
    """How the server ends before it: SIGTERM, or SIGKILL."""
    grace: float = Field(default=10.0, ge=0, le=600)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The files of the conversation as the target's disk has them: name -> size and hash."""

    files: dict[str, tuple[int, str]]
    readable: tuple[str, ...]
    """The ids of the events that can be read."""


class Damage:
    """The server ends, a file is damaged, and the server is started again."""

    name = DAMAGE
    scope = "disk"
    ends_a_life = True
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = DamageOptions.model_validate(options)
        self._before = _Look(files={}, readable=())
        self._file = ""

    def available(self, capabilities: frozenset[str]) -> str | None:
        if not {"disk", "restart"} <= capabilities:
            return "this target gives nobody its disk to damage: use pypi:VERSION, src:DIR or docker:IMAGE"
        if self.options.does == "missing" and "container" in capabilities:
            return "a file cannot be taken out of the volume of a stopped container: use pypi:VERSION or src:DIR"
        return None

    def describe(self) -> str:
        named = "the state" if self.options.to == "state" else f"the {self.options.to.replace('-', ' ')}"
        done = {"torn": "cut in half", "empty": "emptied", "missing": "removed"}.get(self.options.does)
        harm = f"the file of {named} is {done}" if done else f"a foreign file is laid beside that of {named}"
        ended = "killed" if self.options.ends == "kill" else "stopped"
        return f"the server is {ended}, {harm}, and the server is started again"

    def inject(self, stage: Stage) -> None:
        if self.options.ends == "kill":
            stage.server.kill(scope="server", signal="KILL")
            stage.server.wait_dead(stage.budget.part(15))
        else:
            stage.server.stop(stage.budget, grace_s=self.options.grace)
        self._before = _look(stage)
        stage.server.edit_disk(
            lambda conversations: self._damage(stage, stage.adapter.stored(conversations, stage.conversation))
        )

    def verify(self, stage: Stage) -> Proof:
        """By another look at the disk, for which the target copies it once more."""
        after = _look(stage)
        before = self._before
        changed = {
            name for name in before.files.keys() | after.files.keys() if before.files.get(name) != after.files.get(name)
        }
        touched = f"{self._file}{FOREIGN}" if self.options.does == "foreign-file" else self._file
        was, now = (look.files.get(touched, (-1, ""))[0] for look in (before, after))
        done = {"torn": 0 < now < was, "empty": now == 0 < was, "missing": now < 0 < was, "foreign-file": was < 0 < now}
        gone = tuple(identity for identity in before.readable if identity not in after.readable)
        counters = {
            "file": touched,
            "bytes before": was,
            "bytes after": now,
            "other files changed": len(changed - {touched}),
            "events readable before": len(before.readable),
            "events readable after": len(after.readable),
        }
        return Proof(done[self.options.does] and changed == {touched}, counters, destroyed=gone)

    def heal(self, stage: Stage) -> None:
        """The damage stays: whoever is started again must live with it."""
        if stage.server.alive():
            return
        stage.server.restart(stage.budget, place="in-place")
        stage.ready()

    def _damage(self, stage: Stage, stored: Stored) -> None:
        file = self._chosen(stored)
        self._file = file.name
        stage.damaged.add(file.name)
        match self.options.does:
            case "torn":
                os.truncate(file, file.stat().st_size // 2)
            case "empty":
                os.truncate(file, 0)
            case "missing":
                file.unlink()
            case "foreign-file":
                shutil.copyfile(file, file.with_name(f"{file.name}{FOREIGN}"))

    def _chosen(self, stored: Stored) -> Path:
        match self.options.to:
            case "state":
                return stored.state
            case "last-event":
                return stored.events[-1].file
            case role:
                return next(event.file for event in stored.events if event.role == role)


def _look(stage: Stage) -> _Look:
    with tempfile.TemporaryDirectory(prefix="tailproof-look-") as place:
        stored = stage.adapter.stored(stage.server.disk(Path(place)), stage.conversation)
        beside = {event.file.parent for event in stored.events}
        files = [stored.state, *(file for directory in beside for file in directory.iterdir())]
        return _Look(
            files={
                file.name: (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
                for file in files
                if file.is_file() and not file.is_symlink()
            },
            readable=tuple(event.id for event in stored.events),
        )
