"""The baseline lists what is known, says what is wrong with itself, and never lies for long."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from small_check import trial, verdict

from tailproof.data import folder
from tailproof.guarantees.verdict import Outcome, Verdict
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import TrialResult
from tailproof.yamlfile import BadFile

ENTRY = """\
known:
  - target: {target}
    guarantee: events.tail
    scenario: calm
    signature: missing-tail
    reason: the client forgets
    link: https://example.org/1
{more}"""


def baseline(tmp_path: Path, *, target: str = "pypi:1.58.0", more: str = "") -> Baseline:
    path = tmp_path / "baseline.yaml"
    path.write_text(ENTRY.format(target=target, more=more))
    return Baseline.load(path)


MATCHES = {
    "the very target": ("pypi:1.58.0", "", True),
    "a glob": ("'pypi:1.*'", "", True),
    "one of a list": ("[docker:x, 'pypi:*']", "", True),
    "another target": ("pypi:1.57.0", "", False),
    "a list of others": ("[docker:x, docker:y]", "", False),
    "the client, too": ("pypi:1.58.0", "    client: sdk:*", True),
    "another client": ("pypi:1.58.0", "    client: plain", False),
}


@pytest.mark.parametrize(("target", "more", "known"), MATCHES.values(), ids=MATCHES.keys())
def test_who_an_entry_is_about(tmp_path: Path, target: str, more: str, known: bool) -> None:
    found = baseline(tmp_path, target=target, more=more).known(
        Verdict(outcome=Outcome.VIOLATED, says="", signature="missing-tail"),
        target="pypi:1.58.0",
        client="sdk:1.58.0",
        guarantee="events.tail",
        scenario="calm",
    )
    assert (found is not None) == known
    if found:
        assert (found.reason, found.link) == ("the client forgets", "https://example.org/1")
        assert found.entry == f"{tmp_path / 'baseline.yaml'}:2"


def test_an_entry_is_named_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [where for where, _ in baseline(tmp_path).entries] == ["baseline.yaml:2"]


OTHERS = {
    "another signature": {"signature": "missing-middle"},
    "another guarantee": {"guarantee": "events.middle"},
    "another scenario": {"scenario": "stream-lag"},
    "not violated": {"outcome": Outcome.INCONCLUSIVE},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_an_entry_is_not_about(tmp_path: Path, other: dict[str, str]) -> None:
    words = {"signature": "missing-tail", "guarantee": "events.tail", "scenario": "calm", **other}
    said = Verdict(outcome=Outcome(words.pop("outcome", Outcome.VIOLATED)), says="", signature=words.pop("signature"))
    assert baseline(tmp_path).known(said, target="pypi:1.58.0", client="plain", **words) is None


HELD = verdict()
OCCURRED = verdict(Outcome.VIOLATED, signature="missing-tail")
OTHERWISE = verdict(Outcome.VIOLATED, signature="missing-all")
UNSURE = verdict(Outcome.INCONCLUSIVE)
NOT_APPLICABLE = verdict(Outcome.NOT_APPLICABLE)
STALE = {
    "it holds": ([trial(HELD)], "", True),
    "it occurred": ([trial(OCCURRED)], "", False),
    "it occurred in one of two trials": ([trial(HELD), trial(OCCURRED)], "", False),
    "violated in another way": ([trial(OTHERWISE)], "", False),
    "inconclusive": ([trial(UNSURE)], "", False),
    "inconclusive once, holds once": ([trial(UNSURE), trial(HELD)], "", True),
    "not applicable": ([trial(NOT_APPLICABLE)], "", False),
    "the trial failed": ([trial(HELD, error="no port")], "", False),
    "the scenario was not run": ([trial(HELD, scenario="stream-lag")], "", False),
    "the guarantee was not judged": ([trial(verdict(guarantee="loop.once"))], "", False),
    "nothing was run": ([], "", False),
    "it holds, but occurs only sometimes": ([trial(HELD)], "    rate: 0.3", False),
    "it holds for another client": ([trial(HELD)], "    client: plain", False),
    "it holds with one client and occurred with another": (
        [trial(HELD), msgspec.structs.replace(trial(OCCURRED, pair="p"), client="sdk:2")],
        "",
        False,
    ),
    "it holds with the client of the entry and occurred with another": (
        [trial(HELD), msgspec.structs.replace(trial(OCCURRED, pair="p"), client="sdk:2")],
        "    client: sdk:1",
        True,
    ),
}


@pytest.mark.parametrize(("trials", "more", "stale"), STALE.values(), ids=STALE.keys())
def test_stale(tmp_path: Path, trials: list[TrialResult], more: str, stale: bool) -> None:
    found = baseline(tmp_path, target="pypi:*", more=more).stale(trials)
    assert bool(found) == stale
    if found:
        assert found[0].entry.endswith("baseline.yaml:2")


ERRORS = {
    "no list": ("{}", "1: known: is missing"),
    "unknown key": (ENTRY.format(target="x", more="    until: 2"), "8: known[0].until: unknown key; known are"),
    "a typo in a key": (
        ENTRY.format(target="x", more="").replace("signature", "signatur"),
        "2: known[0].signature: is missing\n{path}:5: known[0].signatur: unknown key (did you mean 'signature'?)",
    ),
    "no reason": (ENTRY.format(target="x", more="").replace("the client forgets", "''"), "6: known[0].reason: "),
    "a rate above 1": (ENTRY.format(target="x", more="    rate: 3"), "8: known[0].rate: should be less than or equal"),
    "a number as target": (ENTRY.format(target="1.58", more=""), "2: known[0].target: should be text, not the number"),
    "unknown guarantee": (
        ENTRY.format(target="x", more="").replace("events.tail", "events.tial"),
        "3: known[0].guarantee: there is no guarantee 'events.tial' (did you mean 'events.tail'?)",
    ),
    "unknown scenario": (
        ENTRY.format(target="x", more="").replace("calm", "lag"),
        "4: known[0].scenario: there is no scenario 'lag'",
    ),
    "the same twice": (
        ENTRY.format(target="x", more=ENTRY.format(target="x", more="").removeprefix("known:\n")),
        "8: known[1]: the same violation is listed at line 2",
    ),
}


@pytest.mark.parametrize(("text", "says"), ERRORS.values(), ids=ERRORS.keys())
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text(text)
    with pytest.raises(BadFile) as caught:
        Baseline.load(path, guarantees={"events.tail", "loop.once"}, scenarios={"calm", "oom-server"})
    assert str(caught.value).startswith(f"{path}:{says.format(path=path)}")


def test_the_shipped_baseline_is_read() -> None:
    assert all(entry.reason for _, entry in Baseline.load(folder("suites") / "baseline.yaml").entries)
