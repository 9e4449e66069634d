"""A TCP port that belongs to one trial, also while its server is dead."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class Port:
    """A free port on loopback, reserved until `release`.

    The reservation is a bound socket that never listens: the kernel gives the port to nobody else, a connection to it is
    refused, and a server that sets SO_REUSEADDR (all do) can still bind and listen. It ends with this process, whatever
    happens to it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Give the port back. Idempotent."""
        self._socket.close()
