"""What provision says when it cannot provide."""

from __future__ import annotations


class Unavailable(Exception):
    """What is needed cannot be had here; the message says what is missing and how to get it."""


class EngineError(Unavailable):
    """The Docker engine is not there, has gone, or refuses."""
