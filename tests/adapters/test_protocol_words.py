"""A protocol stays in its package: none of its words stands anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

import tailproof
from tailproof import resources
from tailproof.adapters.openhands.words import WORDS

PACKAGE = Path(tailproof.__file__).parent
ROOMS = sorted(
    place.name
    for place in PACKAGE.iterdir()
    if place.name not in ("adapters", "_data")
    and (place.suffix == ".py" or (place.is_dir() and any(place.glob("*.py"))))
)


def test_every_room_but_that_of_adapters_is_looked_at() -> None:
    assert {"cli", "doctor.py", "provision", "clients", "trial"} < set(ROOMS)
    assert len(ROOMS) > 20


def found_in(file: Path) -> list[str]:
    lines = enumerate(file.read_text("utf-8").splitlines(), 1)
    return [f"{file.name}:{number}: {word}" for number, line in lines for word in WORDS if word in line]


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_knows_a_word_of_the_protocol(room: str) -> None:
    place = PACKAGE / room
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    assert files
    assert [line for file in files for line in found_in(file)] == []


def test_no_shipped_scenario_knows_one() -> None:
    files = sorted(resources.folder("scenarios").rglob("*.yaml"))
    assert len(files) > 40
    assert [line for file in files for line in found_in(file)] == []


def test_its_own_package_is_full_of_them() -> None:
    """Else the search would find nothing, whatever it looks for."""
    own = "".join(
        file.read_text("utf-8") for file in (PACKAGE / "adapters" / "openhands").glob("*.py") if file.name != "words.py"
    )
    assert [word for word in WORDS if word not in own] == []
