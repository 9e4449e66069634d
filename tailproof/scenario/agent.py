"""What the agent of a scenario is given beside its terminal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tailproof.protocol.conversation import GuardedMoment


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CondenserPlan(_Strict):
    """Lets the model sum up what is old in the conversation, and remember the summary instead. The scripted model knows such a request
    by that no tools are offered in it, and answers it with the same sentence every time."""

    max_size: Annotated[int, Field(ge=12, le=10_000)]
    """So many messages, calls and results the model may remember before it is asked for a summary. With fewer, not even the newest turn
    might be left, by which the script knows how far it has come."""
    fails: Annotated[int, Field(ge=0, le=100)] = 0
    """So many requests for a summary are answered with 500, before one gets an answer."""


class GuardPlan(_Strict):
    """A command that the server runs at some moment of the loop, which may forbid what comes next: agent servers call them hooks."""

    when: GuardedMoment
    does: Literal["allows", "blocks", "lingers", "hangs"]
    """It says nothing; it forbids the tool call; it takes `seconds` and tells the tool journal so; it runs until the server has had enough
    of it, and longer."""
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    token: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] | None = None
    """It does so for the tool call of this token alone, and allows every other; for each of them when it is missing."""
    patience_s: Annotated[int, Field(ge=1, le=600)] = 5
    """How long the server waits for it."""

    @model_validator(mode="after")
    def _possible(self) -> GuardPlan:
        if self.does == "blocks" and self.when != "before-tool":
            raise ValueError(
                "a guard that `blocks` stands `before-tool`: what has happened cannot be forbidden, and a run must end"
            )
        if (self.does == "lingers") != (self.seconds is not None):
            raise ValueError("a guard that `lingers` does so for some `seconds`, and no other has any")
        if self.seconds is not None and (self.token is None or self.seconds >= self.patience_s):
            raise ValueError("a guard that `lingers` has a `token`, and is done before the server loses its patience")
        if self.token is not None and self.when == "before-stop":
            raise ValueError("a guard that stands `before-stop` has no tool call before it: no `token`")
        return self


class AgentPlan(_Strict):
    """A client that cannot create a conversation with it does not play the scenario."""

    mcp: bool = False
    """An MCP server of ours, which the server under test starts (stdio). Tool calls with `mcp` call its tool, and whoever else has a
    conversation in the scenario (`user.conversation`) has one with such a server, too."""
    condenser: CondenserPlan | None = None
    guards: list[GuardPlan] = []
    confirms_risks: bool = False
    """It waits for a confirmation before an action that the model calls risky (`risk: high`), and before no other."""

    @property
    def takes(self) -> frozenset[str]:
        """What the conversation must be able to be created with, as abilities of a release: `can-take-mcp`."""
        return frozenset(f"can-take-{word}" for name, word in _TAKEN.items() if getattr(self, name))


_TAKEN = {"mcp": "mcp", "condenser": "condenser", "guards": "guards", "confirms_risks": "risks"}
