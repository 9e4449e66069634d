"""A fault of who runs the server: two processes of it serve one disk, as when the next one is started before the last one has ended."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tailproof.faults.fault import Proof, Stage
from tailproof.targets.target import Twin as Second

READY_S = 90.0
"""How long the second server may take until it answers, or ends because there is one already."""


class _NoOptions(BaseModel):
    """`with:` of it: nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Twin:
    """Another server of the same release is started on the same disk while the server lives, and is asked for the conversation's status and
    events, and to run it. What it answers is its own affair. Proven by the kernel: both processes live, at the same place."""

    name = "process.twin"
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        _NoOptions.model_validate(options)
        self._twin: Second | None = None
        self._pid = 0
        self._answers: dict[str, int] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        return (
            None
            if "twin" in capabilities
            else "this target has no second server on its disk: use docker:IMAGE, pypi:VERSION or src:DIR"
        )

    def describe(self) -> str:
        return "a second server is started on the same disk, and is asked to run the conversation"

    def inject(self, stage: Stage) -> None:
        self._pid = stage.server.server_pid()
        twin = self._twin = stage.server.twin()
        twin.start()
        api = stage.company.api(twin.url)

        def answers_or_has_ended() -> bool:
            return not twin.pid() or api.ready().ok

        stage.budget.wait_for("the second server to be ready", answers_or_has_ended, within=READY_S, every=0.2)
        if twin.pid():
            self._answers = {
                "status": api.status(stage.conversation)[0].code,
                "page": api.page(stage.conversation).answer.code,
                "run": api.run(stage.conversation).code,
            }

    def verify(self, stage: Stage) -> Proof:
        """The first one is who it was before, and the second one is another, on the same disk, and has answered."""
        pid = stage.server.server_pid()
        twin = self._twin.pid() if self._twin else 0
        shared = self._twin is not None and self._twin.shares_disk(pid)
        counters = {
            "pid before": self._pid,
            "pid": pid,
            "pid of the second": twin,
            "on the same disk": int(shared),
            **{f"{verb} at the second": code for verb, code in self._answers.items()},
        }
        return Proof(0 < self._pid == pid != twin > 0 and shared and any(self._answers.values()), counters)

    def heal(self, stage: Stage) -> None:
        """The second one ends (SIGTERM, then SIGKILL). Raises RuntimeError when it lives all the same."""
        if self._twin is None:
            return
        self._twin.end()
        if pid := self._twin.pid():
            raise RuntimeError(f"the second server (pid {pid}) does not end")
