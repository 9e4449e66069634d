"""How long an exploration goes on: `30m`, or `200 trials`."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field

from tailproof.incoming import BadInput
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip

_TIME = re.compile(r"(\d{1,6})\s*(s|m|h)")
_TRIALS = re.compile(r"(\d{1,6})(\s*trials?)?")
_UNITS = {"s": 1, "m": 60, "h": 3600}


class BadAllowance(BadInput):
    """Neither a time nor a number of trials; one sentence."""


@dataclass(slots=True)
class Allowance:
    """What may be spent, and what was. Safe from several threads. Nobody waits for it: a trial that has begun comes to its end."""

    seconds: float | None = None
    trials: int | None = None
    spent: int = 0
    """Trials that were begun."""
    over: str = ""
    """Why nothing more is begun, once that is so."""
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def read(cls, text: str) -> Allowance:
        """`90s`, `30m`, `2h`, `60`, `60 trials`. Raises BadAllowance."""
        if found := _TIME.fullmatch(text.strip()):
            return cls(seconds=int(found[1]) * _UNITS[found[2]])
        if (found := _TRIALS.fullmatch(text.strip())) and int(found[1]):
            return cls(trials=int(found[1]))
        raise BadAllowance(f"--budget {clip(text, SAID_CHARS)!r} is none: a time as 30m or 2h, or a number of trials")

    def start(self) -> None:
        """The time that may be spent begins now: what was made ready before costs nothing of it."""
        self._began = time.monotonic()

    def begin(self) -> bool:
        """One more trial, if there may be one."""
        with self._lock:
            if self.trials is not None and self.spent >= self.trials:
                self.over = self.over or f"its {self.trials} trials have been run"
            if self.seconds is not None and time.monotonic() - self._began >= self.seconds:
                self.over = self.over or f"its {self.seconds / 60:g} min are over"
            if self.over:
                return False
            self.spent += 1
            return True

    def end(self, why: str) -> None:
        """Nothing more is begun."""
        with self._lock:
            self.over = self.over or why

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began
