"""What the agents of a trial have beside their model and their terminal, and what their model plays to it, from what the scenario says."""

from __future__ import annotations

import shlex
from typing import get_args

from tailproof.history.recorder import Witness
from tailproof.model import mcp
from tailproof.model.conversation import PlayedScript
from tailproof.model.journal import line_of
from tailproof.model.script import Risk
from tailproof.model.server import ScriptedModel
from tailproof.protocol.adapter import Adapter
from tailproof.protocol.conversation import Condenser, Equipment, Guard, McpServer
from tailproof.scenario.agent import AgentPlan, GuardPlan
from tailproof.scenario.schema import Scenario
from tailproof.trial import children

HANGS_S = 900
"""Longer than any server waits for a guard."""


def equipment_of(plan: AgentPlan, *, journal: str) -> Equipment:
    """The same for every conversation of the trial; `journal` is the directory of the tool journal as the tools see it."""
    return Equipment(
        mcp=McpServer(name=mcp.NAME, command=mcp.COMMAND) if plan.mcp else None,
        condenser=Condenser(max_size=plan.condenser.max_size) if plan.condenser else None,
        guards=tuple(
            Guard(when=guard.when, command=_command_of(guard, journal), patience_s=guard.patience_s)
            for guard in plan.guards
        ),
        confirms_risks=plan.confirms_risks,
    )


def serve(
    model: ScriptedModel, scenario: Scenario, adapter: Adapter, witness: Witness, *, key: str, journal: str
) -> PlayedScript:
    """Let the model play the scenario under `key`, to whatever its agent has; `journal` is the directory as the tools see it."""
    condenser = scenario.agent.condenser
    return model.serve(
        key,
        scenario.script,
        journal=journal,
        children=children.scripts(scenario, adapter, witness),
        aside_errors=condenser.fails if condenser else 0,
        risks={risk: adapter.risk(risk) for risk in get_args(Risk)} if scenario.agent.confirms_risks else {},
    )


def _command_of(guard: GuardPlan, journal: str) -> str:
    called = f"{guard.when}-{guard.token}"
    does = {
        "allows": "exit 0",
        "blocks": "echo 'not this one' >&2; exit 2",
        "lingers": f"{line_of(called, 'begin', journal)}; sleep {guard.seconds}; {line_of(called, 'end', journal)}",
        "hangs": f"sleep {HANGS_S}",
    }[guard.does]
    # A token of ours is written between quotes or blanks, never as a part of a longer word.
    meant = f"grep -qw -e {shlex.quote(guard.token)}" if guard.token else "cat >/dev/null"
    return f"{meant} || exit 0; {does}; exit 0"
