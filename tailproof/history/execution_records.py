"""Records of an executor and its sandboxes: what its client asked for, and what the agent itself tells."""

from __future__ import annotations

from typing import Literal

from tailproof.history.record import Count, Moment, Record


class Turn(Record, tag="turn"):
    """The client asked an executor for a turn of the agent. `t_ns` is the moment of the answer."""

    session: str
    key: str
    """The idempotency key: the same one asks for the same execution, however often."""
    payload: str
    """A hash of what was asked for under that key."""
    execution: str = ""
    """The id that the executor answered with; empty when it gave none."""
    code: Count = 0
    error: str = ""
    began_ns: Moment = 0
    epoch: Count = 0
    """The life of the executor that was asked."""


class AgentSaid(Record, tag="agent"):
    """What the scripted agent tells of itself, in the log of its container: read past the executor."""

    pod: str
    stage: Literal["began", "got", "printed", "terminal", "held", "did", "counted"]
    """A life of it began; it got a turn; it printed a whole line, or its terminal one; it stands still at a gate; it is about to do what
    ends it; it read the kernel's counters of its own container."""
    life: Count = 0
    """Counts the lives of one container from 0."""
    turn: str = ""
    """The idempotency key of the turn."""
    line: Count = 0
    """Counts the lines of a turn from 1."""
    says: str = ""
