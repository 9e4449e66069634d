"""A violation is run again from what somebody else kept of it: elsewhere, by its card, and without its fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import Checked, tailproof

from tailproof.reports import json
from tailproof.reports.words import necessity
from tailproof.resources import folder

PROMISE = "events.tail[stream-lag]"


@pytest.fixture(scope="module")
def lagging(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A check of a client that does not repair what its stream lost."""
    home = tmp_path_factory.mktemp("home")
    done = tailproof(
        "check",
        "reference",
        "--client",
        "reference:never-repairs",
        "--scenario",
        "stream-lag",
        "--out",
        "first",
        cwd=home,
    )
    assert done.code == 1, done.stderr
    return Checked(done.code, done.stdout, done.stderr, home / "first")


@pytest.fixture
def elsewhere(lagging: Checked, tmp_path: Path) -> Path:
    """The result, moved to another place as an artifact is."""
    place = tmp_path / "artifact"
    place.mkdir()
    for path in sorted(lagging.out.rglob("*")):
        if path.is_file():
            copy = place / path.relative_to(lagging.out)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return place


def test_no_output_names_a_place_of_this_machine(lagging: Checked) -> None:
    home = str(lagging.out.parent).encode()
    kept = [path for path in lagging.out.rglob("*") if path.is_file()]
    assert [path.name for path in kept if path.name != "supervisor.log" and home in path.read_bytes()] == []
    assert "  repro     tailproof repro first/trials/stream-lag\n" in lagging.stdout
    assert home.decode() not in lagging.stdout


def test_a_result_tells_whether_its_violation_needs_the_fault(elsewhere: Path) -> None:
    asked = ("repro", "artifact/result.json", PROMISE, "--necessity", "--trials", "1", "-n", "2", "--out", "again")
    done = tailproof(*asked, cwd=elsewhere.parent)
    assert done.code == 1, done.stderr
    assert f"1/1  {PROMISE}" in done.stdout
    assert "was not in the original" not in done.stdout
    result = json.read(elsewhere / "result.json")
    (trial,) = result.trials
    (verdict,) = [verdict for verdict in trial.verdicts if verdict.guarantee == "events.tail"]
    told = {one.variant: (one.hits, one.trials) for one in result.necessity_of(trial, verdict)}
    assert told.pop("with the fault") == (1, 1)
    assert told.pop("without it") == (0, 1)
    assert told.keys() == {"one point earlier", "one point later"}
    for writer in ((elsewhere / "report.md").read_text(), necessity(result, trial, verdict)):
        assert (
            "with the fault (lag at created) 1 of 1, without it 0 of 1, one point earlier (lag at connected)" in writer
        )


def test_what_was_told_before_is_replaced(elsewhere: Path) -> None:
    for _ in range(2):
        tailproof("repro", "result.json", PROMISE, "--necessity", "--trials", "1", "-n", "2", cwd=elsewhere)
    variants = [one.variant for one in json.read(elsewhere / "result.json").necessity]
    assert len(variants) == len(set(variants)) == 4


def test_a_result_that_cannot_be_written_anew_is_left_as_it_was(elsewhere: Path) -> None:
    before = (elsewhere / "result.json").read_bytes()
    (elsewhere / "report.html").unlink()
    (elsewhere / "report.html").mkdir()
    asked = ("repro", "result.json", PROMISE, "--necessity", "--trials", "1", "-n", "2")
    done = tailproof(*asked, cwd=elsewhere)
    assert done.code == 2
    assert "report.html" in done.stderr
    assert (elsewhere / "result.json").read_bytes() == before
    assert f"1/1  {PROMISE}" in done.stdout


