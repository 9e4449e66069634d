"""What a server may answer to each verb: anything. It is a fact in the answer, and nothing of it is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.incoming.limits import DEPTH, VALUES, WORD_CHARS, WORDS
from tailproof.protocol.adapter import Answer, Api
from tests.incoming.odd_servers import OK, server

Verb = Callable[[Api], tuple[Answer, Any]]


def _page(api: Api) -> tuple[Answer, Any]:
    page = api.page("c1")
    return page.answer, page.cursor


VERBS: dict[str, tuple[Verb, Any]] = {
    "count": (lambda api: api.count("c1"), -1),
    "status": (lambda api: api.status("c1"), ""),
    "conversations": (lambda api: api.conversations(), ()),
    "page": (_page, ""),
}
"""Verb -> how it is asked, and what it gives when nothing can be taken."""

LONG = "x" * (1 << 20)
EVENT = {"id": "e1", "kind": "MessageEvent"}
ODD: list[tuple[str, str, bytes, str, str]] = [
    ("count", "below-zero", b"-5", "misshapen", "the count of events is no count"),
    ("count", "fraction", b"1.5", "misshapen", "the count of events is no count"),
    ("count", "bool", b"true", "misshapen", "the count of events is no count"),
    ("count", "null", b"null", "misshapen", "the count of events is no count"),
    ("count", "huge", b"1e308", "misshapen", "the count of events is no count"),
    ("count", "digits", b"9" * 6000, "misshapen", "out of range"),
    ("count", "not-a-number", b"NaN", "misshapen", "malformed"),
    ("count", "empty", b"", "misshapen", "truncated"),
    ("count", "html", b"<html>", "misshapen", "malformed"),
    ("status", "null", b"null", "misshapen", "Expected `object`"),
    ("status", "zero", b'{"execution_status": 0}', "misshapen", "the status is no text"),
    ("status", "a-number", b'{"execution_status": 7}', "misshapen", "the status is no text"),
    ("status", "long", json.dumps({"execution_status": LONG}).encode(), "too-large", f"longer than {WORD_CHARS}"),
    ("status", "escape", b'{"execution_status": "\\u001b[2J"}', "misshapen", "holds control characters"),
    ("status", "surrogate", b'{"execution_status": "\\ud800"}', "misshapen", "truncated"),
    (
        "status",
        "deep",
        b'{"stats": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "too-large",
        f"nested deeper than {DEPTH}",
    ),
    ("conversations", "null-items", b'{"items": null}', "misshapen", "no list of objects"),
    ("conversations", "items-of-null", b'{"items": [null]}', "misshapen", "no list of objects"),
    (
        "conversations",
        "long-id",
        json.dumps({"items": [{"id": LONG}]}).encode(),
        "too-large",
        "the id of a conversation",
    ),
    ("conversations", "many", json.dumps({"items": [{}] * (WORDS + 1)}).encode(), "too-large", f"more than {WORDS}"),
    ("page", "null", b"null", "misshapen", "Expected `object`"),
    ("page", "items-are-one", b'{"items": {}}', "misshapen", "Expected `array`"),
    ("page", "an-item-is-null", b'{"items": [null]}', "misshapen", "what came is no event"),
    ("page", "cursor-of-1-MB", json.dumps({"items": [], "next_page_id": LONG}).encode(), "too-large", "the cursor"),
    ("page", "id-of-1-MB", json.dumps({"items": [{**EVENT, "id": LONG}]}).encode(), "too-large", "the id of an event"),
    ("page", "values", b'{"items": [' + b"1," * (VALUES + 1) + b"1]}", "too-large", f"more than {VALUES} values"),
    (
        "page",
        "deep-event",
        b'{"items": [{"id": "e1", "kind": "K", "deep": ' + b"[" * 900 + b"]" * 900 + b"}]}",
        "too-large",
        f"nested deeper than {DEPTH}",
    ),
]


def answering(body: bytes) -> Callable[[], tuple[bytes]]:
    return lambda: (OK + b"Content-Length: %d\r\n\r\n" % len(body) + body,)


@pytest.mark.parametrize(("verb", "name", "body", "flaw", "says"), ODD, ids=[f"{row[0]}-{row[1]}" for row in ODD])
def test_an_odd_answer_is_a_fact(verb: str, name: str, body: bytes, flaw: str, says: str) -> None:
    ask, nothing = VERBS[verb]
    with server(answering(body)) as port:
        answer, taken = ask(OpenHands().api(f"http://127.0.0.1:{port}", key="k", version="1.58.0"))
    assert (answer.code, answer.flaw, answer.ok, taken) == (200, flaw, False, nothing)
    assert says in answer.error
    assert len(answer.error) < 400


SCHEMAS = {
    "null": None,
    "a-list": [],
    "components-are-null": {"components": None},
    "a-schema-is-a-number": {"components": {"schemas": {"ConversationExecutionStatus": 7}}},
    "words-are-null": {"components": {"schemas": {"ConversationExecutionStatus": {"enum": None}}}},
    "words-are-numbers": {"components": {"schemas": {"ConversationExecutionStatus": {"enum": [1]}}}},
    "a-word-of-1-MB": {"components": {"schemas": {"ConversationExecutionStatus": {"enum": [LONG]}}}},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_an_odd_schema_publishes_no_words_and_is_a_fact(schema: Any) -> None:
    with server(answering(json.dumps(schema).encode())) as port:
        answer, words, source = OpenHands().api(f"http://127.0.0.1:{port}", key="", version="").vocabulary()
    assert (words, source, answer.ok) == ((), "", False)
    assert answer.flaw


@pytest.mark.parametrize("told", [None, [], {"version": 7}, {"version": LONG}, {"version": "\x1b[2J"}])
def test_an_odd_version_is_none_and_a_fact(told: Any) -> None:
    with server(answering(json.dumps(told).encode())) as port:
        answer, version = OpenHands().api(f"http://127.0.0.1:{port}", key="", version="").version()
    assert (version, answer.ok) == ("", False)
    assert answer.flaw
