"""What packages bring: read from a real installation of one, next to what tailproof brings itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BROUGHT = """
from tailproof.faults.process import Pause

FAULTS = {"machine.unplug": Pause}
CLASH = {"process.kill": Pause}
"""


def installed(place: Path, name: str, points: str, module: str = BROUGHT) -> None:
    """A package as pip leaves it behind."""
    (place / f"{name}.py").write_text(module)
    info = place / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def listed(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tailproof.cli", *(arguments or ["list"])],
        env={**os.environ, "PYTHONPATH": str(place), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_a_package_brings_is_listed_with_its_name(tmp_path: Path) -> None:
    installed(tmp_path, "unplugged", "[tailproof.faults]\nit = unplugged:FAULTS\n")
    said = listed(tmp_path)
    assert said.returncode == 0
    assert "machine.unplug (from unplugged)" in said.stdout
    assert "process.kill  " in said.stdout


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ("it = bad:CLASH", "tailproof and bad both bring 'process.kill' (faults): remove one of them"),
        ("it = bad:NOTHING", "bad cannot bring its faults (bad:NOTHING): AttributeError"),
        ("it = nowhere:X", "bad cannot bring its faults (nowhere:X): ModuleNotFoundError"),
    ],
    ids=["the same name", "no such name", "no such module"],
)
def test_a_package_that_cannot_be_used_is_one_sentence(tmp_path: Path, points: str, says: str) -> None:
    installed(tmp_path, "bad", f"[tailproof.faults]\n{points}\n")
    said = listed(tmp_path)
    assert said.returncode == 64
    assert says in said.stderr
    assert "Traceback" not in said.stderr


def test_a_target_whose_protocol_nobody_brings_is_one_sentence(tmp_path: Path) -> None:
    module = (
        "from tailproof.targets.kind import TargetKind\n"
        'TARGETS = {"odd": TargetKind(form="odd", protocol="lom", make=print, bare=True)}\n'
    )
    installed(tmp_path, "bad", "[tailproof.targets]\nit = bad:TARGETS\n", module)
    said = listed(tmp_path, "check", "odd", "--client", "plain", "--scenario", "calm", "--out", str(tmp_path / "out"))
    assert said.returncode == 64, said.stdout + said.stderr
    assert "targets odd speak 'lom', and no package brings an adapter of that name" in said.stderr + said.stdout
    assert "Traceback" not in said.stderr


def test_a_guarantee_of_a_package_is_judged_in_a_scenario_that_is_about_nothing_else(tmp_path: Path) -> None:
    """No shipped suite names it."""
    module = (
        "from tailproof.guarantees.verdict import Guarantee, Level, violated\n"
        'KEPT = Guarantee(id="mine.kept", level=Level.MUST, promise="It is kept.",\n'
        '    judge=lambda history: violated("it never is", signature="broken"), rests_on=frozenset({"trial"}))\n'
        'GUARANTEES = {"mine.kept": KEPT}\n'
    )
    installed(tmp_path, "mine", "[tailproof.guarantees]\nit = mine:GUARANTEES\n", module)
    scenario = tmp_path / "own.yaml"
    scenario.write_text("name: own\nfamily: calm\nsummary: .\nguarantees: ['mine.*']\nscript: [{finish: Done.}]\n")
    asked = ["reference", "--client", "plain", "--scenario", str(scenario), "--out", str(tmp_path / "out")]
    said = listed(tmp_path, "check", *asked)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "mine.kept[own] is violated: it never is" in said.stdout + said.stderr
