"""One connection of a client through the wire: its two ends, and the stream that its HTTP may turn into."""

from __future__ import annotations

import socket
from functools import partial
from typing import Protocol

from tailproof.history.records import Note
from tailproof.incoming.limits import Unsound
from tailproof.incoming.stream import BROKEN, IN_ORDER
from tailproof.protocol.naming import Naming
from tailproof.wire.armed import Armed
from tailproof.wire.end import End
from tailproof.wire.events import EventBody, EventScanner
from tailproof.wire.exchanges import Exchanges
from tailproof.wire.framing import CLOSE, Scanner, frame
from tailproof.wire.http import Body
from tailproof.wire.link_stream import LinkStream, StreamContext

CONNECTING_BYTES = 64 << 10


class LinkContext(StreamContext, Protocol):
    """What a link needs from the proxy it lives in."""

    host: str
    naming: Naming | None

    def upstream(self) -> socket.socket:
        """A socket that is connecting to the server. Raises OSError."""

    def rule_for(self, connection: int, method: str, path: str) -> Armed | None:
        """The HTTP rule that acts on this request."""

    def gone(self, link: Link) -> None:
        """Both ends are closed."""


class Link(LinkStream):
    """A pair of sockets. The server's is connected when the first request asks for it."""

    def __init__(self, context: LinkContext, number: int, client: socket.socket) -> None:
        super().__init__(context, number)
        self.host = context.host
        self.server: End | None = None
        self._context = context
        self._tunnel = False
        self._events: EventBody | None = None
        """The body of an answer that is a stream of events."""
        self._connecting: list[bytes] = []
        self._gone = False
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

    def events(self, path: str, body: Body) -> None:
        """See LinkIO."""
        self.path = path
        self._events = EventBody(body, self.client)
        self._become_events(self._events)
        _, from_server = self._exchanges.leftovers()
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
        if self._events is not None:
            return  # it is told that nothing else will be answered here
        if self.lanes:
            self._hear("up", chunk)
        elif self._tunnel:
            self.send_up(chunk)
        else:
            self._exchanges.from_client(chunk)

    def _from_server(self, chunk: bytes) -> None:
        if self._events is not None:
            self._take_events(chunk, self._events)
        elif self.lanes:
            self._hear("down", chunk)
        elif self._tunnel:
            self.send_down(chunk)
        else:
            self._exchanges.from_server(chunk)

    def _client_ended(self, how: str) -> None:
        if how == "rst":
            self._exchanges.blame("client")
            self._exchanges.broken()
            self.reset()
        elif self._events is not None:
            self._end_stream(IN_ORDER, "closed by the client")
            self.finish()
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
            self._end_stream(*self._goodbye())
        self._context.gone(self)

    # The stream

    def _become_stream(self) -> None:
        assert self.server is not None
        for direction, source, sink in (("up", self.client, self.server), ("down", self.server, self.client)):
            self._add_lane(
                direction, source, sink, Scanner(self._context.naming), partial(self._came_through, sink), self.cut
            )
        self._stream_opened()

    def _become_events(self, events: EventBody) -> None:
        assert self.server is not None
        self._add_lane(
            "down", self.server, events.sink, EventScanner(self._context.naming), self._events_came_through, self.cut
        )
        self._stream_opened()

    def _take_events(self, chunk: bytes, events: EventBody) -> None:
        lane = self.lanes["down"]
        try:
            content = events.content(chunk)
        except Unsound as error:
            self.journal.write(Note(text=f"connection {self.number} ended by the wire, which got {error}"))
            self.reset()
            return
        if content:
            lane.receive(content)
        if events.over:
            lane.ended("over")

    def _events_came_through(self, how: str) -> None:
        """`over`: all of the answer. `fin`: its connection has ended, which breaks off an answer in chunks and ends any other."""
        if how == "rst":
            self.reset()
            return
        assert self._events is not None
        if how == "over":
            self._events.finish()
        if how == "over" or self._events.ends_with_connection:
            self._end_stream(IN_ORDER, "the stream ended")
        self.finish()

    def _came_through(self, sink: End, how: str) -> None:
        if how == "rst":
            sink.abort()
            self.close()
        else:
            sink.shut()

    def cut(self, armed: Armed) -> None:
        """End the stream as the rule says. A close frame needs a stream that stands between two messages."""
        rule = armed.rule
        code = rule.code or 1011
        self._end_stream(code if rule.how == "close" else BROKEN, f"cut by rule {rule.id} ({rule.how})")
        if rule.how == "rst" and rule.when == "after":
            self.stand_still("cut")
            self.client.when_sent(self.reset)
        elif rule.how == "rst":
            self.reset()
        elif self._events is not None:
            if rule.how == "close":
                self._events.finish()
            self.finish()
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
            self._end_stream(BROKEN, f"cut by rule {armed.id} (down)")
        self._exchanges.cut_by(armed.id)
        self.reset()
