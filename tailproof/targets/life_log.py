"""What the record of a server's lives in containers has in common, whoever tells of them."""

from __future__ import annotations

import threading
from typing import Literal

from tailproof.history.records import Life
from tailproof.targets.target import EngineLog

RECORDED = ("memory.oom_kill", "memory.failcnt")
"""Counters that are written down whenever they change; the others change all the time."""


class LifeLog:
    """Which life it is, and whose doing its end is."""

    def __init__(self, witness: EngineLog) -> None:
        self.epoch = -1
        self.ended = threading.Event()
        """The end of this life was told."""
        self.by_us = False
        """The next death is the harness's doing."""
        self.stopping = False
        """The next death is a stop that was asked for."""
        self.container = ""
        """The id of the container of this life."""
        self.host = ""
        self.pid = 0
        self._witness = witness

    def end_is_ours(self, *, stop: bool = False) -> None:
        """Say before it is done that the harness ends this life, by a signal or (`stop`) in good order."""
        self.by_us = True
        self.stopping = self.stopping or stop

    def record(
        self,
        stage: Literal["started", "died", "stopped", "paused", "resumed", "removed"],
        *,
        t_ns: int = 0,
        place: str = "",
        exit_code: int | None = None,
        oom_killed: bool = False,
        detail: str = "",
    ) -> None:
        """Write one step of this life down."""
        self._witness.write(
            Life(
                stage,
                self.epoch,
                t_ns=t_ns,
                host=self.host,
                pid=self.pid,
                exit_code=exit_code,
                oom_killed=oom_killed,
                by_us=self.by_us and stage in ("died", "stopped"),
                place=place,
                detail=detail,
            )
        )
