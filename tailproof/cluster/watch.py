"""Listens to what the API server tells of the pods of one namespace, without a gap.

A watch ends by itself after a while, breaks with the connection, and may not be gone on with from where it was (410). Each time it is
taken up again; after a 410 everything is listed anew, which shows the present and not what was missed: that is told as a gap.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal

from kubernetes.client.exceptions import ApiException
from kubernetes.watch.watch import iter_resp_lines

from tailproof.cluster import status
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, Expired, cluster_does
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.records import Note

lines_of: Any = iter_resp_lines
_ROUND_S = 240
"""How long one watch lasts before the API server ends it."""
_AGAIN_S = 0.5
"""The pause before a broken watch is taken up again."""
LOST_S = 30.0
"""An API server that does not answer for so long is lost."""

Json = Mapping[str, Any]


class PodWatch:
    """Until `close`. Both callbacks come on threads of this object: `on_pod` with each new status of a pod, `on_word` with each event
    about one, and with a note where something may have been missed."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        on_pod: Callable[[PodSeen, Json], None],
        on_word: Callable[[PodEvent | Note], None],
    ) -> None:
        self._namespace = namespace
        self._on_pod = on_pod
        self._on_word = on_word
        self._closing = threading.Event()
        self.lost = ""
        """Why nothing is told any more although nobody closed it: the API server does not answer. Empty as long as it does."""
        self._last: dict[str, PodSeen] = {}
        self._told: set[tuple[str, int]] = set()
        self._lent = [cluster.another(), cluster.another()]
        self._answers: list[Any] = [None, None]
        self._threads = [
            threading.Thread(target=self._follow, args=(place, word), name=f"watch-{word}", daemon=True)
            for place, word in enumerate(("pods", "events"))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        for answer in self._answers:
            # Closing it would wait for the thread that reads it.
            if (waiting := getattr(getattr(answer, "connection", None), "sock", None)) is not None:
                with suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for lent in self._lent:
            lent.close()

    def _follow(self, place: int, word: Literal["pods", "events"]) -> None:
        try:
            self._follow_on(place, word)
        finally:
            if not self._closing.is_set() and not self.lost:
                self.lost = f"the watch of {word} ended by itself"

    def _follow_on(self, place: int, word: str) -> None:
        version = ""
        broken_since = 0.0
        while not self._closing.is_set():
            try:
                if not version:
                    version = self._list(place, word)
                for reached in self._watch(place, word, version):
                    version, broken_since = reached, 0.0
                    if self._closing.is_set():
                        return
            except Expired:
                self._on_word(Note(f"the watch of {word} had expired (410) and was begun anew: steps may be missing"))
                version = ""
            except ClusterError as error:
                if self._closing.is_set():
                    return
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > LOST_S:
                    self.lost = str(error)
                    return
                self._closing.wait(_AGAIN_S)
            except (AttributeError, ValueError):
                # Closing tears the connection from under the reader, which says one of these then.
                if not self._closing.is_set():
                    raise

    def _list(self, place: int, word: str) -> str:
        """Tell what is there now; the version from which a watch goes on."""
        cluster = self._lent[place]
        verb = cluster.core.list_namespaced_pod if word == "pods" else cluster.core.list_namespaced_event
        listed = cluster.ask(f"listing {word}", verb, self._namespace)
        for item in listed["items"]:
            self._tell(word, "ADDED", item)
        return str(listed["metadata"]["resourceVersion"])

    def _watch(self, place: int, word: str, version: str) -> Iterator[str]:
        """One round of a watch: the version from which it goes on once it is taken up, and that after each thing that it told."""
        cluster = self._lent[place]
        verb: Any = cluster.core.list_namespaced_pod if word == "pods" else cluster.core.list_namespaced_event
        with cluster_does(f"watching {word}"):
            answer = self._answers[place] = verb(
                self._namespace,
                watch=True,
                resource_version=version,
                timeout_seconds=_ROUND_S,
                allow_watch_bookmarks=True,
                _preload_content=False,
                _request_timeout=(10, _ROUND_S + 30),
            )
            try:
                if answer.status != HTTPStatus.OK:
                    raise ApiException(http_resp=answer, body=answer.data, data=None)
                yield version
                # The client's own loop ends with a KeyError where it is told of an error (37.0).
                for line in lines_of(answer):
                    told = json.loads(line)
                    found = told["object"]
                    if told["type"] == "ERROR":
                        raise ApiException(status=found.get("code", 0), reason=found.get("message", ""))
                    if told["type"] != "BOOKMARK":
                        self._tell(word, told["type"], found)
                    yield found["metadata"]["resourceVersion"]
            finally:
                answer.close()
                answer.release_conn()

    def _tell(self, word: str, kind: str, found: Json) -> None:
        if word == "events":
            event = status.event(found)
            mark = (found["metadata"]["uid"], event.times)
            if event.pod and kind != "DELETED" and mark not in self._told:
                self._told.add(mark)
                self._on_word(event)
            return
        seen = status.seen(found)
        if kind == "DELETED":
            seen.phase, seen.ending = "Gone", True
        if self._last.get(seen.pod) != seen:
            self._last[seen.pod] = seen
            self._on_pod(seen, found)
