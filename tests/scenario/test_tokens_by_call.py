"""Which tool call of a script writes which token: as the history reads it from its plan, and as the scripted model gives it."""

from __future__ import annotations

from typing import Any

import pytest

from tailproof.history.header import Header
from tailproof.history.plan import tokens_by_call
from tailproof.model.position import call_id
from tailproof.model.script import Turn, steps_of

SCRIPTS: dict[str, list[dict[str, Any]]] = {
    "one-and-several": [{"tools": [{}]}, {"tools": [{}, {"token": "mine"}, {"run": "true"}]}, {"finish": "Done."}],
    "repeated": [{"tools": [{}], "repeat": 3}, {"tools": [{"token": "x"}, {}], "repeat": 2}, {"tools": [{}]}],
    "behind-errors-and-words": [
        {"say": "Well."},
        {"status": 500, "times": 1},
        {"fails": "cut", "times": 1},
        {"tools": [{}]},
    ],
    "without-journal": [{"tools": [{"journal": False, "run": "true"}, {}]}],
}


def _header(script: list[dict[str, Any]]) -> Header:
    return Header(trial="t", scenario="s", seed=1, target="t", client="c", plan={"script": script})


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_plan_tells_what_the_model_gives(name: str) -> None:
    replies, _ = steps_of([Turn.model_validate(turn) for turn in SCRIPTS[name]])
    given = {
        call_id(step.position, index): command.token
        for step in replies
        for index, command in enumerate(step.commands)
        if command.journal
    }
    assert tokens_by_call(_header(SCRIPTS[name])) == given


def test_an_id_of_several_calls_tells_no_token() -> None:
    script = [{"tools": [{}, {"same_id": True}, {}]}]
    assert tokens_by_call(_header(script)) == {"call-0-2": "t1-3"}
