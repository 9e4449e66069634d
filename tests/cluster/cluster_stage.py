"""A pod of a few containers, and a way to a cluster that can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

StartPod = Callable[..., str]


def pod_of(image: str, commands: Mapping[str, str], limits: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": name,
                    "image": image,
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", command],
                    "resources": {
                        "requests": {"cpu": "50m"},
                        "limits": {"memory": limits[name]} if name in limits else {},
                    },
                }
                for name, command in commands.items()
            ],
            **spec,
        },
    }


class Door:
    """Between a client and the API server: passes bytes on until it is shut."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._open: list[socket.socket] = []
        self._shut = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._pumps: list[threading.Thread] = []
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def shut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._shut = True
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._shut = False

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._serving.join(10)
        self.shut()
        for pump in self._pumps:
            pump.join(10)
        for one in (self._listening, *self._open):
            one.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                if self._shut:
                    caller.close()
                    continue
                behind = socket.create_connection(self._behind)
                self._open += [caller, behind]
                for source, sink in ((caller, behind), (behind, caller)):
                    pump = threading.Thread(target=_pump, args=(source, sink), daemon=True)
                    self._pumps.append(pump)
                    pump.start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
