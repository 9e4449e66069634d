"""One trial that somebody wants."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from tailproof.history.directory import called
from tailproof.incoming import BadInput

_NAME = re.compile(r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*")
MOST_BYTES = 240
"""The longest name of a trial: its lock, and whatever is written aside, must have one, too."""


def may_be_called(name: str) -> bool:
    """Whether a trial can have this name: its history is a directory that is called so."""
    return _NAME.fullmatch(name) is not None and len(name.encode()) <= MOST_BYTES


class BadOrder(BadInput):
    """There can be no such trial: what names it was not made by us."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One trial that somebody wants. Orders with the same `key` are one trial, whoever asks and how often."""

    scenario: dict[str, Any]
    """The scenario as it was loaded."""
    target: str
    client: str
    """`sdk:VERSION` or `plain`; already resolved, never `sdk` alone."""
    pair: str = ""
    """What a check of several pairs calls this target and client (`tailproof.runner.pairs`); empty in a check of one pair."""
    seed: int
    out: str
    """The directory below which histories are kept."""
    repetition: int = 0
    model_url: str = ""

    @property
    def name(self) -> str:
        """`stream-lag`, `stream-lag.2` for a second trial of it; in a check of several pairs with the pair behind it,
        `stream-lag.2_sdk-1.11.0_pypi-1.11.0`. Tests and directories are called so, too."""
        name = str(self.scenario["name"])
        return called(f"{name}.{self.repetition + 1}" if self.repetition else name, self.pair)

    @property
    def directory(self) -> Path:
        """Where the history of this trial is kept. Raises BadOrder: a name that was read from a file is no path."""
        if not may_be_called(self.name):
            raise BadOrder(
                f"{self.name[:60]!r} cannot be the name of a trial: its history would not stand below {self.out}"
            )
        return Path(self.out) / "trials" / self.name

    @property
    def key(self) -> str:
        """Identifies the trial within one supervisor."""
        return str(self.directory)
