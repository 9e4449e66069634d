"""What a script may say, and what it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tailproof.model.script import Turn, steps_of, tokens_of


def turns(*plans: dict[str, Any]) -> list[Turn]:
    return [Turn.model_validate(plan) for plan in plans]


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        pytest.param({}, "exactly one of", id="an-empty-turn"),
        pytest.param({"say": "a", "finish": "b"}, "exactly one of", id="two-answers"),
        pytest.param({"tools": []}, "at least 1", id="no-tools"),
        pytest.param({"say": "a", "times": 2}, "`times` belongs to `status`", id="times-without-a-status"),
        pytest.param({"say": "a", "retry_after_s": 2}, "`retry_after_s` belongs", id="retry-after-without-a-status"),
        pytest.param({"status": 500, "fails": "cut"}, "exactly one of", id="two-errors"),
        pytest.param({"fails": "cut", "repeat": 2}, "`repeat` cannot", id="a-repeated-failure"),
        pytest.param({"tools": [{"same_id": True}]}, "a call before it", id="the-id-of-no-call"),
        pytest.param({"tools": [{"tool": "magic"}]}, "say `journal: false`", id="a-journal-of-another-tool"),
        pytest.param({"tools": [{"gate": True}], "repeat": 2}, "`repeat` cannot", id="a-repeated-gate"),
        pytest.param({"tools": [{"token": "a b"}]}, "pattern", id="a-token-that-needs-quoting"),
        pytest.param({"tools": [{"journal": False}]}, "needs a command", id="nothing-to-run"),
        pytest.param({"saay": "a"}, "Extra inputs", id="an-unknown-key"),
    ],
)
def test_a_bad_turn_is_refused(plan: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Turn.model_validate(plan)


def test_tokens_follow_from_the_turn_and_the_call() -> None:
    script = turns({"tools": [{}]}, {"tools": [{}, {"gate": True}]}, {"tools": [{"token": "mine"}]}, {"finish": "ok"})
    assert [tokens_of(script, turn) for turn in range(4)] == [["t1"], ["t2-2", "t2-1"], ["mine"], []]


def test_repetitions_share_a_turn_and_have_tokens_of_their_own() -> None:
    replies, _ = steps_of(turns({"tools": [{}], "repeat": 3}, {"finish": "ok"}))
    assert [(step.position, step.turn) for step in replies] == [(0, 0), (1, 0), (2, 0), (3, 1)]
    assert [command.token for step in replies for command in step.commands] == ["t1.1", "t1.2", "t1.3"]


def test_a_model_error_stands_before_the_reply_that_follows_it() -> None:
    replies, errors = steps_of(turns({"tools": [{}]}, {"status": 500, "times": 1}, {"finish": "ok"}))
    assert [step.turn for step in replies] == [0, 2]
    assert [step.turn for step in errors[1]] == [1]


def test_a_turn_knows_whether_it_is_gated_and_whether_it_ends_the_run() -> None:
    script = turns({"tools": [{}, {"gate": True}]}, {"say": "a"}, {"finish": "b"}, {"status": 401}, {"fails": "cut"})
    assert [turn.gated for turn in script] == [True, False, False, False, False]
    assert [turn.ends_run for turn in script] == [False, True, True, False, False]
    assert [turn.is_an_error for turn in script] == [False, False, False, True, True]
