"""Bad input: one clear message, the documented exit code, no traceback, nothing left running."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import tailproof

SCENARIO = "name: bad\nfamily: calm\nsummary: s\nscript: [{finish: done}]\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 0, "Usage"),
        (["chek"], 64, "No such command 'chek'"),
        (["check"], 64, "Missing argument 'TARGET...'"),
        (["check", "1.58.0"], 64, "did you mean pypi:1.58.0?"),
        (["check", "pypi:"], 64, "names nothing behind the colon"),
        (["check", "src:/does/not/exist"], 64, "is not a directory"),
        (["check", "url:nonsense"], 64, "is not the address of a server"),
        (["check", "url:http://127.0.0.1:9"], 2, "--model-url"),
        (["check", "reference", "--client", "sdc:1"], 64, "there is no client 'sdc:1'"),
        (["check", "reference", "--client", ""], 64, "the word for a client is empty"),
        (["check", "reference", "--scenario", "clam"], 64, "no scenario matches clam"),
        (["check", "reference", "--tier", "fast"], 64, "'fast' is not one of"),
        (["check", "reference", "--baseline", "nowhere.yaml"], 64, "nowhere.yaml"),
        (["judge", "nowhere"], 64, "nowhere"),
        (["repro", "nowhere"], 64, "nowhere"),
        (["wire", "--upstream", "nonsense", "--listen", "127.0.0.1:0"], 64, "nonsense"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_wrong_usage_is_said_in_a_sentence(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    done = tailproof(*arguments, cwd=tmp_path)
    assert says in done.stdout + done.stderr
    assert done.code == code
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("summary", "sumary"), "bad.yaml:3: sumary: unknown key (did you mean 'summary'?)"),
        (("finish", "finnish"), "bad.yaml:4:"),
        (("name: bad", "name: worse"), "bad.yaml:1:"),
    ],
    ids=["unknown-key", "unknown-turn", "other-name"],
)
def test_a_bad_scenario_is_said_with_file_and_line(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(SCENARIO.replace(*change))
    done = tailproof("check", "reference", "--scenario", str(path), cwd=tmp_path)
    assert says in done.stderr
    assert done.code == 64
    assert "Traceback" not in done.stderr


def test_a_version_that_does_not_exist_cannot_be_told(tmp_path: Path) -> None:
    done = tailproof("check", "pypi:0.0.999", "--scenario", "calm", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert "0.0.999" in done.stdout
    assert done.code == 2
    assert "Traceback" not in done.stdout + done.stderr


def test_a_history_of_nothing_is_no_history(tmp_path: Path) -> None:
    done = tailproof("judge", str(tmp_path))
    assert "holds no history" in done.stderr
    assert done.code == 64
