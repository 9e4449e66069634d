"""Drives Toxiproxy: byte-level faults in the same path as the wire. The one module that knows the package `toxiproxy`.

The package knows one server per process, so every call takes a lock and sets the address first; it looks at few answers, so what was
set is read back. A proxy that does not answer is made anew instead of waiting for the removal of a toxic, which can hang.
"""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, Self, TypeVar

import requests
from toxiproxy import Toxiproxy as Package
from toxiproxy import api

from tailproof.provision.toxiproxy import available, find
from tailproof.waiting import Budget

CALL_S = 10.0

Stream = Literal["upstream", "downstream"]
ToxicType = Literal["latency", "bandwidth", "slicer", "reset_peer", "timeout", "limit_data"]
TOXICS: Mapping[ToxicType, frozenset[str]] = {
    "latency": frozenset({"latency", "jitter"}),
    "bandwidth": frozenset({"rate"}),
    "slicer": frozenset({"average_size", "size_variation", "delay"}),
    "reset_peer": frozenset({"timeout"}),
    "timeout": frozenset({"timeout"}),
    "limit_data": frozenset({"bytes"}),
}
"""The attributes of each toxic: milliseconds, KB/s, bytes; microseconds for the slicer's delay."""

_address = threading.Lock()
T = TypeVar("T")


class ToxiproxyError(Exception):
    """Toxiproxy is missing, does not start, or did not do what it was told; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One byte-level fault. `stream` is `downstream` for server to client; toxicity is always 1: chance is not repeatable."""

    name: str
    type: ToxicType
    stream: Stream = "downstream"
    attributes: Mapping[str, int]

    def check(self) -> None:
        """Raises ToxiproxyError for an unknown type or attribute."""
        known = TOXICS.get(self.type)
        if known is None:
            raise ToxiproxyError(f"toxic {self.name}: no type {self.type!r}; there are {', '.join(TOXICS)}")
        unknown = self.attributes.keys() - known
        if unknown:
            raise ToxiproxyError(f"toxic {self.name}: {self.type} knows no {', '.join(sorted(unknown))}")


