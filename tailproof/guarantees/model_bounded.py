"""A model that fails is asked again a few times, with pauses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, MODEL, STATUS, WIRE
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import number_of, turns
from tailproof.history.reader import History
from tailproof.history.records import ModelCall
from tailproof.history.timeline import SECOND, accepted, seconds

REFUSALS = frozenset({401, 403})
FEW = 4
"""So many pauses show whether they grow."""
GROWS = 1.5
"""The later half of the pauses is so many times as long as the earlier, at least."""
LONG_NS = SECOND
"""A pause of this length needs not grow."""


def bounded(history: History) -> Verdict:
    """A model that fails is asked the same again a bounded number of times, with pauses; one that refuses the key is not.

    Counted by the model: the questions for one turn of the script, within one run and one life of the server, that follow an answer
    which failed. At most ten (parameter `model.bounded`) or as many as the server was told, whichever is more; at most two after
    401 and 403 (`model.bounded.refused`: one more for a key that is fetched anew); at most five in any second (`loop.bounded.1s`).
    Four pauses or more, all shorter than a second, must grow: the later half by half as much again.
    """
    most = max(parameter(history.header, "model.bounded"), _told(history.header) + 1)
    refused_most = parameter(history.header, "model.bounded.refused")
    one_s = int(parameter(history.header, "loop.bounded.1s"))
    ends = {call.request: call for call in history.model_calls if call.stage != "asked"}
    every = [series for series in _series(history, ends) if _failed(ends.get(series[0].request))]
    for series in every:
        last = ends.get(series[-1].request) or series[-1]
        refused = [call for call in series if (end := ends.get(call.request)) and end.code in REFUSALS]
        if len(refused) > refused_most:
            return _violation(
                refused, "asks-after-refusal", f"at most {refused_most:g} times", f"was refused ({last.code})"
            )
        if len(series) > most:
            return _violation(series, "asks-for-ever", f"at most {most:g} times", "failed")
        burst = next((part for part in _windows(series, one_s + 1) if part[-1].t_ns - part[0].t_ns < SECOND), None)
        if burst is not None:
            return _violation(burst, "asks-without-pause", f"at most {one_s} times in a second", "failed")
        pauses = [later.t_ns - (ends.get(one.request) or one).t_ns for one, later in pairwise(series)]
        if _stay_short(pauses):
            return _violation(series, "pauses-do-not-grow", "pauses that grow, or of a second", "failed")
    if not every:
        return inconclusive("no answer of the model failed")
    return holds(
        f"{len(every)} questions that failed were asked at most {max(map(len, every))} times each",
        compared={"failed questions": len(every), "times asked": sum(map(len, every))},
        limit=most,
    )


def _series(history: History, ends: dict[int, ModelCall]) -> list[list[ModelCall]]:
    """The questions that are the same: each follows one that failed, in the same run and life."""
    marks = sorted(
        [request.t_ns for request in history.requests if request.verb in ("run", "send") and accepted(request)]
        + [life.t_ns for life in history.lives if life.stage == "started"]
    )
    found: dict[tuple[str, int, int], list[list[ModelCall]]] = {}
    for call in history.model_calls:
        if call.stage != "asked" or call.turn < 0:
            continue
        of_its_kind = found.setdefault((call.conversation, call.turn, bisect_right(marks, call.t_ns)), [])
        if of_its_kind and _failed(ends.get(of_its_kind[-1][-1].request)):
            of_its_kind[-1].append(call)
        else:
            of_its_kind.append([call])
    return [series for of_its_kind in found.values() for series in of_its_kind]


def _failed(end: ModelCall | None) -> bool:
    return end is not None and (end.stage in ("broken", "stalled") or end.code >= 400)


def _windows(series: Sequence[ModelCall], size: int) -> list[Sequence[ModelCall]]:
    return [series[first : first + size] for first in range(len(series) - size + 1)]


def _stay_short(pauses: Sequence[int]) -> bool:
    half = len(pauses) // 2
    return len(pauses) >= FEW and max(pauses) < LONG_NS and sum(pauses[-half:]) < GROWS * sum(pauses[:half])


def _violation(series: Sequence[ModelCall], signature: str, expected: str, why: str) -> Verdict:
    took_s = seconds(series[-1].t_ns - series[0].t_ns)
    return violated(
        f"the model {why} and was asked for turn {series[0].turn} {len(series)} times within {took_s} s",
        signature=signature,
        expected=[expected],
        seen=[f"{len(series)} times in {took_s} s"],
        evidence=[at(call, f"asked for turn {call.turn}") for call in series],
        timed=signature == "pauses-do-not-grow",
        times=len(series),
    )


def _told(header: Header) -> int:
    """How often the server was told to try again."""
    return int((header.plan.get("model") or {}).get("retries", 1))


def _fails(header: Header) -> str:
    fails = any(number_of(turn, "status", 200) >= 400 or turn.get("fails") for turn in turns(header))
    return "" if fails else "no answer of the script fails"


GUARANTEES = (
    Guarantee(
        id="model.bounded",
        level=Level.MUST,
        promise="A model that fails is asked again a bounded number of times, with pauses, and not at all once it has refused the key.",
        hurts="whoever pays for the model or shares its quota",
        judge=bounded,
        applies=_fails,
        rests_on=frozenset({MODEL, STATUS, WIRE, ENGINE}),
        rests_on_time=True,
    ),
)
