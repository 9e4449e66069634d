"""Faults at the wire: a rule is put into the proxy, and the proxy's frame counters prove it."""

from __future__ import annotations

import errno
import socket
from typing import Any, Literal, get_args

from tailproof.faults.fault import Proof, Stage
from tailproof.faults.meaning import ANYTHING, Names, named
from tailproof.wire.rules import Rule, StreamDo

_SAYS = {
    "hold": "frames stand still at the wire until they are let go",
    "delay": "frames arrive late by {seconds} s",
    "burst": "frames are held at the wire and let go every {seconds} s",
    "drop": "frames are dropped at the wire",
    "drop-last": "the last {count} frames before the end of the run are dropped at the wire",
    "duplicate": "frames arrive {count} times more",
    "reorder": "{count} frames in a row arrive in reverse order",
    "cut": "the connection is cut ({how})",
    "silence": "the connection stays open and nothing comes through any more",
    "delay-request": "requests reach the server late by {seconds} s",
    "delay-response": "answers reach the client late by {seconds} s",
    "status": "requests are answered {code} without asking the server",
    "reset-before": "the connection is reset before the server is asked",
    "reset-after": "the server is asked and the connection is reset instead of its answer",
    "truncate": "answers break off after {bytes} bytes",
    "black-hole": "requests are accepted and never answered",
    "down": "every connection is reset and new ones are refused",
}


_KNOCK_S = 2.0
_TRAFFIC = ("down.frames_in", "down.frames_out", "up.frames_in", "up.frames_out")

DOES = tuple(_SAYS)
"""What `wire.<...>` there is."""


class WireFault:
    """`wire.<what a rule does>`: the options are those of a rule, whose matches may be said in neutral words (`meaning`).
    Proven by the counters of the frames and requests that went in and out meanwhile."""

    scope = "network"
    ends_a_life = False

    def __init__(self, identity: str, does: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.name = f"wire.{does}"
        self._does = does
        self._options = options
        self.rule = self._rule(ANYTHING)
        at_once = self.rule.on == "wire" or self.rule.when == "at-once"
        self.proves: Literal["at-once", "before-healing"] = "at-once" if at_once else "before-healing"
        self._before: dict[str, int] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        defaults = {"seconds": 0, "count": 1, "how": "rst", "code": 500, "bytes": 0}
        match = self._options.get("match", {})
        route = match.get("request") or match.get("route")
        where = {"stream": "stream", "http": f"requests {route or '*'}"}.get(self.rule.on or "", "all of the path")
        if self.rule.on == "stream" and route:
            where = f"stream {route}"
        return f"{where}: " + _SAYS[self.rule.do].format(**{**defaults, **self._options})

    def inject(self, stage: Stage) -> None:
        self._before = stage.wire.counters()
        stage.wire.add(self._rule(stage.adapter))

    def verify(self, stage: Stage) -> Proof:
        """The wire's count of frames or requests that met the rule; a connection that is refused when the wire is down."""
        after = stage.wire.counters()
        grown = {name: value - self._before.get(name, 0) for name, value in after.items()}
        mine = f"rule.{self.id}."
        counters = {name: grown[name] for name in _TRAFFIC if grown.get(name)}
        counters |= {name.removeprefix(mine): value for name, value in grown.items() if name.startswith(mine) and value}
        proven = grown.get(f"{mine}done", 0) > 0
        if self.rule.on == "wire":
            counters["a connection is refused"] = refused = _is_refused(stage.wire.port)
            proven = proven and refused
        return Proof(proven, counters)

    def _rule(self, names: Names) -> Rule:
        of_frames = self._does in get_args(StreamDo) and self._options.get("on") != "http"
        return Rule.from_options(self.id, self._does, named(self._options, names, of_frames=of_frames))

    def heal(self, stage: Stage) -> None:
        stage.wire.remove(self.rule.id)


def _is_refused(port: int) -> bool:
    with socket.socket() as knock:
        knock.settimeout(_KNOCK_S)
        return knock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
