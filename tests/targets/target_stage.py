"""One server under test with what it was started with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.history.records import Life
from tailproof.ownership.processes import Process, processes
from tailproof.targets.target import Plan, Server
from tailproof.waiting import Budget


@dataclass
class Trial:
    """A server under test, and the history that it writes."""

    server: Server
    plan: Plan
    recorder: Recorder
    budget: Budget = field(default_factory=lambda: Budget(180))
    """A real server needs a minute to answer where four tests share two processors with something else."""

    def start(self) -> None:
        """Until it answers."""
        self.server.start(self.budget)
        self.ready()

    def ready(self) -> None:
        """Until it answers."""
        self.budget.wait_for("the server to answer", self.answers, saw=lambda: self.server.log_tail(5))

    def answers(self, url: str = "") -> bool:
        """It does now, or its twin at `url`."""
        try:
            return httpx.get(f"{url or self.server.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def date(self) -> datetime:
        """What time it is, as it writes it into an answer."""
        return parsedate_to_datetime(httpx.get(f"{self.server.url}/health", timeout=5).headers["Date"])

    def shell(self, command: str) -> None:
        """Let the server start a command that outlives it."""
        httpx.post(f"{self.server.url}/sh", content=command, timeout=5).raise_for_status()

    def processes(self) -> list[Process]:
        """What runs with the mark of this trial."""
        return processes(trial=self.plan.owner.trial)

    def wait_command(self, part: str) -> None:
        """Until a process with this in its command line runs."""
        self.budget.wait_for(f"{part} to run", lambda: any(part in process.command for process in self.processes()))

    def lives(self) -> list[Life]:
        """What the engine witness has recorded of the server's lives."""
        return self.history().lives

    def history(self) -> History:
        """What was recorded so far."""
        self.recorder.sync()
        return History.load(self.recorder.directory)


Begin = Callable[..., Trial]
