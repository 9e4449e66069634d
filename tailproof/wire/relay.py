"""Between the wire and a server that is not reached over plain TCP: it speaks TLS, and goes through the proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from tailproof.incoming.connection import Address, Connection
from tailproof.incoming.route import CONNECT_S, Unreachable
from tailproof.waiting import Budget, DeadlineMissed

CHUNK = 512 << 10


class Relay:
    """Listens on loopback. A connection whose way to the server fails is reset, as the server itself would do it."""

    def __init__(self, url: str, note: Callable[[str], None]) -> None:
        self._address = Address.of(url)
        self._route = self._address.route
        self._note = note
        self._server: asyncio.Server | None = None
        self._context: ssl.SSLContext | None = None

    async def listen(self) -> str:
        """`127.0.0.1:PORT`. Raises OSError, Unreachable."""
        self._context = self._route.context() if self._route.tls else None
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._reach()
        except Unreachable as error:
            self._note(str(error))
            writer.transport.abort()
            return
        ways = [asyncio.ensure_future(_pump(reader, far_writer)), asyncio.ensure_future(_pump(far_reader, writer))]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            for way in done:
                way.result()
        except OSError:
            # What breaks on one side breaks on the other.
            writer.transport.abort()
            far_writer.transport.abort()
        finally:
            for way in ways:
                way.cancel()
            writer.close()
            far_writer.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        line = await asyncio.get_running_loop().run_in_executor(None, self._open)
        host = self._route.host if self._context else None
        try:
            return await asyncio.open_connection(sock=line, ssl=self._context, server_hostname=host, limit=CHUNK)
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(self._route.why_not(error)) from error

    def _open(self) -> socket.socket:
        try:
            return Connection(self._address).reach(Budget(CONNECT_S))
        except Unreachable:
            raise
        except (OSError, DeadlineMissed) as error:
            raise Unreachable(f"{self._route.hop_says}: {error}") from error


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until `source` ends; then so does what `sink` gets. Raises OSError."""
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
    else:
        with suppress(OSError):
            sink.close()
            await sink.wait_closed()
