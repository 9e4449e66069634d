"""How much of what others send is taken: one table. What exceeds it is a fact that a history or a message can name."""

from __future__ import annotations

from typing import ClassVar, Literal

Flaw = Literal["", "endless", "too-large", "misshapen"]
"""What is wrong with what a server said: it began and did not end, it is more than is taken (as below), or it is
not what the protocol says."""

REQUEST_S = 30.0
"""A whole request, from its first byte sent to the last byte of its answer."""
ENDLESS_S = 10.0
"""An answer or a message that had begun so long before nobody waits for it any more does not end; a younger one was late."""
HEAD_BYTES = 64 << 10
"""The first line and the fields of an answer."""
INFORMATIONAL = 100
"""Answers of 1xx before the answer itself."""
BODY_BYTES = 32 << 20
"""A body. No compression is asked for: one that comes compressed is not read at all."""
MESSAGE_BYTES = 16 << 20
"""A message of a stream."""
MESSAGE_FRAMES = 10_000
"""The frames of a message."""
CONTROL_FRAMES = 1_000
"""Pings and pongs between two messages of a stream."""
STREAM_MESSAGES = 200_000
"""The messages of a stream."""
STREAM_ODDITIES = 1_000
"""The messages of a stream that are not to be taken, or no events."""
STREAM_BYTES = 1 << 30
"""The messages of a stream together."""
LOG_EVENTS = 200_000
"""The events of a log, as it is read page by page."""
LOG_PAGES = 10_000
"""The pages of a log."""
LIST_PAGES = 200
"""The pages of a list of conversations: one that has more does not end."""
EMPTY_PAGES = 100
"""Pages of a log without an event, one behind the other, each of which names a next one."""
DEPTH = 200
"""Objects and lists inside each other."""
VALUES = 500_000
"""The values of all objects and lists of one JSON text."""
WORD_CHARS = 1024
"""An id, a cursor, a status, the name of an event, a version."""
WORDS = 1_000
"""The words of a vocabulary, the ids of a list of conversations."""
INPUT_BYTES = 128 << 10
"""A file that a person writes: a scenario, a baseline, rules of the wire. The longest that is shipped has 6 kB, and of the worst
that this many hold the parser makes something in a second."""
INPUT_VALUES = 5_000
"""Values in it, lists and mappings counted, too: five hundred entries of a baseline."""
INPUT_DEPTH = 40
"""Lists and mappings in it inside each other."""
INPUT_CHARS = 20_000
"""A text in it, and a line of it."""
PROBLEMS = 10
"""So many of its mistakes are said; the others are counted."""
SAID_CHARS = 80
"""So much of a value is repeated to whoever gave it."""
HEADER_BYTES = 4 << 20
"""`header.json` of a history; most of it is a scenario."""
RECORD_BYTES = 4 << 20
"""A line of a history."""
LINE_BYTES = 64 << 20
"""A longer line is no damaged record any more: nobody looks for its end."""
RECORDS = 2_000_000
"""Lines of all its witnesses; a conversation of 60,000 events has some 300,000."""
DAMAGED = 1_000
"""Of them those that are no records. A writer that is killed leaves one."""
RESULT_BYTES = 1 << 30
"""`result.json`. One trial of the gate has some 55 kB: this is room for the merge of 10,000, and more (docs/scale.md)."""
RESULT_VALUES = 50_000_000
"""Values in it; a trial has some 1,500."""
OWNER_BYTES = 4 << 10
"""What a scratch directory tells of its owner. Anybody can make one in the temporary directory."""
PROGRAM_BYTES = 16 << 20
"""The file of a script, which is read for its status words."""


class Unsound(Exception):
    """What came is not to be taken; `str()` is half a sentence that says why: `the body is longer than 32 MB`."""

    flaw: ClassVar[Flaw] = "misshapen"


class Exceeded(Unsound):
    """More than is taken; the half sentence names what and the limit."""

    flaw = "too-large"


class Endless(Unsound):
    """It began and did not end."""

    flaw = "endless"


class Misshapen(Unsound):
    """It is not what was to be said there."""


def size(number: int) -> str:
    """A limit in bytes, for people: `32 MB`."""
    return f"{number >> 20} MB" if number >= 1 << 20 else f"{number >> 10} kB"
