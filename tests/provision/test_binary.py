"""A server is packed into one file that needs no Python: for a small product, as packing the real one takes many minutes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tailproof.adapters.openhands.recipes import IMAGES
from tailproof.clients.recipes import recipes
from tailproof.provision.base_image import WITH_PYTHON, WITHOUT_PYTHON
from tailproof.provision.binary import packed, packer_lock
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import lock_for
from tailproof.provision.recipe import BinaryRecipe, Package, PythonRecipe
from tailproof.waiting import Budget

VERSION = "1.17.0"
SPEC = """
analysis = Analysis([SPECPATH + "/small.py"])
EXE(PYZ(analysis.pure), analysis.scripts, analysis.binaries, analysis.datas, name="server", upx=False)
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BinaryRecipe:
    """A product that tells the version of its only package; the cache is empty."""
    assert IMAGES.binary is not None
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "small.py").write_text("import six\nprint(six.__version__)\n")
    (tmp_path / "small.spec").write_text(SPEC)
    releases = PythonRecipe(
        word="six",
        home=tmp_path,
        locks="locks",
        packages=(Package("six", "six"),),
        lowest_python="3.12",
        pythons=("3.13", "3.12"),
    )
    return replace(IMAGES.binary, releases=releases, spec=tmp_path / "small.spec")


@pytest.mark.long
@pytest.mark.release
def test_a_packed_server_runs_without_python_and_is_packed_once(small: BinaryRecipe, tmp_path: Path) -> None:
    server = packed(small, VERSION, Budget(300))
    ran = subprocess.run(
        [server], capture_output=True, text=True, timeout=60, check=True, env={"TMPDIR": str(tmp_path)}
    )
    assert ran.stdout == f"{VERSION}\n"
    made = server.stat().st_ino
    assert packed(small, VERSION, Budget(60)).stat().st_ino == made
    (tmp_path / "small.spec").write_text("1 / 0")
    with pytest.raises(Unavailable, match=rf"release {VERSION} could not be packed into one file: .*ZeroDivisionError"):
        packed(small, VERSION, Budget(300))


def test_the_packer_has_a_committed_lock_with_hashes() -> None:
    assert IMAGES.binary is not None
    assert recipes()["pyinstaller"] == IMAGES.binary.packer
    lock = packer_lock(IMAGES.binary, Budget(0))
    assert lock.path.parent == IMAGES.binary.packer.committed
    assert f"pyinstaller=={lock.version} \\\n    --hash=sha256:" in lock.path.read_text()
    with pytest.raises(Unavailable):
        lock_for(IMAGES.binary.packer, "no version", Budget(0))


def test_the_image_of_a_binary_has_no_python_and_nobody_is_root() -> None:
    assert IMAGES.binary is not None
    assert {"curl", "procps", "python3", "python3-venv"} == set(WITH_PYTHON.packages) - set(WITHOUT_PYTHON.packages)
    text = IMAGES.binary.dockerfile.read_text()
    assert "--uid 10001" in text
    assert "\nUSER openhands\n" in text
    assert "python" not in text.lower()
