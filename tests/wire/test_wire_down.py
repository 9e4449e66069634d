"""The whole path goes down: everything is reset, new connections are refused, and healing brings the same port back."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from wire_stage import SECONDS, ids, journal, subscriber, wire_to

from tailproof.history.server_records import Stream
from tailproof.wire.handle import Wire
from tailproof.wire.rules import Rule


def down(identity: str = "r") -> Rule:
    return Rule.from_options(identity, "down", {})


def refused(wire: Wire) -> bool:
    with socket.socket() as knock:
        knock.settimeout(SECONDS)
        return knock.connect_ex(("127.0.0.1", wire.port)) != 0


def test_down_cuts_everything_and_refuses_until_it_is_healed(wire: Wire, tmp_path: Path) -> None:
    with subscriber(wire) as stream, socket.create_connection(("127.0.0.1", wire.port), timeout=SECONDS) as idle:
        stream.send("1")
        assert ids(stream, 1) == ["e0"]
        wire.add(down())
        with pytest.raises(ConnectionClosedError):
            stream.recv(timeout=SECONDS)
        with pytest.raises(ConnectionResetError):
            idle.recv(1)
    assert refused(wire)
    assert wire.counters()["open"] == 0
    assert wire.counters()["rule.r.cut"] == 2
    wire.remove("r")
    with subscriber(wire) as stream:
        stream.send("2")
        assert ids(stream, 2) == ["e0", "e1"]
    wire.stop()
    closed = [record.reason for record in journal(tmp_path) if isinstance(record, Stream) and record.stage == "closed"]
    assert closed[0] == "cut by rule r (down)"


def test_it_is_down_until_the_last_rule_that_wants_it_is_healed(wire: Wire) -> None:
    wire.add(down("one"))
    wire.add(down("other"))
    wire.remove("one")
    assert refused(wire)
    wire.remove("other")
    assert not refused(wire)
    assert not wire.remove("other")


def test_the_port_is_nobody_elses_meanwhile(wire: Wire) -> None:
    wire.add(down())
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", wire.port))


def test_a_wire_that_is_down_ends_in_order(streams: int, tmp_path: Path) -> None:
    with wire_to(streams, tmp_path) as wire:
        wire.add(down())
    assert journal(tmp_path)[-1].witness == "wire"
