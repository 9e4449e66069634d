"""A fault of who runs the server: the release before it is started on its disk, as when an upgrade is taken back and then done again."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import DOWNGRADE

READY_S = 90.0
"""How long the earlier release may take until it answers, or ends because it does not know what lies on the disk."""


class _NoOptions(BaseModel):
    """`with:` of it: nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Downgrade:
    """The server is stopped, and the release before it is started on the same disk and asked for the conversation. It may serve or refuse
    to start. Then it is stopped, and the server is started again. Proven by its process and by the release that it says it is."""

    name = DOWNGRADE
    scope = "server"
    ends_a_life = True
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        _NoOptions.model_validate(options)
        self._pid = self._pid_of_earlier = 0
        self._own = self._release = ""
        self._said: dict[str, int | str] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        return (
            None
            if "earlier-release" in capabilities
            else "this target names no release before it to go back to: use pypi:VERSION"
        )

    def describe(self) -> str:
        return "the server is replaced by the release before it, on the same disk, and then started again itself"

    def inject(self, stage: Stage) -> None:
        server, api = stage.server, stage.company.api()
        self._pid, self._own = server.server_pid(), api.version()[1]
        server.stop(stage.budget)
        server.downgrade(stage.budget)
        self._pid_of_earlier = server.server_pid()
        stage.budget.wait_for(
            "the earlier release to be ready or to end",
            lambda: not server.alive() or api.ready().ok,
            within=READY_S,
            every=0.2,
        )
        if server.alive():
            self._release = api.version()[1]
            page = api.page(stage.conversation)
            self._said = {
                "status at it": api.status(stage.conversation)[0].code,
                "page at it": page.answer.code,
                "events at it": len(page.events),
            }
        server.stop(stage.budget)

    def verify(self, stage: Stage) -> Proof:
        """Another process was there in its place, and it said that it is another release, or ended by itself."""
        death = stage.server.last_death()
        another = bool(self._release) and self._release != self._own
        refused = not self._release and not death.by_us
        counters = {
            "pid before": self._pid,
            "pid of the earlier release": self._pid_of_earlier,
            "release": self._own,
            "release at it": self._release or "never ready",
            "its exit code": -1 if death.exit_code is None else death.exit_code,
            **self._said,
        }
        replaced = 0 < self._pid != self._pid_of_earlier > 0
        return Proof(replaced and not stage.server.alive() and (another or refused), counters)

    def heal(self, stage: Stage) -> None:
        """The server is started again."""
        if stage.server.alive():
            return
        stage.server.restart(stage.budget, place="in-place")
        stage.ready()
