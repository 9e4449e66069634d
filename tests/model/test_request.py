"""What a request to the model holds, and whether its tool calls and results belong together."""

from __future__ import annotations

import pytest

from tailproof.model.request import (
    SAID_AT_MOST,
    UNPAIRED_AT_MOST,
    Message,
    results_in,
    said_in,
    told_in,
    unpaired_in,
)
from tailproof.outgoing.masking import Masker

KEY = "a-session-key-12"
MASKER = Masker({"key": KEY})


def user(text: str = "go") -> Message:
    return Message(role="user", text=text)


def calls(*ids: str) -> Message:
    return Message(role="assistant", calls=ids)


def result(identity: str, text: str = "done") -> Message:
    return Message(role="tool", text=text, result_of=identity)


TEXT = Message(role="assistant", text="let me see")


@pytest.mark.parametrize(
    ("messages", "sentences"),
    [
        pytest.param([user()], [], id="nothing-called"),
        pytest.param([user(), calls("a"), result("a")], [], id="one-call-and-its-result"),
        pytest.param([user(), calls("a", "b"), result("b"), result("a")], [], id="parallel-results-in-any-order"),
        pytest.param([user(), calls("a"), user(), result("a")], [], id="a-message-between-a-call-and-its-result"),
        pytest.param([user(), TEXT, user()], [], id="text-without-calls"),
        pytest.param([user(), calls("a"), user()], ["the call a has no result"], id="a-call-without-its-result"),
        pytest.param(
            [user(), result("a")], ["the result of a stands there without its call"], id="a-result-without-a-call"
        ),
        pytest.param(
            [user(), calls("a"), result("a"), result("a")],
            ["the result of a stands there twice"],
            id="a-result-twice",
        ),
        pytest.param(
            [user(), calls("a"), calls("a"), result("a")], ["the call a stands there twice"], id="a-call-twice"
        ),
        pytest.param(
            [user(), calls("a"), result("a"), calls("a"), result("a")],
            ["the call a stands there twice", "the result of a stands there twice"],
            id="a-whole-pair-twice",
        ),
        pytest.param(
            [result("a"), calls("a")],
            ["the result of a stands there without its call", "the call a has no result"],
            id="a-result-in-front-of-its-call",
        ),
        pytest.param(
            [user(), result("")],
            ["the result of no call at all stands there without its call"],
            id="a-result-that-names-no-call",
        ),
    ],
)
def test_unpaired(messages: list[Message], sentences: list[str]) -> None:
    assert unpaired_in(messages, MASKER) == sentences


def test_many_unpaired_calls_are_cut_and_counted() -> None:
    found = unpaired_in([calls(*(f"call-{number:03}" for number in range(50)))], MASKER)
    assert found[0] == "the call call-000 has no result"
    assert found[UNPAIRED_AT_MOST:] == [f"... and {50 - UNPAIRED_AT_MOST} more"]


def test_a_long_id_is_cut() -> None:
    (sentence,) = unpaired_in([calls("x" * 10_000)], MASKER)
    assert len(sentence) < 100


def test_user_messages_are_cut_and_those_of_others_are_not_said() -> None:
    messages = [Message(role="system", text="be good"), user("go"), TEXT, user("x" * 300), result("a")]
    assert said_in(messages, MASKER) == ["go", "x" * 200]


@pytest.mark.parametrize("before", range(180, 204, 4))
def test_a_key_at_the_edge_of_what_is_kept_is_not_cut_in_half(before: int) -> None:
    text = f"{'.' * before}{KEY} is the key"
    masked = "." * min(before, 200) + "<secret:key>" * (before < 200)
    assert [kept[: len(masked)] for kept in said_in([user(text)], MASKER)] == [masked]
    assert results_in([result("a", text)], MASKER)["a"][: len(masked)] == masked


def test_of_many_user_messages_the_last_are_kept() -> None:
    said = said_in([user(f"message {number}") for number in range(SAID_AT_MOST + 5)], MASKER)
    assert (said[0], said[-1], len(said)) == ("message 5", f"message {SAID_AT_MOST + 4}", SAID_AT_MOST)


def test_all_calls_are_counted() -> None:
    assert told_in([user(), calls("a", "b"), result("a"), result("b"), calls("c"), TEXT]) == 3


def test_of_several_results_of_a_call_the_last_is_kept() -> None:
    messages = [result("a", "one"), result("b", "two"), result("a", "three")]
    assert results_in(messages, MASKER) == {"a": "three", "b": "two"}
