"""What the model is told is sound."""

from __future__ import annotations

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import COUNTED_SINCE, DONE, MODEL, asked_turns, doubled_by_the_model
from tailproof.history.header import Header
from tailproof.history.plan import calls_tools, tokens_by_call
from tailproof.history.reader import History, derived
from tailproof.history.records import ModelCall

RESULT_CHARS = 200
"""How much of a result the records keep."""


def sound(history: History) -> Verdict:
    """In every request to the model, each tool call has exactly one result, its own, and each result belongs to a call.

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
    swapped = [(call, of) for call in asked for of in _swapped(history, call)]
    if swapped:
        return _told_anothers(history, asked, swapped)
    return holds(
        f"{len(asked)} requests to the model, each call in them with one result",
        # A request without any call was searched for results that belong to none.
        compared={"requests to the model": len(asked), "calls": sum(call.told for call in asked)},
    )


def _swapped(history: History, call: ModelCall) -> list[str]:
    """The tool calls whose results in this request are those of other calls."""
    tokens, ended = _tokens(history), _first_ends(history)
    others = set(tokens.values())
    found = []
    for identity, result in call.results.items():
        own = tokens.get(identity)
        named = set(DONE.findall(result))
        # What came late from a tool that was given up may stand in a result, too: the tool of that call has not run through then.
        ran = own is not None and ended.get(own, call.t_ns) < call.t_ns
        if ran and len(result) < RESULT_CHARS and own not in named and named & others:
            found.append(identity)
    return found


@derived
def _tokens(history: History) -> dict[str, str]:
    return tokens_by_call(history.header)


@derived
def _first_ends(history: History) -> dict[str, int]:
    """Token -> when its tool had run through for the first time."""
    found: dict[str, int] = {}
    for effect in history.effects:
        if effect.stage == "end":
            found.setdefault(effect.token, effect.t_ns)
    return found


def _told_anothers(history: History, asked: list[ModelCall], swapped: list[tuple[ModelCall, str]]) -> Verdict:
    tokens = _tokens(history)
    first: dict[str, ModelCall] = {}
    for call, identity in swapped:
        first.setdefault(identity, call)
    return violated(
        f"the model was told the result of another tool call for {len(first)} of its own",
        signature="swapped",
        expected=[f"done {tokens[identity]}" for identity in first],
        seen=[call.results[identity] for identity, call in first.items()],
        evidence=[at(call, f"{identity} gets the result of another call") for identity, call in first.items()],
        requests=len(asked),
        swapped=len(first),
    )


def _calls_tools(header: Header) -> str:
    return "" if calls_tools(header) else "the script calls no tool"


GUARANTEES = (
    Guarantee(
        id="model.sound",
        level=Level.MUST,
        promise="In every request to the model, each tool call has exactly one result, its own, and each result belongs to a call.",
        hurts="users: the model refuses the request, or misreads what happened",
        judge=sound,
        applies=_calls_tools,
        rests_on=frozenset({MODEL}),
    ),
)
