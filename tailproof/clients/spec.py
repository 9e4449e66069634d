"""Which client a word asks for: `plain`, `sdk:VERSION`, `script:FILE`, and whatever else there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tailproof.clients.kind import BadClient, Kind
from tailproof.extensions import table
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.protocol.adapter import Launcher
from tailproof.waiting import Budget

BUILDERS = 4
"""How many environments are built side by side: resolving and fetching wait for the network, unpacking for the disk."""


def resolved(asked: str, *, target: str, version: str, adapter: Launcher) -> str:
    """The concrete spec of the client that `asked` means for a target, its release (empty when it cannot be told) and the adapter that
    speaks with it. Nothing asked means the client that belongs to the target.

    Raises:
        BadClient: there is no such client, or it speaks another protocol.
    """
    word = asked or adapter.own_client(target, version)
    kind, what = kind_of(word)
    if kind.protocol not in ("", adapter.name):
        raise BadClient(
            f"client {clip(repr(word), SAID_CHARS)} speaks {kind.protocol}, and {clip(target, SAID_CHARS)} speaks {adapter.name}"
        )
    if kind.concrete is not None:
        word = kind.concrete(what, target=target, release=version)
        _, what = kind_of(word)
    kind.check(what)
    return word


def needs_release(asked: str) -> bool:
    """What `asked` means depends on the release of the target."""
    if not asked:
        return True
    kind, what = kind_of(asked)
    return kind.is_the_targets(what)


def prepare(specs: Iterable[str], budget: Budget) -> None:
    """Build what these clients (resolved) need, side by side; what is there is not built again.

    Raises:
        BadClient: a spec is wrong.
        Unavailable: an environment cannot be had; the others are finished first.
    """
    wanted = [kind_of(spec) for spec in dict.fromkeys(specs)]
    with ThreadPoolExecutor(max_workers=BUILDERS, thread_name_prefix="build") as builders:
        built = [builders.submit(kind.prepare, what, budget) for kind, what in wanted]
    for one in built:
        one.result()


def kind_of(spec: str) -> tuple[Kind, str]:
    """The kind that a spec names, and what stands behind its colon. Raises BadClient."""
    word, colon, what = spec.partition(":")
    kinds: Mapping[str, Kind] = table("clients")
    kind = kinds.get(word)
    if kind is None:
        raise BadClient(
            f"there is no client {clip(repr(spec), SAID_CHARS)}; there are {', '.join(kind.form for kind in kinds.values())}"
        )
    if colon and not what:
        raise BadClient(f"client {spec!r} names nothing behind the colon: {kind.form}")
    return kind, what
