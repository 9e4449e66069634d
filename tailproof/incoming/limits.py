"""How much of what others send is taken: one table. What exceeds it is a fact that a history or a message can name."""

from __future__ import annotations

REQUEST_S = 30.0
"""A whole request, from its first byte sent to the last byte of its answer."""
HEAD_BYTES = 64 << 10
"""The first line and the fields of an answer."""
BODY_BYTES = 64 << 20
"""A body, after it was decompressed."""
MESSAGE_BYTES = 64 << 20
"""A message of a stream."""
DEPTH = 200
"""Objects and lists inside each other."""
WORD_CHARS = 1024
"""An id, a cursor, a status, the name of an event, a version."""
INPUT_BYTES = 1 << 20
"""A file that a person writes: a scenario, a baseline, rules of the wire."""


class Exceeded(Exception):
    """More than is taken; `str()` is half a sentence that names what and the limit: `the body is longer than 64 MB`."""
