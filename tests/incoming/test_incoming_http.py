"""One HTTP exchange with servers that say odd things: each is over in time, and what was odd is said."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tailproof.incoming import http as incoming
from tailproof.incoming.http import Http, Reply
from tailproof.incoming.limits import BODY_BYTES, HEAD_BYTES
from tailproof.waiting import Budget
from tests.incoming.odd_servers import OK, Says, drip, flood, server

BOMB = gzip.compress(bytes(1 << 20))
SOON_S = 5.0


def ask(port: int, budget: Budget | None = None, seconds: float = 20.0, body: bytes | None = None) -> Reply:
    http = Http(f"http://127.0.0.1:{port}", {})
    return http.ask("POST" if body else "GET", "/x", budget=budget or Budget(20), seconds=seconds, body=body)


def once(*pieces: bytes) -> Says:
    return lambda: pieces


@pytest.mark.parametrize(
    ("says", "body"),
    [
        (once(OK + b"Content-Length: 2\r\n\r\n{}"), b"{}"),
        (once(OK + b"\r\n", b"{", b"}"), b"{}"),
        (once(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n", b"1;x=y\r\n}\r\n0\r\nA: b\r\n\r\n"), b"{}"),
        (once(b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 2\r\n\r\n{}"), b"{}"),
        (once(b"HTTP/1.1 204 No Content\r\n\r\n"), b""),
        (once(b"HTTP/1.0 200 OK\r\n\r\n{}"), b"{}"),
        (once(OK + b"Content-Length: 2\r\n\r\n{}and more of it"), b"{}"),
    ],
    ids=["length", "until-close", "chunked", "informational", "empty", "http-1.0", "more-than-announced"],
)
def test_a_good_answer_is_taken_whole(says: Says, body: bytes) -> None:
    with server(says) as port:
        reply = ask(port)
    assert (bytes(reply.body), reply.error, reply.flaw) == (body, "", "")
    assert 200 <= reply.code < 300


@pytest.mark.parametrize(
    ("says", "flaw", "error"),
    [
        (flood(OK + b"\r\n", b"x" * 65536), "too-large", "the body is longer than 32 MB"),
        (
            flood(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
            "too-large",
            "the body is longer than 32 MB",
        ),
        (
            once(OK + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES + 1)),
            "too-large",
            "the body is longer than 32 MB",
        ),
        (flood(OK, b"X-A: " + b"a" * 1000 + b"\r\n"), "too-large", f"the head is longer than {HEAD_BYTES >> 10} kB"),
        (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "endless", "more than 100 answers of 1xx"),
        (
            once(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB),
            "misshapen",
            "the body is compressed ('gzip'), which nobody asked for",
        ),
        (once(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "misshapen", "what came is no HTTP"),
        (once(b"HTTP/1.1 OK 200\r\n\r\n"), "misshapen", "what came is no HTTP"),
        (once(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "misshapen", "what came is no HTTP"),
        (once(OK + b"\x00: 1\r\n\r\n"), "misshapen", "what came is no HTTP"),
        (once(OK + b"Content-Length: -5\r\n\r\n"), "misshapen", "what came is no HTTP"),
        (once(OK + b"Content-Length: %b\r\n\r\n" % (b"9" * 6000)), "misshapen", "what came is no HTTP"),
        (once(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "misshapen", "what came is no HTTP"),
        (
            once(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
            "misshapen",
            "the answer has a length, and comes in chunks",
        ),
        (once(bytes(range(256)) * 4), "misshapen", "what came is no HTTP"),
    ],
    ids=[
        *("endless-body", "endless-chunks", "announced", "endless-head", "endless-continue", "compressed", "ssh"),
        *("status-is-no-number", "another-protocol", "control-characters", "negative-length", "digits", "chunk-size"),
        *("length-and-chunks", "all-bytes"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(says: Says, flaw: str, error: str) -> None:
    with server(says) as port:
        reply = ask(port)
    assert reply.flaw == flaw
    assert error in reply.error
    assert not reply.cut


@pytest.mark.parametrize(
    ("says", "part"),
    [
        (drip(OK + b"Content-Length: 1000\r\n\r\n", b"x"), "body"),
        (drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "body"),
        (drip(b"HTTP/1.1 200 ", b"O"), "head"),
        (drip(OK, b"a"), "head"),
        (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "head"),
    ],
    ids=["body", "chunks", "first-line", "fields", "continue"],
)
def test_what_comes_byte_by_byte_for_ever_is_ended_and_said(
    says: Says, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "ENDLESS_S", 0.3)
    began = time.monotonic()
    with server(says) as port:
        reply = ask(port, seconds=1.0)
    assert time.monotonic() - began < SOON_S
    assert (reply.flaw, reply.error) == ("endless", f"the {part} did not end within 1 s")


def test_what_dripped_long_before_the_trial_was_over_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "ENDLESS_S", 0.3)
    budget = Budget(20)
    ender = threading.Timer(1.0, budget.cancel.set)
    ender.start()
    with server(drip(OK + b"Content-Length: 1000\r\n\r\n", b"x")) as port:
        reply = ask(port, budget)
    ender.join()
    assert (reply.flaw, reply.error) == ("endless", "the body did not end within 1 s")


def test_an_answer_that_had_only_begun_is_late_and_no_worse() -> None:
    with server(drip(OK + b"Content-Length: 1000\r\n\r\n", b"x")) as port:
        reply = ask(port, seconds=0.5)
    assert (reply.code, reply.flaw, reply.error) == (0, "", "timeout: no whole answer within 0.5 s")


@pytest.mark.parametrize(
    "says", [once(), once(OK), once(OK + b"Content-Length: 5\r\n\r\n{}")], ids=["at-once", "head", "body"]
)
def test_an_answer_that_breaks_off_is_none(says: Says) -> None:
    with server(says) as port:
        reply = ask(port)
    assert (reply.code, reply.flaw, bytes(reply.body)) == (0, "", b"")
    assert reply.error.startswith("closed without an answer")


def test_the_budget_of_the_trial_ends_a_request_and_accuses_nobody() -> None:
    with server(drip(b"", b"")) as port:
        reply = ask(port, Budget(0.3))
        nothing = ask(port, Budget(0))
    assert [(one.cut, one.error, one.flaw) for one in (reply, nothing)] == [
        (True, "no time was left for the request", "")
    ] * 2


@pytest.mark.parametrize(
    ("says", "what"), [(drip(b"", b""), "no"), (drip(b"", b"H"), "no whole")], ids=["none", "part"]
)
def test_an_answer_that_was_waited_for_until_the_trial_was_over_is_said(says: Says, what: str) -> None:
    with server(says) as port:
        reply = ask(port, Budget(1.1))
    assert (reply.cut, reply.error, reply.flaw) == (True, f"{what} answer within 1 s, when no time was left", "")


@pytest.mark.parametrize("says", [drip(b"", b""), flood(OK + b"\r\n", b"\r\n")], ids=["silent", "flood"])
def test_cancelling_ends_a_request_that_is_under_way(says: Says) -> None:
    budget = Budget(60)
    with server(says) as port:
        threading.Timer(0.3, budget.cancel.set).start()
        began = time.monotonic()
        reply = ask(port, budget, seconds=60)
    assert time.monotonic() - began < SOON_S
    assert reply.cut or reply.flaw == "too-large"


def test_closing_ends_what_is_under_way_in_another_thread() -> None:
    with server(drip(b"", b"")) as port:
        http = Http(f"http://127.0.0.1:{port}", {})
        threading.Timer(0.3, http.close).start()
        began = time.monotonic()
        reply = http.ask("GET", "/", budget=Budget(60), seconds=60)
        after = http.ask("GET", "/", budget=Budget(60))
    assert time.monotonic() - began < SOON_S
    assert (reply.cut, after.cut) == (True, True)


def test_a_body_that_nobody_reads_is_a_timeout() -> None:
    with server(drip(b"", b""), reads=False) as port:
        reply = ask(port, seconds=1.0, body=b"x" * (30 << 20))
    assert (reply.code, reply.error) == (0, "timeout: no answer within 1 s")
    assert not reply.unanswered, "it has not left whole"


def test_a_request_that_was_sent_whole_and_waited_for_in_vain_is_told_from_others() -> None:
    with server(drip(b"", b"")) as port:
        assert ask(port, seconds=0.5).unanswered
        assert not ask(port, Budget(0.5), seconds=60).unanswered, "the harness ended it"
    with server(drip(b"HTTP/1.1 200 OK\r\n", b"")) as port:
        assert not ask(port, seconds=0.5).unanswered, "an answer had begun"


def test_a_key_that_no_header_may_hold_is_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        http = Http(f"http://127.0.0.1:{listener.getsockname()[1]}", {"X-Key": "se\r\ncret"})
        reply = http.ask("GET", "/", budget=Budget(5))
    assert reply.code == 0
    assert "cret" not in reply.error


def test_several_requests_go_over_one_connection_each_with_its_own_head() -> None:
    heard: list[tuple[object, str]] = []

    class Kept(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            heard.append((self.client_address, self.headers.get("X-Key", "")))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Kept) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        http = Http(f"http://127.0.0.1:{listener.server_port}", {})
        replies = http.ask_in_turn("GET", "/x", heads=({"X-Key": "k"}, {}), budget=Budget(20))
        listener.shutdown()
    assert [(reply.code, bytes(reply.body)) for reply in replies] == [(200, b"{}"), (200, b"{}")]
    (one, first), (other, second) = heard
    assert (one == other, first, second) == (True, "k", "")


def test_a_connection_that_was_not_kept_gives_no_second_answer() -> None:
    with server(once(OK + b"Content-Length: 2\r\n\r\n{}")) as port:
        replies = Http(f"http://127.0.0.1:{port}", {}).ask_in_turn("GET", "/x", heads=({}, {}, {}), budget=Budget(20))
    assert [reply.code for reply in replies] == [200, 0]
    assert replies[1].error
