"""How long a text is, and what it ends with: what the records tell of one of which they keep only the beginning."""

from __future__ import annotations

import hashlib

import msgspec

from tailproof.history.record import Count

KEPT_CHARS = 200
"""A shorter text stands in its record whole."""
END_CHARS = 100


class Extent(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Of a long text, with one blank for each run of white space in it."""

    chars: Count
    digest: str
    """Hash of all of it, as it was before secrets were masked."""
    end: str
    """Hash of its last 100 characters."""


def extent_of(text: str) -> Extent | None:
    """None for a text that is kept whole."""
    if len(text) < KEPT_CHARS:
        return None
    words = " ".join(text.split())
    return Extent(chars=len(words), digest=_hash(words), end=_hash(words[-END_CHARS:]))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
