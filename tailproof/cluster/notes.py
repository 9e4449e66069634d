"""What this machine makes in clusters: a note for each namespace, from before it is made until its removal was accepted.

Every command removes first what killed checks left. Without a note it asks no cluster for that, so that who works elsewhere does not
wait for a cluster that is slow, or far. `tailproof clean` asks all the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tailproof.incoming import json
from tailproof.incoming.limits import Exceeded
from tailproof.outgoing.atomic import write_atomically
from tailproof.ownership.owners import owner_died
from tailproof.provision.cache import cache

_SUFFIX = ".json"
_NOTE_BYTES = 64 << 10


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One namespace."""

    name: str
    owner: str
    kubeconfig: str
    """As KUBECONFIG takes it: absolute paths with a colon between."""


def take_note(name: str, owner: str, kubeconfig: str) -> None:
    """Raises OSError."""
    places = os.pathsep.join(str(Path(place).absolute()) for place in kubeconfig.split(os.pathsep) if place)
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}{_SUFFIX}", msgspec.json.encode(Note(name=name, owner=owner, kubeconfig=places)))


def forget(name: str) -> None:
    """Idempotent."""
    (_folder() / f"{name}{_SUFFIX}").unlink(missing_ok=True)


def notes() -> list[Note]:
    """All that can be read. Whoever may write there may run programs as us, too: it is looked at for what it is, not believed less."""
    found = []
    for path in sorted(_folder().glob(f"*{_SUFFIX}")):
        try:
            note = json.decode(path.read_bytes()[:_NOTE_BYTES], Note)
        except (OSError, json.NotJson, Exceeded):
            continue
        if f"{note.name}{_SUFFIX}" == path.name:
            found.append(note)
    return found


def clusters_of_the_dead() -> list[str]:
    """The kubeconfigs of clusters in which a process that has died may have left something. A note of a cluster that is known no more
    is forgotten."""
    left = [note for note in notes() if owner_died(note.owner)]
    for note in left:
        if not is_there(note.kubeconfig):
            forget(note.name)
    return [place for place in dict.fromkeys(note.kubeconfig for note in left) if is_there(place)]


def is_there(kubeconfig: str) -> bool:
    """At least one of its files is."""
    return any(Path(place).is_file() for place in kubeconfig.split(os.pathsep) if place)


def _folder() -> Path:
    return cache() / "namespaces"
