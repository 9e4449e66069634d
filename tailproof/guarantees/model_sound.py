"""What the model is told is sound."""

from __future__ import annotations

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import COUNTED_SINCE, MODEL, asked_turns, doubled_by_the_model
from tailproof.history.header import Header
from tailproof.history.plan import calls_tools
from tailproof.history.reader import History


def sound(history: History) -> Verdict:
    """In every request to the model, each tool call has exactly one result and each result belongs to a call.

    Judged on the requests of the loop, in which each tool call that the request holds needs exactly one result behind it. Side
    requests (titles, summaries) quote as they like. What stands there twice because the model itself gave one id to several calls of
    a reply is the model's doing.
    """
    if history.header.schema < COUNTED_SINCE:
        return inconclusive("a history of this schema does not say what the model was told")
    asked = asked_turns(history.model_calls)
    given = doubled_by_the_model(history)
    unpaired = {
        call.request: [says for says in call.unpaired if not any(f" {one} stands there twice" in says for one in given)]
        for call in asked
    }
    broken = [call for call in asked if unpaired[call.request]]
    if broken:
        first = unpaired[broken[0].request][0]
        return violated(
            f"{len(broken)} of {len(asked)} requests to the model do not pair calls and results: {first}",
            signature="unpaired",
            expected=["one result for each call"],
            seen=list(dict.fromkeys(sentence for call in broken for sentence in unpaired[call.request])),
            evidence=[at(call, f"asked for turn {call.turn}: {unpaired[call.request][0]}") for call in broken],
            requests=len(asked),
            unpaired=len(broken),
        )
    return holds(
        f"{len(asked)} requests to the model, each call in them with one result",
        # A request without any call was searched for results that belong to none.
        compared={"requests to the model": len(asked), "calls": sum(call.told for call in asked)},
    )


def _calls_tools(header: Header) -> str:
    return "" if calls_tools(header) else "the script calls no tool"


GUARANTEES = (
    Guarantee(
        id="model.sound",
        level=Level.MUST,
        promise="In every request to the model, each tool call has exactly one result and each result belongs to a call.",
        hurts="users: the model refuses the request, or misreads what happened",
        judge=sound,
        applies=_calls_tools,
        rests_on=frozenset({MODEL}),
    ),
)
