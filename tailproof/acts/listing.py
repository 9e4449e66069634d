"""Another user reads the list of the server's conversations, in every way in which it can be asked for."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Literal

from tailproof.acts.neighbours import look_at
from tailproof.acts.probes import as_probe
from tailproof.acts.user import NoOptions
from tailproof.faults.fault import Proof, Stage
from tailproof.history.server_records import Listing
from tailproof.incoming.limits import LIST_PAGES
from tailproof.protocol.adapter import Answer
from tailproof.protocol.listing import Listed
from tailproof.waiting import Cancelled, DeadlineMissed

AT_ONCE_S = 10.0
"""How long the loop is kept held for it."""
PROOF_S = 60.0
LARGEST = 100
"""Conversations of a page, unless asked for otherwise; no larger page is asked for."""
ONE_BY_ONE = 12
"""A list of so many is read in pages of one, too, and so many are asked for by their ids."""
MOST = 2_000
"""Longer lists are not read to their end."""


class UserList:
    """Another user reads the list of conversations: whole, in pages of several sizes, in both directions, those of each status, and those
    with certain ids, one of which nobody has; and whole once more. Then they ask for those of others one by one. Proven by an answer to
    each reading."""

    name = "user.list"
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        NoOptions.model_validate(options)
        self._read: list[Listing] = []
        self._over = threading.Event()

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "can-list" in capabilities else "no server of this protocol lists its conversations"

    def describe(self) -> str:
        return "another user reads the list of conversations in all ways"

    def inject(self, stage: Stage) -> None:
        threading.Thread(target=self._act, args=(stage,), name=f"user-{self.id}", daemon=True).start()
        try:
            stage.budget.wait_event("the list of conversations to be read", self._over, within=AT_ONCE_S)
        except DeadlineMissed:
            return  # the loop goes on meanwhile: `verify` waits longer

    def verify(self, stage: Stage) -> Proof:
        stage.budget.wait_event("the list of conversations to be read", self._over, within=PROOF_S)
        answered = sum(bool(one.code) for one in self._read)
        counters: Mapping[str, Any] = {
            "readings": len(self._read),
            "answered": answered,
            "conversations": max((len(one.conversations) for one in self._read), default=0),
        }
        return Proof(0 < answered == len(self._read), counters)

    def heal(self, stage: Stage) -> None:
        """Reading changes nothing."""

    def _act(self, stage: Stage) -> None:
        try:
            for listing in self._ways(stage):
                stage.company.tell(listing)
                self._read.append(listing)
            for conversation in sorted(stage.company.others)[:ONE_BY_ONE]:
                look_at(stage, conversation, "found")
        except (Cancelled, DeadlineMissed):
            pass  # whoever waits for the proof says so
        self._over.set()

    def _ways(self, stage: Stage) -> Iterator[Listing]:
        whole = self._list(stage, size=LARGEST, ascending=False)
        yield whole
        number = len(whole.conversations)
        yield self._list(stage, size=_part(number, 3), ascending=True)
        if number <= ONE_BY_ONE:
            yield self._list(stage, size=1, ascending=False)
        shown = sorted({status for status in whole.statuses if status})
        nobody = next((word for word in stage.vocabulary if word not in shown), "")
        for turn, status in enumerate([*shown, *([nobody] if nobody else [])]):
            yield self._list(stage, size=_part(number, 2), ascending=turn % 2 == 1, status=status)
        yield self._those(stage, [*reversed(whole.conversations[:ONE_BY_ONE]), str(uuid.uuid4())])
        yield self._list(stage, size=LARGEST, ascending=False)

    def _list(self, stage: Stage, *, size: int, ascending: bool, status: str = "") -> Listing:
        api, cursor = stage.company.api(), ""
        found = self._begun(stage, status=status, page_size=size)
        found.order = "ascending" if ascending else "descending"
        while found.pages < LIST_PAGES and len(found.conversations) < MOST:
            page = api.list_page(status=status, cursor=cursor, size=size, ascending=ascending, budget=stage.budget)
            _answered(stage, found, page.answer)
            if not found.complete:
                break
            found.pages += 1
            found.largest = max(found.largest, len(page.items))
            for item in page.items[:MOST]:
                _show(found, item)
            cursor = page.cursor
            if not cursor:
                answer, found.count = api.list_count(status=status, budget=stage.budget)
                found.count_code = answer.code
                stage.company.tell(as_probe(answer))
                break
        else:
            found.complete, found.cut_off = False, True
            found.error = f"it had no end after {found.pages} pages"
        return _ended(stage, found)

    def _those(self, stage: Stage, conversations: list[str]) -> Listing:
        found = self._begun(stage, asked=conversations, page_size=len(conversations))
        answer, items = stage.company.api().those(conversations, stage.budget)
        _answered(stage, found, answer)
        for item in items[:MOST]:
            _show(found, item or Listed(conversation="", status="", created=""))
        return _ended(stage, found)

    def _begun(self, stage: Stage, **asked: Any) -> Listing:
        return Listing(
            reading=f"list:{self.id}",
            began_ns=time.monotonic_ns(),
            owed=sorted(stage.company.others),
            gone=sorted(stage.company.deleted),
            epoch=stage.server.epoch,
            **asked,
        )


def _part(number: int, parts: int) -> int:
    """A page size with which so many conversations are read in so many pages, if such a page may be asked for."""
    return min(LARGEST, max(1, ceil(number / parts)))


def _ended(stage: Stage, found: Listing) -> Listing:
    found.t_ns = time.monotonic_ns()
    found.owed = sorted(stage.company.others.intersection(found.owed))
    return found


def _answered(stage: Stage, found: Listing, answer: Answer) -> None:
    stage.company.tell(as_probe(answer))
    found.code = answer.code
    found.complete = answer.ok
    found.error = "" if answer.ok else answer.error or answer.text


def _show(found: Listing, item: Listed) -> None:
    found.conversations.append(item.conversation)
    found.statuses.append(item.status)
    found.created.append(item.created)
