"""The sockets of a release stand in no schema: the list of them is held against its routes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tailproof.adapters.openhands.access import NOT_TRIED, STREAMS
from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.provision.environments import environment
from tailproof.waiting import Budget

NEWEST = "1.58.2"
LISTS = """
import json
from fastapi.routing import APIWebSocketRoute
from openhands.agent_server.api import create_app

def sockets(routes):
    for route in routes:
        if isinstance(route, APIWebSocketRoute):
            yield route.path
        # A router that was included keeps its routes to itself.
        yield from sockets(getattr(getattr(route, "original_router", route), "routes", None) or ())

print(json.dumps(sorted(sockets(create_app().routes))))
"""


@pytest.mark.long
@pytest.mark.release
def test_the_sockets_of_the_newest_release_are_those_that_are_tried_and_those_that_need_no_key(
    tmp_path: Path,
) -> None:
    built = environment(RELEASES, NEWEST, Budget(600))
    asked = [str(built.interpreter), "-c", LISTS]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True)
    assert set(json.loads(told.stdout.splitlines()[-1])) == {*STREAMS, *NOT_TRIED}
