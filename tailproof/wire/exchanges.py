"""The HTTP exchanges of one connection, one after the other, and what rules do to them."""

from __future__ import annotations

import time
from collections.abc import Callable

from tailproof.history.records import Exchange, Note
from tailproof.incoming.limits import INFORMATIONAL, Endless, Unsound
from tailproof.wire.armed import Armed, Parked
from tailproof.wire.http import (
    Body,
    Head,
    UntilClose,
    answer,
    event_body,
    for_host,
    head_end,
    parse_head,
    request_body,
    response_body,
    that_closes,
    without_deflate,
)
from tailproof.wire.journal import shown_target
from tailproof.wire.link_io import LinkIO
from tailproof.wire.under_way import UnderWay

PIPELINED_BYTES = 64 << 10


class Exchanges(UnderWay):
    """Follows requests and answers of one connection. Memory is bounded by a head, a chunk and `PIPELINED_BYTES`."""

    def __init__(self, io: LinkIO) -> None:
        super().__init__(io)
        self._inbox = b""
        self._outbox = b""
        self._path = ""
        self._websocket = False
        self._sending: Body | None = None
        """The body of the request that is on its way up; None between requests and once it is all there."""
        self._answering: Body | None = None
        self._answered = False
        self._informational = 0
        """Answers of 1xx that came before the answer."""
        self._swallow = False
        """The request is read and thrown away: it is answered by a rule, or never."""
        self._parked: Parked | None = None
        self._client_over = False
        self._over = False
        """Upgraded: nothing further is for this class."""

    def from_client(self, chunk: bytes) -> None:
        """Bytes of requests."""
        if self._swallow and self._request is None:
            return
        self._inbox = self._inbox + chunk if self._inbox else chunk
        self._step()

    def from_server(self, chunk: bytes) -> None:
        """Bytes of answers."""
        self._outbox = self._outbox + chunk if self._outbox else chunk
        self._step()

    def client_ended(self) -> None:
        """The client sends no more: the server is told after the last request, and an idle connection ends."""
        self._client_over = True
        self.blame("client")
        self._pass_client_end()

    def server_ended(self) -> None:
        """The server sends no more: that ends an answer without a length, and breaks any other off."""
        if isinstance(self._answering, UntilClose):
            self._end("")
        self.blame("server")
        self.broken()

    def connected(self) -> None:
        """The server has been reached, and has got what was waiting for it."""
        self._pass_client_end()

    def broken(self) -> None:
        """The connection is gone: so is the exchange, if there is one."""
        if self._parked is not None:
            self._parked.cancel()
            self._parked = None
        self._end("broken")

    def _step(self) -> None:
        """Go on with what has come from both sides, as far as it goes."""
        try:
            self._requests()
            self._answers()
            self._requests()
            self._pass_client_end()
        except Unsound as error:
            self._journal.write(Note(text=f"connection {self._io.number} ended by the wire, which got {error}"))
            self._end("broken")
            self._io.reset()

    def _pass_client_end(self) -> None:
        if not self._client_over or self._over:
            return
        if self._request is None:
            self._io.finish()
        elif not self._inbox:
            self._io.shut_up()

    # Requests

    def _requests(self) -> None:
        while self._inbox and self._parked is None and not self._over:
            if self._sending is not None:
                self._send_body(self._sending)
            elif self._request is not None:
                if len(self._inbox) > PIPELINED_BYTES:
                    self._io.stand_still("pipelined", both=False)
                return
            else:
                self._inbox = self._inbox.lstrip(b"\r\n")
                end = head_end(self._inbox)
                if not end:
                    return
                raw, self._inbox = self._inbox[:end], self._inbox[end:]
                self._begin(parse_head(raw, response=False))

    def _send_body(self, body: Body) -> None:
        taken = body.follow(self._inbox)
        part, self._inbox = self._inbox[:taken], self._inbox[taken:]
        if self._request is not None:
            self._request.up_bytes += taken
        if not self._swallow:
            self._io.send_up(part)
        if body.over:
            self._request_sent()

    def _begin(self, head: Head) -> None:
        method, target, _ = head.first
        self._sending = request_body(head)
        self._answered = False
        self._informational = 0
        self._path = head.path
        self._request = request = Exchange(
            conn=self._io.number,
            method=method,
            path=shown_target(target),
            began_ns=time.monotonic_ns(),
            up_bytes=len(head.raw),
        )
        self._websocket = head.has("connection", "upgrade") and head.fields.get("upgrade", "").lower() == "websocket"
        request.upgrade = self._websocket
        raw = without_deflate(head) if self._websocket else head.raw
        if raw != head.raw:
            text = f"connection {self._io.number}: the offer of permessage-deflate was taken out of the upgrade"
            self._journal.write(Note(text=text))
        raw = for_host(raw, self._io.host) if self._io.host else raw
        self._rule = rule = self._io.rule_for(method, head.path)
        if rule is None:
            self._ask(raw)
            return
        request.rule = rule.id
        does = rule.rule.do
        if does in ("delay-request", "hold"):
            request.done = "held" if does == "hold" else "delayed"
            rule.counts[request.done] += 1
            self._park(rule, lambda: self._ask(raw))
        elif does == "reset-before":
            rule.counts["reset"] += 1
            self._end("reset-before")
            self._io.reset()
            rule.fired()
        elif does in ("status", "black-hole"):
            self._swallow = True
            if self._sending.over:
                self._request_sent()
        else:
            self._ask(raw)

    def _ask(self, raw: bytes) -> None:
        if self._request is not None:
            self._request.passed_ns = time.monotonic_ns()
        self._io.send_up(raw)
        if self._sending is not None and self._sending.over:
            self._request_sent()

    def _request_sent(self) -> None:
        self._sending = None
        if self._swallow and self._rule is not None:
            self._answer_by_rule(self._rule)
        elif self._answered:
            self._end("")

    def _answer_by_rule(self, rule: Armed) -> None:
        request = self._request
        assert request is not None
        if rule.rule.do == "black-hole":
            rule.counts["swallowed"] += 1
            self._end("black-hole")
            # Nobody can answer it any more when the rule is healed: whoever waits must be told.
            self._parked = rule.park(self._give_up, None)
        else:
            code = rule.rule.code or 500
            text = rule.rule.body.encode()
            head = answer(code, text)
            body = b"" if request.method == "HEAD" or code in (204, 304) else text
            request.code = code
            request.down_bytes = len(head) + len(body)
            self._io.send_down(head + body)
            rule.counts["refused"] += 1
            self._swallow = False
            self._end("refused")
        rule.fired()

    # Answers

    def _answers(self) -> None:
        try:
            self._follow_answers()
        except Unsound as error:
            # Nobody can tell where this answer ends. The client is to see what the server said: the rest passes as it comes.
            self._tell(error, f"the answer has {error}")
            self._answering = UntilClose()
            self._follow_answers()

    def _follow_answers(self) -> None:
        while self._outbox and self._parked is None and not self._over:
            if self._answering is not None:
                taken = self._answering.follow(self._outbox)
                part, self._outbox = self._outbox[:taken], self._outbox[taken:]
                self._pass_body(part)
            elif self._request is None or self._answered:
                # Nobody asked (for example 408 before a close): passed on as it is.
                rest, self._outbox = self._outbox, b""
                self._io.send_down(rest)
            else:
                self._head_began = self._head_began or time.monotonic()
                end = head_end(self._outbox)
                if not end:
                    return
                self._head_began = 0.0
                head = parse_head(self._outbox[:end], response=True)
                self._outbox = self._outbox[end:]
                self._answer(self._request, head)

    def _answer(self, request: Exchange, head: Head) -> None:
        rule = self._rule
        if head.code < 200 and head.code != 101:
            self._informational += 1
            if self._informational > INFORMATIONAL:
                endless = Endless(f"more than {INFORMATIONAL} answers of 1xx came and none behind them")
                self._tell(endless, str(endless))
            self._io.send_down(head.raw)
            return
        request.code = head.code
        if rule is not None and rule.rule.do == "reset-after":
            rule.counts["reset"] += 1
            self._end("reset-after")
            self._io.reset()
            rule.fired()
        elif rule is not None and rule.rule.do == "delay-response":
            rule.counts["delayed"] += 1
            request.done = "delayed"
            self._park(rule, lambda: self._pass_answer(request, head))
        else:
            if rule is not None and rule.rule.do == "truncate":
                self._left_to_pass = rule.rule.bytes or 0
            self._pass_answer(request, head)

    def _pass_answer(self, request: Exchange, head: Head) -> None:
        events = event_body(head, request.method) if self._left_to_pass < 0 else None
        if events is not None:
            self._pass_events(request, head, events)
            return
        request.down_bytes += len(head.raw)
        self._io.send_down(head.raw)
        if head.code != 101:
            self._answering = response_body(head, request.method)
            self._pass_body(b"")
            return
        self._end("upgraded" if request.done == "passed" else "")
        self._over = True
        self._io.upgraded(self._path, websocket=self._websocket)

    def _pass_events(self, request: Exchange, head: Head, body: Body) -> None:
        raw = that_closes(head)
        request.down_bytes += len(raw)
        self._io.send_down(raw)
        self._journal.write(Note(text=f"connection {self._io.number}: it is closed behind its stream of events"))
        self._end("")
        self._over = True
        self._io.events(self._path, body)

    def leftovers(self) -> tuple[bytes, bytes]:
        """What had come from client and server behind the upgrade; handed out once."""
        inbox, self._inbox = self._inbox, b""
        outbox, self._outbox = self._outbox, b""
        return inbox, outbox

    def _pass_body(self, part: bytes) -> None:
        body = self._answering
        assert body is not None
        kept = part if self._left_to_pass < 0 else part[: self._left_to_pass]
        self._io.send_down(kept)
        if self._request is not None:
            self._request.down_bytes += len(kept)
        if self._left_to_pass >= 0:
            self._left_to_pass -= len(kept)
            if self._left_to_pass == 0 and not (body.over and kept == part) and self._rule is not None:
                self._truncate(self._rule)
                return
        if body.over:
            self._answering = None
            self._answered = True
            self._left_to_pass = -1
            if self._sending is None:
                self._end("")

    def _truncate(self, rule: Armed) -> None:
        rule.counts["truncated"] += 1
        self._answering = None
        self._end("truncated")
        self._io.finish()
        rule.fired()

    def _give_up(self) -> None:
        self._parked = None
        self._io.reset()

    # Both

    def _park(self, rule: Armed, then: Callable[[], None]) -> None:
        """Let the exchange stand still. What is in flight stays in flight: nobody looks whether its sender still waits."""

        def go_on() -> None:
            self._parked = None
            then()
            self._io.move_on("rule")
            self._step()

        self._parked = rule.park(go_on, rule.rule.seconds)
        self._io.stand_still("rule")
        rule.fired()
