"""`gate` and `merge` on checks that were really run, in two shards, against a server with one defect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from checks import Checked, tailproof

TARGET = "reference:counts-one-less"
CALLED = "events.paged[calm] count-differs"
ENTRY = """\
known:
  - target: reference:*
    guarantee: events.paged
    scenario: calm
    signature: count-differs
    reason: the count is one less
    link: https://example.org/1
{more}  - target: reference:*
    guarantee: events.paged
    scenario: message-during-tool
    signature: count-differs
    reason: the count is one less
    link: https://example.org/1
"""


def shard(number: int, place: Path, *, seed: int = 7) -> Checked:
    return tailproof(
        *("check", TARGET, "--client", "plain", "--scenario", "calm", "--scenario", "message-during-tool"),
        *("--seed", str(seed), "--shard", f"{number}/2", "--out", str(place)),
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shards")
    for number in (1, 2):
        checked = shard(number, place / f"s{number}")
        assert checked.code == 1, checked.stdout + checked.stderr
        assert len(checked.result.trials) == 1
    return place


def gate(shards: Path, *arguments: str, of: tuple[str, ...] = ("s1", "s2")) -> Checked:
    return tailproof("gate", *of, *arguments, cwd=shards)


def test_the_gate_of_all_shards_is_that_of_the_check(shards: Path) -> None:
    done = gate(shards)
    assert done.code == 1
    assert done.stdout.startswith("GATE CLOSED  2 violated · ")
    assert "2 trials in " in done.stdout.splitlines()[1]
    assert "tailproof repro s1/trials/" in done.stdout


def test_a_missing_shard_is_told_and_a_doubled_one_refused(shards: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    known.write_text(ENTRY.format(more=""))
    done = gate(shards, "--baseline", str(known), of=("s1",))
    assert done.code == 2
    assert "shard 2 of 2 is missing" in done.stdout
    twice = gate(shards, of=("s1", "s1/result.json"))
    assert twice.code == 64
    assert "shard 1 of 2 is there twice: s1 and s1/result.json" in twice.stderr


def test_shards_of_another_seed_are_refused(shards: Path, tmp_path: Path) -> None:
    other = json.loads((shards / "s2/result.json").read_bytes())
    (tmp_path / "result.json").write_text(json.dumps({**other, "seed": 8}))
    done = gate(shards, of=("s1", str(tmp_path)))
    assert done.code == 64
    assert "their seed: 7 and 8; give every shard the same --seed" in done.stderr


BASELINES = {
    "added": (ENTRY.format(more=""), 0, "GATE OPEN 0 violated · "),
    "stale": (
        ENTRY.format(more="")
        + ENTRY.format(more="").replace("known:\n", "").replace("events.paged", "events.complete"),
        1,
        "known.yaml:14 events.complete[calm] count-differs holds now: remove the entry",
    ),
    "expired": (
        ENTRY.format(more="    expires: 2020-02-01\n"),
        1,
        f"known.yaml:2 {CALLED} was known until 2020-02-01: look at it again",
    ),
    "of another release": (
        ENTRY.format(more="    release: '>=99'\n"),
        1,
        "known.yaml:2 is about release >=99, and this is",
    ),
    "not YAML": ("known: [", 64, "known.yaml:1: is not YAML: "),
    "an unknown key": (
        ENTRY.format(more="    since: 1.0\n"),
        64,
        "known.yaml:8: known[0].since: unknown key; known are",
    ),
    "an unknown guarantee": (
        ENTRY.format(more="").replace("events.paged", "events.pagd", 1),
        64,
        "known.yaml:3: known[0].guarantee: there is no guarantee 'events.pagd' (did you mean 'events.paged'?)",
    ),
    "an unknown scenario": (
        ENTRY.format(more="").replace("calm", "clam"),
        64,
        "known.yaml:4: known[0].scenario: there is no scenario 'clam' (did you mean 'calm'?)",
    ),
}


@pytest.mark.parametrize(("text", "code", "says"), BASELINES.values(), ids=BASELINES.keys())
def test_what_a_baseline_says_of_finished_checks(shards: Path, tmp_path: Path, text: str, code: int, says: str) -> None:
    (tmp_path / "known.yaml").write_text(text)
    done = gate(shards, "--baseline", str(tmp_path / "known.yaml"))
    assert done.code == code, done.stdout + done.stderr
    assert says in " ".join((done.stdout + done.stderr).split()).replace(f"{tmp_path}/ ", f"{tmp_path}/")


def test_what_decides_can_be_asked_for_anew(shards: Path) -> None:
    done = gate(shards, "--fail-on", "should", "--allow-inconclusive", "3")
    assert done.code == 1
    assert gate(shards, "--allow-inconclusive", "-3").code == 64


def content(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_merged_check_needs_the_shards_no_more(shards: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    done = tailproof("merge", "s2", "s1", "--out", "all", cwd=copied)
    assert done.code == 1, done.stdout + done.stderr
    assert done.stderr == ""
    for number in (1, 2):
        shutil.rmtree(copied / f"s{number}")
    alone = (copied / "all").rename(tmp_path / "elsewhere")
    merged = json.loads((alone / "result.json").read_bytes())
    assert merged["shard"] is None
    assert sorted(trial["history"] for trial in merged["trials"]) == ["trials/calm", "trials/message-during-tool"]
    assert (alone / "report.md").read_text().startswith(f"## {merged['gate']['says']}\n")
    for trial in merged["trials"]:
        judged = tailproof("judge", str(alone / trial["history"]))
        assert judged.code == 1, judged.stdout + judged.stderr
    assert gate(alone, of=(".",)).stdout.startswith(merged["gate"]["says"])


def test_a_merge_replaces_no_shard_and_nothing_that_is_not_ours(shards: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    (copied / "precious").mkdir()
    (copied / "precious/report.md").write_text("# mine")
    before = content(copied)
    into_a_shard = tailproof("merge", "s1", "s2", "--out", "s1", cwd=copied)
    into_mine = tailproof("merge", "s1", "s2", "--out", "precious", cwd=copied)
    assert (into_a_shard.code, into_mine.code) == (64, 64)
    assert "s1 would be replaced by what is made of it: give another --out" in into_a_shard.stderr
    assert "precious/report.md was not made by tailproof" in into_mine.stderr
    assert content(copied) == before


@pytest.mark.parametrize(
    "history", ["../../precious", "/precious", "trials/..", "", "x" * 5_000], ids=lambda name: name[:20]
)
def test_a_name_in_a_result_is_no_path(shards: Path, tmp_path: Path, history: str) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    (tmp_path / "precious").mkdir()
    result = json.loads((copied / "s1/result.json").read_bytes())
    result["trials"][0]["history"] = history
    (copied / "s1/result.json").write_text(json.dumps(result))
    done = tailproof("merge", "s1", "s2", "--out", str(tmp_path / "all"), cwd=copied)
    assert done.code == 64, done.stdout + done.stderr
    assert "names a history that does not lie below it" in done.stderr
    assert not (tmp_path / "all").exists()


def test_a_history_that_is_not_there_is_told(shards: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    shutil.rmtree(copied / "s1/trials")
    done = tailproof("merge", "s1", "s2", "--out", "all", cwd=copied)
    assert done.code == 1
    assert "its trial cannot be judged or run again from all" in done.stderr
    assert len(list((copied / "all/trials").iterdir())) == 1


def test_a_baseline_is_begun_and_then_opens_the_gate(shards: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    update = ("baseline", "update", "s1", "s2", "--baseline", str(known))
    nobody_said_why = tailproof(*update, cwd=shards)
    assert nobody_said_why.code == 64
    assert "a new entry needs a reason and a link" in nobody_said_why.stderr
    why = ("--reason", "the count is one less", "--link", "https://example.org/1")
    shown = tailproof(*update, *why, "--dry-run", cwd=shards)
    assert shown.code == 0
    assert "+    guarantee: events.paged" in shown.stdout
    assert not known.exists()
    done = tailproof(*update, *why, cwd=shards)
    assert done.code == 0
    assert done.stdout.count("added    events.paged[") == 2
    assert gate(shards, "--baseline", str(known)).code == 0
    again = tailproof(*update, cwd=shards)
    assert again.code == 0
    assert again.stdout.endswith("known.yaml says what these checks found: nothing to change\n")


def test_what_is_left_to_a_person_is_exit_code_1(shards: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    known.write_text(ENTRY.format(more="    expires: 2020-02-01\n"))
    done = tailproof("baseline", "update", "s1", "s2", "--baseline", str(known), cwd=shards)
    assert done.code == 1
    assert "left     " in done.stdout
    assert "known.yaml:2 expired on 2020-02-01: mend it, or give it another day" in done.stdout
    assert known.read_text() == ENTRY.format(more="    expires: 2020-02-01\n")


def test_a_baseline_that_is_wrong_is_not_changed(shards: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    known.write_text("known: [")
    done = tailproof("baseline", "update", "s1", "--baseline", str(known), cwd=shards)
    assert done.code == 64
    assert "known.yaml:1: is not YAML" in done.stderr
    assert known.read_text() == "known: ["
