"""The lives of one trial's containers as the engine tells them, written into the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tailproof.history.records import Counter, Note
from tailproof.provision.errors import EngineError
from tailproof.targets.engine_events import EngineEvent
from tailproof.targets.life_log import RECORDED, LifeLog
from tailproof.targets.target import Death, EngineLog, TargetError


class Lives(LifeLog):
    """Which life it is, how the last one ended, and whose doing that was.

    `on_event` is called on the engine's listening thread, everything else on the trial's. `oom_killed` asks the engine whether
    it has marked a container as killed for want of memory; it says so only once that is dead.
    """

    def __init__(self, witness: EngineLog, *, oom_killed: Callable[[], bool]) -> None:
        super().__init__(witness)
        self._oom_killed = oom_killed
        self._ooms = 0
        self._death: Death | None = None
        self._counted: dict[str, float] = {}

    def begin(self) -> None:
        """A life begins: nothing is known of it yet."""
        self.epoch += 1
        self.by_us = self.stopping = False
        self.pid = self._ooms = 0
        self._counted = {}
        self.ended.clear()

    @property
    def ooms(self) -> int:
        """How many `oom` events the engine sent in this life."""
        return self._ooms

    def death(self) -> Death:
        """The last one, with the `oom` events that came after it, too. Raises TargetError when none was seen yet."""
        if self._death is None:
            raise TargetError("no death of the server was seen yet")
        return Death(
            exit_code=self._death.exit_code,
            oom_killed=self._death.oom_killed,
            oom_events=self._ooms,
            by_us=self._death.by_us,
        )

    def on_event(self, event: EngineEvent) -> None:
        """One event of the engine; those of other containers than the last are not ours to tell."""
        if event.container != self.container:
            return
        match event.name:
            case "die":
                self._on_death(event)
            case "oom":
                self._ooms += 1
                self._witness.write(Counter("engine.oom_events", self._ooms, self.epoch, t_ns=event.t_ns))
            case "kill":
                number = event.attributes.get("signal", "?")
                self._witness.write(Note(f"engine: kill with signal {number}", t_ns=event.t_ns))

    def counted(self, counters: Mapping[str, float]) -> None:
        """Write down what has changed since the last reading."""
        for name in RECORDED:
            if name in counters and self._counted.get(name) != counters[name]:
                self._witness.write(Counter(name, counters[name], self.epoch))
        self._counted = dict(counters)

    def _on_death(self, event: EngineEvent) -> None:
        code = int(event.attributes.get("exitCode", "-1"))
        oom_killed, detail = False, ""
        try:
            oom_killed = self._oom_killed()
        except EngineError as error:
            detail = str(error)
        self._death = Death(exit_code=code, oom_killed=oom_killed, oom_events=self._ooms, by_us=self.by_us)
        self.record(
            "stopped" if self.stopping else "died",
            t_ns=event.t_ns,
            exit_code=code,
            oom_killed=oom_killed,
            detail=detail,
        )
        self.ended.set()
