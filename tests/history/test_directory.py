"""The directories of histories: what is killed while one is removed is still known as ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailproof.history import directory
from tailproof.history.directory import HEADER, is_history, remove_history


def test_whoever_is_killed_while_a_history_is_removed_leaves_one_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "calm"
    (place / "payloads").mkdir(parents=True)
    (place / "payloads" / "one").touch()
    (place / HEADER).write_text('{"schema":6,"trial":"1","scenario":"calm"}')
    for name in ("wire.jsonl", "disk.jsonl"):
        (place / name).touch()
    unlink = Path.unlink

    def unlink_and_look(self: Path, missing_ok: bool = False) -> None:
        unlink(self, missing_ok)
        assert is_history(place)

    with monkeypatch.context() as watched:
        watched.setattr(Path, "unlink", unlink_and_look)
        watched.setattr(directory.shutil, "rmtree", lambda *_, **__: is_history(place) or pytest.fail("not known"))
        remove_history(place)
    assert [entry.name for entry in place.iterdir() if entry.is_file()] == [HEADER]
    remove_history(place)
    assert not place.exists()
