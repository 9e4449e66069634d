"""The wire itself: accepts connections, knows the rules in force, and counts."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tailproof.history.records import WireCount
from tailproof.protocol.naming import Naming
from tailproof.wire.armed import Armed
from tailproof.wire.journal import Journal
from tailproof.wire.link import Link
from tailproof.wire.link_stream import LinkStream
from tailproof.wire.rules import Rule, RuleError

BACKLOG = 512
_WINDOWS = ("drop-last", "reorder")
_ALWAYS = (
    "queued_bytes",
    "paused",
    *(
        f"{way}.{what}"
        for way in ("up", "down")
        for what in ("frames_in", "frames_out", "fragments_in", "bytes_in", "bytes_out")
    ),
)


class CannotListen(Exception):
    """An address that cannot be resolved or listened on; one sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    """`HOST:PORT`, `[V6]:PORT`."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError with one sentence."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is no HOST:PORT")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def resolve(self) -> tuple[socket.AddressFamily, tuple[object, ...]]:
        """The first address of the name. Raises CannotListen."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise CannotListen(f"{self} cannot be resolved: {error.strerror or error}") from error
        return found[0][0], found[0][4]


class Proxy:
    """One listening address in front of one upstream. All methods belong to the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        upstream: Address,
        journal: Journal,
        *,
        host: str = "",
        naming: Naming | None = None,
        fired: Callable[[Armed], None] = lambda armed: None,
    ) -> None:
        self.loop = loop
        self.journal = journal
        self.host = host
        self.naming = naming
        self._family, self._address = upstream.resolve()
        self._fired = fired
        self._rules: dict[str, Armed] = {}
        self._rule_counts: dict[str, Counter[str]] = {}
        self._links: set[Link] = set()
        self._stream_paths: list[str] = []
        self._past: Counter[str] = Counter()
        self._connections = 0
        self._listener: socket.socket | None = None
        self._place: socket.socket | None = None
        """Bound and never listening: the port stays ours while the wire is down."""
        self._down: set[str] = set()

    def listen(self, address: Address) -> Address:
        """Take connections from now on; returns where. Raises CannotListen."""
        family, place = address.resolve()
        try:
            self._place = _bound(family, place)
            self._open()
        except OSError as error:
            if self._place is not None:
                self._place.close()
            raise CannotListen(f"cannot listen on {address}: {error.strerror or error}") from error
        return Address(address.host, self._place.getsockname()[1])

    def add(self, rule: Rule) -> None:
        """Put a rule into force, behind those that are. Raises RuleError: the id is in use."""
        if rule.id in self._rules:
            raise RuleError(f"rule {rule.id} is in force already")
        counts = self._rule_counts.setdefault(rule.id, Counter())
        self._rules[rule.id] = armed = Armed(rule, counts, self.loop, self._has_fired)
        self._arm_all()
        if rule.on == "wire":
            self._go_down(armed)
        elif rule.when == "at-once":
            self._cut_open_streams(armed)
        self._count_in_journal()

    def remove(self, rule_id: str) -> bool:
        """Heal: what it holds goes on in order, what comes later passes. False when it is not in force."""
        armed = self._rules.pop(rule_id, None)
        if armed is None:
            return False
        armed.removed = True
        if rule_id in self._down:
            self._come_back(rule_id)
        self._arm_all()
        self._let_go(armed)
        self._count_in_journal()
        return True

    def release(self, rule_id: str) -> bool:
        """Let go what it holds at this moment; it stays in force. False when it is not."""
        armed = self._rules.get(rule_id)
        if armed is None:
            return False
        self._let_go(armed)
        return True

    def counters(self) -> dict[str, int]:
        """What the wire has done so far. `<direction>.frames_*` count whole messages of streams, `*.bytes_*` everything on
        the sockets (`up.bytes_in` comes from clients, `up.bytes_out` went to the server), `rule.<id>.*` what rules did."""
        counts = Counter(self._past)
        for link in self._links:
            counts.update(_counts_of(link))
        counts["connections"] = self._connections
        counts["open"] = len(self._links)
        counts["streams"] = len(self._stream_paths)
        for name in _ALWAYS:
            counts[name] += 0
        for name, of_rule in self._rule_counts.items():
            for what, number in of_rule.items():
                counts[f"rule.{name}.{what}"] = number
        return {name: counts[name] for name in sorted(counts)}

    def sync(self) -> None:
        """The journal is on disk when this returns."""
        self._count_in_journal()
        self.journal.flush(durable=True)

    def close(self) -> None:
        """Stop listening, close every connection, finish the journal."""
        self._stop_listening()
        if self._place is not None:
            self._place.close()
            self._place = None
        for link in list(self._links):
            link.close()
        self._count_in_journal()
        self.journal.close()

    # What links ask for

    def upstream(self) -> socket.socket:
        """See link.LinkContext."""
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(self._address)
        except BlockingIOError:
            pass
        except OSError:
            sock.close()
            raise
        return sock

    def rule_for(self, connection: int, method: str, path: str) -> Armed | None:
        """See link.LinkContext."""
        for armed in self._rules.values():
            if armed.rule.on == "http" and not armed.spent and armed.takes_request(connection, method, path):
                return armed
        return None

    def stream_opened(self, stream: LinkStream) -> None:
        """See link_stream.StreamContext."""
        stream.ordinal = len(self._stream_paths)
        self._stream_paths.append(stream.path)
        self._arm(stream)

    def gone(self, link: Link) -> None:
        """See link.LinkContext."""
        self._past.update(_counts_of(link))
        del self._past["queued_bytes"]
        self._links.discard(link)

    def _open(self) -> None:
        assert self._place is not None
        listener = _bound(self._place.family, self._place.getsockname())
        try:
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._listener = listener
        self.loop.add_reader(listener.fileno(), self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self.loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def _go_down(self, armed: Armed) -> None:
        self._down.add(armed.id)
        self._stop_listening()
        for link in list(self._links):
            armed.counts["cut"] += 1
            link.go_down(armed)
        armed.counts["matched"] += 1
        armed.fired()

    def _come_back(self, rule_id: str) -> None:
        self._down.discard(rule_id)
        if not self._down and self._place is not None:
            self._open()

    def _cut_open_streams(self, armed: Armed) -> None:
        for link in list(self._links):
            if link.streaming and not armed.spent and self._means(armed, link):
                armed.counts.update(("matched", "cut"))
                link.cut(armed)
                armed.fired()

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(64):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # No file descriptors left: the backlog keeps the rest until some are given back.
                listener = self._listener
                self.loop.remove_reader(listener.fileno())
                self.loop.call_later(0.1, self._listen_again, listener)
                return
            sock.setblocking(False)
            self._connections += 1
            self._links.add(Link(self, self._connections, sock))

    def _listen_again(self, listener: socket.socket) -> None:
        if self._listener is listener:
            self.loop.add_reader(listener.fileno(), self._accept)

    def _has_fired(self, armed: Armed) -> None:
        self._fired(armed)
        if armed.spent:
            self.loop.call_soon(self._spent, armed)

    def _spent(self, armed: Armed) -> None:
        self._arm_all()
        if armed.rule.do in _WINDOWS:
            self._let_go(armed)

    def _let_go(self, armed: Armed) -> None:
        for link in list(self._links):
            for lane in list(link.lanes.values()):
                lane.let_go(armed)
        armed.let_go()

    def _arm_all(self) -> None:
        for link in self._links:
            self._arm(link)

    def _arm(self, link: LinkStream) -> None:
        if not link.lanes:
            return
        acts = [a for a in self._rules.values() if a.rule.on == "stream" and a.rule.when != "at-once" and not a.spent]
        mine = [armed for armed in acts if self._means(armed, link)]
        for direction, lane in link.lanes.items():
            lane.arm([armed for armed in mine if armed.rule.direction == direction])

    def _means(self, armed: Armed, link: LinkStream) -> bool:
        if not armed.on_route(link.path):
            return False
        wanted = armed.rule.match.connection
        return wanted is None or wanted == 1 + sum(map(armed.on_route, self._stream_paths[: link.ordinal]))

    def _count_in_journal(self) -> None:
        self.journal.write(WireCount(counters=self.counters()), urgent=True)


def _bound(family: socket.AddressFamily | int, place: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
    except OSError:
        sock.close()
        raise
    return sock


def _counts_of(link: Link) -> Counter[str]:
    counts: Counter[str] = Counter()
    server = link.server
    counts["up.bytes_in"] = link.client.bytes_in
    counts["down.bytes_out"] = link.client.bytes_out
    counts["up.bytes_out"] = server.bytes_out if server is not None else 0
    counts["down.bytes_in"] = server.bytes_in if server is not None else 0
    counts["paused"] = link.client.pauses + (server.pauses if server is not None else 0)
    counts["queued_bytes"] = link.client.pending_bytes + (server.pending_bytes if server is not None else 0)
    for direction, lane in link.lanes.items():
        counts["queued_bytes"] += lane.queued_bytes
        counts[f"{direction}.frames_in"] = lane.index
        counts[f"{direction}.frames_out"] = lane.frames_out
        counts[f"{direction}.fragments_in"] = lane.scanner.frames
    return counts
