"""What becomes of that which a tool left behind when its conversation is deleted."""

from __future__ import annotations

from tailproof.guarantees.verdict import Verdict, at, holds, inconclusive, violated
from tailproof.history.parameters import parameter
from tailproof.history.plan import left_behind
from tailproof.history.reader import History
from tailproof.history.records import Pulse
from tailproof.history.timeline import SECOND, last_ns, seconds

PULSELESS_S = 2.0
"""A process that lives says so twice a second: one that was silent for so long is gone."""


def jobs_of_the_deleted(history: History, deleted_ns: int) -> Verdict:
    """A part of `loop.quiet`: what holds of a conversation that was not deleted (0), or whose tools left nothing behind, is nothing.

    Judged are jobs of the terminal that had begun before the deletion was answered: the shell of a terminal that is closed hangs
    up on them. A process that was detached is told (`detached_s`: how long it was seen to live after the deletion).
    """
    planned = left_behind(history.header, "job")
    begun = {one.token for one in history.effects if one.stage == "end" and one.t_ns < deleted_ns}
    last: dict[str, Pulse] = {one.token: one for one in history.pulses}
    mute = planned & begun - last.keys()
    if mute:
        return inconclusive(f"what {min(mute)} left behind never said that it lives")
    jobs = [last[token] for token in sorted(planned & begun)]
    lived = {one.token: max(0.0, seconds(one.t_ns - deleted_ns)) for one in last.values()}
    limit_s = parameter(history.header, "loop.quiet.jobs")
    late = [one for one in jobs if one.t_ns > deleted_ns + limit_s * SECOND]
    if late:
        worst = max(late, key=lambda one: one.t_ns)
        return violated(
            f"{len(late)} of {len(jobs)} jobs of the terminal lived on after the deletion, for {lived[worst.token]} s at least",
            signature="job-outlives-deletion",
            expected=[f"no job {limit_s:g} s after the deletion"],
            seen=[f"{one.token} {lived[one.token]} s after it" for one in late],
            evidence=[at(one, f"what {one.token} left behind lives") for one in late],
            timed=True,
            limit_s=limit_s,
            took_s=lived[worst.token],
        )
    silent_s = seconds(last_ns(history) - max((one.t_ns for one in jobs), default=0))
    if jobs and silent_s < PULSELESS_S:
        return inconclusive(
            f"a job of the terminal lived {silent_s} s before the record ends, and that may be its end or not"
        )
    detached = [lived[token] for token in left_behind(history.header, "detached") & last.keys() if deleted_ns]
    return holds(
        "no job of the terminal lived on",
        compared={"jobs of a deleted conversation": len(jobs)} if jobs else {},
        **({"detached_s": max(detached)} if detached else {}),
    )
