"""What the model answers, before a dialect writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

MODEL = "mock"
FINISH_TOOL = "finish"
TERMINAL_TOOL = "terminal"
PROMPT_TOKENS = 10
"""What every request is said to have cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call of a reply."""

    id: str
    tool: str
    arguments: dict[str, Any]
    broken: str | None = None
    """What stands in the place of the arguments of a call that cannot be carried out."""

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        return msgspec.json.encode(self.arguments).decode() if self.broken is None else self.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model answers."""

    id: str
    """Unique per answer: servers tell by it which tool calls came together."""
    text: str
    calls: Sequence[Call] = ()

    @property
    def tokens(self) -> int:
        """What the text is said to have cost: a token is four characters."""
        return max(1, len(self.text) // 4)
