"""What an exploration did, a line at a time on the disk: whoever goes on with it begins where the last line ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tailproof.incoming import BadInput
from tailproof.incoming.files import is_plain_file
from tailproof.incoming.json import decoder

NAME = "cells.jsonl"
SCHEMA = 1


class BadJournal(BadInput):
    """There is no exploration to go on with, or it cannot be read; one sentence."""


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    at_s: float = 0.0
    """When it was written, by the clock of the machine."""


class Began(_Line, tag="began", frozen=True):
    """The first line: who is explored, and with what seed."""

    tailproof: str
    target: str
    client: str
    seed: int
    schema: int = SCHEMA
    model_url: str = ""
    shard: str = ""
    baseline: str = ""
    """The file of known violations; empty for the one that tailproof brings."""


class Session(_Line, tag="session", frozen=True):
    """Somebody begins to play, or goes on."""


class Drawn(_Line, tag="drawn", frozen=True):
    """These cells are to be played in the trial `trial`; `again` when they could not be proven before, each alone then. A second `attempt`
    is made when the trial of the first one failed."""

    number: int
    cells: tuple[str, ...]
    trial: str
    again: bool = False
    attempt: int = 1


class Ended(_Line, tag="ended", frozen=True):
    """A trial has ended and was judged."""

    number: int
    proven: tuple[str, ...] = ()
    """Those of its cells of which all was proven."""
    why: str = ""
    """Why the others were not."""
    sound: tuple[str, ...] = ()
    """Of a cell that was alone and could not be proven: what of it, `fault` or `act`, was."""
    landed: tuple[str, ...] | None = None
    """The ids of what landed; None in lines of earlier versions."""
    violated: tuple[tuple[str, str, str], ...] = ()
    """Guarantee, signature, and what knows of it (empty: nothing does)."""
    features: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""


class Found(_Line, tag="found", frozen=True):
    """A violation that nobody knew. `scenario` shows it."""

    finding: int
    guarantee: str
    signature: str
    trial: str
    """Its history: below `trials`, or from `--out` when it was a trial of another finding."""
    scenario: dict[str, Any]
    beyond: int = 0
    """The repetitions up to this one had been played then, or may have been."""


class Seen(_Line, tag="seen", frozen=True):
    """A trial that was played for one finding shows what may be another one, which is not known well enough yet to tell."""

    guarantee: str
    signature: str
    trial: str
    scenario: dict[str, Any]
    landed: tuple[str, ...]


class Confirmed(_Line, tag="confirmed", frozen=True):
    """The scenario of a finding was played again so often, and it came back in so many trials."""

    finding: int
    hits: int
    trials: int


class Smaller(_Line, tag="smaller", frozen=True):
    """A candidate was played `trials` times; `accepted` when it shows the same, and it is then the scenario of the finding."""

    finding: int
    says: str
    scenario: dict[str, Any]
    trials: int
    accepted: bool


class Needed(_Line, tag="needed", frozen=True):
    """The smallest scenario without one of its parts was played so often."""

    finding: int
    without: str
    hits: int
    trials: int


class Settled(_Line, tag="settled", frozen=True):
    """Nothing more is done about a finding."""

    finding: int


AnyLine = Began | Session | Drawn | Ended | Found | Seen | Confirmed | Smaller | Needed | Settled
L = TypeVar("L", bound=_Line)


class Journal:
    """The lines of one exploration: those that are there, and more of them. One writer at a time (the lock of its `--out`)."""

    def __init__(self, out: Path) -> None:
        """Raises BadJournal: what is there is no journal of this version."""
        self.path = out / NAME
        self.lines: list[AnyLine] = []
        if is_plain_file(self.path):
            whole = self.path.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]  # the last line of one that was killed may be half
            self.lines = list(_read(self.path, whole))
            os.truncate(self.path, len(whole))
        self._file = self.path.open("ab")

    @property
    def began(self) -> Began | None:
        """None for one that has not begun."""
        first = self.lines[0] if self.lines else None
        return first if isinstance(first, Began) else None

    @property
    def shard(self) -> str:
        """K/N; empty for a whole exploration."""
        return self.began.shard if self.began else ""

    def worked(self, now_s: float) -> tuple[float, float]:
        """When its first session began, and how many seconds all of them took: the last one up to now, those before it up to their last
        line."""
        sessions: list[list[float]] = []
        for line in self.lines:
            if isinstance(line, Session):
                sessions.append([line.at_s])
            elif sessions and line.at_s:
                sessions[-1].append(line.at_s)
        sessions = sessions or [[now_s]]
        sessions[-1].append(now_s)
        return sessions[0][0], sum(max(0.0, moments[-1] - moments[0]) for moments in sessions)

    def of(self, kind: type[L]) -> list[L]:
        """The lines of one kind, in their order."""
        return [line for line in self.lines if isinstance(line, kind)]

    def write(self, line: AnyLine) -> None:
        """It is on the disk when this returns. Raises OSError."""
        dated = msgspec.structs.replace(line, at_s=line.at_s or round(time.time(), 3))
        self._file.write(msgspec.json.encode(dated) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.lines.append(dated)

    def close(self) -> None:
        self._file.close()


def read_began(out: Path) -> Began:
    """Whom the exploration in `out` is about. Raises BadJournal."""
    path = out / NAME
    if not is_plain_file(path):
        raise BadJournal(f"no exploration can go on in {out}: there is no {NAME}")
    with path.open("rb") as file:
        first = next(_read(path, file.readline()), None)
    if not isinstance(first, Began):
        raise BadJournal(f"{path} does not say whom it is about: begin a new exploration")
    return first


def _read(path: Path, whole: bytes) -> Iterator[AnyLine]:
    decode = decoder(AnyLine).decode
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            yield decode(line)
        except msgspec.DecodeError as error:
            raise BadJournal(f"{path}:{number} is no line of an exploration: {error}") from error
