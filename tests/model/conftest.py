"""A scripted model that writes into a history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tailproof.history.header import Header
from tailproof.history.recorder import Recorder
from tailproof.model.server import ScriptedModel


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    header = Header(trial="t", scenario="s", seed=0, target="none", client="none")
    with Recorder(tmp_path / "history", header) as recorder:
        yield recorder


@pytest.fixture
def model(recorder: Recorder) -> Iterator[ScriptedModel]:
    with ScriptedModel(recorder.witness("model")) as model:
        yield model
