"""Certificates made on the spot, a front that speaks TLS for a server which does not, and a proxy that only knows CONNECT."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CONNECT_S = 10
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A CA of one's own."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.certificate = place / "ca.pem"
        self._key = place / "ca.key"
        signer = [
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=tailproof tests CA",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]
        self._openssl("req", *KEY, *signer, "-keyout", str(self._key), "-out", str(self.certificate))

    def server(self, name: str, *, days: int = 2) -> ssl.SSLContext:
        """Proves that somebody is `name`, for so many days from now on; -1 for until yesterday."""
        file = self._place / name
        self._openssl("req", "-new", *KEY, "-subj", f"/CN={name}", "-keyout", f"{file}.key", "-out", f"{file}.csr")
        extensions = self._place / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{name}\n")
        signed = ["-CA", str(self.certificate), "-CAkey", str(self._key), "-extfile", str(extensions)]
        self._openssl("x509", "-req", "-in", f"{file}.csr", *signed, "-days", str(days), "-out", f"{file}.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{file}.pem", f"{file}.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """`talk` to everybody who connects, in a thread each; gives the port."""

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_talked, args=(talk, sock), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join(CONNECT_S)


@contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """What comes over TLS goes on to `port` without it."""

    def talk(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as near, _to(port) as far:
            _both_ways(near, far)

    with listening(talk) as front:
        yield front


@contextmanager
def proxy_to(port: int, asked: list[str], *, code: str = "200 Connection established") -> Iterator[int]:
    """A proxy that takes CONNECT, to whatever name, as one to `port`. `asked` gets the head of each request."""

    def talk(sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = sock.recv(1)
            if not part:
                return
            head += part
        asked.append(head.decode())
        sock.sendall(f"HTTP/1.1 {code}\r\n\r\n".encode())
        if code.startswith("200"):
            with _to(port) as far:
                _both_ways(sock, far)

    with listening(talk) as proxy:
        yield proxy


def _to(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_S)
    sock.settimeout(None)
    return sock


def _talked(talk: Callable[[socket.socket], None], sock: socket.socket) -> None:
    with sock, suppress(OSError):  # whoever hangs up has heard enough
        talk(sock)


def _both_ways(near: socket.socket, far: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    _pump(near, far)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
    for sock in (source, sink):
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
