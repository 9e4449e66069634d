"""The exchange of a connection that is under way, and how it is written down."""

from __future__ import annotations

import time
from typing import Literal

from tailproof.history.records import Exchange
from tailproof.incoming.limits import ENDLESS_S, Endless, Unsound
from tailproof.wire.armed import Armed
from tailproof.wire.link_io import LinkIO


class UnderWay:
    """One exchange at a time: begun by whoever sets `_request`, ended by `_end`."""

    def __init__(self, io: LinkIO) -> None:
        self._io = io
        self._journal = io.journal
        self._request: Exchange | None = None
        self._rule: Armed | None = None
        self._left_to_pass = -1
        """`truncate`: the bytes of the body that may still pass; -1 for all."""
        self._head_began = 0.0
        """When the head of an answer began that is not all there; 0 when there is none."""
        self._ended_by: Literal["", "client", "server"] = ""

    def blame(self, side: Literal["client", "server"]) -> None:
        """This side has ended the connection; the first one counts."""
        self._ended_by = self._ended_by or side

    def cut_by(self, rule: str) -> None:
        """A rule ends the connection: the exchange that is under way, if there is one, is its doing."""
        if self._request is not None:
            self._request.rule = self._request.rule or rule

    def _end(self, done: str) -> None:
        """The exchange has ended (`done` empty: as it is) and is written down."""
        if self._request is None:
            return
        if done:
            self._request.done = done  # type: ignore[assignment]
        if done == "broken":
            self._request.ended_by = self._ended_by
            if self._head_began and (waited := time.monotonic() - self._head_began) >= ENDLESS_S:
                endless = Endless(f"the head did not end within {waited:.0f} s")
                self._tell(endless, str(endless))
        self._journal.write(self._request, urgent=bool(self._request.rule))
        self._request = None
        self._rule = None
        self._left_to_pass = -1
        self._head_began = 0.0
        self._io.move_on("pipelined")

    def _tell(self, unsound: Unsound, error: str) -> None:
        """What is wrong with the answer that is under way."""
        if self._request is not None:
            self._request.flaw, self._request.error = unsound.flaw, error
