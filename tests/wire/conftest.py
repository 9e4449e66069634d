"""One WebSocket server, and a wire in front of it, per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from wire_stage import stream_server, wire_to

from tailproof.wire.handle import Wire


@pytest.fixture(scope="session")
def streams() -> Iterator[int]:
    """The port of a WebSocket server."""
    with stream_server() as port:
        yield port


@pytest.fixture
def wire(streams: int, tmp_path: Path) -> Iterator[Wire]:
    """A wire in front of it; its journal is `tmp_path/wire.jsonl`."""
    with wire_to(streams, tmp_path) as running:
        yield running
