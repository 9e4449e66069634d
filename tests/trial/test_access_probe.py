"""Which keys are tried where, and what the published schema of a server says about doors."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import Any, get_args

import pytest

from tailproof.adapters.openhands import access
from tailproof.adapters.openhands.requests import CONVERSATIONS
from tailproof.history.access_records import Key
from tailproof.incoming.http import Reply
from tailproof.protocol.access import Door
from tailproof.trial.access_probe import MALFORMED, shaped, tries

RIGHT = "a1b2c3d4e5f60718"
AGAIN = "shown-before"
READ = Door(kind="route", method="GET", path="/things", target="/things", reads=True)
CHANGE = Door(kind="route", method="POST", path="/things", target="/things", places=("header", "bearer"))
PUBLIC = Door(kind="route", method="GET", path="/alive", target="/alive", open="documented")


@pytest.mark.parametrize("form", get_args(Key))
def test_no_key_but_the_right_one_is_the_right_one(form: Key) -> None:
    assert (shaped(form, RIGHT) == RIGHT) is (form == "right")
    assert (shaped(form, RIGHT) is None) is (form in ("none", "shown-before"))


def test_the_right_key_is_shown_only_where_it_changes_nothing() -> None:
    shown = [(door.path, key) for door, key, _ in tries([READ, CHANGE, PUBLIC], exhaustive=True, dormant=False)]
    assert ("/things", "right") in shown
    assert not [one for one in tries([CHANGE, PUBLIC], exhaustive=True, dormant=False) if one[1] == "right"]
    assert not [one for one in tries([READ], exhaustive=True, dormant=True) if one[1] == "right"]


def test_what_opens_is_shown_the_right_key_by_whoever_is_thorough() -> None:
    door = Door(kind="route", method="GET", path="/settings", target="/settings", opens=True)
    assert "right" in [key for _, key, _ in tries([door], exhaustive=True, dormant=False)]
    assert "right" not in [key for _, key, _ in tries([door], exhaustive=False, dormant=False)]
    assert "right" not in [key for _, key, _ in tries([door], exhaustive=True, dormant=True)]


def test_a_route_that_wants_to_be_told_nothing_opens() -> None:
    told: dict[str, Any] = {
        "/settings": {"get": {"parameters": [{"name": "deep", "in": "query", "required": False}]}},
        "/file": {"get": {"parameters": [{"name": "path", "in": "query", "required": True}]}},
        "/things/{thing_id}": {"get": {}},
    }
    doors = [access._route("get", path, one, {"conversation": "c1", "workspace": "/w"}) for path, one in told.items()]
    assert [door.opens for door in doors] == [True, False, False]


def test_every_door_is_tried_without_a_key_and_with_a_wrong_one_in_each_place() -> None:
    tried = {(door.method, key, place) for door, key, place in tries([READ, CHANGE], exhaustive=False, dormant=False)}
    assert {("GET", "none", "header"), ("POST", "none", "header")} <= tried
    assert {("POST", "wrong", "header"), ("POST", "wrong", "bearer")} <= tried
    assert {key for method, key, _ in tried if method == "GET"} >= set(MALFORMED)


def test_a_public_door_is_asked_once() -> None:
    assert [key for _, key, _ in tries([PUBLIC], exhaustive=True, dormant=False)] == ["none"]


def test_what_is_read_is_asked_for_in_other_spellings_without_a_key() -> None:
    door = replace(READ, path="/things/{id}/parts", target="/things/7/parts?deep=1")
    asked = [(one.target, key) for one, key, _ in tries([door, CHANGE], exhaustive=False, dormant=False)]
    others = ["//things/7/parts?deep=1", "/things//7/parts?deep=1", "/things/7/parts/?deep=1"]
    assert [(target, "none") for target in others] == [one for one in asked if one[0] in others]
    assert not [one for one, *_ in tries([door], exhaustive=True, dormant=True) if one.target in others]
    assert not [one for one, *_ in tries([CHANGE, PUBLIC], exhaustive=True, dormant=False) if "//" in one.target]


def test_a_connection_that_has_shown_the_key_is_asked_again_at_one_door() -> None:
    other = replace(READ, path="/others", target="/others")
    again = [one.path for one, key, _ in tries([CHANGE, READ, other], exhaustive=False, dormant=False) if key == AGAIN]
    assert again == ["/things"]
    assert AGAIN not in [key for _, key, _ in tries([READ], exhaustive=True, dormant=True)]
    assert AGAIN not in [key for _, key, _ in tries([CHANGE], exhaustive=True, dormant=False)]


def test_what_the_adapter_uses_is_a_door_even_if_it_is_not_published() -> None:
    filled = {"conversation": "c1", "workspace": "/w"}
    told: dict[str, Any] = {"get": {}}
    shown = [access._route("get", f"{CONVERSATIONS}{rest}", told, filled) for rest in ("/search", "/{id}")]
    hidden = list(access._unpublished(shown))
    assert ("GET", CONVERSATIONS) in hidden
    assert ("DELETE", f"{CONVERSATIONS}/{{conversation_id}}") in hidden
    assert ("GET", f"{CONVERSATIONS}/search") not in hidden
    assert ("GET", f"{CONVERSATIONS}/{{conversation_id}}") not in hidden
    door = access._route("post", f"{CONVERSATIONS}/{{conversation_id}}/run", {}, filled)
    assert (door.target, list(door.places), door.open) == (f"{CONVERSATIONS}/c1/run", ["header"], "")


def test_routes_are_filled_in_and_know_where_they_take_a_key() -> None:
    told: dict[str, Any] = {
        "/api/conversations/{conversation_id}/events/{event_id}": {"get": {"security": [{"APIKeyHeader": []}]}},
        "/api/file/download": {"get": {"parameters": [{"name": "path", "in": "query", "required": True}]}},
        "/v1/models": {"get": {"security": [{"APIKeyHeader": []}, {"HTTPBearer": []}]}},
        "/alive": {"get": {}},
    }
    filled = {"conversation": "c1", "workspace": "/w"}
    doors = [access._route("get", path, one, filled) for path, one in told.items()]
    assert [door.target for door in doors] == [
        "/api/conversations/c1/events/00000000-0000-0000-0000-000000000001",
        "/api/file/download?path=%2Fw",
        "/v1/models",
        "/alive",
    ]
    assert [list(door.places) for door in doors] == [["header"], ["header"], ["header", "bearer"], ["header"]]
    assert [bool(door.open) for door in doors] == [False, False, False, True]


@pytest.mark.parametrize("raw", [b"[]", b'{"paths": []}', b'{"paths": {"/x": 7}}', b"{}"])
def test_a_schema_that_is_none_has_no_paths(raw: bytes) -> None:
    assert access._paths(raw) == {}


def test_an_archive_is_looked_into() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/state.json", json.dumps({"key": "x"}))
    assert list(access._files(Reply(code=200, body=packed.getvalue()))) == [
        ("", packed.getvalue()),
        ("a/state.json", b'{"key": "x"}'),
    ]
    cut = packed.getvalue()[:-4]
    for body in (b"no", b"", cut):
        assert list(access._files(Reply(code=200, body=body))) == [("", body)]


@pytest.mark.parametrize(
    "operation", [{"get": 7}, {"get": {"security": 7, "parameters": "x"}}, {"get": {"security": [7]}}]
)
def test_an_operation_that_is_none_is_a_route_that_needs_a_key(operation: dict[str, Any]) -> None:
    door = access._route("get", "/x", operation, {"conversation": "c1", "workspace": "/w"})
    assert (door.target, door.places, door.open) == ("/x", ["header"], "")
