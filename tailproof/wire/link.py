"""One connection of a client through the wire: its HTTP exchanges one after the other, and the stream it may turn into."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from tailproof.history.records import Exchange, Note, Stream
from tailproof.wire.armed import Armed, Parked
from tailproof.wire.end import End
from tailproof.wire.framing import CLOSE, frame
from tailproof.wire.http import (
    Body,
    Head,
    HttpError,
    UntilClose,
    answer,
    head_end,
    parse_head,
    request_body,
    response_body,
    without_deflate,
)
from tailproof.wire.journal import Journal, shown_target
from tailproof.wire.lane import Lane

PIPELINED_BYTES = 64 << 10


class House(Protocol):
    """What a link needs from the proxy it lives in."""

    loop: asyncio.AbstractEventLoop
    journal: Journal

    def upstream(self) -> socket.socket:
        """A socket that is connecting to the server. Raises OSError."""

    def rule_for(self, connection: int, method: str, path: str) -> Armed | None:
        """The HTTP rule that acts on this request."""

    def stream_opened(self, link: Link) -> None:
        """The link has become a stream: number it, and arm its lanes."""

    def gone(self, link: Link) -> None:
        """Both ends are closed."""


class Link:
    """A pair of sockets. The server's is connected when the first request arrives."""

    def __init__(self, house: House, number: int, client: socket.socket) -> None:
        self.number = number
        self.path = ""
        self.ordinal = 0
        """Streams: the number in order of upgrade, over all routes."""
        self.lanes: dict[str, Lane] = {}
        self.server: End | None = None
        self._house = house
        self._journal = house.journal
        self._loop = house.loop
        self._inbox = b""
        self._request: Exchange | None = None
        self._upgrade = False
        self._sending: Body | None = None
        """The body of the request that is on its way up; None between requests and once it is all there."""
        self._answered = False
        self._answering: Body | None = None
        self._outbox = b""
        self._rule: Armed | None = None
        self._swallow = False
        """The request is read and thrown away: it is answered by a rule, or never."""
        self._left_to_pass = -1
        self._parked: Parked | None = None
        self._tunnel = False
        self._connecting: list[bytes] = []
        self._gone = False
        self._client_over = False
        self._stream_ended = False
        self.client = End(
            self._loop,
            client,
            received=self._from_client,
            ended=self._client_ended,
            drained=lambda: self._drained("down", self.server),
            gone=self._end_gone,
        )

    def close(self) -> None:
        """Close both ends without ceremony (the wire ends)."""
        self._close_both()

    def _step(self) -> None:
        """Go on with what has come from both sides, as far as it goes."""
        try:
            self._requests()
            self._answers()
            self._requests()
            self._pass_client_end()
        except HttpError as error:
            self._journal.write(Note(text=f"connection {self.number} ended by the wire, which got {error}"))
            self._end_exchange("broken")
            self._reset()

    # Towards the server

    def _from_client(self, chunk: bytes) -> None:
        if self.lanes:
            self.lanes["up"].receive(chunk)
        elif self._tunnel:
            self._send_up(chunk)
        elif self._swallow and self._request is None:
            return
        else:
            self._inbox = self._inbox + chunk if self._inbox else chunk
            self._step()

    def _requests(self) -> None:
        while self._inbox and self._parked is None and not self.lanes and not self._tunnel:
            if self._sending is not None:
                taken = self._sending.follow(self._inbox)
                part, self._inbox = self._inbox[:taken], self._inbox[taken:]
                if self._request is not None:
                    self._request.up_bytes += taken
                if not self._swallow:
                    self._send_up(part)
                if self._sending.over:
                    self._request_sent()
            elif self._request is not None:
                if len(self._inbox) > PIPELINED_BYTES:
                    self.client.pause("pipelined")
                return
            else:
                self._inbox = self._inbox.lstrip(b"\r\n")
                end = head_end(self._inbox)
                if not end:
                    return
                raw, self._inbox = self._inbox[:end], self._inbox[end:]
                self._begin(parse_head(raw, response=False))

    def _begin(self, head: Head) -> None:
        method, target, _ = head.first
        self._sending = request_body(head)
        self._answered = False
        self._request = Exchange(
            conn=self.number,
            method=method,
            path=shown_target(target),
            began_ns=time.monotonic_ns(),
            up_bytes=len(head.raw),
        )
        self.path = head.path
        self._upgrade = head.has("connection", "upgrade") and head.fields.get("upgrade", "").lower() == "websocket"
        raw = head.raw
        if self._upgrade:
            raw = without_deflate(head)
            if raw != head.raw:
                self._journal.write(
                    Note(text=f"connection {self.number}: the offer of permessage-deflate was taken out of the upgrade")
                )
        self._rule = rule = self._house.rule_for(self.number, method, head.path)
        if rule is None:
            self._ask(raw)
            return
        self._request.rule = rule.id
        match rule.rule.do:
            case "delay-request":
                rule.counts["delayed"] += 1
                self._request.done = "delayed"
                self._park(rule, lambda: self._ask(raw), rule.rule.seconds or 0.0)
                rule.fired()
            case "hold":
                rule.counts["held"] += 1
                self._request.done = "held"
                self._park(rule, lambda: self._ask(raw), None)
                rule.fired()
            case "reset-before":
                rule.counts["reset"] += 1
                self._end_exchange("reset-before")
                self._reset()
                rule.fired()
            case "status" | "black-hole":
                self._swallow = True
                if self._sending.over:
                    self._request_sent()
            case _:
                self._ask(raw)

    def _ask(self, raw: bytes) -> None:
        self._send_up(raw)
        if self._sending is not None and self._sending.over:
            self._request_sent()

    def _request_sent(self) -> None:
        self._sending = None
        rule = self._rule
        if self._swallow and rule is not None and self._request is not None:
            if rule.rule.do == "black-hole":
                rule.counts["swallowed"] += 1
                self._end_exchange("black-hole")
                rule.fired()
                return
            code = rule.rule.code or 500
            body = b"" if self._request.method == "HEAD" or code in (204, 304) else rule.rule.body.encode()
            head = answer(code, body, _reason(code))
            self._request.code = code
            self._request.down_bytes = len(head) + len(body)
            self.client.send(head + body)
            rule.counts["refused"] += 1
            self._swallow = False
            self._end_exchange("refused")
            rule.fired()
        elif self._answered:
            self._end_exchange()

    def _send_up(self, data: bytes) -> None:
        if not data:
            return
        if self.server is None:
            self._connecting.append(data)
            if len(self._connecting) == 1:
                self._connect()
            elif sum(map(len, self._connecting)) > PIPELINED_BYTES:
                self.client.pause("connecting")
            return
        self.server.send(data)
        if self.server.blocked:
            self.client.pause("up")

    def _connect(self) -> None:
        try:
            sock = self._house.upstream()
        except OSError as error:
            self._refused(error.strerror or str(error))
            return
        self._loop.add_writer(sock.fileno(), self._connected, sock)

    def _connected(self, sock: socket.socket) -> None:
        self._loop.remove_writer(sock.fileno())
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error or self._gone or self.client.closed:
            sock.close()
            self._refused("the server's port refuses connections" if error else "the client has gone")
            return
        self.server = End(
            self._loop,
            sock,
            received=self._from_server,
            ended=self._server_ended,
            drained=lambda: self._drained("up", self.client),
            gone=self._end_gone,
        )
        waiting, self._connecting = b"".join(self._connecting), []
        self._send_up(waiting)
        self.client.resume("connecting")
        self._pass_client_end()

    def _refused(self, why: str) -> None:
        """The server cannot be reached: the client sees a reset, as it would without the wire."""
        if self._request is not None:
            self._journal.write(Note(text=f"connection {self.number}: {why}"))
        self._end_exchange("broken")
        self.client.abort()

    # Towards the client

    def _from_server(self, chunk: bytes) -> None:
        if self.lanes:
            self.lanes["down"].receive(chunk)
        elif self._tunnel:
            self._send_down(chunk)
        else:
            self._outbox = self._outbox + chunk if self._outbox else chunk
            self._step()

    def _answers(self) -> None:
        while self._outbox and self._parked is None:
            if self.lanes or self._tunnel:
                rest, self._outbox = self._outbox, b""
                self._from_server(rest)
            elif self._answering is not None:
                taken = self._answering.follow(self._outbox)
                part, self._outbox = self._outbox[:taken], self._outbox[taken:]
                self._pass_body(part)
                if self._answering is not None and self._answering.over:
                    self._answer_sent()
            elif self._request is None or self._answered:
                # Nobody asked (for example 408 before a close): passed on as it is.
                rest, self._outbox = self._outbox, b""
                self._send_down(rest)
            else:
                end = head_end(self._outbox)
                if not end:
                    return
                raw, self._outbox = self._outbox[:end], self._outbox[end:]
                self._answer(parse_head(raw, response=True))

    def _answer(self, head: Head) -> None:
        request, rule = self._request, self._rule
        assert request is not None
        if head.code < 200 and head.code != 101:
            self._send_down(head.raw)
            return
        request.code = head.code
        does = rule.rule.do if rule is not None else ""
        if rule is not None and does == "reset-after":
            rule.counts["reset"] += 1
            self._end_exchange("reset-after")
            self._reset()
            rule.fired()
        elif rule is not None and does == "delay-response":
            rule.counts["delayed"] += 1
            request.done = "delayed"
            self._park(rule, lambda: self._pass_answer(head), rule.rule.seconds or 0.0)
            rule.fired()
        else:
            if rule is not None and does == "truncate":
                self._left_to_pass = rule.rule.bytes or 0
            self._pass_answer(head)

    def _pass_answer(self, head: Head) -> None:
        request = self._request
        if request is None:
            return
        request.down_bytes += len(head.raw)
        self._send_down(head.raw)
        if head.code == 101:
            self._end_exchange("upgraded" if request.done == "passed" else request.done)
            if self._upgrade:
                self._become_stream()
            else:
                self._tunnel = True
            rest, self._inbox = self._inbox, b""
            if rest:
                self._from_client(rest)
        else:
            self._answering = response_body(head, request.method)
            self._pass_body(b"")
            if self._answering is not None and self._answering.over:
                self._answer_sent()

    def _pass_body(self, part: bytes) -> None:
        if self._left_to_pass < 0:
            self._send_down(part)
            if self._request is not None:
                self._request.down_bytes += len(part)
            return
        rule = self._rule
        kept = part[: self._left_to_pass]
        self._left_to_pass -= len(kept)
        self._send_down(kept)
        if self._request is not None:
            self._request.down_bytes += len(kept)
        ends_here = self._answering is not None and self._answering.over and kept == part
        if rule is not None and self._left_to_pass == 0 and not ends_here:
            rule.counts["truncated"] += 1
            self._end_exchange("truncated")
            self._answering = None
            self._finish()
            rule.fired()

    def _answer_sent(self) -> None:
        self._answering = None
        self._left_to_pass = -1
        self._answered = True
        if self._sending is None:
            self._end_exchange()

    def _send_down(self, data: bytes) -> None:
        self.client.send(data)
        if self.client.blocked and self.server is not None:
            self.server.pause("down")

    # The stream

    def _become_stream(self) -> None:
        assert self.server is not None
        for direction, source, sink in (("up", self.client, self.server), ("down", self.server, self.client)):
            self.lanes[direction] = Lane(
                self._loop,
                self._journal,
                self.number,
                direction,
                source,
                sink,
                finished=lambda how, sink=sink: self._came_through(how, sink),  # type: ignore[misc]
                cut=self._cut,
                note=lambda text: self._journal.write(Note(text=f"connection {self.number}: {text}")),
            )
        self._journal.write(Stream(reading=f"wire:{self.number}", stage="opened", path="wire"))
        self._house.stream_opened(self)

    def _came_through(self, how: str, sink: End) -> None:
        if how == "rst":
            sink.abort()
            self._close_both()
        else:
            sink.shut()

    def _cut(self, armed: Armed) -> None:
        rule = armed.rule
        code = rule.code or 1011
        self._end_stream(code if rule.how == "close" else 1006, f"cut by rule {rule.id} ({rule.how})")
        if rule.how == "rst" and rule.when == "after":
            for end in (self.client, self.server):
                if end is not None:
                    end.pause("cut")
            self.client.when_sent(self._reset)
        elif rule.how == "rst":
            self._reset()
        else:
            if rule.how == "close":
                payload = code.to_bytes(2, "big") + rule.reason.encode()
                self.client.send(frame(CLOSE, payload))
                if self.server is not None:
                    self.server.send(frame(CLOSE, payload, mask=bytes(4)))
            self._finish()

    def _end_stream(self, code: int, reason: str) -> None:
        if self.lanes and not self._stream_ended:
            self._stream_ended = True
            self._journal.write(
                Stream(reading=f"wire:{self.number}", stage="closed", path="wire", code=code, reason=reason),
                urgent=True,
            )

    # Ends

    def _client_ended(self, how: str) -> None:
        if how == "rst":
            self._break_off()
            if self.server is not None:
                self.server.abort()
            self._close_both()
        elif self.lanes:
            self.lanes["up"].ended(how)
        else:
            self._client_over = True
            self._pass_client_end()

    def _pass_client_end(self) -> None:
        """The client sends no more: the server hears of it behind the last request, and an idle connection ends."""
        if not self._client_over or self.lanes:
            return
        if self._request is None and not self._tunnel:
            self._finish()
        elif self.server is not None and not self._inbox:
            self.server.shut()

    def _server_ended(self, how: str) -> None:
        if self.lanes:
            self.lanes["down"].ended(how)
            return
        if how == "fin" and isinstance(self._answering, UntilClose):
            self._end_exchange()
        self._break_off()
        if how == "rst":
            self.client.abort()
            self._close_both()
        else:
            self._finish()

    def _drained(self, direction: str, source: End | None) -> None:
        if source is not None:
            source.resume(direction)

    def _end_gone(self) -> None:
        if not self._gone and self.client.closed and (self.server is None or self.server.closed):
            self._gone = True
            self._break_off()
            for lane in self.lanes.values():
                lane.close()
            down = self.lanes["down"].scanner if self.lanes else None
            up = self.lanes["up"].scanner if self.lanes else None
            said = down if down is not None and down.close_code else up
            if said is not None:
                self._end_stream(said.close_code or 1006, said.close_reason)
            self._house.gone(self)

    def _close_both(self) -> None:
        self.client.close()
        if self.server is not None:
            self.server.close()

    def _finish(self) -> None:
        self.client.finish()
        if self.server is not None:
            self.server.finish()

    def _reset(self) -> None:
        self.client.abort()
        if self.server is not None:
            self.server.abort()

    def _break_off(self) -> None:
        if self._parked is not None:
            self._parked.cancel()
            self._parked = None
        self._end_exchange("broken")

    def _end_exchange(self, done: str = "") -> None:
        if self._request is None:
            return
        if done:
            self._request.done = done  # type: ignore[assignment]
        self._journal.write(self._request, urgent=bool(self._request.rule))
        self._request = None
        self._rule = None
        self._left_to_pass = -1
        self.client.resume("pipelined")

    def _park(self, rule: Armed, then: Callable[[], None], seconds: float | None) -> None:
        """Let the exchange stand still. What is in flight stays in flight: nobody looks whether its sender still waits."""

        def go_on() -> None:
            self._parked = None
            then()
            self._resume_both()
            self._step()

        self._parked = rule.park(go_on, seconds)
        self.client.pause("rule")
        if self.server is not None:
            self.server.pause("rule")

    def _resume_both(self) -> None:
        self.client.resume("rule")
        if self.server is not None:
            self.server.resume("rule")


def _reason(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "By Rule"
