"""A port of a pod as a port of this machine's loopback, for as long as a trial lasts.

Each connection is one of the pod's, opened when somebody connects here; `point` sends the next ones to another pod. Two things differ
from a plain port, and both belong to the way, not to the server: a connection is accepted before the pod is asked, and reset when
nothing listens there; and neither end can be closed while the other goes on. When the way itself breaks, `on_drop` is told: what a
client saw then is nobody's fault but the harness's.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from kubernetes import client

from tailproof.cluster.pod_stream import Dropped, NobodyListens, PodStream, open_stream
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, Gone

HOST = "127.0.0.1"
_CHUNK = 64 << 10
_START_S = 10.0
_LAST_TURNS = 10
"""How often a loop goes round for transports to close after their tasks have ended."""

T = TypeVar("T")


class Loop:
    """An event loop on a thread of its own, which all ways to one pod share."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pod-streams", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], *, within: float = _START_S) -> T:
        """Run `work` there and wait for it. Raises what it raises, TimeoutError."""
        return self.begin(work).result(within)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Let it run there. Raises RuntimeError: the loop was closed."""
        if self._loop.is_closed():
            work.close()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End everything that still runs there. Idempotent."""
        if self._loop.is_closed():
            return
        with suppress(TimeoutError):
            self.run(_cancel_all(), within=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


class Forward:
    """Listens from the start on; give it back with `close`."""

    def __init__(
        self,
        loop: Loop,
        cluster: Cluster,
        namespace: str,
        pod: str,
        port: int,
        *,
        at: int = 0,
        on_drop: Callable[[str], None] = lambda says: None,
    ) -> None:
        """`at` is the port here; 0 for any that is free. Raises OSError: it is taken."""
        self._loop = loop
        self._api: client.ApiClient = cluster.api
        self._namespace = namespace
        self._pod = pod
        self._port = port
        self._on_drop = on_drop
        self.connections = 0
        """How many were opened."""
        self.refused = 0
        """How many found nobody listening in the pod."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, at))
        except OSError:
            listening.close()
            raise
        self.number: int = listening.getsockname()[1]
        self._server = loop.run(asyncio.start_server(self._serve, sock=listening))

    @property
    def url(self) -> str:
        """Base URL here."""
        return f"http://{HOST}:{self.number}"

    def point(self, pod: str) -> None:
        """The next connections go to this pod."""
        self._pod = pod

    def close(self) -> None:
        """Stop listening; connections end with the loop. Idempotent."""
        with suppress(RuntimeError, TimeoutError):
            self._loop.run(_closed(self._server))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            stream = await open_stream(self._api, self._namespace, self._pod, self._port)
        except ClusterError as error:
            # A pod that is gone is the pod's affair; an API server that is gone is not.
            if isinstance(error, Gone):
                self._on_drop(str(error))
            reset(writer)
            return
        try:
            await join(stream, reader, writer)
        except NobodyListens:
            self.refused += 1
            reset(writer)
        except Dropped as dropped:
            self._on_drop(str(dropped))
            reset(writer)


async def join(stream: PodStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until one end is over, then end both. Raises Dropped, NobodyListens."""
    up = asyncio.ensure_future(_up(reader, stream))
    down = asyncio.ensure_future(_down(stream, writer))
    try:
        done, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (up, down):
            task.cancel()
        writer.close()
        await asyncio.gather(up, down, return_exceptions=True)
        await stream.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a host does on which nobody listens."""
    plain = writer.get_extra_info("socket")
    with suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _up(reader: asyncio.StreamReader, stream: PodStream) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            await stream.write(data)


async def _down(stream: PodStream, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await stream.read():
            writer.write(data)
            await writer.drain()


async def _closed(server: asyncio.Server) -> None:
    server.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # A TLS connection says goodbye and waits for the answer: nobody does here.
    for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
        transport.abort()
    for _ in range(_LAST_TURNS):
        await asyncio.sleep(0)
