"""The harness's end of the relay in a pod: how a server that reaches nothing reaches the scripted model, and how tools and harness share
a journal without sharing a disk.

The model stays in the harness. It could run in the pod, but then it would die with the pod, which is what happens to the server under
test, and its record, its points and its gates would be on the far side of the very network that is cut. So a pod holds a relay that
only passes bytes on, over streams which the harness opens by port-forward: nothing has to reach the harness. The server sees the model
at the address of its own loopback at which it is on the harness's.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tailproof.cluster.forward import Loop, join, reset
from tailproof.cluster.pod_stream import Dropped, NobodyListens, PodStream, open_stream
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, Gone
from tailproof.model.journal import TOKENS
from tailproof.waiting import Budget

PORT = 38911
"""Where the relay listens, on the loopback of its pod."""
PROGRAM = Path(__file__).with_name("pod_relay_program.py")
_SPARES = 4
_EVERY_S = 0.02
_ORDER_S = 15.0


class Relay:
    """One for all pods of a server, one after the other. Called by one thread; works on that of `loop`."""

    def __init__(
        self, loop: Loop, cluster: Cluster, namespace: str, journal: Path, *, on_drop: Callable[[str], None]
    ) -> None:
        """`journal` is the harness's copy of the directory; `on_drop` is told when the way to the relay breaks."""
        self._loop = loop
        self._api = cluster.api
        self._namespace = namespace
        self._journal = journal
        self._on_drop = on_drop
        self._pod = ""
        self._ports: list[int] = []
        self._control: PodStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count()
        self._orders: dict[int, asyncio.Future[None]] = {}
        self._known: dict[Path, tuple[int, int]] = {}
        self._left = b""

    def attach(self, pod: str, budget: Budget) -> None:
        """Give the relay of this pod the orders of the one before it. Raises DeadlineMissed, ClusterError."""
        self._pod = pod

        def answers() -> bool:
            try:
                self._loop.run(self._begin(), within=_ORDER_S)
            except (NobodyListens, Dropped, TimeoutError):
                self._loop.run(self._end())
                return False
            return True

        budget.wait_for(f"the relay in the pod {pod} to answer", answers, within=60, every=0.2)

    def detach(self) -> None:
        """Expect nothing of that pod any more. Idempotent."""
        with suppress(RuntimeError, TimeoutError):
            self._loop.run(self._end())

    def expose(self, port: int) -> None:
        """Let the server reach what listens at this port of the harness's loopback. Raises ClusterError."""
        if port not in self._ports:
            self._ports.append(port)
            self._order(port=port)

    def let_begin(self, pipe: str) -> None:
        """Write a line to this pipe in the pod's volume; returns when somebody reads there. Raises ClusterError."""
        self._order(begin=pipe)

    # -- on the loop --------------------------------------------------------------------------------------------------

    def _order(self, **order: Any) -> None:
        try:
            self._loop.run(self._ordered(**order), within=_ORDER_S)
        except (TimeoutError, ConnectionError) as error:
            raise Gone(f"the relay in the pod {self._pod} does not take orders any more") from error

    async def _begin(self) -> None:
        self._control = await open_stream(self._api, self._namespace, self._pod, PORT)
        self._left = b""
        self._known.clear()
        await self._control.write(b"C")
        self._task(self._listen(self._control))
        files = self._journal.rglob(TOKENS)
        await self._ordered(told={str(file.relative_to(self._journal)): file.stat().st_size for file in files})
        for port in self._ports:
            await self._ordered(port=port)
        self._task(self._mirror())
        for _ in range(_SPARES):
            self._task(self._spare())

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        control, self._control = self._control, None
        if control is not None:
            await control.close()
        self._orders.clear()

    def _task(self, work: Any) -> None:
        self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(asyncio.ensure_future(work))

    async def _ordered(self, **order: Any) -> None:
        if self._control is None:
            raise ConnectionResetError("no relay is attached")
        number = next(self._numbers)
        done = self._orders[number] = asyncio.get_running_loop().create_future()
        await self._control.write(json.dumps({"number": number, **order}).encode() + b"\n")
        await done

    async def _listen(self, control: PodStream) -> None:
        """Take down what the relay tells, until the stream ends."""
        try:
            while data := await control.read():
                *lines, self._left = (self._left + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
            self._on_drop(f"the relay in the pod {self._pod} has ended")
        except Dropped as dropped:
            self._on_drop(str(dropped))
        except NobodyListens as error:
            self._fail(error)
            return
        self._fail(ConnectionResetError("the relay is gone"))

    def _fail(self, error: Exception) -> None:
        for done in self._orders.values():
            if not done.done():
                done.set_exception(error)
        self._orders.clear()

    def _take(self, told: dict[str, Any]) -> None:
        if "done" in told and (done := self._orders.pop(told["done"], None)) and not done.done():
            if told["failed"]:
                done.set_exception(ClusterError(f"the relay in the pod {self._pod}: {told['failed']}"))
            else:
                done.set_result(None)
        if "appended" in told:
            place = self._journal / told["appended"]
            # What a pod says is a path is looked at before it is one.
            if place.name == TOKENS and self._journal in place.resolve().parents:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("ab", buffering=0) as file:
                    file.write(base64.b64decode(told["data"]))

    async def _mirror(self) -> None:
        """Put into the pod what the harness writes into its copy: the directory of a trial, and gates."""
        made: set[Path] = set()
        while True:
            for place in {place for place in self._journal.iterdir() if place.is_dir()} - made:
                await self._ordered(directory=f"journal/{place.name}")
                made.add(place)
            for place in self._journal.rglob("gate-*"):
                with suppress(OSError):
                    told = place.stat()
                    if self._known.get(place) != (told.st_mtime_ns, told.st_ino):
                        data = place.read_bytes()
                        name = f"journal/{place.relative_to(self._journal)}"
                        await self._ordered(put=name, data=base64.b64encode(data).decode())
                        self._known[place] = (told.st_mtime_ns, told.st_ino)
            await asyncio.sleep(_EVERY_S)

    async def _spare(self) -> None:
        """A stream that waits in the relay until the server calls; then it is that call."""
        try:
            stream = await open_stream(self._api, self._namespace, self._pod, PORT)
            try:
                await self._carry(stream)
            finally:
                await stream.close()
        except ClusterError as error:
            self._on_drop(str(error))

    async def _carry(self, stream: PodStream) -> None:
        with suppress(ConnectionError):
            await stream.write(b"S")
        first = await stream.read()
        while first and b"\n" not in first:
            first += await stream.read()
        if not first:
            return
        self._task(self._spare())
        number, _, rest = first.partition(b"\n")
        # Whoever is in the pod may say a number: only what was exposed is reached.
        asked = int(number) if number.isdigit() else 0
        if asked not in self._ports:
            return
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", asked)
        except OSError:
            return
        try:
            writer.write(rest)
            await join(stream, reader, writer)
        except ClusterError:
            reset(writer)
            raise
