"""Requests and events that a fault means: said in neutral words, known by the names of a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.faults.catalogue import fault_for
from tailproof.faults.meaning import lacks, named
from tailproof.protocol.adapter import EventWord, RequestWord
from tailproof.wire.rules import Rule


class Poor:
    """A protocol without pages and without an end that is shown."""

    def route(self, request: RequestWord) -> tuple[str, str]:
        return {"run": ("POST", "/turns")}[request]

    def event(self, event: EventWord) -> Mapping[str, Any]:
        raise KeyError(event)


def test_a_request_becomes_its_route_and_method() -> None:
    options = {"seconds": 1, "match": {"request": "run", "nth": 2}}
    said = named(options, Poor(), of_frames=False)
    assert said == {"seconds": 1, "match": {"route": "/turns", "method": "POST", "nth": 2}}


def test_a_rule_of_frames_has_no_method() -> None:
    assert named({"match": {"request": "run"}}, Poor(), of_frames=True) == {"match": {"route": "/turns"}}


@pytest.mark.parametrize("request_", get_args(RequestWord))
def test_every_word_for_a_request_makes_a_rule(request_: str) -> None:
    options = named({"code": 503, "match": {"request": request_}}, OpenHands(), of_frames=False)
    assert Rule.from_options("it", "status", options).match.route


@pytest.mark.parametrize("event", get_args(EventWord))
def test_every_word_for_an_event_makes_a_rule(event: str) -> None:
    rule = Rule.from_options("it", "drop-last", named({"until": {"event": event}}, OpenHands(), of_frames=True))
    assert rule.until is not None
    assert rule.until.name


def test_what_was_meant_is_left_to_the_rule_when_it_is_said_in_names() -> None:
    options = {"match": {"route": "/x", "method": "GET"}}
    assert named(options, Poor(), of_frames=False) == options


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ({"request": "runn"}, r"match\.request is one of create, .* \(did you mean 'run'\?\)"),
        ({"request": ["run"]}, r"match\.request is one of create, "),
        ({"request": "run", "route": "/x"}, r"match\.route is what request stands for: say one of them"),
        ({"event": "terminal-status", "name": "x"}, r"match\.name is what event stands for: say one of them"),
    ],
)
def test_a_word_that_there_is_not_is_said_when_the_scenario_is_loaded(match: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fault_for("it", "wire.drop", {"match": match})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"match": {"request": "page"}}, "the protocol poor has no page"),
        ({"until": {"event": "terminal-status"}}, "the protocol poor has no terminal-status"),
        ({"while_held": {"request": "page"}}, "the protocol poor has no page"),
        ({"match": {"request": "run"}}, ""),
        ({"match": {"route": "/x"}}, ""),
        ({"seconds": 1}, ""),
    ],
)
def test_what_a_protocol_does_not_have_is_a_reason(options: dict[str, Any], says: str) -> None:
    assert lacks(options, Poor(), "poor") == says
