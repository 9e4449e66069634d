"""What a client asked of the server is read from the journal of the wire: which verb, when the server heard of it, which words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients.wire_requests import requests_of, words_asked_for
from tailproof.history.records import Exchange
from tailproof.history.server_records import Request
from tailproof.wire.journal import Journal

CONVERSATION = "0b7b2f9e-3f0d-4a37-9b0a-0d8b3a6f2f11"
ONE = f"/api/conversations/{CONVERSATION}"
KEPT_BACK_FOR_GOOD = ("refused", "black-hole", "reset-before")


def journal(place: Path, *exchanges: Exchange) -> Path:
    path = place / "wire.jsonl"
    loop: Any = SimpleNamespace(call_later=lambda *_: None, call_soon=lambda *_: None)
    written = Journal(path, loop)
    for exchange in exchanges:
        written.write(exchange)
    written.close()
    return path


def exchange(method: str, path: str, code: int = 200, began: int = 1, **more: Any) -> Exchange:
    asked = {"conn": 1, "began_ns": began, "passed_ns": began, "t_ns": began + 5, **more}
    return Exchange(method=method, path=path, code=code, **asked)


def read(place: Path, *exchanges: Exchange, **more: Any) -> list[Request]:
    return list(requests_of(journal(place, *exchanges), OpenHands(), **more))


@pytest.mark.parametrize(
    ("method", "path", "verb", "conversation"),
    [
        ("POST", "/api/init", "init", ""),
        ("POST", "/api/conversations", "create", ""),
        ("POST", f"{ONE}/events", "send", CONVERSATION),
        ("POST", f"{ONE}/run", "run", CONVERSATION),
        ("DELETE", ONE, "delete", CONVERSATION),
        ("GET", ONE, "status", CONVERSATION),
        ("GET", f"{ONE}/events/search?limit=100&page_id=e7", "load", CONVERSATION),
        ("GET", f"{ONE}/events/count", "load", CONVERSATION),
    ],
)
def test_what_the_adapter_knows_is_a_request_of_the_client(
    tmp_path: Path, method: str, path: str, verb: str, conversation: str
) -> None:
    (request,) = read(tmp_path, exchange(method, path, 200, 7))
    assert (request.verb, request.method, request.path, request.code) == (verb, method, path, 200)
    assert (request.conversation, request.began_ns, request.t_ns) == (conversation, 7, 12)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations/search?status=finished"),
        ("GET", "/api/conversations/count"),
        ("GET", f"{ONE}/events/e7"),
        ("DELETE", f"{ONE}/secrets/x"),
        ("GET", "/ready"),
    ],
)
def test_everything_else_stays_the_wires_alone(tmp_path: Path, method: str, path: str) -> None:
    assert read(tmp_path, exchange(method, path)) == []


@pytest.mark.parametrize("done", KEPT_BACK_FOR_GOOD)
def test_the_server_never_heard_of_what_a_rule_kept_back(tmp_path: Path, done: str) -> None:
    assert read(tmp_path, exchange("POST", f"{ONE}/run", 503, passed_ns=0, done=done, rule="r")) == []


@pytest.mark.parametrize("done", ["reset-after", "truncated", "broken", "delayed"])
def test_the_server_heard_of_what_was_passed_on_and_the_rule_stands_there(tmp_path: Path, done: str) -> None:
    code = 0 if done == "broken" else 200
    (request,) = read(tmp_path, exchange("POST", f"{ONE}/run", code, done=done, rule="r"))
    assert (request.code, request.error, request.rule) == (code, "" if code else "broken", "r")


def test_a_request_that_was_held_was_asked_when_it_was_passed_on(tmp_path: Path) -> None:
    held = exchange("POST", f"{ONE}/run", began=100, passed_ns=900, t_ns=950, done="held", rule="r")
    (request,) = read(tmp_path, held)
    assert (request.began_ns, request.t_ns) == (900, 950)


def test_a_client_sends_what_it_was_told_last_however_often_it_tries(tmp_path: Path) -> None:
    sends = [exchange("POST", f"{ONE}/events", began=began) for began in (5, 12, 17, 31)]
    long = "x" * 300
    found = read(tmp_path, *sends, exchange("POST", f"{ONE}/run", began=33), said=[(10, "go"), (30, long)])
    assert [request.text for request in found] == ["", "go", "go", "x" * 200, ""]


def test_nobody_knows_what_a_client_says_that_drives_itself(tmp_path: Path) -> None:
    (request,) = read(tmp_path, exchange("POST", f"{ONE}/events"))
    assert request.text == ""


def test_the_words_that_a_client_filters_by_stand_there_once(tmp_path: Path) -> None:
    search = "/api/conversations/search?status=stopped&limit=5"
    count = "/api/conversations/count?status=finished"
    path = journal(tmp_path, exchange("GET", search, 422), exchange("GET", count), exchange("GET", count))
    assert [(one.source, one.waited_for) for one in words_asked_for(path, OpenHands())] == [
        (f"GET {search}", ["stopped"]),
        (f"GET {count}", ["finished"]),
    ]


def test_what_is_wrong_with_an_answer_is_told_with_the_request(tmp_path: Path) -> None:
    odd = {"flaw": "misshapen", "error": "the answer has a chunk without a size"}
    (request,) = read(tmp_path, exchange("POST", f"{ONE}/run", **odd))
    assert (request.code, request.flaw, request.error) == (200, odd["flaw"], odd["error"])
