"""Follows the pods of a check until what each shard has found is here: their statuses, their logs, their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tailproof.cluster import pods
from tailproof.cluster.jobs import INDEX_LABEL
from tailproof.cluster.logs import LogFollower
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, Gone
from tailproof.cluster.status import hindrance, waits_for
from tailproof.cluster.watch import PodWatch
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.records import Note
from tailproof.reports.run_events import RunEvent
from tailproof.shards.account import CONTAINER, Account
from tailproof.shards.collect import collect
from tailproof.waiting import Budget, DeadlineMissed

START_S = 120.0
"""So long no shard may run before nobody waits any longer: no node has room, a quota is too small, an image comes slowly."""
_AT_ONCE = 4
"""How many shards' results are fetched side by side: a hundred would share one connection's width anyway."""
_TICK_S = 0.1

Json = Mapping[str, Any]


class Watching:
    """Until `close`. Whatever comes on other threads is worked off in `until_done`, by one."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        account: Account,
        *,
        place: Path,
        tell: Callable[[RunEvent], None],
        elapsed: Callable[[], float],
        start_s: float = START_S,
    ) -> None:
        """Results go below `place`; `tell` gets the run events, `elapsed` says how many seconds the check has taken by now."""
        self.results: dict[int, Path] = {}
        """Number of a shard -> the `--out` that it had."""
        self._cluster = cluster
        self._namespace = namespace
        self._account = account
        self._place = place
        self._tell = tell
        self._elapsed = elapsed
        self._start_s = start_s
        self._under_way_at = time.monotonic()
        self._hindered = ""
        self._follows: dict[int, LogFollower] = {}
        self._todo: Queue[Callable[[], None]] = Queue()
        self._fetchers = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="fetch")
        self._watch = PodWatch(cluster, namespace, on_pod=self._on_pod, on_word=self._on_word)

    def until_done(self, budget: Budget) -> None:
        """Returns when no more results will come.

        Raises:
            ClusterError: the cluster is gone, or will never let the shards run.
            DeadlineMissed: they take for ever.
            OSError: results cannot be kept here.
        """

        def look() -> bool:
            with suppress(Empty):
                self._todo.get(timeout=_TICK_S)()
                while True:
                    self._todo.get_nowait()()
            if self._account.done:
                return True
            if self._watch.lost:
                raise Gone(self._watch.lost)
            self._check_under_way()
            return False

        budget.wait_for("the shards to end", look, every=0.0)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._watch.close()
        for follower in self._follows.values():
            follower.close()
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def _check_under_way(self) -> None:
        if not self._account.idle:
            self._under_way_at = time.monotonic()
        elif time.monotonic() - self._under_way_at > self._start_s:
            why = self._hindered or "the cluster does not say why"
            raise ClusterError(f"no shard has run for {self._start_s:.0f} s: {why}")

    # -- from other threads -------------------------------------------------------------------------------------------

    def _on_pod(self, seen: PodSeen, found: Json) -> None:
        index = (found["metadata"].get("labels") or {}).get(INDEX_LABEL, "")
        if index.isdigit() and int(index) + 1 in self._account.parts:
            self._todo.put(partial(self._pod, int(index) + 1, seen, found))

    def _on_word(self, word: PodEvent | Note) -> None:
        if isinstance(word, PodEvent) and word.reason in ("FailedCreate", "FailedScheduling"):
            self._todo.put(partial(self._hinders, word.text))

    def _fetch(self, number: int, pod: str) -> None:
        lent = self._cluster.another()
        try:
            found = collect(lent, self._namespace, pod, self._place / pod)
        except (ClusterError, DeadlineMissed) as error:
            self._todo.put(partial(self._not_fetched, number, pod, str(error)))
        except OSError as error:
            self._todo.put(partial(self._not_kept, error))
        else:
            self._todo.put(partial(self._fetched, number, pod, found))
        finally:
            lent.close()

    # -- on the thread of `until_done` ---------------------------------------------------------------------------------

    def _pod(self, number: int, seen: PodSeen, found: Json) -> None:
        part = self._account.parts[number]
        before = part.pod
        self._tell_all(self._account.seen(number, seen, t_s=self._elapsed()))
        if part.pod != seen.pod:
            return
        if hindered := hindrance(found):
            raise ClusterError(f"the shards cannot start: {hindered}")
        if seen.phase == "Pending":
            self._hindered = waits_for(found)
        if before != part.pod and number in self._follows:
            self._follows.pop(number).close()
        if part.state == "running" and number not in self._follows:
            self._follows[number] = LogFollower(
                self._cluster, self._namespace, seen.pod, CONTAINER, partial(self._on_line, number, seen.pod)
            )
        if part.dead and number in self._follows:
            self._follows.pop(number).close()

    def _on_line(self, number: int, pod: str, line: str) -> None:
        self._todo.put(partial(self._line, number, pod, line))

    def _line(self, number: int, pod: str, line: str) -> None:
        part = self._account.parts[number]
        was_over = part.state == "over"
        self._tell_all(self._account.line(number, pod, line, t_s=self._elapsed()))
        if part.state == "over" and not was_over:
            self._follows.pop(number).close()
            self._fetchers.submit(self._fetch, number, pod)

    def _hinders(self, text: str) -> None:
        self._hindered = text

    def _fetched(self, number: int, pod: str, found: Path) -> None:
        if self._account.parts[number].pod == pod:
            self.results[number] = found
            self._tell_all(self._account.collected(number, t_s=self._elapsed()))

    def _not_fetched(self, number: int, pod: str, why: str) -> None:
        part = self._account.parts[number]
        if part.pod == pod and not part.dead:
            part.why = why
            # The cluster runs again what it believes to be lost.
            pods.delete(self._cluster, self._namespace, pod, grace_s=0)

    @staticmethod
    def _not_kept(error: OSError) -> None:
        raise error

    def _tell_all(self, events: list[RunEvent]) -> None:
        for event in events:
            self._tell(event)
