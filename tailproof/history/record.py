"""What every record of a history carries, and the neutral words in it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Role = Literal["message", "action", "observation", "rejection", "error", "status", "snapshot", "bookkeeping", "other"]
"""What an event is in the loop. `observation`, `rejection` and `error` (with a `call`) close an `action`; `status` carries a
status; `snapshot` is a whole state pushed to subscribers; `bookkeeping` (statistics, titles) may follow the end of a run."""

Neutral = Literal["queued", "active", "waiting", "idle", "done", "interrupted", "failed", "stuck", "none", "unknown"]
"""A status in neutral words. `active` runs; `done`, `failed` and `stuck` are terminal; `waiting` and `interrupted` wait for
someone; `none` means that the server shows no status; `unknown` that the adapter does not know the word."""

TERMINAL: frozenset[str] = frozenset({"done", "failed", "stuck"})
SETTLED: frozenset[str] = TERMINAL | {"waiting", "interrupted"}
"""A run that shows one of these has ended, or waits for someone."""
RESTING: frozenset[str] = SETTLED | {"idle"}
"""Nothing happens in a conversation that shows one of these."""
CLOSERS: frozenset[str] = frozenset({"observation", "rejection", "error"})
"""Roles of the events that close an action."""
CLIENT = "client"
"""The name of the witness that reports what the client under test saw."""

Moment = Annotated[int, Meta(ge=-(1 << 62), lt=1 << 62)]
"""Nanoseconds: two of them, and what lies between them, fit into 64 bits."""
Day = Annotated[float, Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970, to the end of the last year that a calendar has."""
Count = Annotated[int, Meta(ge=-(1 << 53), lt=1 << 53)]
"""Whatever is counted; a server may say what it likes."""
Parameter = Annotated[float, Meta(ge=0, le=1e9)]
"""Seconds, or whatever else a promise counts in."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    """What every record carries. The recorder fills these four fields in.

    `t_ns` is CLOCK_MONOTONIC of the host, in nanoseconds; `wall` is the time of day in seconds since 1970; `seq` counts the
    records of one witness from 0.
    """

    t_ns: Moment = 0
    wall: Day = 0.0
    witness: str = ""
    seq: Count = -1
