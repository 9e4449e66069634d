"""One TCP connection to a port of a pod, through the API server.

The official client has a port-forward, too. It reads on however slowly its user reads, so that a server in a pod would never feel a slow
client; here a reader that waits makes the server wait. Addresses, certificates and tokens are the official client's.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from kubernetes import client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from tailproof.cluster.refusals import ClusterError, Gone, NotThere

_PROTOCOL = Subprotocol("v4.channel.k8s.io")
_DATA, _ERROR = 0, 1
_OPEN_S = 15.0
_QUEUED = 4
"""How many frames may wait for their reader before the other end has to."""
LARGEST = 16 << 20


class Dropped(Gone):
    """The way to the pod broke, and nobody said that the pod's end was over."""


class NobodyListens(ClusterError):
    """The pod is there, and nothing in it takes connections at this port."""


class PodStream:
    """Open when made by `open_stream`."""

    def __init__(self, socket: ClientConnection, what: str) -> None:
        self._socket = socket
        self._what = what
        self.says = ""
        """What the kubelet said of a connection that failed."""

    async def read(self) -> bytes:
        """What came next; empty at the end. Raises Dropped, NobodyListens."""
        while True:
            try:
                frame = await self._socket.recv()
            except ConnectionClosed as closed:
                return self._ended(closed)
            if isinstance(frame, str) or not frame:
                continue
            if frame[0] == _ERROR:
                self.says += frame[1:].decode("utf-8", "replace")
                if self.says:
                    raise NobodyListens(f"{self._what}: {self.says.strip()}")
            elif frame[0] == _DATA and len(frame) > 1:
                return frame[1:]

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises Dropped; ConnectionError after the end."""
        try:
            await self._socket.send(bytes((_DATA,)) + data)
        except ConnectionClosed as closed:
            self._ended(closed)
            raise ConnectionResetError(f"{self._what} is over") from closed

    async def close(self) -> None:
        """Idempotent; never raises. Who is cancelled does not wait for the other end's goodbye."""
        try:
            with suppress(WebSocketException, OSError):
                await self._socket.close()
        finally:
            self._socket.transport.abort()

    def _ended(self, closed: ConnectionClosed) -> bytes:
        if isinstance(closed, ConnectionClosedOK) or closed.rcvd is not None:
            return b""
        raise Dropped(f"{self._what}: the connection to the cluster broke ({closed})") from closed


async def open_stream(api: client.ApiClient, namespace: str, pod: str, port: int) -> PodStream:
    """Returns when the API server has accepted it, which says nothing of the port. Raises Gone, NotThere, ClusterError."""
    settings = api.configuration
    parts = urlsplit(settings.host)
    path = f"{parts.path.rstrip('/')}/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    secure = parts.scheme == "https"
    address = urlunsplit(("wss" if secure else "ws", parts.netloc, path, f"ports={port}", ""))
    what = f"port {port} of the pod {pod}"
    headers: dict[str, str] = {}
    api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
    try:
        socket = await connect(
            address,
            ssl=_tls(settings) if secure else None,
            server_hostname=settings.tls_server_name or None if secure else None,
            additional_headers=headers,
            subprotocols=[_PROTOCOL],
            compression=None,
            open_timeout=_OPEN_S,
            ping_interval=None,
            close_timeout=2,
            max_size=LARGEST,
            max_queue=_QUEUED,
            proxy=None,
            user_agent_header=None,
        )
        stream = PodStream(socket, what)
        for _ in (_DATA, _ERROR):  # each channel begins with the number of its port
            await socket.recv()
    except InvalidStatus as error:
        body = (error.response.body or b"").decode("utf-8", "replace")[:300]
        kind = NotThere if error.response.status_code == 404 else ClusterError
        raise kind(f"{what} cannot be reached ({error.response.status_code}): {body.strip()}") from error
    except (WebSocketException, OSError, TimeoutError) as error:
        raise Gone(f"{what} cannot be reached: {error or type(error).__name__}") from error
    return stream


def _tls(settings: client.Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert, cadata=getattr(settings, "ca_cert_data", None))
    # Authorities of clusters often lack what the strict reading of the standard asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
