"""The whole harness against broken servers and clients: its own guarantee convicts each, and no other that it does not break by logic.

The reference server and the reference client are convicted of nothing in the same situations. Here one variant of each guarantee
is played; `python -m bench.variants` plays them all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.broken.clients import CLIENTS  # noqa: E402
from fixtures.broken.played import convicted, play, wrongly  # noqa: E402
from fixtures.broken.servers import SERVERS  # noqa: E402
from fixtures.broken.situations import scenario  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE, judge  # noqa: E402
from tailproof.guarantees.verdict import Outcome  # noqa: E402

TROUBLE = frozenset({Outcome.VIOLATED, Outcome.INCONCLUSIVE})
PLAYED = {variant.convicted_by: variant for variant in reversed(SERVERS)}.values()
CLIENTS_PLAYED = {variant.convicted_by: variant for variant in reversed(CLIENTS)}.values()
"""The first one of each guarantee."""


@pytest.mark.parametrize("variant", PLAYED, ids=lambda v: f"{v.convicted_by}[{v.name}]")
def test_a_broken_server_is_convicted_by_its_guarantee_alone(variant: Any, tmp_path: Path) -> None:
    assert wrongly(variant, convicted(variant, tmp_path)) == ""


@pytest.mark.parametrize("name", sorted({v.scenario for v in PLAYED}))
def test_the_reference_server_is_convicted_of_nothing(name: str, tmp_path: Path) -> None:
    found = judge(play(scenario(name, ""), tmp_path), list(CATALOGUE))
    assert {one: verdict for one, verdict in found.items() if verdict.outcome in TROUBLE} == {}


@pytest.mark.parametrize("variant", CLIENTS_PLAYED, ids=lambda v: f"{v.convicted_by}[{v.name}]")
def test_a_broken_client_is_convicted_by_its_guarantee_alone(variant: Any, tmp_path: Path) -> None:
    assert wrongly(variant, convicted(variant, tmp_path)) == ""


@pytest.mark.parametrize("variant", CLIENTS_PLAYED, ids=lambda v: v.name)
def test_the_reference_client_is_convicted_of_nothing(variant: Any, tmp_path: Path) -> None:
    found = judge(play(scenario(variant.scenario, variant.name), tmp_path, client="reference"), list(CATALOGUE))
    assert {one: verdict for one, verdict in found.items() if verdict.outcome in TROUBLE} == {}
    assert found[variant.convicted_by].outcome is Outcome(variant.honest)
