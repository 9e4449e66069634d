"""Runs a command in a container of a pod, or listens to the container's own process.

Whether that worked is told on a channel of its own (the error channel), and by nothing else: the official client does not raise when
the kubelet is dead, and a command that was cut off looks like one that said nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL, STDERR_CHANNEL, STDIN_CHANNEL, STDOUT_CHANNEL
from websocket import WebSocketException

from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, Gone, cluster_does
from tailproof.waiting import Budget

_CLOSE_S = 2
PIECE_BYTES = 32 << 10
"""How much of the input is sent at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ran to its end."""

    code: int
    out: bytes
    err: bytes


class NotRun(ClusterError):
    """The command was not begun: there is no such container, or it does not run, or has no such program."""


def run(
    cluster: Cluster,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    budget: Budget,
    *,
    given: bytes | None = None,
    taken: Callable[[bytes], object] | None = None,
) -> Done:
    """Run a command to its end; `given` is its standard input, and its standard output goes to `taken` as it comes, where there is one.

    Raises:
        NotRun: it was not begun.
        Gone: the stream ended and nobody said how the command did.
        DeadlineMissed: it runs for too long; it is left behind.
    """
    doing = f"running {command[0]} in {container} of {pod}"
    lent = cluster.another()
    with cluster_does(doing):
        channels = stream(
            lent.core.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            container=container,
            command=list(command),
            stdin=given is not None,
            stdout=True,
            stderr=True,
            tty=False,
            binary=True,
            _preload_content=False,
        )
    out: dict[int, bytes] = {STDOUT_CHANNEL: b"", STDERR_CHANNEL: b"", ERROR_CHANNEL: b""}

    def take() -> bool:
        for channel in out:
            while came := channels.read_channel(channel):
                if channel == STDOUT_CHANNEL and taken is not None:
                    taken(came)
                else:
                    out[channel] += came
        return not channels.is_open() or bool(out[ERROR_CHANNEL])

    try:
        with cluster_does(doing):
            for start in range(0, len(given or b""), PIECE_BYTES):
                channels.write_channel(STDIN_CHANNEL, (given or b"")[start : start + PIECE_BYTES])
            if given is not None:
                channels.close_channel(STDIN_CHANNEL)
            budget.wait_for(f"{command[0]} to end", take, every=0.01)
            take()
    finally:
        _end(channels)
        lent.close()
    return Done(code=_code(doing, out[ERROR_CHANNEL]), out=out[STDOUT_CHANNEL], err=out[STDERR_CHANNEL])


class Attached:
    """The standard streams of a container's own process, from now on: what it wrote before is in its log; or of a command that is begun in
    the container. Give it back with `close`.

    That the process has ended is seen by `over`, how it ended only in the pod's status: an attachment ends with success whatever the
    exit code was.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, pod: str, container: str, *, command: Sequence[str] = ()
    ) -> None:
        """Raises ClusterError."""
        self._lent = cluster.another()
        core = self._lent.core
        begun: dict[str, Any] = {"command": list(command)} if command else {}
        with cluster_does(f"attaching to {container} of {pod}"):
            self._channels: Any = stream(
                core.connect_get_namespaced_pod_exec if command else core.connect_get_namespaced_pod_attach,
                pod,
                namespace,
                container=container,
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                binary=True,
                _preload_content=False,
                **begun,
            )
        self.over = False
        """The stream has ended."""
        self.says = ""
        """What the error channel said of its end; empty when it was cut off."""

    def read(self, *, within: float = 0.0) -> bytes:
        """What the process has written to its standard output since the last time; waits up to `within` seconds for something."""
        try:
            found: bytes = self._channels.read_channel(STDOUT_CHANNEL, timeout=within)
            self.says += self._channels.read_channel(ERROR_CHANNEL).decode("utf-8", "replace")
        except (WebSocketException, OSError):
            self.over = True
            return b""
        self.over = not self._channels.is_open()
        return found

    def write(self, data: bytes) -> None:
        """To its standard input. Raises ClusterError."""
        with cluster_does("writing to an attached container"):
            self._channels.write_channel(STDIN_CHANNEL, data)

    def end_input(self) -> None:
        """Its standard input ends here; its output goes on. Raises ClusterError."""
        with cluster_does("ending the input of an attached container"):
            self._channels.close_channel(STDIN_CHANNEL)

    def close(self) -> None:
        """Idempotent."""
        _end(self._channels)
        self._lent.close()


def _end(channels: Any) -> None:
    """The client leaves the socket open of a stream that the other end has closed."""
    with suppress(WebSocketException, OSError):
        channels.close(timeout=_CLOSE_S)
    channels.sock.shutdown()


def _code(doing: str, told: bytes) -> int:
    if not told:
        raise Gone(f"{doing}: the stream ended, and nobody said how the command did")
    try:
        status = json.loads(told)
    except ValueError:
        raise NotRun(f"{doing}: {told.decode('utf-8', 'replace')[:300]}") from None
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise NotRun(f"{doing}: {str(status.get('message', 'refused'))[:300]}")
