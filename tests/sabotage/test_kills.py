"""Parts of a check are killed at some moment: no gate opens or closes on it, histories stay readable, and the next command of any kind
finds and removes what was left. `python -m bench.kills` does it a hundred times."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.sabotage.killing import Plan, play  # noqa: E402
from tailproof.ownership.scratch import workroom  # noqa: E402


@pytest.fixture
def place() -> Iterator[Path]:
    """Short, because the path of a socket is."""
    with workroom() as room:
        yield room / "0"


PLAN = Plan(target="reference", client="reference", scenarios=("calm",), parallel=1)


@pytest.mark.parametrize(
    ("victim", "moment_s", "then"),
    [
        ("check", 2.0, "list"),
        ("check", 4.0, "check"),
        ("supervisor", 0.0, "list"),
        ("supervisor", 4.0, "list"),
        ("wire", 0.0, "list"),
        ("client", 0.0, "list"),
        ("all", 4.0, "list"),
    ],
)
def test_a_kill_decides_nothing_and_leaves_nothing(
    tmp_path: Path, place: Path, victim: str, moment_s: float, then: str
) -> None:
    command = (
        ["list"] if then == "list" else ["check", "reference", "--client=plain", "--scenario=calm", f"--out={tmp_path}"]
    )
    ended = play(PLAN, place, victim=victim, moment_s=moment_s, then=command)
    assert ended.killed, "it was never there to be killed"
    assert ended.wrong(victim) == []
    if victim not in ("check", "all"):
        assert ended.code == 2
