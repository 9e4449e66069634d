"""`compare` as a user types it: sides that are there, sides that are checked now, and sides that are neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checks import Checked, tailproof

BROKEN = "reference:counts-one-less"
FIXED = "events.paged[calm]  count-differs"


def compare(place: Path, *arguments: str) -> Checked:
    return tailproof("compare", *arguments, cwd=place)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the result of a check of the broken server."""
    place = tmp_path_factory.mktemp("compare")
    checked = tailproof(
        "check", BROKEN, "--client", "plain", "--scenario", "calm", "--seed", "7", "--out", "broken", cwd=place
    )
    assert checked.code == 1, checked.stdout + checked.stderr
    return place


@pytest.fixture(scope="module")
def mended(compared: Path) -> Checked:
    """Its result against a check of the right one."""
    return compare(
        compared, "broken", "reference,plain", "--goal", "the count is right (events.paged)", "--out", "mended"
    )


def test_a_result_against_a_target_plays_the_same_again(compared: Path, mended: Checked) -> None:
    assert mended.code == 0, mended.stdout + mended.stderr
    assert mended.stdout.startswith("PASS  1 scenario played before and after the change: 1 violation is fixed")
    assert f"FIXED  {FIXED}  MUST" in mended.stdout
    assert "goal: yes" in mended.stdout
    candidate = json.loads((compared / "mended/candidate/result.json").read_bytes())
    assert candidate["seed"] == 7
    assert [trial["scenario"] for trial in candidate["trials"]] == ["calm"]
    assert (compared / "mended/compare.md").read_text().startswith("## ✅ QA report: PASS\n")
    page = (compared / "mended/compare.html").read_text()
    assert "<title>Pass: reference against reference:counts-one-less</title>" in page
    assert "tailproof repro broken/trials/calm" in page
    assert '"history":"candidate/trials/calm"' in page
    data = json.loads((compared / "mended/compare.json").read_bytes())
    assert (data["verdict"], data["answer"], data["base"]["folder"]) == ("PASS", "yes", "broken")


def test_what_a_change_breaks_is_exit_code_1(compared: Path, mended: Checked) -> None:
    done = compare(compared, "mended/candidate/result.json", "broken/result.json", "--out", "worse")
    assert done.code == 1, done.stdout + done.stderr
    assert f"NEW  {FIXED}  MUST\n  before  0 of 1 trials: " in done.stdout
    assert not (compared / "worse/base").exists(), "nothing was checked"


def test_known_violations_close_nothing(compared: Path, mended: Checked, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    why = ("--reason", "it counts badly", "--link", "https://example.org/1")
    tailproof("baseline", "update", "broken", "--baseline", str(known), *why, cwd=compared)
    done = compare(compared, "mended/candidate", "broken", "--baseline", str(known), "--out", "listed")
    assert done.code == 0
    assert done.stdout.startswith("PASS WITH ISSUES  ")
    assert "known: it counts badly" in (compared / "listed/compare.md").read_text()


def test_two_targets_are_both_checked(compared: Path) -> None:
    done = compare(
        compared, "reference,plain", f"{BROKEN},plain", "--scenario", "calm", "--repetitions", "2", "--out", "both"
    )
    assert done.code == 1, done.stdout + done.stderr
    assert "before  0 of 2 trials" in done.stdout
    assert "after   2 of 2 trials" in done.stdout
    seeds = {
        json.loads((compared / "both" / side / "result.json").read_bytes())["seed"] for side in ("base", "candidate")
    }
    assert len(seeds) == 1


REFUSED = {
    "no such file": (("gone.json", "broken"), "there is no file gone.json"),
    "no target": (("broken", "1.58.0"), "did you mean pypi:1.58.0?"),
    "no client": (("broken", "reference,sdc:1"), "there is no client 'sdc:1'"),
    "no result": (("broken", "notes"), "notes"),
    "none of the scenarios": (("broken", "broken", "--scenario", "stream-*"), "broken holds no trial of the scenarios"),
    "no scenario": (("reference,plain", "reference,plain", "--scenario", "clam"), "no scenario matches clam"),
    "no place": (("broken", "broken", "--out", "/dev/null/x"), "the directory of the comparison cannot be written"),
    "somebody else's report": (("broken", "broken", "--out", "mine"), "mine/compare.md was not made by tailproof"),
    "somebody else's page": (("broken", "broken", "--out", "notes"), "notes/compare.html was not made by tailproof"),
    "a file that is no result": (("notes/notes.json", "broken"), "notes/notes.json is not a result"),
}


@pytest.mark.parametrize(("arguments", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_sides_are_said_in_a_sentence(compared: Path, arguments: tuple[str, ...], says: str) -> None:
    (compared / "mine").mkdir(exist_ok=True)
    (compared / "mine/compare.md").write_text("# mine\n")
    (compared / "notes").mkdir(exist_ok=True)
    (compared / "notes/notes.json").write_text('{"a": 1}')
    (compared / "notes/compare.html").write_text("<h1>mine</h1>")
    done = compare(compared, *arguments, *(() if "--out" in arguments else ("--out", "refused")))
    assert done.code == 64, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (compared / "refused").exists()
    assert (compared / "mine/compare.md").read_text() == "# mine\n"
