"""What each rule does to a stream while it is on, counted, and that it is gone once it is healed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.sync.client import ClientConnection
from wire_stage import SECONDS, frames, ids, journal, subscriber, wait_count

from tailproof.history.records import Note
from tailproof.history.server_records import Stream
from tailproof.waiting import Budget, DeadlineMissed
from tailproof.wire.handle import Wire
from tailproof.wire.rules import Rule, RuleError


def rule(does: str, **options: object) -> Rule:
    return Rule.from_options("r", does, options)


def asks(client: ClientConnection, count: int) -> None:
    client.send(str(count))


def test_without_rules_everything_passes_and_is_journaled(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        asks(client, 5)
        assert ids(client, 5) == ["e0", "e1", "e2", "e3", "e4"]
    wire.stop()
    down = [r for r in frames(tmp_path) if r[1] == "passed"]
    assert down == [(f"e{n}", "passed") for n in range(5)]
    counters = wire.counters()
    assert counters["down.frames_in"] == counters["down.frames_out"] == 5
    assert counters["up.bytes_in"] > 0
    assert counters["open"] == 0


def test_drop_by_name_then_heal(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop", match={"name": "Observation"}))
        asks(client, 5)
        assert ids(client, 3) == ["e0", "e2", "e4"]
        assert wire.wait_fired("r", Budget(SECONDS), times=2) == 2
        counters = wire.counters()
        assert counters["rule.r.dropped"] == counters["rule.r.done"] == counters["rule.r.matched"] == 2
        assert counters["down.frames_in"] - counters["down.frames_out"] == 2
        assert wire.remove("r")
        asks(client, 3)
        assert ids(client, 3) == ["e0", "e1", "e2"]
    wire.stop()
    assert [r for r in frames(tmp_path) if r[1] == "dropped"] == [("e1", "dropped"), ("e3", "dropped")]


@pytest.mark.parametrize(
    ("match", "left"),
    [
        ({"from": 1, "to": 3}, ["e0", "e4"]),
        ({"nth": 2}, ["e0", "e2", "e3", "e4"]),
        ({"field": {"n": 3}}, ["e0", "e1", "e2", "e4"]),
        ({"field": {"n": [0, 4]}}, ["e1", "e2", "e3"]),
        ({"field": {"n": 1, "kind": "Action"}}, ["e0", "e1", "e2", "e3", "e4"]),
        ({"name": ["Action", "Observation"], "nth": 1}, ["e1", "e2", "e3", "e4"]),
        ({"route": "/sockets/*"}, []),
        ({"route": "/other/*"}, ["e0", "e1", "e2", "e3", "e4"]),
        ({"connection": 1}, []),
        ({"connection": 2}, ["e0", "e1", "e2", "e3", "e4"]),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else str(len(value)),
)
def test_match_means_exactly_these_frames(wire: Wire, match: dict[str, object], left: list[str]) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop", match=match))
        asks(client, 5)
        seen = ids(client, len(left))
        assert wait_count(wire, "down.frames_in", 5) == 5
        assert seen == left
        assert wire.counters().get("rule.r.dropped", 0) == 5 - len(left)


def test_connection_counts_streams_on_the_route(wire: Wire) -> None:
    wire.add(rule("drop", match={"route": "/sockets/*", "connection": 2}))
    with subscriber(wire, "/other"), subscriber(wire) as first, subscriber(wire) as second:
        asks(first, 2)
        assert ids(first, 2) == ["e0", "e1"]
        asks(second, 2)
        wait_count(wire, "rule.r.dropped", 2)


def test_times_limits_the_firings(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop", times=2))
        asks(client, 5)
        assert ids(client, 3) == ["e2", "e3", "e4"]
        assert wire.counters()["rule.r.done"] == 2


def test_hold_stands_still_until_released(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        wire.add(rule("hold", match={"field": {"n": 2}}))
        asks(client, 5)
        wire.wait_fired("r", Budget(SECONDS))
        assert ids(client, 2) == ["e0", "e1"]
        wait_count(wire, "down.frames_in", 5)
        assert wire.counters()["queued_bytes"] > 0
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.05)
        assert wire.release("r")
        assert ids(client, 3) == ["e2", "e3", "e4"]
        assert wire.counters()["queued_bytes"] == 0
        asks(client, 3)
        wire.wait_fired("r", Budget(SECONDS), times=2)
        assert ids(client, 2) == ["e0", "e1"]
        wire.remove("r")
        assert ids(client, 1) == ["e2"]
    wire.stop()
    done = [r for r in frames(tmp_path) if r[0] == "e2"]
    assert done[:3] == [("e2", "passed"), ("e2", "held"), ("e2", "passed")]


def test_hold_of_one_direction_leaves_the_other_alone(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("hold", direction="up"))
        client.send("held")
        wire.wait_fired("r", Budget(SECONDS))
        assert wire.counters()["up.frames_out"] == 0
        wire.remove("r")
        assert client.recv(timeout=SECONDS) == "held"


def test_delay_lets_nothing_overtake_and_healing_lets_all_go(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        wire.add(rule("delay", seconds=3600, match={"name": "Action"}))
        asks(client, 4)
        wire.wait_fired("r", Budget(SECONDS), times=2)
        wait_count(wire, "down.frames_in", 4)
        assert wire.counters()["down.frames_out"] == 0
        wire.remove("r")
        assert ids(client, 4) == ["e0", "e1", "e2", "e3"]
        asks(client, 1)
        assert ids(client, 1) == ["e0"]
    wire.stop()
    assert [r for r in frames(tmp_path) if r[1] == "delayed"] == [(f"e{n}", "delayed") for n in range(4)]


def test_delay_ends_by_itself(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("delay", seconds=0.05))
        asks(client, 3)
        assert ids(client, 3) == ["e0", "e1", "e2"]
        assert wire.counters()["rule.r.delayed"] == 3


def test_burst_keeps_frames_until_the_period_is_over_and_healing_lets_all_go(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("burst", seconds=3600))
        asks(client, 3)
        assert wait_count(wire, "rule.r.delayed", 3) == 3
        assert wire.counters()["down.frames_out"] == 0
        wire.remove("r")
        assert ids(client, 3) == ["e0", "e1", "e2"]


def test_burst_lets_go_by_itself_period_after_period(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("burst", seconds=0.05))
        for _ in range(2):
            asks(client, 3)
            assert ids(client, 3) == ["e0", "e1", "e2"]
        assert wire.counters()["rule.r.delayed"] == 6


def test_drop_last_takes_the_window_before_until(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop-last", count=3, until={"field": {"n": 6}}))
        asks(client, 8)
        assert ids(client, 4) == ["e0", "e1", "e2", "e6"]
        wire.wait_fired("r", Budget(SECONDS))
        assert wire.counters()["rule.r.dropped"] == 3
        wire.remove("r")
        assert ids(client, 1) == ["e7"]
    wire.stop()
    assert [r[0] for r in frames(tmp_path) if r[1] == "dropped"] == ["e3", "e4", "e5"]


def test_drop_last_keeps_what_it_does_not_mean_in_its_place(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop-last", count=1, match={"name": "Action"}, until={"field": {"n": 5}}))
        asks(client, 6)
        assert ids(client, 5) == ["e0", "e1", "e2", "e3", "e5"]


def test_drop_last_keeps_nothing_back_once_its_window_is_dropped(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop-last", count=2, until={"field": {"n": 3}}))
        asks(client, 6)
        assert ids(client, 4) == ["e0", "e3", "e4", "e5"]


def test_drop_last_passes_the_window_on_at_a_close(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("drop-last", count=3, until={"name": "Never"}))
        asks(client, 5)
        assert ids(client, 2) == ["e0", "e1"]
        client.send("close")
        assert ids(client, 3) == ["e2", "e3", "e4"]
        with pytest.raises(ConnectionClosedError, match="4001"):
            client.recv(timeout=SECONDS)
    assert wire.counters()["rule.r.done"] == 0


def test_duplicate_sends_copies(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("duplicate", count=2, match={"field": {"n": 1}}))
        asks(client, 3)
        assert ids(client, 5) == ["e0", "e1", "e1", "e1", "e2"]
        counters = wire.counters()
        assert counters["rule.r.duplicated"] == 2
        assert counters["down.frames_out"] - counters["down.frames_in"] == 2
        wire.remove("r")
        asks(client, 2)
        assert ids(client, 2) == ["e0", "e1"]


def test_reorder_passes_a_group_reversed(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        wire.add(rule("reorder", count=3, times=1))
        asks(client, 5)
        assert ids(client, 5) == ["e2", "e1", "e0", "e3", "e4"]
        assert wire.counters()["rule.r.reordered"] == 3
        wire.remove("r")
        asks(client, 3)
        assert ids(client, 3) == ["e0", "e1", "e2"]
    wire.stop()
    assert [r[0] for r in frames(tmp_path) if r[1] == "reordered"] == ["e2", "e1", "e0"]


def test_reorder_that_never_gets_its_group_passes_on_when_healed(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("reorder", count=9))
        asks(client, 3)
        wait_count(wire, "rule.r.matched", 3)
        wire.remove("r")
        assert ids(client, 3) == ["e0", "e1", "e2"]


def test_reorder_gives_up_on_a_group_that_does_not_fill(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("reorder", count=3, seconds=0.1))
        asks(client, 5)
        assert ids(client, 5) == ["e2", "e1", "e0", "e3", "e4"]
        assert wire.counters()["rule.r.reordered"] == 3


def test_silence_swallows_and_keeps_the_connection(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(rule("silence", match={"field": {"n": 1}}, times=1))
        asks(client, 4)
        assert ids(client, 1) == ["e0"]
        wait_count(wire, "rule.r.silenced", 3)
        assert client.ping().wait(SECONDS), "control frames pass: the connection lives"
        wire.remove("r")
        asks(client, 1)
        assert ids(client, 1) == ["e0"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut_ends_the_connection_at_the_frame(wire: Wire, how: str, when: str) -> None:
    with subscriber(wire) as client:
        wire.add(rule("cut", how=how, when=when, match={"field": {"n": 1}}, times=1))
        asks(client, 3)
        assert ids(client, 1 + (when == "after")) == ["e0", "e1"][: 1 + (when == "after")]
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(timeout=SECONDS)
        assert isinstance(caught.value.__cause__, ConnectionResetError) == (how == "rst")
    wait_count(wire, "rule.r.cut", 1)
    with subscriber(wire) as client:
        asks(client, 3)
        assert ids(client, 3) == ["e0", "e1", "e2"]


@pytest.mark.parametrize("how", ["rst", "fin", "close"])
def test_cut_at_once_needs_no_frame_and_leaves_later_streams_alone(wire: Wire, tmp_path: Path, how: str) -> None:
    with subscriber(wire, "/sockets/one") as client, subscriber(wire, "/sockets/other") as other:
        options = {"code": 1013} if how == "close" else {}
        wire.add(rule("cut", how=how, when="at-once", match={"route": "/sockets/one"}, **options))
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(timeout=SECONDS)
        assert (caught.value.rcvd.code if caught.value.rcvd else 1006) == (1013 if how == "close" else 1006)
        assert wire.fired("r") == 1
        asks(other, 2)
        assert ids(other, 2) == ["e0", "e1"]
    with subscriber(wire, "/sockets/one") as client:
        asks(client, 2)
        assert ids(client, 2) == ["e0", "e1"]
    wire.stop()
    closed = [r for r in journal(tmp_path) if isinstance(r, Stream) and r.stage == "closed"]
    assert [r.reason for r in closed if "cut by rule" in r.reason] == [f"cut by rule r ({how})"]


def test_cut_with_a_close_code(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as client:
        wire.add(rule("cut", how="close", code=1013, reason="too slow"))
        asks(client, 1)
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=SECONDS)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1013, "too slow")
    wire.stop()
    closed = [r for r in journal(tmp_path) if isinstance(r, Stream) and r.stage == "closed"]
    assert [r.code for r in closed] == [1013]


def test_the_first_rule_that_matches_acts(wire: Wire) -> None:
    with subscriber(wire) as client:
        wire.add(Rule.from_options("first", "drop", {"match": {"field": {"n": 1}}}))
        wire.add(Rule.from_options("second", "duplicate", {}))
        asks(client, 2)
        assert ids(client, 2) == ["e0", "e0"]
        assert wire.counters()["rule.second.matched"] == 1


def test_large_messages_pass_the_rules_whole(wire: Wire) -> None:
    body = json.dumps({"id": "big", "text": "x" * 3_000_000, "kind": "Large"})
    with subscriber(wire) as client:
        wire.add(rule("duplicate", match={"name": "Large"}))
        client.send(body)
        assert [client.recv(timeout=SECONDS) for _ in range(2)] == [body, body]


def test_a_rule_that_is_in_force_cannot_be_added_again(wire: Wire) -> None:
    wire.add(rule("drop"))
    with pytest.raises(RuleError, match="rule r is in force already"):
        wire.add(rule("drop"))
    assert wire.remove("r")
    assert not wire.remove("r")


def test_waiting_for_a_rule_that_never_fires_says_what_it_saw(wire: Wire) -> None:
    wire.add(rule("drop"))
    with pytest.raises(DeadlineMissed, match="rule r to fire 1 times; last seen: 0 firings"):
        wire.wait_fired("r", Budget(0.1))


def test_deflate_is_taken_out_and_said_and_keys_are_not_written(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire, "/sockets/events/1?session_api_key=CANARY-1&resend=all") as client:
        assert not client.protocol.extensions
        client.send('{"type":"auth","session_api_key":"CANARY-2"}')
        client.recv(timeout=SECONDS)
    wire.stop()
    written = (tmp_path / "wire.jsonl").read_text()
    assert "CANARY" not in written
    assert "/sockets/events/1?session_api_key=…&resend=all" in written
    assert any("permessage-deflate" in r.text for r in journal(tmp_path) if isinstance(r, Note))
