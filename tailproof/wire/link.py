"""One connection of a client through the wire: its two ends, and the stream that its HTTP may turn into."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from tailproof.history.records import Note
from tailproof.history.server_records import Stream
from tailproof.wire.armed import Armed
from tailproof.wire.end import End
from tailproof.wire.exchanges import Exchanges
from tailproof.wire.framing import CLOSE, frame
from tailproof.wire.journal import Journal
from tailproof.wire.lane import Lane

CONNECTING_BYTES = 64 << 10


class LinkContext(Protocol):
    """What a link needs from the proxy it lives in."""

    loop: asyncio.AbstractEventLoop
    journal: Journal
    host: str

    def upstream(self) -> socket.socket:
        """A socket that is connecting to the server. Raises OSError."""

    def rule_for(self, connection: int, method: str, path: str) -> Armed | None:
        """The HTTP rule that acts on this request."""

    def stream_opened(self, link: Link) -> None:
        """The link has become a stream: number it, and arm its lanes."""

    def gone(self, link: Link) -> None:
        """Both ends are closed."""


class Link:
    """A pair of sockets. The server's is connected when the first request asks for it."""

    def __init__(self, context: LinkContext, number: int, client: socket.socket) -> None:
        self.number = number
        self.journal = context.journal
        self.host = context.host
        self.path = ""
        self.ordinal = 0
        """Streams: how many there were before this one, over all routes."""
        self.lanes: dict[str, Lane] = {}
        self.server: End | None = None
        self._context = context
        self._loop = context.loop
        self._tunnel = False
        self._connecting: list[bytes] = []
        self._gone = False
        self._stream_ended = False
        self._exchanges = Exchanges(self)
        self.client = End(
            self._loop,
            client,
            received=self._from_client,
            ended=self._client_ended,
            drained=self._client_drained,
            gone=self._end_gone,
        )

    def close(self) -> None:
        """Close both ends without ceremony."""
        self.client.close()
        if self.server is not None:
            self.server.close()

    # What the exchanges ask for (see exchanges.LinkIO)

    def rule_for(self, method: str, path: str) -> Armed | None:
        """See LinkIO."""
        return self._context.rule_for(self.number, method, path)

    def send_up(self, data: bytes) -> None:
        """See LinkIO."""
        if self.server is not None:
            self.server.send(data)
            if self.server.blocked:
                self.client.pause("up")
        elif data:
            self._connecting.append(data)
            if len(self._connecting) == 1:
                self._connect()
            elif sum(map(len, self._connecting)) > CONNECTING_BYTES:
                self.client.pause("connecting")

    def send_down(self, data: bytes) -> None:
        """See LinkIO."""
        self.client.send(data)
        if self.client.blocked and self.server is not None:
            self.server.pause("down")

    def shut_up(self) -> None:
        """See LinkIO."""
        if self.server is not None:
            self.server.shut()

    def stand_still(self, why: str, *, both: bool = True) -> None:
        """See LinkIO."""
        self.client.pause(why)
        if both and self.server is not None:
            self.server.pause(why)

    def move_on(self, why: str) -> None:
        """See LinkIO."""
        self.client.resume(why)
        if self.server is not None:
            self.server.resume(why)

    def upgraded(self, path: str, *, websocket: bool) -> None:
        """See LinkIO."""
        self.path = path
        self._tunnel = not websocket
        if websocket:
            self._become_stream()
        from_client, from_server = self._exchanges.leftovers()
        if from_client:
            self._from_client(from_client)
        if from_server:
            self._from_server(from_server)

    def finish(self) -> None:
        """See LinkIO."""
        self.client.finish()
        if self.server is not None:
            self.server.finish()

    def reset(self) -> None:
        """See LinkIO."""
        self.client.abort()
        if self.server is not None:
            self.server.abort()

    # The server's end

    def _connect(self) -> None:
        try:
            sock = self._context.upstream()
        except OSError as error:
            self._refused(error.strerror or str(error))
            return
        self._loop.add_writer(sock.fileno(), self._connected, sock)

    def _connected(self, sock: socket.socket) -> None:
        self._loop.remove_writer(sock.fileno())
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if self._gone or error:
            sock.close()
            if not self._gone:
                self._refused("the server cannot be reached")
            return
        self.server = End(
            self._loop,
            sock,
            received=self._from_server,
            ended=self._server_ended,
            drained=self._server_drained,
            gone=self._end_gone,
        )
        waiting, self._connecting = b"".join(self._connecting), []
        self.send_up(waiting)
        self.client.resume("connecting")
        self._exchanges.connected()

    def _refused(self, why: str) -> None:
        """The client sees a reset, as it would without the wire."""
        self.journal.write(Note(text=f"connection {self.number}: {why}"))
        self._exchanges.blame("server")
        self._exchanges.broken()
        self.client.abort()

    # What comes in

    def _from_client(self, chunk: bytes) -> None:
        if self.lanes:
            self.lanes["up"].receive(chunk)
        elif self._tunnel:
            self.send_up(chunk)
        else:
            self._exchanges.from_client(chunk)

    def _from_server(self, chunk: bytes) -> None:
        if self.lanes:
            self.lanes["down"].receive(chunk)
        elif self._tunnel:
            self.send_down(chunk)
        else:
            self._exchanges.from_server(chunk)

    def _client_ended(self, how: str) -> None:
        if how == "rst":
            self._exchanges.blame("client")
            self._exchanges.broken()
            self.reset()
        elif self.lanes:
            self.lanes["up"].ended(how)
        elif self._tunnel:
            self.shut_up()
        else:
            self._exchanges.client_ended()

    def _server_ended(self, how: str) -> None:
        if self.lanes:
            self.lanes["down"].ended(how)
        elif how == "rst":
            self._exchanges.blame("server")
            self._exchanges.broken()
            self.reset()
        else:
            self._exchanges.server_ended()
            self.finish()

    def _client_drained(self) -> None:
        if self.server is not None:
            self.server.resume("down")

    def _server_drained(self) -> None:
        self.client.resume("up")

    def _end_gone(self) -> None:
        if self._gone or not self.client.closed or (self.server is not None and not self.server.closed):
            return
        self._gone = True
        if self.client.over and (self.server is None or not self.server.over):
            self._exchanges.blame("client")
        self._exchanges.broken()
        for lane in self.lanes.values():
            lane.close()
        if self.lanes:
            down, up = self.lanes["down"].scanner, self.lanes["up"].scanner
            said = down if down.close_code else up
            self._end_stream(said.close_code or 1006, said.close_reason)
        self._context.gone(self)

    # The stream

    def _become_stream(self) -> None:
        assert self.server is not None
        for direction, source, sink in (("up", self.client, self.server), ("down", self.server, self.client)):
            self.lanes[direction] = Lane(
                self._loop,
                self.journal,
                self.number,
                direction,
                source,
                sink,
                finished=lambda how, sink=sink: self._came_through(how, sink),  # type: ignore[misc]
                cut=self.cut,
                note=lambda text: self.journal.write(Note(text=f"connection {self.number}: {text}")),
            )
        self.journal.write(Stream(reading=f"wire:{self.number}", stage="opened", path="wire"))
        self._context.stream_opened(self)

    def _came_through(self, how: str, sink: End) -> None:
        if how == "rst":
            sink.abort()
            self.close()
        else:
            sink.shut()

    @property
    def streaming(self) -> bool:
        """It is a stream, and open."""
        return bool(self.lanes) and not self._stream_ended

    def cut(self, armed: Armed) -> None:
        """End the stream as the rule says. A close frame needs a stream that stands between two messages."""
        rule = armed.rule
        code = rule.code or 1011
        self._end_stream(code if rule.how == "close" else 1006, f"cut by rule {rule.id} ({rule.how})")
        if rule.how == "rst" and rule.when == "after":
            self.stand_still("cut")
            self.client.when_sent(self.reset)
        elif rule.how == "rst":
            self.reset()
        else:
            if rule.how == "close":
                payload = code.to_bytes(2, "big") + rule.reason.encode()
                self.client.send(frame(CLOSE, payload))
                if self.server is not None:
                    self.server.send(frame(CLOSE, payload, mask=bytes(4)))
            self.finish()

    def go_down(self, armed: Armed) -> None:
        """RST to both sides: the path is gone."""
        if self.lanes:
            self._end_stream(1006, f"cut by rule {armed.id} (down)")
        self._exchanges.cut_by(armed.id)
        self.reset()

    def _end_stream(self, code: int, reason: str) -> None:
        if not self._stream_ended:
            self._stream_ended = True
            closed = Stream(reading=f"wire:{self.number}", stage="closed", path="wire", code=code, reason=reason)
            self.journal.write(closed, urgent=True)
