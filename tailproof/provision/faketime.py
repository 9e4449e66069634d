"""Finds libfaketime, which gives one process a clock of its own."""

from __future__ import annotations

from pathlib import Path

HOW_TO_GET_IT = "apt-get install libfaketime"
_PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")
_NAME = "faketime/libfaketimeMT.so.1"
"""The one for programs with threads."""


def faketime() -> Path | None:
    """The library, where packages of distributions put it; None when it is not there."""
    found = (path for place in _PLACES for path in (Path(place) / _NAME, *sorted(Path(place).glob(f"*/{_NAME}"))))
    return next((path for path in found if path.is_file()), None)
