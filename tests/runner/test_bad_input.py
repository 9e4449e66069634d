"""Bad input: one clear message, the documented exit code, no traceback, nothing left running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checks import tailproof

from fixtures.fuzz.seeds import Seeds

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
        (["check", "reference", "--scenario", "calm", "--scenario", "clam"], 64, "no scenario matches clam"),
        (["check", "reference", "--tier", "fast"], 64, "'fast' is not one of"),
        (["check", "reference", "--baseline", "nowhere.yaml"], 64, "nowhere.yaml"),
        (["check", "reference", "--fail-on", "may"], 64, "'may' is not one of 'must', 'should'"),
        (["check", "reference", "--allow-inconclusive", "-1"], 64, "-1 is not in the range 0<=x<=10000"),
        (["check", "reference", "--strict"], 64, "No such option '--strict'"),
        (
            ["check", "src:nowhere", "--out", "/dev/null/x"],
            64,
            "the directory of histories and reports cannot be written",
        ),
        (["check", "src:nowhere", "--junit", "/dev/null/x"], 64, "the JUnit file cannot be written, /dev/null/x: "),
        (["check", "src:nowhere", "--html", "/dev/null/x"], 64, "the HTML file cannot be written, /dev/null/x: "),
        (["check", "src:nowhere", "--html", ""], 64, "--html is empty"),
        (
            ["check", "src:nowhere", "--alluredir", "/dev/null/x"],
            64,
            "the directory of Allure results cannot be written",
        ),
        (["check", "src:" + "x" * 5_000], 64, "is not a directory"),
        (["check", "src:nowhere", "--out", "x" * 5_000], 64, "File name too long"),
        (["check", "src:nowhere", "--seed", "9" * 30], 64, "is not in the range"),
        (["judge", "nowhere"], 64, "nowhere"),
        (["show", "nowhere", "wire:81"], 64, "nowhere"),
        (["repro", "nowhere"], 64, "nowhere"),
        (["wire", "--upstream", "nonsense", "--listen", "127.0.0.1:0"], 64, "nonsense"),
    ],
    ids=lambda value: " ".join(value)[:60] or "nothing" if isinstance(value, list) else None,
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


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    """One of them would be looked at by nobody."""
    paths = [tmp_path / place / "bad.yaml" for place in ("one", "other")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(SCENARIO.replace("summary: ", f"summary: {path.parent.name} "))
    done = tailproof("check", "reference", *(f"--scenario={path}" for path in paths), cwd=tmp_path)
    assert "two scenarios are called bad: give one of them another name" in done.stderr
    assert done.code == 64
    same = tailproof("check", "reference", "--dry-run", *(f"--scenario={paths[0]}" for _ in paths), cwd=tmp_path)
    assert same.code == 0, same.stderr


def test_a_glob_that_is_no_guarantees_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"{SCENARIO.rstrip()}\nguarantees: ['evnts.*']\n")
    done = tailproof("check", "reference", "--scenario", str(path), cwd=tmp_path)
    assert "bad: no guarantee matches evnts.*; there are events.complete, " in done.stderr
    assert done.code == 64


def test_a_temporary_directory_is_said_to_be_too_long(tmp_path: Path) -> None:
    (place := tmp_path / f"\x1b[31m{'x' * 100}").mkdir()
    done = tailproof("check", "src:nowhere", cwd=tmp_path, environment={"TMPDIR": str(place)})
    assert "TMPDIR is too long, no socket can have a path below it" in done.stderr
    assert "\x1b" not in done.stderr
    assert done.code == 64


def test_a_history_of_another_version_is_not_run_again(tmp_path: Path) -> None:
    """Its plan would be waited for without an end."""
    seeds = Seeds.make(tmp_path / "seeds")
    header = json.loads((seeds.violated / "header.json").read_bytes())
    header["plan"]["faults"][0]["at"] = "a-point-of-tomorrow"
    (seeds.violated / "header.json").write_text(json.dumps(header))
    done = tailproof("repro", str(seeds.results / "result.json"), "--out", str(tmp_path / "out"))
    assert "cannot be run again, its plan is none that this version knows: faults[0].at: " in done.stderr
    assert done.code == 64
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pair", ["../../precious", "/precious", "a/../../../precious", "x" * 5_000])
def test_a_name_in_a_result_is_no_path(tmp_path: Path, pair: str) -> None:
    seeds = Seeds.make(tmp_path / "seeds")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/kept").touch()
    result = json.loads((seeds.results / "result.json").read_bytes())
    result["trials"][0]["pair"] = pair
    (seeds.results / "result.json").write_text(json.dumps(result))
    header = json.loads((seeds.violated / "header.json").read_bytes())
    (seeds.violated / "header.json").write_text(json.dumps({**header, "target": "reference"}))
    done = tailproof("repro", str(seeds.results / "result.json"), "--trials", "1", "--out", str(tmp_path / "out"))
    assert done.code == 64, done.stdout + done.stderr
    assert [entry.name for entry in (tmp_path / "precious").iterdir()] == ["kept"]


def test_a_version_that_does_not_exist_cannot_be_told(tmp_path: Path) -> None:
    done = tailproof("check", "pypi:0.0.999", "--scenario", "calm", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert "0.0.999" in done.stdout
    assert done.code == 2
    assert "Traceback" not in done.stdout + done.stderr


def test_a_history_of_nothing_is_no_history(tmp_path: Path) -> None:
    done = tailproof("judge", str(tmp_path))
    assert "holds no history" in done.stderr
    assert done.code == 64
