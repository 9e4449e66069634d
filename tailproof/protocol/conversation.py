"""What a conversation is created with, and what its agent is given, in neutral words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ChildKind = Literal["conversation", "task"]
"""What an agent can start: a conversation of the same server, or a task of a sub-agent, which its own run waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """An MCP server that the server under test starts for a conversation, and speaks with over its standard input and output."""

    name: str
    command: tuple[str, ...]
    """The program and its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condenser:
    """Lets the model of the agent sum up the older part of a conversation, in a request without tools, when there is more of it than
    `max_size` messages, calls and results. Nothing is removed from the log."""

    max_size: int


GuardedMoment = Literal["before-tool", "after-tool", "before-stop"]
"""When a guard is asked: before each tool call, behind each, when the agent is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A shell command that the server runs at a moment of the loop, and tells on its standard input what it is about, as JSON. It
    forbids what comes next when it ends with 2; when it has not ended after `patience_s`, it is ended, and the loop goes on."""

    when: GuardedMoment
    command: str
    patience_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What the agent has beside its model and its terminal. Each needs an ability of the release (`promises`)."""

    mcp: McpServer | None = None
    """Its tools (`take-mcp`)."""
    condenser: Condenser | None = None
    """What keeps short what the model is told (`take-condenser`)."""
    guards: tuple[Guard, ...] = ()
    """What watches over its loop (`take-guards`)."""
    confirms_risks: bool = False
    """It waits for a confirmation before what its model calls risky (`take-risks`, and `Adapter.risk`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationPlan:
    """What a conversation is created with."""

    conversation: str
    """The id, a UUID with hyphens, chosen by us."""
    model_url: str
    """The base URL of the scripted model for this conversation, ending in `/v1`. The adapter chooses the dialect by the address that it
    gives its server: this one, below which are `/chat/completions` and `/responses`, as OpenAI's clients add them, and `/messages`.
    Anthropic's own clients add `/v1/messages`: they get `model_url.removesuffix("/v1")`."""
    workspace: str
    """The working directory of the agent's tools. The server makes it if it is missing, as it is where the server runs already."""
    max_iterations: int = 100
    model_retries: int = 1
    """Steps of a run, and retries of a request to the model, for a server that has such limits."""
    model_patience_s: int | None = None
    """How long the server waits for an answer of the model, or for the next piece of one; None for its own patience."""
    model_streams: bool = False
    """The model's answers come in pieces."""
    tool_patience_s: int | None = None
    """How long a command may say nothing new before the terminal gives it back to the model; None for so long that it never does."""
    tool_shell: bool = False
    """The terminal is a plain shell, also where the server has something better."""
    exists: bool = False
    """The conversation is there already: attach to it, do not create it."""
    confirm: bool = False
    """The agent waits for a confirmation before each action."""
    starts: frozenset[ChildKind] = frozenset()
    """The agent has the tools that start these (`Adapter.child_tool`)."""
    model_key: str = ""
    """The model's key; the adapter's own when it is empty."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the tools may use and nobody may read: name -> value."""
    equipment: Equipment = Equipment()
