"""A release of the TypeScript client, driven in a Node environment of its own."""

from __future__ import annotations

from pathlib import Path

from tailproof.clients.client import Client
from tailproof.clients.kind import BadClient, ClientPlan, Kind
from tailproof.clients.program import ProgramClient
from tailproof.targets.locks import is_version
from tailproof.targets.node_environments import NodeEnvironment, node_environment
from tailproof.targets.npm_locks import known_clients
from tailproof.waiting import Budget

TS_PROGRAM = Path(__file__).with_name("ts_program.mjs")
"""Drives the client: `node ts_program.mjs ENVIRONMENT [browser|node]`."""
SURROUNDINGS = ("browser", "node")
"""What the client is loaded with: a `window` with a WebSocket, as in a browser (default), or what a Node program has."""


def _parts(what: str) -> tuple[str, str]:
    version, at, surroundings = what.partition("@")
    return version, surroundings if at else SURROUNDINGS[0]


def _check(what: str) -> None:
    version, surroundings = _parts(what)
    newest = known_clients()[-1]
    if not is_version(version):
        says = f"{version!r} is not a release of the TypeScript client" if version else "ts names no release"
        raise BadClient(f"{says}: ts:VERSION, for example ts:{newest}")
    if surroundings not in SURROUNDINGS:
        raise BadClient(
            f"the TypeScript client is loaded as in a {' or as in '.join(SURROUNDINGS)}, not {surroundings!r}: "
            f"ts:{version} or ts:{version}@node"
        )


def _prepare(what: str, budget: Budget) -> NodeEnvironment:
    return node_environment(_parts(what)[0], budget)


def _make(what: str, plan: ClientPlan) -> Client:
    version, surroundings = _parts(what)
    built = node_environment(version, plan.budget)
    lock = built.directory.name + ("" if built.lock.committed else ", resolved here")
    return ProgramClient(
        plan.name,
        plan.adapter,
        plan.recorder,
        command=[built.node, TS_PROGRAM, built.directory, surroundings],
        scratch=plan.scratch,
        environment=plan.environment,
        facts={"client lock": lock},
    )


TYPESCRIPT = Kind(form="ts:VERSION", check=_check, prepare=_prepare, make=_make)
"""`ts:VERSION`, and `ts:VERSION@node` for the library as a Node program gets it."""
