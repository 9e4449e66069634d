"""What a server in a pod keeps in its volume: read and written by a command in a container that lives beside it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tailproof.cluster.inside import Done
from tailproof.targets.container_files import pack, unpack
from tailproof.targets.pod_spec import PLACES, VOLUME
from tailproof.targets.target import TargetError

Beside = Callable[[Sequence[str], bytes | None], Done]
"""Runs a command there, with this input. Raises ClusterError, DeadlineMissed."""
_NAME = Path(PLACES.conversations).name


def read(beside: Beside, into: Path) -> Path:
    """Copy the conversations; returns their directory below `into`. Raises TargetError."""
    into.mkdir(parents=True, exist_ok=True)
    done = beside(["tar", "-C", f"{VOLUME}/root", "-cf", "-", _NAME], None)
    try:
        with tarfile.open(fileobj=io.BytesIO(done.out)) as archive:
            unpack(archive, into)
    except tarfile.TarError as error:
        raise TargetError(f"the server's disk cannot be read: {_said(done) or error}") from error
    return into / _NAME


def write(beside: Beside, conversations: Path) -> None:
    """Put a directory of conversations back. Raises TargetError."""
    packed = io.BytesIO()
    pack(conversations, packed)
    done = beside(["tar", "-C", f"{VOLUME}/root", "-xf", "-"], packed.getvalue())
    if done.code:
        raise TargetError(f"the server's disk cannot be written: {_said(done)}")


def _said(done: Done) -> str:
    return done.err.decode("utf-8", "replace").strip()
