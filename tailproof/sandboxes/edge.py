"""The edge between an executor and its cluster: a proxy of ours on which the faults of the way and of the cluster's word are done.

It speaks plain HTTP with the executor and TLS with the API server. Each connection carries one request. What it passed on and what it told
of pods is the record of the witness `edge`; the real cluster behind it is another witness's.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from tailproof.cluster.reach import Cluster
from tailproof.cluster.status import seen
from tailproof.history.pod_records import PodSeen
from tailproof.history.record import Record
from tailproof.history.records import Exchange
from tailproof.sandboxes.attachments import Attachment, How, When
from tailproof.sandboxes.pod_past import PodPast
from tailproof.waiting import Budget, DeadlineMissed

HOST = "127.0.0.1"
_POD = re.compile(r"/api/v1/namespaces/[^/]+/pods/([^/?]+)")
_HEAD_BYTES = 64 << 10
_UPSTREAM_S = 30.0
_END_S = 3.0
_HOP = frozenset({"connection", "host", "transfer-encoding", "content-length", "accept-encoding", "keep-alive"})


class Edge:
    """Listens from the start on. Faults are set by the trial's thread and done by those of the connections."""

    def __init__(self, cluster: Cluster, past: PodPast, write: Callable[[Record], None]) -> None:
        """`past` is what the cluster told of pods so far; `write` is the witness."""
        self._upstream = urlsplit(cluster.address)
        self._tls = _tls(cluster) if self._upstream.scheme == "https" else None
        self._authorization = cluster.api.configuration.get_api_key_with_prefix("authorization") or ""
        self._past = past
        self._write = write
        self._told: dict[str, PodSeen] = {}
        self._lock = threading.Lock()
        self._open: list[Attachment] = []
        self._connections = 0
        self.lag_s = 0.0
        """How old the state of a pod is that the executor is told."""
        self.frozen_ns = 0
        """The state of pods is told as it was then, and no stream moves; 0 for as it is."""
        self.refuses = False
        """Nobody can attach."""
        self.failing = 0
        """So many questions for a pod are answered with 500."""
        self.drops: tuple[When, How] | None = None
        """Attachments that are to come are ended: each with its first line of the agent, or each after a moment."""
        self.counts: dict[str, int] = dict.fromkeys(("attached", "dropped", "refused", "late", "failed", "asked"), 0)
        self._server = _Listener(self)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="edge", daemon=True).start()

    def drop(self, how: How) -> int:
        """End every attachment that is open; how many there were."""
        with self._lock:
            mine = list(self._open)
        for one in mine:
            one.drop(how)
        self._count("dropped", len(mine))
        return len(mine)

    def attached(self) -> int:
        """How many attachments are open."""
        with self._lock:
            return len(self._open)

    def close(self) -> None:
        """Idempotent."""
        self.frozen_ns = 0
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            mine = list(self._open)
        for one in mine:
            one.drop("fin")
        with suppress(DeadlineMissed):  # each writes down how it ended
            Budget(_END_S).wait_for("the attachments to end", lambda: not self.attached())

    # -- one request ------------------------------------------------------------------------------------------------------

    def serve(self, client: socket.socket) -> None:
        """Read a request and answer it, or carry an attachment to its end."""
        client.settimeout(_UPSTREAM_S)
        head, rest = _head(client)
        if not head:
            return
        method, target, headers = _parsed(head)
        path = target.partition("?")[0]
        began = time.monotonic_ns()
        if path.endswith("/attach"):
            self._attach(client, head, target, began)
            return
        length = int(headers.get("content-length", "0"))
        while len(rest) < length:
            rest += client.recv(_HEAD_BYTES)
        code, kind, body = self._answer(method, target, headers, rest)
        with suppress(OSError):
            client.sendall(
                f"HTTP/1.1 {code} {http.client.responses.get(code, 'Unknown')}\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
        if method != "GET":
            self._write(_exchange(self._number(), method, target, code, began))

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        pod = _POD.fullmatch(target.partition("?")[0]) if method == "GET" else None
        if pod is not None and self.failing > 0:
            self.failing -= 1
            self._count("failed")
            return (
                500,
                "application/json",
                b'{"kind": "Status", "code": 500, "message": "etcdserver: request timed out"}',
            )
        if self.frozen_ns and pod is None and method == "GET":
            return 504, "application/json", b'{"kind": "Status", "code": 504, "message": "the node does not answer"}'
        try:
            code, kind, said = self._ask(method, target, headers, body)
        except (OSError, http.client.HTTPException) as error:
            return 502, "application/json", json.dumps({"kind": "Status", "code": 502, "message": str(error)}).encode()
        if pod is not None and code == 200:
            said = self._as_told(pod[1], said)
        return code, kind, said

    def _as_told(self, pod: str, said: bytes) -> bytes:
        self._count("asked")
        found: Any = json.loads(said)
        if self.lag_s or self.frozen_ns:
            moment = self.frozen_ns or time.monotonic_ns() - int(self.lag_s * 1e9)
            older = self._past.at(pod, moment)
            if older is not None:
                if seen(older).containers != seen(found).containers:
                    self._count("late")
                found = older
        told = seen(found)
        with self._lock:
            if self._told.get(pod) != told:
                self._told[pod] = told
                self._write(_again(told))
        return json.dumps(found).encode()

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        host, port = self._upstream.hostname or HOST, self._upstream.port or (443 if self._tls else 80)
        upstream = (
            http.client.HTTPSConnection(host, port, timeout=_UPSTREAM_S, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(host, port, timeout=_UPSTREAM_S)
        )
        kept = {name: value for name, value in headers.items() if name not in _HOP}
        if self._authorization:
            kept["Authorization"] = self._authorization
        try:
            upstream.request(method, target, body or None, kept)
            answer = upstream.getresponse()
            return answer.status, answer.getheader("Content-Type") or "application/json", answer.read()
        finally:
            upstream.close()

    def _attach(self, client: socket.socket, head: bytes, target: str, began: int) -> None:
        self._count("attached")
        number = self._number()
        if self.refuses:
            self._count("refused")
            client.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._write(_exchange(number, "GET", target, 500, began, done="refused"))
            return
        try:
            upstream = self._connected()
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._write(_exchange(number, "GET", target, 502, began, done="broken"))
            return
        upstream.sendall(_for_upstream(head, self._upstream.netloc, self._authorization))
        one = Attachment(client, upstream, stalls=lambda: bool(self.frozen_ns), on_line=self._on_line)
        with self._lock:
            self._open.append(one)
        if self.drops is not None and self.drops[0] == "each":
            how = self.drops[1]
            timer = threading.Timer(0.3, lambda: self._cut(one, how))
            timer.daemon = True
            timer.start()
        try:
            one.carry()
        finally:
            self._write(
                _exchange(number, "GET", target, one.code, began, done=one.done, down=one.down_bytes, up=one.up_bytes)
            )
            with self._lock:
                self._open.remove(one)

    def _on_line(self, one: Attachment) -> None:
        if self.drops is not None and self.drops[0] == "each-line":
            self._cut(one, self.drops[1])

    def _cut(self, one: Attachment, how: How) -> None:
        self._count("dropped")
        one.drop(how)

    def _connected(self) -> socket.socket:
        host, port = self._upstream.hostname or HOST, self._upstream.port or (443 if self._tls else 80)
        plain = socket.create_connection((host, port), _UPSTREAM_S)
        return self._tls.wrap_socket(plain, server_hostname=host) if self._tls else plain

    def _number(self) -> int:
        with self._lock:
            self._connections += 1
            return self._connections

    def _count(self, what: str, many: int = 1) -> None:
        with self._lock:
            self.counts[what] += many


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        edge: Edge = self.server.edge  # type: ignore[attr-defined]
        with suppress(OSError):
            edge.serve(self.request)


class _Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is what edges are for."""


def reset(plain: socket.socket) -> None:
    """End a connection with an RST."""
    with suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _tls(cluster: Cluster) -> ssl.SSLContext:
    settings = cluster.api.configuration
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
    if not settings.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """Up to the blank line, and what came behind it; nothing of a connection that was given up."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _HEAD_BYTES:
        piece = client.recv(_HEAD_BYTES)
        if not piece:
            return b"", b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _parsed(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    return (
        method,
        target,
        {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)},
    )


def _for_upstream(head: bytes, host: str, authorization: str) -> bytes:
    first, *lines = head.decode("latin-1").split("\r\n")
    kept = [one for one in lines if one.partition(":")[0].strip().lower() not in ("host", "origin", "authorization")]
    more = [f"Authorization: {authorization}"] if authorization else []
    return "\r\n".join([first, f"Host: {host}", *more, *kept, "", ""]).encode("latin-1")


def _exchange(
    number: int, method: str, target: str, code: int, began: int, *, done: Any = "passed", down: int = 0, up: int = 0
) -> Exchange:
    path = target.partition("?")[0]
    return Exchange(
        conn=number, method=method, path=path, code=code, began_ns=began, done=done, down_bytes=down, up_bytes=up
    )


def _again(told: PodSeen) -> PodSeen:
    return PodSeen(
        pod=told.pod,
        uid=told.uid,
        phase=told.phase,
        reason=told.reason,
        conditions=told.conditions,
        containers=told.containers,
        ending=told.ending,
    )
