"""Servers that are out to hurt the harness: each check of one ends in time and in bounded memory, and says what it met.

A slice of the ways, one of each kind; `python -m bench.hostile` plays them all.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.broken.servers import PARTS as BROKEN  # noqa: E402
from fixtures.hostile.played import Played  # noqa: E402
from fixtures.hostile.stage import play  # noqa: E402
from fixtures.hostile.table import WAYS  # noqa: E402
from fixtures.hostile.way import Closed, Open, Way  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE  # noqa: E402
from tailproof.guarantees.verdict import Level  # noqa: E402

PAGE = ROOT / "docs/hostile.md"
SLICE = (
    "readiness-drips",
    "page-is-a-bomb",
    "two-lengths",
    "redirect-to-a-file",
    "handshake-ends",
    "status-100000-deep",
    "count-negative",
    "event-id-a-megabyte",
    "announces-1-gigabyte",
    "flood-of-tiny-frames",
)
AT_ONCE = 4
"""They mostly wait."""


@pytest.fixture(scope="module")
def hostile_checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    place = tmp_path_factory.mktemp("hostile")
    chosen = [way for way in WAYS if way.name in SLICE]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            way.name: played
            for way, played in zip(chosen, pool.map(lambda way: play(way, place / way.name), chosen), strict=True)
        }


@pytest.mark.parametrize("way", [way for way in WAYS if way.name in SLICE], ids=lambda way: way.name)
def test_a_check_of_a_hostile_server_ends_and_says_what_it_met(way: Way, hostile_checks: dict[str, Played]) -> None:
    assert hostile_checks[way.name].wrong(way) == []


def test_there_are_many_ways_and_each_has_its_name() -> None:
    assert len(WAYS) >= 60
    assert [name for name, number in Counter(way.name for way in WAYS).items() if number > 1] == []
    assert {way.name for way in WAYS} >= set(SLICE)
    assert {way.name for way in WAYS} & set(BROKEN) == set(), "--broken takes both"


def test_who_is_expected_to_convict_promises_something() -> None:
    named = {name for way in WAYS if isinstance(way.expected, Closed) for name in (way.expected.by, *way.expected.also)}
    assert {name for name in named if name not in CATALOGUE or CATALOGUE[name].level is not Level.MUST} == set()


def test_a_gate_is_open_only_where_no_promise_is_broken() -> None:
    assert [way.name for way in WAYS if isinstance(way.expected, Open) and not way.expected.because] == []


def test_the_page_holds_every_way() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"`{way.name}`" for way in WAYS]
