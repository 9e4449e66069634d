"""The body that creates a conversation of the OpenHands agent-server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailproof.protocol.conversation import ChildKind, ConversationPlan, Equipment, GuardedMoment

MODEL = "openai/mock"
MODEL_KEY = "scripted"
"""What the scripted model is called, and the key that it does not look at."""
CHILD_TOOL, TASK_TOOL = "start_child_conversation", "task"
_TOOLS: Mapping[ChildKind, str] = {"conversation": CHILD_TOOL, "task": "task_tool_set"}
"""What an agent is given that it has these tools."""
_HOOKS: Mapping[GuardedMoment, str] = {
    "before-tool": "pre_tool_use",
    "after-tool": "post_tool_use",
    "before-stop": "stop",
}
CONFIRMS_RISKS: Mapping[str, Any] = {
    "confirmation_policy": {"kind": "ConfirmRisky", "threshold": "HIGH"},
    "security_analyzer": {"kind": "LLMSecurityAnalyzer"},
}
KEPT_FIRST = 2
"""A condenser never touches these: the prompt of the system and the first message."""
TOOL_PATIENCE_S = 900
"""After how many silent seconds the terminal tool gives up on a command; its default of 30 is shorter than a held gate."""


def creation(plan: ConversationPlan) -> dict[str, Any]:
    """The body that creates a conversation; without equipment it is one for every release from 1.6.0 on."""
    llm = {
        "usage_id": "scripted",
        "model": MODEL,
        "base_url": plan.model_url,
        "api_key": plan.model_key or MODEL_KEY,
        "num_retries": plan.model_retries,
        "retry_min_wait": 1,
        "retry_max_wait": 2,
        # Since 1.51.0 the patience with a stream that stalls is the same.
        **({} if plan.model_patience_s is None else {"timeout": plan.model_patience_s}),
        **({"stream": True} if plan.model_streams else {}),
    }
    return {
        "conversation_id": plan.conversation,
        "agent": {
            "kind": "Agent",
            "llm": llm,
            "tools": [
                {
                    "name": "terminal",
                    "params": {
                        "no_change_timeout_seconds": plan.tool_patience_s or TOOL_PATIENCE_S,
                        **({"terminal_type": "subprocess"} if plan.tool_shell else {}),
                    },
                },
                *({"name": _TOOLS[kind]} for kind in sorted(plan.starts)),
            ],
            **equipped(plan.equipment, llm),
        },
        "workspace": {"kind": "LocalWorkspace", "working_dir": plan.workspace},
        "max_iterations": plan.max_iterations,
        "stuck_detection": True,
        "autotitle": False,
        **({"secrets": {name: secret(value) for name, value in plan.secrets.items()}} if plan.secrets else {}),
        **({"hook_config": hooks(plan.equipment)} if plan.equipment.guards else {}),
        **({"confirmation_policy": {"kind": "AlwaysConfirm"}} if plan.confirm else {}),
        **(CONFIRMS_RISKS if plan.equipment.confirms_risks else {}),
    }


def equipped(equipment: Equipment, llm: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an agent that has this; `llm` is its model, which its condenser asks, too."""
    fields: dict[str, Any] = {}
    if equipment.mcp is not None:
        program, *arguments = equipment.mcp.command
        fields["mcp_config"] = {equipment.mcp.name: {"command": program, "args": arguments}}
    if equipment.condenser is not None:
        fields["condenser"] = {
            "kind": "LLMSummarizingCondenser",
            "llm": {**llm, "usage_id": "condenser"},
            "max_size": equipment.condenser.max_size,
            "keep_first": KEPT_FIRST,
        }
    return fields


def hooks(equipment: Equipment) -> dict[str, Any]:
    """Its guards: with them a hook stands at each of their moments."""
    found: dict[str, Any] = {}
    for guard in equipment.guards:
        hook = {"type": "command", "command": guard.command, "timeout": guard.patience_s}
        found.setdefault(_HOOKS[guard.when], []).append({"matcher": "*", "hooks": [hook]})
    return found


def secret(value: str) -> dict[str, str]:
    """As the server takes one."""
    return {"kind": "StaticSecret", "value": value}