class Toxiproxy:
    """A Toxiproxy server of ours with the one proxy of a trial in it. Safe from several threads."""

    def __init__(self, process: subprocess.Popen[bytes], api_port: int) -> None:
        self._process = process
        self._api_port = api_port
        self._name = ""
        self._upstream = ""
        self.port = 0
        """Where the proxy listens on 127.0.0.1, once `proxy` was called; it stays through `recreate`."""

    @classmethod
    def start(cls, budget: Budget, *, environment: Mapping[str, str] | None = None) -> Toxiproxy:
        """Start a server on a free port of loopback. Raises ToxiproxyError, DeadlineMissed, Cancelled."""
        binary = find()
        if binary is None:
            raise ToxiproxyError(str(available()))
        port = _free_port()
        process = subprocess.Popen(
            [binary, "-host", "127.0.0.1", "-port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        server = cls(process, port)
        try:
            budget.wait_for("Toxiproxy to answer", server._answers, within=CALL_S)
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def pid(self) -> int:
        """The process of the server."""
        return self._process.pid

    def proxy(self, name: str, upstream: str, toxics: tuple[Toxic, ...] = ()) -> int:
        """Create the proxy: disabled, then its toxics, then enabled; all read back. Returns its port. Raises ToxiproxyError."""
        for toxic in toxics:
            toxic.check()
        self._name, self._upstream = name, upstream
        self.port = self.port or _free_port()
        made = self._call(
            "create", lambda: Package().create(upstream, name, listen=f"127.0.0.1:{self.port}", enabled=False)
        )
        for toxic in toxics:
            self._add(toxic)
        self._call("enable", made.enable)
        seen = self._proxy()
        if not seen.enabled or seen.upstream != upstream or not seen.listen.endswith(f":{self.port}"):
            raise ToxiproxyError(f"Toxiproxy did not enable the proxy {name} as asked")
        return self.port

    def add(self, name: str, type: ToxicType, stream: Stream, attributes: Mapping[str, int]) -> None:
        """Add a toxic and read it back. Raises ToxiproxyError."""
        self._add(Toxic(name=name, type=type, stream=stream, attributes=attributes))

    def _add(self, toxic: Toxic) -> None:
        toxic.check()
        proxy = self._proxy()
        said = {"name": toxic.name, "type": toxic.type, "stream": toxic.stream, "attributes": dict(toxic.attributes)}
        self._call(f"add toxic {toxic.name}", lambda: proxy.add_toxic(**said, toxicity=1.0))
        seen = self.toxics().get(toxic.name)
        if seen is None or seen.type != toxic.type or seen.attributes != {**seen.attributes, **toxic.attributes}:
            raise ToxiproxyError(f"Toxiproxy does not have the toxic {toxic.name} as asked: {seen}")

    def remove(self, name: str) -> bool:
        """Heal: remove a toxic, or recreate the proxy when the removal does not come back (its connections are then cut,
        and the return is False). What a `reset_peer` or `timeout` has marked is always recreated. Raises ToxiproxyError."""
        toxic = self.toxics().get(name)
        if toxic is None:
            return True
        if toxic.type in ("reset_peer", "timeout"):
            self.recreate(without=name)
            return False
        proxy = self._proxy()
        try:
            self._call(f"remove toxic {name}", lambda: proxy.destroy_toxic(name))
        except ToxiproxyError:
            self.recreate(without=name)
            return False
        if name in self.toxics():
            raise ToxiproxyError(f"Toxiproxy still has the toxic {name}")
        return True

    def recreate(self, *, without: str = "") -> None:
        """The same proxy on the same port with its toxics, `without` one; connections are cut. Raises ToxiproxyError."""
        kept = tuple(toxic for toxic in self.toxics().values() if toxic.name != without)
        proxy = self._proxy()
        self._call("delete", proxy.destroy)
        self.proxy(self._name, self._upstream, kept)

    def toxics(self) -> dict[str, Toxic]:
        """The toxics in force, as the server says. Raises ToxiproxyError."""
        proxy = self._proxy()
        found = self._call("list toxics", proxy.toxics)
        return {
            name: Toxic(name=name, type=seen.type, stream=seen.stream, attributes=dict(seen.attributes))
            for name, seen in found.items()
        }

    def stop(self) -> None:
        """End the server. Idempotent."""
        for end in (self._process.terminate, self._process.kill):
            if self._process.poll() is None:
                end()
                try:
                    self._process.wait(5.0)
                except subprocess.TimeoutExpired:
                    continue
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise ToxiproxyError(f"the Toxiproxy server ended at once (exit code {self._process.returncode})")
        with socket.socket() as knock:
            knock.settimeout(CALL_S)
            return knock.connect_ex(("127.0.0.1", self._api_port)) == 0

    def _proxy(self) -> Any:
        found = self._call("look up", lambda: Package().get_proxy(self._name))
        if found is None:
            raise ToxiproxyError(f"Toxiproxy has no proxy {self._name!r}")
        return found

    def _call(self, what: str, act: Callable[[], T]) -> T:
        with _address:
            Package().update_api_consumer("127.0.0.1", self._api_port)
            try:
                return act()
            except Exception as error:
                # The package raises what it likes: its own three, those of requests, and KeyError for an unexpected answer.
                raise ToxiproxyError(f"Toxiproxy did not {what} ({self._name}): {error!r}") from error


def _ask(method: str, **asked: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, timeout=CALL_S, **asked)
    if answer.status_code >= 500:
        answer.raise_for_status()
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The package asks with `requests.get`, `post` and `delete` as they are, and gives no way to say how: without a timeout, so for ever when
# the server hangs; through the proxy of HTTP_PROXY, although the server is on this machine; and an answer of 500 is read as if it were
# what was asked for (it knows 400, 404 and 409). It gets these three instead.
api.requests = SimpleNamespace(**{method: functools.partial(_ask, method) for method in ("get", "post", "delete")})
