"""What the controls of the sabotage matrix showed: honest trials in which nobody may be accused, and no witness doubted."""

from __future__ import annotations

import pytest
from guarantee_histories import HOLDS, VIOLATED, Built, calm, crashed

from tailproof.guarantees.catalogue import judge
from tailproof.guarantees.witnesses import STREAM, blind
from tailproof.history.records import Exchange, Fault
from tailproof.history.server_records import Stream

SECOND = 1_000_000_000


def swallowed(*, rule: str) -> Built:
    """The client asks at 2 s, gives up at 5 s, and writes that down; the wire did away with the question at 3 s."""
    built = calm(client="plain")
    built.ask(5.0, "status", 0, took=3.0, error="timeout", witness="client", method="GET", path="/conversations/c1")
    asked = Exchange(conn=7, method="GET", path="/conversations/c1?full=1", done="black-hole", rule=rule)
    asked.began_ns = 2 * SECOND + 1
    return built.put(3.0, asked)


@pytest.mark.parametrize(("rule", "outcome"), [("hole", HOLDS), ("", VIOLATED)], ids=["a-rule-did", "nobody-did"])
def test_what_a_rule_did_to_a_request_is_not_the_servers(rule: str, outcome: str) -> None:
    """A client that writes its own requests down cannot name the rule."""
    assert judge(swallowed(rule=rule).build())["server.ready"].outcome is outcome


def test_another_request_of_the_same_route_is_not_excused() -> None:
    built = swallowed(rule="hole")
    built.ask(5.5, "status", 503, took=0.1, witness="client", method="GET", path="/conversations/c1")
    assert judge(built.build())["server.ready"].outcome is VIOLATED


def test_a_server_that_takes_its_time_to_die_takes_the_observer_with_it() -> None:
    """The kernel closed the connection as soon as the fault was injected (3.8); the engine told of the death at 4."""
    built = crashed().move(Stream, {"reading": "stream:0", "stage": "closed"}, 3.45)
    built.alter(Stream, {"reading": "stream:0", "stage": "closed"}, code=1006)
    assert STREAM in blind(built.build())
    dying = built.move(Fault, {"stage": "intent"}, 3.4)
    assert STREAM not in blind(dying.build())
