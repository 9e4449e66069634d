"""The directories that hold histories: what they are called, and how ours are told from somebody else's."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from tailproof.incoming.files import begins
from tailproof.outgoing.atomic import is_aside

HEADER = "header.json"
CLIENT = "client"
"""The folder of a history that holds the file that its client was, where it was a file of the user's."""
_HEADER = re.compile(rb'\{\s*("schema":\s*\d+,\s*)?"trial":\s*"[^"]*",\s*"scenario":\s*"')


def called(scenario: str, pair: str) -> str:
    """How a scenario is named in a check: alone, or with the name of the pair that played it."""
    return f"{scenario}_{pair}" if pair else scenario


def is_history(directory: Path) -> bool:
    """A history of ours, or one that was killed before its header was written."""
    if directory.is_symlink() or not directory.is_dir():
        return False
    if begins(directory / HEADER, _HEADER):
        return True
    return all(is_aside(entry.name, HEADER) for entry in directory.iterdir())


def remove_history(directory: Path) -> None:
    """Its header goes last: whoever is killed meanwhile leaves something that is still known as ours. Never raises."""
    with suppress(OSError):
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != HEADER:
                entry.unlink()
    shutil.rmtree(directory, ignore_errors=True)
