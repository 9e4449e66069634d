"""The numbers of promises: one table for whoever plays a trial and whoever judges it."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.history.header import Header

PARAMETERS: Mapping[str, float] = {
    "cost.history": 5.0,
    "cost.start": 3.0,
    "hooks.delivered": 10.0,
    "lag": 0.0,
    "loop.bounded.10s": 20.0,
    "loop.bounded.1s": 5.0,
    "loop.bounded.after": 10.0,
    "loop.bounded.attempts": 10.0,
    "loop.bounded.sandboxes": 2.0,
    "loop.once.replaced": 5.0,
    "loop.progress": 30.0,
    "loop.quiet.jobs": 5.0,
    "loop.returns": 10.0,
    "loop.terminates": 30.0,
    "loop.terminates.deadline": 5.0,
    "model.bounded": 10.0,
    "model.bounded.refused": 2.0,
    "scripted": 0.0,
    "server.ready": 90.0,
    "server.responsive": 5.0,
    "status.agree": 5.0,
    "status.children": 60.0,
    "status.children.tasks": 5.0,
    "status.client": 1.0,
    "status.crash": 60.0,
    "status.dead": 15.0,
    "stream.resumed": 45.0,
}
"""T per guarantee in seconds, for `loop.bounded` and `model.bounded` how many attempts, and for `cost.history` and `cost.start` how many
times the other measurement, unless an adapter or a scenario says another one. `lag` is
what the faults of a scenario put on the client's path, `scripted` what its script takes; both in seconds. That of `hooks.delivered` comes
on top of what the server was told to wait, that of `loop.terminates.deadline` on top of what an executor said itself.
`loop.bounded.attempts` and `loop.bounded.sandboxes` are counted for each execution."""


def parameter(header: Header, name: str) -> float:
    """The one in force in a trial; the common one for a history that does not say."""
    return header.parameters.get(name, PARAMETERS[name])
