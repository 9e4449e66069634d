"""Finds libfaketime, which gives one process a clock of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

HOW_TO_GET_IT = "apt-get install libfaketime (0.9.11 or newer; `pip install libfaketime` has one for x86-64)"
_PACKAGE = "libfaketime"
_LIBRARY = "libfaketime.so.1"
_PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")
_NAME = "faketime/libfaketimeMT.so.1"
"""The one for programs with threads."""
_ASK_S = 10.0


@functools.cache
def faketime() -> Path | None:
    """The library of the Python package, or one that a distribution has put where packages go and under which a process can sleep;
    None when there is neither."""
    own = _of_the_package()
    if own is not None:
        return own
    found = (path for place in _PLACES for path in (Path(place) / _NAME, *sorted(Path(place).glob(f"*/{_NAME}"))))
    return next((path for path in found if path.is_file() and _sleeps(path)), None)


def _of_the_package() -> Path | None:
    try:
        named = files(_PACKAGE) or []
    except PackageNotFoundError:
        return None
    places = (Path(str(one.locate())) for one in named if one.name == _LIBRARY)
    return next((place for place in places if place.is_file()), None)


def _sleeps(library: Path) -> bool:
    """Up to 0.9.10 it takes the moment until which a process sleeps for one of its false clock, also where that clock is to be the true
    one (FAKETIME_DONT_FAKE_MONOTONIC), and the kernel refuses it with EINVAL. `time.sleep` of Python 3.11 and later sleeps so."""
    surroundings = {"LD_PRELOAD": str(library), "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    try:
        asked = subprocess.run(
            [sys.executable, "-c", "import time; time.sleep(0.01)"],
            env={**os.environ, **surroundings},
            capture_output=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
