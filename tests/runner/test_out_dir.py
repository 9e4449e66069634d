"""What lies in an --out and is not ours is not touched, and what was read from a file never becomes a path out of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from checks import Checked, tailproof
from small_trial import order, trial

from tailproof.reports import json
from tailproof.runner.out_dir import OutForeign, check, clear
from tailproof.runner.out_lock import OutLock, OutRefused
from tailproof.trial.order import BadOrder
from tailproof.trial.recorded import TrialFailed

NOTES = "what nobody may lose"


def directory(name: str) -> Callable[[Path], None]:
    def make(out: Path) -> None:
        (out / name).mkdir(parents=True)
        (out / name / "notes.txt").write_text(NOTES)

    return make


def file(name: str, text: str = NOTES) -> Callable[[Path], None]:
    def make(out: Path) -> None:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)

    return make


def link(name: str) -> Callable[[Path], None]:
    def make(out: Path) -> None:
        directory("elsewhere")(out.parent)
        (out / name).symlink_to(out.parent / "elsewhere")

    return make


FOREIGN = {
    "trials of somebody else": (directory("trials/one"), "trials/one"),
    "a file among trials": (file("trials/notes.txt"), "trials/notes.txt"),
    "trials that are a file": (file("trials"), "trials"),
    "trials that lead elsewhere": (link("trials"), "trials"),
    "a trial with a header of somebody else": (file("trials/one/header.json", '{"from": "me"}'), "trials/one"),
    "a report of somebody else": (file("report.md", "# My report\n"), "report.md"),
    "a page of somebody else": (file("report.html", "<!doctype html><title>mine</title>"), "report.html"),
    "a result of somebody else": (file("result.json", '{"score": 1}'), "result.json"),
    "a result that is no JSON": (file("result.json", "\x00\x01"), "result.json"),
    "a result that is a directory": (directory("result.json"), "result.json"),
    "a log of somebody else": (file("supervisor.log"), "supervisor.log"),
    "our own name taken": (file(".tailproof"), ".tailproof"),
    "our own name a link": (link(".tailproof"), ".tailproof"),
}


def content(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): path.read_text(errors="replace") if path.is_file() else ""
        for path in out.rglob("*")
    }


@pytest.mark.parametrize(("make", "named"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_ours_is_refused_and_kept(tmp_path: Path, make: Callable[[Path], None], named: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    make(out)
    before = content(tmp_path)
    with pytest.raises(OutForeign, match=f"^{out / named} was not made by tailproof"):
        check(out)
    with pytest.raises(OutForeign):
        clear(out)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.txt", ".lock", "trials.txt", "src/trials/one", "header.json"])
def test_what_is_in_nobodys_way_is_left_alone(tmp_path: Path, name: str) -> None:
    file(name)(tmp_path)
    OutLock(tmp_path, patience_s=0).close()
    clear(tmp_path)
    assert (tmp_path / name).read_text() == NOTES


def test_a_directory_that_is_not_there_yet_is_anybodys(tmp_path: Path) -> None:
    check(tmp_path / "out" / "deep")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / ".tailproof").write_text(NOTES)
    with pytest.raises(OutRefused, match=r"\.tailproof was not made by tailproof"):
        OutLock(tmp_path, patience_s=0)
    assert (tmp_path / ".tailproof").read_text() == NOTES


@pytest.mark.parametrize("lock", [".tailproof", ".lock"], ids=["of this version", "of an earlier version"])
def test_what_a_check_left_is_replaced_by_the_next(tmp_path: Path, reference_check: Checked, lock: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(reference_check.out, out)
    if lock == ".lock":
        (out / ".tailproof").unlink()
        (out / lock).write_text("4711")
    (out / "trials" / "killed-at-once").mkdir()
    (out / "trials" / "killed-a-little-later").mkdir()
    (out / "trials" / "killed-a-little-later" / ".header.json.12.34").write_text("{")
    (out / ".result.json.12.34").write_text("{")
    (out / ".report.html.12.34").write_text("<")
    (out / "notes.txt").write_text(NOTES)
    check(out)
    clear(out)
    assert {path.name for path in out.iterdir()} == {"notes.txt", "supervisor.log", lock}


def test_a_check_in_a_directory_of_the_user_loses_nothing(tmp_path: Path) -> None:
    for name in ("trials/one/notes.txt", "report.md", "report.html", "result.json", "supervisor.log"):
        file(name)(tmp_path)
    before = content(tmp_path)
    done = tailproof("check", "reference", "--client", "plain", "--scenario", "calm", "--out", ".", cwd=tmp_path)
    assert done.code == 64
    said = [line for line in (done.stdout + done.stderr).splitlines() if "was not made by tailproof" in line]
    assert len(said) == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert content(tmp_path) == before


# -- names from files -----------------------------------------------------------------------------------------------------

NAMES = ["../../x", "..", "a/b", "/etc/x", "x\0y", "x" * 300]


@pytest.mark.parametrize("pair", NAMES)
def test_a_pair_from_a_file_is_no_path(tmp_path: Path, pair: str) -> None:
    crafted = msgspec.structs.replace(order(tmp_path), pair=pair)
    if pair == "..":  # behind the name of a scenario it is a name like any other
        assert crafted.directory.parent == tmp_path / "trials"
        return
    with pytest.raises(BadOrder, match="cannot be the name of a trial"):
        _ = crafted.directory


@pytest.mark.parametrize("name", [*NAMES, ".", "", ".hidden"])
def test_the_name_of_a_scenario_from_a_file_is_no_path(tmp_path: Path, name: str) -> None:
    crafted = order(tmp_path)
    crafted = msgspec.structs.replace(crafted, scenario={**crafted.scenario, "name": name})
    with pytest.raises(BadOrder, match="cannot be the name of a trial"):
        _ = crafted.key


@pytest.fixture
def judged(reference_check: Checked, tmp_path: Path) -> Path:
    """A result with a violation, whose trial can be crafted."""
    shutil.copytree(reference_check.out, tmp_path / "given")
    return tmp_path / "given" / "result.json"


def crafted(path: Path, **changed: str) -> None:
    """The first trial of a result, with other words in it, and a violation that somebody may want to see again."""
    told = msgspec.json.decode(path.read_bytes())
    told["trials"] = told["trials"][:1]
    told["trials"][0].update(changed)
    told["trials"][0]["verdicts"][0]["outcome"] = "violated"
    path.write_bytes(msgspec.json.encode(told))
    json.read(path)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"pair": "x/../../../precious"}, "cannot be the name of a trial"),
        ({"history": "../elsewhere"}, "does not lie below it"),
        ({"history": "/etc"}, "does not lie below it"),
    ],
)
def test_a_crafted_result_empties_no_directory(
    tmp_path: Path, judged: Path, changed: dict[str, str], says: str
) -> None:
    directory("precious")(tmp_path)
    crafted(judged, **changed)
    done = tailproof("repro", str(judged), "--trials", "1", "--out", str(tmp_path / "out" / "deep"))
    assert done.code == 64
    assert says in done.stderr
    assert (tmp_path / "precious" / "notes.txt").read_text() == NOTES


def test_a_trial_does_not_empty_a_directory_that_is_not_its_own(tmp_path: Path) -> None:
    wanted = order(tmp_path)
    directory("trials/small")(tmp_path)
    with pytest.raises(TrialFailed, match="was not made by tailproof"):
        trial(wanted).run()
    assert (wanted.directory / "notes.txt").read_text() == NOTES


def test_repro_does_not_start_where_something_foreign_is(tmp_path: Path, judged: Path) -> None:
    directory("out/trials/mine")(tmp_path)
    crafted(judged)
    done = tailproof("repro", str(judged), "--trials", "1", "--out", str(tmp_path / "out"))
    assert done.code == 64
    assert "mine was not made by tailproof" in done.stderr
