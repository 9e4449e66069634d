"""Follows what a container writes, line by line, from its first line on; takes it up again where the connection broke."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from kubernetes.client.exceptions import ApiException

from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, cluster_does
from tailproof.cluster.watch import lines_of

_SILENT_S = 120
"""A connection on which so long nothing came is made anew: whoever is at its other end may be gone."""
_AGAIN_S = 0.5


class LogFollower:
    """From now on until `close`; `on_line` is told each line on this object's thread, each once."""

    def __init__(
        self, cluster: Cluster, namespace: str, pod: str, container: str, on_line: Callable[[str], object]
    ) -> None:
        self._lent = cluster.another()
        self._place = namespace, pod, container
        self._on_line = on_line
        self._told = 0
        self._closing = threading.Event()
        self._answer: Any = None
        self._thread = threading.Thread(target=self._follow, name=f"log-{pod}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        # Closing the answer would wait for the thread that reads it.
        if (waiting := getattr(getattr(self._answer, "connection", None), "sock", None)) is not None:
            with suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)
        if self._thread is not threading.current_thread():
            self._thread.join(5)
        self._lent.close()

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                self._read()
            except ClusterError:
                pass  # that the cluster is gone for good is seen by those who watch it
            except (AttributeError, ValueError):
                # Closing tears the connection from under the reader, which says one of these then.
                if not self._closing.is_set():
                    raise
            self._closing.wait(_AGAIN_S)

    def _read(self) -> None:
        namespace, pod, container = self._place
        with cluster_does(f"following the log of {pod}"):
            answer: Any = self._lent.core.read_namespaced_pod_log(
                pod,
                namespace,
                container=container,
                follow=True,
                _preload_content=False,
                _request_timeout=(10, _SILENT_S),
            )
            self._answer = answer
            try:
                if answer.status != HTTPStatus.OK:
                    raise ApiException(http_resp=answer, body=answer.data, data=None)
                for number, line in enumerate(lines_of(answer)):
                    if self._closing.is_set():
                        return
                    if number >= self._told:
                        self._told = number + 1
                        self._on_line(line)
            finally:
                answer.close()
                answer.release_conn()
