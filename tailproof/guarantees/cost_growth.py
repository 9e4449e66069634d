"""What a server does costs the same with a long history, or many conversations, behind it."""

from __future__ import annotations

from statistics import median

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, all_of, at, first_of, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, STREAM
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import RESTARTS, is_seeded, plans
from tailproof.history.reader import History
from tailproof.history.records import Counter, Life
from tailproof.history.timeline import seconds

READS = ("status", "count", "page", "page-newest")
ENOUGH = 5
"""So many reads of each kind tell their cost from the noise of a machine."""
NOTHING_S = 0.05
"""A difference that nobody notices."""
STARVED_S = 1.0
"""A machine on which a read of a few events takes so long measures nothing."""
SLACK_S = 10.0
"""What a start may take longer on a machine that is busy now and was not before."""


def history_cost(history: History) -> Verdict:
    """Status, count and a page of the same few events cost the same in a long conversation and in a short one.

    Read by a user past the wire, in turns. Even the fastest read of the long one must not take more than five times (parameter
    `cost.history`) what the short one takes at the median; 50 ms more are nothing. Noise makes reads slower and never faster, so
    a busy machine convicts nobody.
    """
    times = parameter(history.header, "cost.history")
    found: dict[str, list[Counter]] = {}
    for counter in history.counters:
        found.setdefault(counter.name, []).append(counter)
    read = [
        what
        for what in READS
        if min(len(found.get(f"read.{what}.{which}", ())) for which in ("short", "long")) >= ENOUGH
    ]
    return all_of(
        (_one_read(what, found, times) for what in read), nothing="nobody read both conversations often enough"
    )


def _one_read(what: str, found: dict[str, list[Counter]], times: float) -> Verdict:
    long, short = found[f"read.{what}.long"], found[f"read.{what}.short"]
    usual_s = median(one.value for one in short)
    fastest = min(long, key=lambda one: one.value)
    if usual_s > STARVED_S:
        return inconclusive(f"the machine is too slow to compare: {what} of a few events took {usual_s:.2f} s")
    limit_s = max(times * usual_s, usual_s + NOTHING_S)
    if fastest.value > limit_s:
        return violated(
            f"{what} took {fastest.value:.3f} s at best in the long conversation, and {usual_s:.3f} s in a short one",
            signature=f"{what}-grows",
            expected=[f"at most {limit_s:.3f} s"],
            seen=[f"{one.value:.3f} s" for one in long],
            evidence=[at(fastest, f"{what} of the long one"), at(short[0], f"{what} of the short one")],
            timed=True,
            limit_s=round(limit_s, 4),
            took_s=round(fastest.value, 4),
        )
    return holds(
        f"{what} took {fastest.value:.3f} s at best in the long conversation, and {usual_s:.3f} s in a short one",
        compared={"reads": len(long) + len(short)},
        limit_s=round(limit_s, 4),
        took_s=round(fastest.value, 4),
    )


def start_cost(history: History) -> Verdict:
    """A server that holds a long history, or many conversations, gets ready about as fast as it did without them.

    Each start behind the first must not take longer than three times the first of the same trial and ten seconds (parameter
    `cost.start`): what a server does at its start for every conversation or event is not bounded.
    """
    times = parameter(history.header, "cost.start")
    starts = {life.epoch: life for life in history.lives if life.stage == "started"}
    took = [(starts[life.epoch], life) for life in history.lives if life.stage == "ready" and life.epoch in starts]
    took.sort(key=lambda pair: pair[1].epoch)
    if not took or took[0][1].epoch != 0:
        return inconclusive("the first start of the server was not seen")
    first_s = _took_s(took[0])
    limit_s = times * first_s + SLACK_S
    later = took[1:]
    late = max(later, key=_took_s, default=None)
    if late is not None and _took_s(late) > limit_s:
        return violated(
            f"the server started within {first_s} s while it held nothing, and within {_took_s(late)} s later",
            signature="start-grows",
            expected=[f"ready within {limit_s:.1f} s"],
            seen=[f"ready after {_took_s(late)} s"],
            evidence=[at(took[0][1], "ready for the first time"), at(late[0], "started"), at(late[1], "ready")],
            timed=True,
            limit_s=round(limit_s, 3),
            took_s=_took_s(late),
        )
    if late is None:
        return inconclusive("the server did not get ready again")
    return holds(
        f"the server started within {first_s} s while it held nothing, and within {_took_s(late)} s later",
        compared={"starts": len(later)},
        limit_s=round(limit_s, 3),
        took_s=_took_s(late),
    )


def _took_s(start: tuple[Life, Life]) -> float:
    return seconds(start[1].t_ns - start[0].t_ns)


def _compared(header: Header) -> str:
    return "" if plans(header, "user.compare") else "nobody compares what reads cost"


def _long(header: Header) -> str:
    return "" if is_seeded(header) else "the conversation has no long history"


def _starts_with_much(header: Header) -> str:
    stays = any((act.get("with") or {}).get("stay") for act in header.plan.get("acts") or ())
    starts = is_seeded(header) or (stays and plans(header, *RESTARTS))
    return "" if starts else "the server is not started with a long history, nor with many conversations"


GUARANTEES = (
    Guarantee(
        id="cost.history",
        level=Level.SHOULD,
        promise="Status, count and first page of a conversation stay as fast as its history grows.",
        hurts="whoever opens a long conversation",
        judge=history_cost,
        applies=first_of(_compared, _long),
        rests_on=frozenset({STREAM}),
        rests_on_time=True,
    ),
    Guarantee(
        id="cost.start",
        level=Level.SHOULD,
        promise="The start of a server stays bounded with long histories and with many conversations.",
        hurts="operators whose server keeps many or long conversations",
        judge=start_cost,
        applies=_starts_with_much,
        rests_on=frozenset({ENGINE}),
        rests_on_time=True,
    ),
)
