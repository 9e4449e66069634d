"""A trial as data of the page: what the script reads is whole, consistent and harmless, and stays within its room."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_check import NAMES, kept_check, kept_trial
from small_check import at, header, trial

from tailproof.history.reader import History
from tailproof.history.records import Fault, Phase
from tailproof.history.server_records import Event, Reading
from tailproof.outgoing.masking import Masker, mark
from tailproof.reports.page.lanes import LANES
from tailproof.reports.page.names import named
from tailproof.reports.page.room import DETAILS, Packed, pack
from tailproof.reports.page.trial import Detail, evidence_of, trial_data
from tailproof.reports.result import EvidenceResult, TrialResult
from tailproof.reports.trimming import ends_of, shares

WHOLE, LITTLE = DETAILS[0], Detail(records=40, rows=8)
HOSTILE = "</script><!-- \u2028\u202e\x1b[31m\x00 <img src=x onerror=alert(1)>"


def data_of(name: str, root: Path, detail: Detail) -> tuple[dict[str, Any], TrialResult]:
    judged = kept_trial(name, root)
    history = History.load(root / judged.history)
    return json.loads(json.dumps(trial_data("key", name, judged, history, detail))), judged


def consistent(data: dict[str, Any]) -> None:
    records, ledger = data["records"], data["ledger"]
    assert len({len(column) for column in records.values()}) == 1
    assert records["t"] == sorted(records["t"])
    assert set(records["lane"]) == set(range(len(data["lanes"])))
    assert len(set(records["address"])) == len(records["address"])
    rows = len(ledger["id"])
    assert all(-1 <= row < rows for row in records["event"])
    assert {len(ledger[name]) for name in ("id", "kind", "cause", "place", "stamp", "at")} == {rows}
    assert len(ledger["cells"]) == len(ledger["columns"])
    for cell in ledger["cells"]:
        assert {len(cell["mark"]), len(cell["after"]), len(cell["address"])} == {rows}
        assert set(cell["mark"]) <= set("sltduc.")
    for message in data["sequence"]:
        assert {message["from"], message["to"]} <= {"trial", "client", "server", "model", "tool"}
        assert message["from"] != message["to"]


@pytest.mark.parametrize("name", NAMES)
def test_a_real_trial_is_shown_whole(name: str, tmp_path: Path) -> None:
    data, judged = data_of(name, tmp_path, WHOLE)
    consistent(data)
    assert data["cut"] == ""
    flags = dict(zip(data["records"]["address"], data["records"]["flag"], strict=True))
    for violation in data["violations"]:
        assert all(flags[address] == 1 for address in violation["addresses"])
    assert sum(flag == 1 for flag in flags.values()) == len(evidence_of(judged))
    assert bool(data["sequence"]) is bool(data["violations"])
    assert [fault["fault"] for fault in data["faults"]] == [fault.fault for fault in judged.faults]


def test_what_the_trial_asked_itself_is_in_the_sequence_if_it_proves_something(tmp_path: Path) -> None:
    data, _ = data_of("TP-9-bad", tmp_path, WHOLE)
    asked = [message for message in data["sequence"] if "trial" in (message["from"], message["to"])]
    assert [(one["from"], one["to"], one["flag"]) for one in asked[:2]] == [
        ("trial", "server", 0),
        ("server", "trial", 1),
    ]
    assert asked[0]["says"].startswith("POST ")
    assert asked[1]["says"] == "secret in the 422: secret of a rejected request"
    (violation,) = data["violations"]
    assert {one["address"] for one in asked} == set(violation["addresses"])


def test_a_masked_secret_is_not_taken_for_a_server_that_masks(tmp_path: Path) -> None:
    judged = kept_trial("TP-9-bad", tmp_path)
    marked = EvidenceResult(witness="trial", seq=9, at_s=1, says=f"value: {mark('key').decode()}")
    verdicts = tuple(msgspec.structs.replace(one, evidence=(marked,)) for one in judged.verdicts)
    shown = msgspec.structs.replace(judged, verdicts=verdicts)
    data = trial_data("key", "TP-9", shown, History.load(tmp_path / judged.history), WHOLE)
    assert data["violations"][0]["says"].endswith(
        "(<secret:NAME> is put in by this report, where the secret itself stood)"
    )


@pytest.mark.parametrize("name", ["OH-1832-bad", "OH-1554-bad"])
def test_what_is_cut_keeps_the_evidence_and_says_so(name: str, tmp_path: Path) -> None:
    data, judged = data_of(name, tmp_path, LITTLE)
    consistent(data)
    assert len(data["records"]["t"]) <= LITTLE.records
    assert len(data["ledger"]["id"]) <= LITTLE.rows
    assert f"Shown are {len(data['records']['t'])} of " in data["cut"]
    shown = set(data["records"]["address"])
    assert {f"{witness}:{seq}" for witness, seq in evidence_of(judged)} <= shown


def test_a_lane_is_cut_in_its_middle() -> None:
    page = [Event(id=f"e{n}", name="X", reading="page:0", witness="observer", seq=n, t_ns=at(n)) for n in range(200)]
    phase = Phase(name="driving", witness="trial", seq=0, t_ns=at(0))
    data = trial_data("k", "c", trial(), History(header("calm"), [phase, *page]), Detail(records=21, rows=20))
    assert [lane["id"] for lane in data["lanes"]] == ["trial", "rest"]
    kept = [address for address in data["records"]["address"] if address.startswith("observer")]
    assert kept == [f"observer:{n}" for n in (*range(10), *range(190, 200))]


def test_hostile_text_acts_nowhere(tmp_path: Path) -> None:
    records = [
        Phase(name=HOSTILE, witness="trial", seq=0, t_ns=at(0)),
        Fault(fault=HOSTILE, name=HOSTILE, says=HOSTILE, stage="injected", witness="trial", seq=1, t_ns=at(1)),
        Reading(reading="page:0", stage="begin", reader="rest", final=True, witness="observer", seq=0, t_ns=at(2)),
        Event(id=HOSTILE, name=HOSTILE, text=HOSTILE, reading="page:0", witness="observer", seq=1, t_ns=at(2)),
        Reading(reading="page:0", stage="end", reader="rest", final=True, witness="observer", seq=2, t_ns=at(3)),
    ]
    data = trial_data("k", "c", trial(), History(header("calm"), records), WHOLE)
    assert data["ledger"]["id"] != []
    for text in texts(data):
        assert text.isprintable(), text


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for one in inside for text in texts(one)]


def test_every_lane_has_a_title() -> None:
    assert all(LANES.values())


# -- room -----------------------------------------------------------------------------------------------------------------

SEVERAL = ["OH-1832-good", "OH-1554-bad", "OH-1572-good"]


def packed(root: Path, most: int, **asked: Any) -> list[Packed]:
    return pack(named(kept_check(SEVERAL, root).trials), root, most, masker=Masker({}), **asked)


def opened(one: Packed) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(one.text)))
    return found


def test_all_are_whole_where_there_is_room(tmp_path: Path) -> None:
    found = packed(tmp_path, 1_000_000)
    assert {one.key: one.data for one in found} == dict.fromkeys(SEVERAL, "whole")
    assert {opened(one)["key"] for one in found} == set(SEVERAL)


def test_those_with_a_violation_come_first(tmp_path: Path) -> None:
    whole = {one.key: len(one.text) for one in packed(tmp_path, 1_000_000)}
    found = {one.key: one for one in packed(tmp_path, whole["OH-1554-bad"] + 9_000)}
    assert found["OH-1554-bad"].data == "whole"
    assert {one.data for name, one in found.items() if name != "OH-1554-bad"} <= {"cut"}


@pytest.mark.parametrize("most", [0, 100, 5_000, 12_000, 25_000, 100_000])
def test_no_more_is_taken_than_there_is(tmp_path: Path, most: int) -> None:
    found = packed(tmp_path, most)
    assert sum(len(one.text) for one in found) <= most
    assert found == packed(tmp_path / "again", most), "the same every time"


def test_who_cannot_wait_gets_what_there_is(tmp_path: Path) -> None:
    asked: list[int] = []

    def hurry() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert [one.key for one in packed(tmp_path, 1_000_000, hurry=hurry)] == ["OH-1554-bad"]


def lost(root: Path) -> None:
    (root / "trials" / SEVERAL[0] / "header.json").unlink()


def torn(root: Path) -> None:
    (root / "trials" / SEVERAL[0] / "header.json").write_text("{")


@pytest.mark.parametrize("harm", [lost, torn])
def test_a_history_that_cannot_be_read_has_no_data(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    trials = named(kept_check(SEVERAL, tmp_path).trials)
    harm(tmp_path)
    found = pack(trials, tmp_path, 1_000_000, masker=Masker({}))
    assert {one.key for one in found} == set(SEVERAL[1:])


def test_nothing_is_read_outside_of_the_results(tmp_path: Path) -> None:
    judged = kept_trial("OH-1554-bad", tmp_path / "elsewhere")
    for history in ("../elsewhere/trials/OH-1554-bad", str(tmp_path / "elsewhere/trials/OH-1554-bad"), "a\0b"):
        astray = named([msgspec.structs.replace(judged, history=history)])
        assert pack(astray, tmp_path / "results", 1_000_000, masker=Masker({})) == []


def test_a_secret_is_masked_before_it_is_packed(tmp_path: Path) -> None:
    secret = "call-0-0-and-much-more-than-that"
    trials = named(kept_check(["OH-1554-bad"], tmp_path).trials)
    place = tmp_path / "trials/OH-1554-bad/model.jsonl"
    place.write_text(place.read_text().replace('"stage":"answered"', f'"stage":"answered","reply":"{secret}"'))
    assert secret in place.read_text()
    (one,) = pack(trials, tmp_path, 1_000_000, masker=Masker({"key": secret}))
    told = json.dumps(opened(one))
    assert secret not in told
    assert "<secret:key>" in told


# -- rows that are shortened ----------------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(0, 40), st.sets(st.integers(-5, 70)))
def test_what_is_wanted_is_kept_first_then_the_ends(length: int, most: int, wanted: set[int]) -> None:
    kept = ends_of(range(length), most, wanted=wanted)
    there = {place for place in wanted if 0 <= place < length}
    assert len(kept) == min(length, most)
    assert kept == sorted(set(kept))
    assert there <= set(kept) if len(there) <= most else set(kept) <= there


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 100))
def test_who_needs_little_gets_it(sizes: list[int], most: int) -> None:
    given_ = shares(sizes, most)
    assert sum(given_) <= most
    assert all(got <= size for got, size in zip(given_, sizes, strict=True))
    assert given_ == sizes or sum(given_) == most
    for got, size in zip(given_, sizes, strict=True):
        assert got == size or got >= max(given_, default=0) - 1
