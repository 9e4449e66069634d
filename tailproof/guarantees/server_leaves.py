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
    """No process and no descriptor of a deleted conversation, or of a subscriber that has gone, lives on in the server.

    Counted by the kernel behind each round of conversations that are created, run and deleted, or of subscribers that come and
    go. What all of them share is honest, and so is what the first ones warm up: a leak is what grows by one for every second
    of them at least, from the more of the first two rounds to the less of the last two. The last round is counted when it has
    come down, or after ten seconds. Memory is told, and not judged: what an allocator keeps is nobody's leak.
    """
    who, count, rounds = _rounds(history.header)
    found: dict[str, list[Counter]] = {}
    for counter in history.counters:
        found.setdefault(counter.name, []).append(counter)
    measured: dict[str, Any] = {}
    if memory := found.get("server.memory_bytes"):
        measured["memory_mib_first"] = round(memory[0].value / MIB, 1)
        measured["memory_mib_last"] = round(memory[-1].value / MIB, 1)
    judged = 0
    between = count * (rounds - 3)
    for what in JUDGED:
        row = found.get(f"server.{what}", [])
        if len(row) != rounds or len({one.epoch for one in row}) > 1:
            continue
        judged += 1
        growth = min(one.value for one in row[-2:]) - max(one.value for one in row[:2])
        measured[f"{what}_first"], measured[f"{what}_last"] = row[0].value, row[-1].value
        if 2 * growth >= between:
            return violated(
                f"{between} {who} came and went, and left the server {growth:g} more {what}",
                signature=f"leaks-{what}",
                expected=[f"about as many {what} as before"],
                seen=[", ".join(f"{one.value:g}" for one in row)],
                evidence=[at(one, f"{one.value:g} {what}") for one in row],
                **measured,
            )
    if not judged:
        return inconclusive("nobody counted what the server holds behind every round")
    return holds(
        f"behind {between} {who} the server holds no more than before",
        compared={who: between, "kinds of counts": judged},
        **measured,
    )


def _rounds(header: Header) -> tuple[str, int, int]:
    """Who comes and goes, how many in a round, and how often they are counted; nobody, when no act does it often enough."""
    for act in header.plan.get("acts") or ():
        options = act.get("with") or {}
        count, rounds = int(options.get("count", 1)), int(options.get("rounds", 1))
        if act.get("act") == "user.subscribe" and rounds > ROUNDS:
            return "subscribers", count, rounds - 1  # those of the last round stay
        if act.get("act") == "user.conversation" and rounds >= ROUNDS and not options.get("stay"):
            return "conversations", count, rounds
    return "", 0, 0


def _come_and_go(header: Header) -> str:
    return "" if _rounds(header)[0] else f"nobody comes and goes {ROUNDS} times or more"


def _of_our_machine(header: Header) -> str:
    return "" if "engine" in header.witnesses else "nobody can count what a server holds that somebody else started"


GUARANTEES = (
    Guarantee(
        id="server.leaves-nothing",
        level=Level.MUST,
        promise="No process and no descriptor of a deleted conversation or a subscriber that has gone lives on in the server.",
        hurts="operators: the server leaks until it falls over",
        judge=leaves_nothing,
        applies=first_of(_come_and_go, _of_our_machine),
        rests_on=frozenset({STREAM}),
    ),
)
