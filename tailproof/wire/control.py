"""Commands for a running wire: JSON lines on stdin, answers and firings as JSON lines on stdout.

`{"n": 1, "do": "add", "rule": {...}}` is answered `{"n": 1, "ok": ...}` or `{"n": 1, "error": "one sentence"}`. A rule that
fires says `{"fired": id, "times": k}` on its own, and an error in the wire itself `{"defect": ...}`. The wire ends when stdin
does, so it never outlives its owner; its last line is `{"ended": n}`, the number of records in its journal, or
`{"failed": why}` when that could not be written.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from tailproof.incoming.json import decoder
from tailproof.outgoing.masking import Masker
from tailproof.wire.armed import Armed
from tailproof.wire.proxy import Proxy
from tailproof.wire.rules import RuleError, rule_from


class Command(msgspec.Struct):
    """One line from the owner. `do`: add, remove, release, counters, sync, mask."""

    n: int
    do: str
    rule: dict[str, Any] = {}
    id: str = ""
    secrets: dict[str, str] = {}


class Control:
    """Reads in a thread of its own (stdin may be anything), acts in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        self._loop = loop
        self._end = end
        self._proxy: Proxy | None = None
        self._rest = b""

    def serve(self, proxy: Proxy) -> None:
        """Take commands for `proxy` from now on."""
        self._proxy = proxy
        threading.Thread(target=self._read_for_ever, name="control", daemon=True).start()

    def fired(self, armed: Armed) -> None:
        """Tell the owner that a rule has fired."""
        self.say({"fired": armed.id, "times": armed.firings})

    def defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's handler of errors: what the wire did to this connection is no work of the server or the client."""
        self.say({"defect": f"{context['message']}: {context.get('exception')!r}"})
        loop.default_exception_handler(context)

    def say(self, line: object) -> None:
        """Write one line to the owner; an owner that is gone ends the wire."""
        try:
            sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
            sys.stdout.buffer.flush()
        except OSError:
            self._loop.call_soon(self._end)

    def _read_for_ever(self) -> None:
        # os.read, not sys.stdin: a thread that waits inside a buffered reader cannot be left behind at exit.
        while chunk := os.read(0, 65536):
            self._loop.call_soon_threadsafe(self._received, chunk)
        self._loop.call_soon_threadsafe(self._end)

    def _received(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        assert self._proxy is not None
        try:
            command = decoder(Command).decode(line)
        except msgspec.MsgspecError as error:
            self.say({"n": -1, "error": f"no command: {error}"})
            return
        act = _ACTS.get(command.do)
        if act is None:
            self.say({"n": command.n, "error": f"no command {command.do!r}; there are {', '.join(_ACTS)}"})
            return
        try:
            self.say({"n": command.n, "ok": act(self._proxy, command)})
        except RuleError as error:
            self.say({"n": command.n, "error": str(error)})


def _add(proxy: Proxy, command: Command) -> bool:
    proxy.add(rule_from(command.rule))
    proxy.journal.flush()
    return True


def _sync(proxy: Proxy, command: Command) -> bool:
    proxy.sync()
    return True


def _mask(proxy: Proxy, command: Command) -> bool:
    proxy.journal.masker = Masker(command.secrets)
    return True


_ACTS: dict[str, Callable[[Proxy, Command], object]] = {
    "add": _add,
    "remove": lambda proxy, command: proxy.remove(command.id),
    "release": lambda proxy, command: proxy.release(command.id),
    "counters": lambda proxy, command: proxy.counters(),
    "sync": _sync,
    "mask": _mask,
}
