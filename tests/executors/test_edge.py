"""The edge between an executor and its cluster, before a small API server of our own: what is passed on, told late, dropped, refused."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes import client

from tailproof.cluster.reach import Cluster
from tailproof.history.pod_records import PodSeen
from tailproof.history.record import Record
from tailproof.history.records import Exchange
from tailproof.incoming.http import Http
from tailproof.sandboxes.edge import Edge
from tailproof.sandboxes.pod_past import PodPast
from tailproof.waiting import Budget

POD = "/api/v1/namespaces/n/pods/box"
LINE = b'\x82\x0b\x01{"seq": 1}\n'


def pod(state: str, **fields: Any) -> dict[str, Any]:
    container = {"name": "agent", "state": {state: fields}, "restartCount": 0, "image": "i"}
    return {"metadata": {"name": "box", "uid": "u"}, "status": {"phase": "Running", "containerStatuses": [container]}}


RUNNING, DEAD = pod("running"), pod("terminated", exitCode=137, reason="OOMKilled")


class Upstream(BaseHTTPRequestHandler):
    """Says what pods are like, and gives whoever attaches one line, and another for whatever they send."""

    protocol_version = "HTTP/1.1"
    said: dict[str, Any] = RUNNING

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/attach"):
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + LINE
            )
            self.wfile.flush()
            while self.connection.recv(100):
                self.wfile.write(LINE)
            self.close_connection = True
            return
        body = json.dumps(type(self).said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody listens."""


class Situation:
    """An edge with what it wrote."""

    def __init__(self, upstream: ThreadingHTTPServer, handler: type[Upstream]) -> None:
        settings = client.Configuration()
        settings.host = f"http://127.0.0.1:{upstream.server_address[1]}"
        self.handler = handler
        self.past = PodPast()
        self.written: list[Record] = []
        self.edge = Edge(Cluster(client.ApiClient(settings), "", ours=False), self.past, self.written.append)

    def told(self) -> tuple[int, str]:
        """What the executor is told of its agent."""
        reply = Http(self.edge.url, {}).ask("GET", POD, budget=Budget(10), seconds=10)
        found = json.loads(reply.body)
        state = found["status"]["containerStatuses"][0]["state"] if reply.code == 200 else {"": ""}
        return reply.code, next(iter(state))

    def cluster_says(self, said: dict[str, Any]) -> None:
        """From now on; the watch hears of it at once."""
        self.handler.said = said
        self.past.add("box", said)

    def attach(self) -> socket.socket:
        parts = urlsplit(self.edge.url)
        connection = socket.create_connection((parts.hostname or "", parts.port or 0), 10)
        connection.sendall(f"GET {POD}/attach?stdin=true HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n".encode())
        return connection

    def exchanges(self) -> list[Exchange]:
        return [one for one in self.written if isinstance(one, Exchange)]


@pytest.fixture
def situation() -> Iterator[Situation]:
    handler = type("OneUpstream", (Upstream,), {})
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    upstream.daemon_threads = True
    threading.Thread(target=upstream.serve_forever, args=(0.05,), daemon=True).start()
    made = Situation(upstream, handler)
    yield made
    made.edge.close()
    upstream.shutdown()
    upstream.server_close()


def read(connection: socket.socket, until: bytes) -> bytes:
    data = b""
    while until not in data:
        piece = connection.recv(1000)
        if not piece:
            break
        data += piece
    return data


def test_the_executor_is_told_what_the_cluster_says_and_that_is_written_down(situation: Situation) -> None:
    situation.cluster_says(RUNNING)
    assert situation.told() == (200, "running")
    situation.cluster_says(DEAD)
    assert situation.told() == (200, "terminated")
    told = [one.containers["agent"].reason for one in situation.written if isinstance(one, PodSeen)]
    assert told == ["", "OOMKilled"]


def test_a_state_is_told_late_while_the_fault_is_on_and_at_once_after_healing(situation: Situation) -> None:
    situation.cluster_says(RUNNING)
    situation.edge.lag_s = 60.0
    situation.cluster_says(DEAD)
    assert situation.told() == (200, "running")
    assert situation.edge.counts["late"] == 1
    situation.edge.lag_s = 0.0
    assert situation.told() == (200, "terminated")


def test_questions_fail_as_often_as_they_should(situation: Situation) -> None:
    situation.cluster_says(RUNNING)
    situation.edge.failing = 2
    assert [situation.told()[0] for _ in range(3)] == [500, 500, 200]
    assert situation.edge.counts["failed"] == 2


def test_an_attachment_is_carried_both_ways_and_counted(situation: Situation) -> None:
    with situation.attach() as connection:
        assert b"101" in read(connection, LINE)
        connection.sendall(b"hello")
        assert LINE in read(connection, LINE)
    Budget(10).wait_for("its end to be written", situation.exchanges)
    one = situation.exchanges()[0]
    assert (one.code, one.done) == (101, "upgraded")
    assert one.up_bytes == len("hello")
    assert one.down_bytes >= len(LINE)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_attachment_is_ended_while_the_next_one_is_carried(situation: Situation, how: Any) -> None:
    with situation.attach() as connection:
        read(connection, LINE)
        Budget(10).wait_for("it to be open", situation.edge.attached)
        assert situation.edge.drop(how) == 1
        try:
            assert connection.recv(100) == b""
        except ConnectionResetError:
            assert how == "rst"
    with situation.attach() as connection:
        assert LINE in read(connection, LINE)


def test_each_attachment_is_ended_with_its_first_line_until_that_is_healed(situation: Situation) -> None:
    situation.edge.drops = ("each-line", "fin")
    for _ in range(2):
        with situation.attach() as connection:
            assert LINE in read(connection, b"never")
    assert situation.edge.counts["dropped"] == 2
    situation.edge.drops = None
    with situation.attach() as connection:
        read(connection, LINE)
        connection.sendall(b"still there?")
        assert LINE in read(connection, LINE)


def test_nobody_can_attach_while_that_is_refused(situation: Situation) -> None:
    situation.edge.refuses = True
    with situation.attach() as connection:
        assert b"500" in read(connection, b"never")
    assert [(one.code, one.done) for one in situation.exchanges()] == [(500, "refused")]
    situation.edge.refuses = False
    with situation.attach() as connection:
        assert b"101" in read(connection, LINE)


def test_a_node_that_is_gone_tells_nothing_new_and_moves_no_stream(situation: Situation) -> None:
    situation.cluster_says(RUNNING)
    with situation.attach() as connection:
        read(connection, LINE)
        situation.edge.frozen_ns = time.monotonic_ns()
        situation.cluster_says(DEAD)
        assert situation.told() == (200, "running")
        connection.sendall(b"anybody?")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        situation.edge.frozen_ns = 0
        connection.settimeout(10)
        assert LINE in read(connection, LINE)
    assert situation.told() == (200, "terminated")
