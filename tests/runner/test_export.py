"""What other tools read of a check is what its result says: SARIF, and Perfetto traces, read with the makers' own messages."""

from __future__ import annotations

import json as plain_json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from checks import tailproof
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.history.archive import archive
from tailproof.history.reader import History
from tailproof.history.records import End
from tailproof.reports import json, sarif
from tailproof.reports.result import KnownResult, Result
from tailproof.runner.export import export

sys.path.append(str(Path(__file__).parents[1] / "reports"))
from kept_check import kept_check

BAD, CRASH = "OH-1832-bad", "OH-1554-bad"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A result with the histories of two real releases beside it."""
    json.write(kept_check([BAD, CRASH], tmp_path), tmp_path / "result.json")
    return tmp_path


def _read(home: Path) -> Result:
    return json.read(home / "result.json")


def _sarif(result: Result) -> dict[str, Any]:
    (run,) = plain_json.loads(sarif.encode(result))["runs"]
    return run


def test_sarif_tells_each_violation_and_each_open_verdict_once(home: Path) -> None:
    result = _read(home)
    told = Counter((one["ruleId"], one["kind"]) for one in _sarif(result)["results"])
    kinds = {Outcome.VIOLATED: "fail", Outcome.INCONCLUSIVE: "open"}
    assert told == Counter((v.guarantee, kinds[v.outcome]) for _, v in result.judged() if v.outcome in kinds)
    assert {"fail", "open"} == {kind for _, kind in told}


def test_a_location_is_a_line_of_a_history_beside_the_result(home: Path) -> None:
    for one in _sarif(_read(home))["results"]:
        for location in one["locations"]:
            place = location["physicalLocation"]
            file = home / place["artifactLocation"]["uri"]
            assert len(file.read_text().splitlines()) >= place["region"]["startLine"] >= 1


@pytest.mark.parametrize(("level", "told"), [(Level.MUST, "error"), (Level.SHOULD, "warning"), (Level.MAY, "note")])
def test_the_level_of_a_finding_is_that_of_its_guarantee(home: Path, level: Level, told: str) -> None:
    result = _read(home)
    trials = [
        msgspec.structs.replace(
            trial, verdicts=tuple(msgspec.structs.replace(verdict, level=level) for verdict in trial.verdicts)
        )
        for trial in result.trials
    ]
    run = _sarif(msgspec.structs.replace(result, trials=tuple(trials)))
    assert {rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]} == {told}
    assert {(one["kind"], one["level"]) for one in run["results"]} == {("fail", told), ("open", "none")}


def test_a_finding_keeps_its_fingerprint_and_what_is_known_is_suppressed(home: Path) -> None:
    result = _read(home)
    known = KnownResult(reason="it was always so", link="https://example.org/1", entry="b.yaml:1")
    verdicts = [
        msgspec.structs.replace(v, known=known if v.outcome is Outcome.VIOLATED else None)
        for v in result.trials[0].verdicts
    ]
    listed = msgspec.structs.replace(
        result, trials=(msgspec.structs.replace(result.trials[0], verdicts=tuple(verdicts), seed=99),)
    )
    before = {one["partialFingerprints"][sarif.FINGERPRINT] for one in _sarif(result)["results"]}
    for one in _sarif(listed)["results"]:
        assert one["partialFingerprints"][sarif.FINGERPRINT] in before
        if one["kind"] == "fail":
            assert one["suppressions"][0]["justification"] == "it was always so (https://example.org/1)"


def _trace(path: Path) -> tuple[dict[int, str], list[TrackEvent]]:
    trace = Trace()
    trace.ParseFromString(path.read_bytes())
    names = {
        one.track_descriptor.uuid: one.track_descriptor.name for one in trace.packet if one.HasField("track_descriptor")
    }
    return names, [one.track_event for one in trace.packet if one.HasField("track_event")]


@pytest.mark.parametrize("archived", [False, True])
def test_a_trace_holds_every_record_and_every_phase(home: Path, archived: bool) -> None:
    history = History.load(home / "trials" / CRASH)
    if archived:
        archive(home / "trials" / CRASH)
    export(home, to_sarif=None, traces=home / "traces", echo=lambda line: None)
    names, events = _trace(home / "traces" / f"{CRASH}.perfetto-trace")
    trial = next(trial for trial in _read(home).trials if trial.history.endswith(CRASH))
    on = Counter((names[event.track_uuid], event.type) for event in events)
    assert on["phases", TrackEvent.TYPE_SLICE_BEGIN] == on["phases", TrackEvent.TYPE_SLICE_END] == len(trial.phases)
    assert on["server lives", TrackEvent.TYPE_SLICE_BEGIN] == len(trial.lives) == 2
    assert on["fault process.kill", TrackEvent.TYPE_SLICE_BEGIN] == 1
    addresses = {note.string_value for event in events for note in event.debug_annotations if note.name == "address"}
    seen = {f"{one.witness}:{one.seq}" for shelf in history.shelves() for one in shelf if not isinstance(one, End)}
    assert addresses
    assert addresses <= seen
    evidence = {
        f"{one.witness}:{one.seq}" for v in trial.verdicts if v.outcome is Outcome.VIOLATED for one in v.evidence
    }
    assert evidence <= addresses


def test_times_are_nanoseconds_and_slices_end_behind_their_begin(home: Path) -> None:
    export(home, to_sarif=None, traces=home / "traces", echo=lambda line: None)
    trace = Trace()
    trace.ParseFromString((home / "traces" / f"{BAD}.perfetto-trace").read_bytes())
    trial = next(trial for trial in _read(home).trials if trial.history.endswith(BAD))
    times = [one.timestamp for one in trace.packet if one.HasField("track_event")]
    assert min(times) >= 0
    assert max(times) <= (trial.duration_s + 1) * 1e9
    begun: dict[int, int] = {}
    for one in trace.packet:
        if one.track_event.type == TrackEvent.TYPE_SLICE_BEGIN:
            begun[one.track_event.track_uuid] = one.timestamp
        elif one.track_event.type == TrackEvent.TYPE_SLICE_END:
            assert one.timestamp >= begun[one.track_event.track_uuid]


def test_the_command_says_what_it_wrote_and_what_it_left_out(home: Path) -> None:
    result = _read(home)
    gone = msgspec.structs.replace(result.trials[0], history="../elsewhere")
    json.write(msgspec.structs.replace(result, trials=(gone, result.trials[1])), home / "result.json")
    done = tailproof("export", ".", "--sarif", "x.sarif", "--perfetto", "traces", cwd=home)
    assert done.code == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "written: x.sarif"
    assert sorted(line.split(":")[0] for line in said[1:]) == ["left out", "written"]
    assert [path.name for path in (home / "traces").iterdir()] == [said[-1].rpartition("/")[2]]


def test_without_a_format_nothing_is_written(home: Path) -> None:
    done = tailproof("export", "result.json", cwd=home)
    assert done.code == 64
    assert "name --sarif FILE, --perfetto DIR, or both" in done.stderr
