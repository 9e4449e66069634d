"""The pages of what there is say what the code says, and every guarantee can name what proves it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # `bench` and `fixtures` are not installed

from bench.catalogue import DOCS, pages  # noqa: E402
from bench.variants import kept  # noqa: E402
from fixtures.broken.table import VARIANTS  # noqa: E402
from fixtures.executor.variants import VARIANTS as EXECUTORS  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE  # noqa: E402


def test_the_pages_are_what_the_code_gives() -> None:
    stale = [name for name, text in pages().items() if (DOCS / name).read_text() != text]
    assert not stale, "run: python -m bench.catalogue"


def test_every_guarantee_convicts_a_variant_of_its_own() -> None:
    assert set(CATALOGUE) == {variant.convicted_by for variant in (*VARIANTS, *EXECUTORS)}


def test_every_variant_was_played_and_convicted_by_its_own_guarantee() -> None:
    """By `python -m bench.variants`: a test plays one of each guarantee."""
    played = kept()
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    assert {variant.name for variant in VARIANTS} - played.keys() == set()
    assert {line.name: line.wrong for line in played.values() if line.wrong} == {}