def test_what_no_trial_decided_did_not_go_away(tmp_path: Path) -> None:
    """The promise was broken; on the server of today, which cannot be used after a crash, it cannot even be asked for."""
    asked = ("--client", "plain", "--scenario", "kill-tool-running", "--out", "first")
    assert tailproof("check", "reference:forgets-the-crash", *asked, cwd=tmp_path).code == 1
    header = tmp_path / "first/trials/kill-tool-running/header.json"
    header.write_text(header.read_text().replace("reference:forgets-the-crash", "reference:refuses-after-the-crash"))
    done = tailproof("repro", "first", "loop.explained", "--trials", "2", "-n", "2", cwd=tmp_path)
    assert "0/2  loop.explained[kill-tool-running]" in done.stdout
    assert "could not tell: loop.explained[kill-tool-running] was decided in none of 2 trials" in done.stdout
    assert done.code == 2


@pytest.mark.parametrize("what", ["result.json", "trials/stream-lag"])
def test_what_was_found_before_is_sought_although_its_history_shows_it_no_more(what: str, elsewhere: Path) -> None:
    """A judge of another version may not find in a history what that of its day had found."""
    (elsewhere / "trials/stream-lag/observer.jsonl").write_bytes(b"")
    done = tailproof("repro", what, PROMISE, "--trials", "1", "--out", "again", cwd=elsewhere)
    assert f"1/1  {PROMISE}" in done.stdout
    assert "was not in the original" not in done.stdout
    assert done.code == 1, done.stderr


def test_what_today_s_judge_does_not_find_need_not_be_decided(tmp_path: Path) -> None:
    """It may be an alarm that was false: when it does not come back, nothing is missing."""
    asked = ("--client", "plain", "--scenario", "calm", "--out", "first")
    assert tailproof("check", "reference:forgets-the-first", *asked, cwd=tmp_path).code == 0
    verdicts = tmp_path / "first/trials/calm/verdicts.json"
    before = verdicts.read_text()
    told = before.replace('"outcome":"not-applicable"', '"outcome":"violated"', 1)
    assert told != before
    verdicts.write_text(told)
    done = tailproof("repro", "first/trials/calm", "--trials", "1", cwd=tmp_path)
    assert "could not tell" not in done.stdout
    assert done.code == 0, done.stdout


def test_a_card_that_is_none_is_told_with_those_that_are(elsewhere: Path) -> None:
    done = tailproof("repro", str(elsewhere / "result.json"), "loop.once", "--out", str(elsewhere.parent / "again"))
    assert done.code == 64
    assert f"no violation is called loop.once; there are events.middle[stream-lag], {PROMISE}" in done.stderr


def test_a_script_travels_with_its_history(tmp_path: Path) -> None:
    script = (folder("fixtures") / "scripts" / "poll_stopped.py").read_bytes()
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    (home / "poll.py").write_bytes(script)
    first = tailproof(
        "check", "reference", "--client", "script:poll.py", "--scenario", "calm", "--out", "out", cwd=home
    )
    assert first.code == 1, first.stderr
    home.rename(other)
    (other / "poll.py").unlink()
    kept = other / "out" / "trials" / "calm" / "client" / "poll.py"
    assert kept.read_bytes() == script
    again = tailproof("repro", "out/result.json", "status.known", "--trials", "1", "--out", "again", cwd=other)
    assert (again.code, "1/1  status.known[calm]" in again.stdout) == (1, True), again.stderr


def test_a_script_with_a_secret_stays_where_it_is(tmp_path: Path) -> None:
    script = (folder("fixtures") / "scripts" / "poll_stopped.py").read_text()
    (tmp_path / "poll.py").write_text(f"{script}\nKEY = 'correct-horse-battery-staple'\n")
    done = tailproof(
        "check", "reference", "--client", "script:poll.py", "--scenario", "calm", "--out", "out", cwd=tmp_path,
        environment={"SOME_INDEX": "https://me:correct-horse-battery-staple@example.org"},
    )  # fmt: skip
    assert done.code == 1, done.stderr
    assert not (tmp_path / "out" / "trials" / "calm" / "client").exists()
    assert (
        "poll.py is not kept with the history: it holds a secret"
        in (tmp_path / "out/trials/calm/trial.jsonl").read_text()
    )
