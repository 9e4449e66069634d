"""Reads what an OpenHands agent-server persisted, without the server."""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from tailproof.adapters.openhands.events import decode
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.json import decode as decode_json
from tailproof.incoming.limits import MESSAGE_BYTES, Exceeded, Unsound, size
from tailproof.incoming.words import word
from tailproof.protocol.stored import Stored, StoredEvent

_STATE = "base_state.json"
_DIRECTORY = re.compile(r"^[0-9a-f]{32}$")
_EVENT_FILE = re.compile(r"^event-(\d+)-.+\.json$")


class _BaseState(msgspec.Struct):
    execution_status: str = ""


def read_disk(conversations: Path) -> Iterator[tuple[str, str, Iterator[WholeEvent], Sequence[str]]]:
    """Per conversation: id, raw status, events by index, names of unreadable files (complete when the events are through).
    Raises OSError if there is no such directory."""
    for directory in sorted(conversations.iterdir()):
        if directory.is_dir() and _DIRECTORY.match(directory.name):
            yield _conversation(directory)


def stored(conversations: Path, conversation: str) -> Stored:
    """The files of one conversation."""
    directory = conversations / uuid.UUID(conversation).hex
    files = []
    for path in event_files(directory / "events"):
        with suppress(OSError, Unsound):
            event = decode(content(path))
            files.append(StoredEvent(id=event.id, role=event.role, file=path))
    return Stored(events=files, state=directory / _STATE)


def _conversation(directory: Path) -> tuple[str, str, Iterator[WholeEvent], Sequence[str]]:
    unreadable: list[str] = []
    status = ""
    state = directory / _STATE
    try:
        status = word(decode_json(content(state), _BaseState).execution_status, "the status")
    except (OSError, Unsound) as error:
        unreadable.append(f"{state.name}: {_why(error)}")
    return str(uuid.UUID(directory.name)), status, _events(directory / "events", unreadable), unreadable


def _events(events: Path, unreadable: list[str]) -> Iterator[WholeEvent]:
    for path in event_files(events):
        try:
            yield decode(content(path))
        except (OSError, Unsound) as error:
            unreadable.append(f"{path.name}: {_why(error)}")


def content(path: Path) -> bytes:
    """What a server wrote into a file of its own. Raises OSError, also for what is no plain file; Exceeded."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if about.st_size > MESSAGE_BYTES:
            raise Exceeded(f"it is longer than {size(MESSAGE_BYTES)}")
        return file.read(MESSAGE_BYTES)


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
