"""Reads what an OpenHands agent-server persisted, without the server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tailproof.adapters.adapter import Seen
from tailproof.adapters.openhands_events import decode

_DIRECTORY = re.compile(r"^[0-9a-f]{32}$")
_EVENT_FILE = re.compile(r"^event-(\d+)-.+\.json$")


class _BaseState(msgspec.Struct):
    execution_status: str = ""


def read_disk(conversations: Path) -> Iterator[tuple[str, str, Iterator[Seen], Sequence[str]]]:
    """Per conversation: id, raw status, events by index, names of unreadable files (complete when the events are through).
    Raises OSError if there is no such directory."""
    for directory in sorted(conversations.iterdir()):
        if directory.is_dir() and _DIRECTORY.match(directory.name):
            yield _conversation(directory)


def _conversation(directory: Path) -> tuple[str, str, Iterator[Seen], Sequence[str]]:
    unreadable: list[str] = []
    status = ""
    state = directory / "base_state.json"
    try:
        status = msgspec.json.decode(state.read_bytes(), type=_BaseState).execution_status
    except (OSError, msgspec.MsgspecError) as error:
        unreadable.append(f"{state.name}: {_why(error)}")
    return str(uuid.UUID(directory.name)), status, _events(directory / "events", unreadable), unreadable


def _events(events: Path, unreadable: list[str]) -> Iterator[Seen]:
    for path in event_files(events):
        try:
            seen = decode(path.read_bytes())
        except OSError as error:
            unreadable.append(f"{path.name}: {_why(error)}")
            continue
        if seen is None:
            unreadable.append(f"{path.name}: not an event ({path.stat().st_size} bytes)")
        else:
            yield seen


def _why(error: Exception) -> str:
    """Without the place of the copy, which nobody can look at any more."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def event_files(events: Path) -> list[Path]:
    """The files of a log in its order."""
    numbered = []
    for path in events.iterdir() if events.is_dir() else ():
        match = _EVENT_FILE.match(path.name)
        if match:
            numbered.append((int(match[1]), path))
    return [path for _, path in sorted(numbered)]
