"""The TypeScript client, driven in a Node environment of its own: a release, or a directory of the user that holds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailproof.adapters.openhands.name import PROTOCOL
from tailproof.adapters.openhands.recipes import TYPESCRIPT_RELEASES
from tailproof.clients.client import Client
from tailproof.clients.kind import BadClient, ClientPlan, Kind
from tailproof.clients.program import ProgramClient
from tailproof.incoming import files, json
from tailproof.incoming.files import BadFile, place_of
from tailproof.incoming.json import NotJson
from tailproof.incoming.limits import INPUT_BYTES, SAID_CHARS, Exceeded
from tailproof.outgoing.visible import clip
from tailproof.provision.locks import is_version
from tailproof.provision.node_environments import node_environment
from tailproof.provision.npm import find_node
from tailproof.provision.npm_locks import known_npm_releases
from tailproof.waiting import Budget

TS_PROGRAM = Path(__file__).with_name("ts_program.mjs")
"""Drives the client: `node ts_program.mjs DIRECTORY [browser|node|fresh]`."""
PACKAGE = TYPESCRIPT_RELEASES.package
WAYS = ("browser", "node", "fresh")
"""How the client is used: with a `window` that has a WebSocket, as in a browser (default); with what a Node program has; or as in
a browser, by a user who asks the server anew before he believes a status."""

_RELEASE = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What stands behind `ts:`: a release or a directory, and the way it is used."""

    what: str
    way: str

    @property
    def directory(self) -> Path | None:
        """Where the user's own client is; None for a release."""
        return place_of(self.what) if "/" in self.what or self.what.startswith((".", "~")) else None


def _asked(word: str) -> _Asked:
    what, at, way = word.rpartition("@")
    if not at or "/" in way:
        return _Asked(word, WAYS[0])
    return _Asked(what, way)


def _check(word: str) -> None:
    asked = _asked(word)
    if asked.way not in WAYS:
        raise BadClient(
            f"the TypeScript client is used in one of the ways {', '.join(WAYS)}, not {asked.way!r}: "
            f"ts:{asked.what} or ts:{asked.what}@{WAYS[1]}"
        )
    if asked.directory is not None:
        _check_directory(asked.directory)
    elif not is_version(asked.what):
        says = (
            f"{clip(repr(asked.what), SAID_CHARS)} is not a release of the TypeScript client"
            if asked.what
            else "ts names no release"
        )
        raise BadClient(
            f"{says}: ts:VERSION, for example ts:{known_npm_releases(TYPESCRIPT_RELEASES)[-1]}, or ts:DIR with a / in it"
        )


def _check_directory(directory: Path) -> None:
    """It has the client installed in it, or is a built checkout of the client."""
    if not _manifest(directory):
        raise BadClient(f"{directory} neither has {PACKAGE} in node_modules nor is a checkout of it")
    if _installed(directory).is_file():
        return
    for part, how in (("dist/index.js", "npm run build"), ("node_modules/ws", "npm install")):
        if not (directory / part).exists():
            raise BadClient(f"the checkout {directory} has no {part}: run {how} there")


def _installed(directory: Path) -> Path:
    return directory / "node_modules" / PACKAGE / "package.json"


def _manifest(directory: Path) -> dict[str, Any]:
    """What the client in a directory says of itself; empty when there is none."""
    for place in (_installed(directory), directory / "package.json"):
        try:
            told = json.decode(files.read_bytes(place, INPUT_BYTES))
        except (BadFile, NotJson, Exceeded):
            continue
        if isinstance(told, dict) and told.get("name") == PACKAGE:
            return told
    return {}


def _prepare(word: str, budget: Budget) -> object:
    asked = _asked(word)
    return find_node() if asked.directory is not None else node_environment(TYPESCRIPT_RELEASES, asked.what, budget)


def _make(word: str, plan: ClientPlan) -> Client:
    asked = _asked(word)
    if asked.directory is not None:
        node, directory, facts = find_node(), asked.directory, dict[str, str]()
    else:
        built = node_environment(TYPESCRIPT_RELEASES, asked.what, plan.budget)
        lock = built.directory.name + ("" if built.lock.committed else ", resolved here")
        node, directory, facts = built.node, built.directory, {"client lock": lock}
    image = str(_manifest(directory).get("config", {}).get("agentServerImage", ""))
    if made_for := _RELEASE.search(image):
        facts["client made for server"] = made_for[0]
    return ProgramClient(
        plan.name,
        plan.adapter,
        plan.recorder,
        command=[node, TS_PROGRAM, directory, asked.way],
        scratch=plan.scratch,
        environment=plan.environment,
        facts=facts,
    )


TYPESCRIPT = Kind(
    form="ts:VERSION", protocol=PROTOCOL, check=_check, prepare=_prepare, make=_make, recipe=TYPESCRIPT_RELEASES
)
"""`ts:VERSION` or `ts:DIR`, and either with `@node` or `@fresh` (see `WAYS`)."""
