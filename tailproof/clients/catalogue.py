"""Every client, by the name it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

from tailproof import data
from tailproof.adapters.adapter import Adapter
from tailproof.clients.client import Client, ClientError
from tailproof.clients.plain import PlainClient
from tailproof.clients.program import SDK_PROGRAM, ProgramClient
from tailproof.history.recorder import Recorder
from tailproof.ownership import marks
from tailproof.targets.environments import environment
from tailproof.targets.resolve import REFERENCE
from tailproof.targets.target import Owner
from tailproof.waiting import Budget

BUILD_S = 900.0
PART = "client"


def client_for(
    name: str, adapter: Adapter, recorder: Recorder, *, scratch: Path, owner: Owner, budget: Budget | None = None
) -> Client:
    """`plain` or `sdk:VERSION`, whose environment is built when it is not there yet.

    Raises:
        ClientError: there is no such client.
        TargetError: the environment of the release cannot be had.
    """
    worn = marks(owner, PART)
    kind, _, version = name.partition(":")
    if kind == REFERENCE:
        program = data.folder("fixtures") / "reference_client.py"
        command = [sys.executable, program, *(("--broken", version) if version else ())]
        return ProgramClient(name, adapter, recorder, command=command, scratch=scratch, environment=worn)
    if name == "plain":
        return PlainClient(adapter, recorder, environment=worn)
    if kind != "sdk" or not version:
        raise ClientError(f"there is no client {name!r}; there are plain and sdk:VERSION")
    built = environment(version, budget or Budget(BUILD_S))
    command = [built.interpreter, "-I", SDK_PROGRAM]
    return ProgramClient(name, adapter, recorder, command=command, scratch=scratch, environment=worn)
