"""Servers of the tests: a small one as a process and in a container, and what each trial of them is started with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from target_stage import Begin, Trial

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.recipes import IMAGES
from tailproof.history.header import Header
from tailproof.history.recorder import Recorder
from tailproof.ownership.owners import Owner, owner_id
from tailproof.ownership.scratch import scratch
from tailproof.provision.base_image import WITH_PYTHON, base_image
from tailproof.provision.engine import build, connect
from tailproof.provision.installations import Installation
from tailproof.targets.container import ContainerTarget
from tailproof.targets.process import ProcessTarget
from tailproof.targets.target import Plan, Target
from tailproof.waiting import Budget

SMALL_SERVER = Path(__file__).with_name("small_server.py")
IMAGE = "tailproof/test-server:latest"


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Prepares a target and gives a server of it that is not started yet; everything is removed at the end."""
    with ExitStack() as stack:

        def begin(target: Target, *, environment: Mapping[str, str] | None = None, **wanted: Any) -> Trial:
            target.prepare(Budget(600), earlier=bool(wanted.get("begins_as_earlier")))
            owner = Owner(trial=uuid4().hex[:12], owner=owner_id())
            directory = scratch(owner)
            stack.callback(shutil.rmtree, directory)
            header = Header(trial=owner.trial, scenario="test", seed=0, target=target.spec, client="none")
            recorder = stack.enter_context(Recorder(tmp_path / owner.trial, header))
            plan = Plan(
                owner=owner,
                directory=directory / "server",
                journal=directory / "journal",
                key="a-session-key-12",
                secret="a-server-secret",
                environment=environment or {},
                engine=recorder.witness("engine"),
                **wanted,
            )
            server = target.server(plan)
            stack.callback(server.remove)
            return Trial(server, plan, recorder)

        yield begin


@pytest.fixture
def small_process() -> ProcessTarget:
    """The small server as a process, through the code that starts releases."""
    return ProcessTarget(
        "small",
        adapter=OpenHands(),
        provide=lambda budget: Installation(interpreter=Path(sys.executable), version="0"),
        program=(str(SMALL_SERVER),),
    )


@pytest.fixture(scope="session")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The small server as an image, on the base image of the releases."""
    context = tmp_path_factory.mktemp("image")
    shutil.copy(SMALL_SERVER, context)
    (context / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\n"
        "RUN useradd --uid 10001 agent && install --directory --owner=agent /workspace\n"
        "COPY small_server.py /small_server.py\nUSER agent\n"
        'ENTRYPOINT ["tini", "--", "python3", "/small_server.py"]\n'
    )
    with closing(connect()) as engine:
        base = base_image(engine, WITH_PYTHON, say=lambda line: None, budget=Budget(600))
        build(engine, context, IMAGE, arguments={"BASE": base}, labels={}, network="none")
    return IMAGE


@pytest.fixture
def small_container(small_image: str) -> ContainerTarget:
    """The small server as a container."""
    return ContainerTarget(f"docker:{small_image}", small_image, adapter=OpenHands(), recipe=IMAGES)
