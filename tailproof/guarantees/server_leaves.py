"""What is over costs a server nothing any more."""

from __future__ import annotations

from typing import Any

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, first_of, holds, inconclusive, violated
from tailproof.guarantees.witnesses import STREAM
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.records import Counter

ROUNDS = 5
"""Fewer rounds do not tell what grows from what is only warming up."""
JUDGED = ("processes", "descriptors")
MIB = 1024 * 1024


def leaves_nothing(history: History) -> Verdict:
    """No process and no descriptor of a deleted conversation lives on in the server.

    Counted by the kernel behind each round of conversations that are created, run and deleted. What all conversations share is
    honest, and so is what the first ones warm up: a leak is what grows by one for every second conversation at least, from the
    more of the first two rounds to the less of the last two. The last round is counted again until it has come down, for ten
    seconds at most. Memory is told, and not judged: what an allocator keeps is nobody's leak.
    """
    plan = _rounds(history.header)
    found: dict[str, list[Counter]] = {}
    for counter in history.counters:
        found.setdefault(counter.name, []).append(counter)
    measured: dict[str, Any] = {}
    if memory := found.get("server.memory_bytes"):
        measured["memory_mib_first"] = round(memory[0].value / MIB, 1)
        measured["memory_mib_last"] = round(memory[-1].value / MIB, 1)
    judged = 0
    between = int(plan["count"]) * (int(plan["rounds"]) - 3)
    for what in JUDGED:
        row = found.get(f"server.{what}", [])
        if len(row) != plan["rounds"] or len({one.epoch for one in row}) > 1:
            continue
        judged += 1
        growth = min(one.value for one in row[-2:]) - max(one.value for one in row[:2])
        measured[f"{what}_first"], measured[f"{what}_last"] = row[0].value, row[-1].value
        if 2 * growth >= between:
            return violated(
                f"{between} conversations came, were deleted, and left the server {growth:g} more {what}",
                signature=f"leaks-{what}",
                expected=[f"about as many {what} as before"],
                seen=[", ".join(f"{one.value:g}" for one in row)],
                evidence=[at(one, f"{one.value:g} {what}") for one in row],
                **measured,
            )
    if not judged:
        return inconclusive("nobody counted what the server holds behind every round")
    return holds(
        f"behind {between} conversations the server holds no more than before",
        compared={"conversations": between, "kinds of counts": judged},
        **measured,
    )


def _rounds(header: Header) -> dict[str, Any]:
    """The options of the act in which conversations come and go; empty without one."""
    for act in header.plan.get("acts") or ():
        options = act.get("with") or {}
        if act.get("act") == "user.conversation" and not options.get("stay") and options.get("rounds", 1) >= ROUNDS:
            return {"count": 1, **options}
    return {}


def _come_and_go(header: Header) -> str:
    return "" if _rounds(header) else f"no conversations come and go, {ROUNDS} times or more"


def _of_our_machine(header: Header) -> str:
    return "" if "engine" in header.witnesses else "nobody can count what a server holds that somebody else started"


GUARANTEES = (
    Guarantee(
        id="server.leaves-nothing",
        level=Level.MUST,
        promise="No process and no descriptor of a deleted conversation lives on in the server.",
        judge=leaves_nothing,
        applies=first_of(_come_and_go, _of_our_machine),
        rests_on=frozenset({STREAM}),
    ),
)
