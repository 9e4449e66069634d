"""The baseline lists what is known, says what is wrong with itself, and never lies for long."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_check import trial, verdict

from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.guarantees.verdict import Outcome
from tailproof.provision.locks import known_releases
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import KnownResult, TrialResult, VerdictResult
from tailproof.resources import folder
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


def baseline(tmp_path: Path, *, target: str = "pypi:1.58.0", more: str = "", foot: str = "") -> Baseline:
    path = tmp_path / "baseline.yaml"
    path.write_text(f"{ENTRY.format(target=target, more=more)}\n{foot}")
    return Baseline.load(path)


def listed(
    known: Baseline,
    *,
    target: str = "pypi:1.58.0",
    release: str = "1.58.0",
    client_release: str = "1.58.0",
    signature: str = "missing-tail",
    guarantee: str = "events.tail",
    scenario: str = "calm",
    outcome: Outcome = Outcome.VIOLATED,
) -> KnownResult | None:
    """What a baseline says of one verdict on a trial of an SDK."""
    found = verdict(outcome, guarantee=guarantee, signature=signature)
    played = trial(found, scenario=scenario, release=release, client_release=client_release)
    played = msgspec.structs.replace(played, target=target, client="sdk:1.58.0")
    (marked,) = known.marked(played).verdicts
    assert marked.known == known.known(played, found)
    return marked.known


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
    found = listed(baseline(tmp_path, target=target, more=more))
    assert (found is not None) == known
    if found:
        assert (found.reason, found.link) == ("the client forgets", "https://example.org/1")
        assert found.entry == f"{tmp_path / 'baseline.yaml'}:2"


def test_an_entry_is_named_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [where for where, _ in baseline(tmp_path).entries] == ["baseline.yaml:2"]


OTHERS: dict[str, dict[str, Any]] = {
    "another signature": {"signature": "missing-middle"},
    "another guarantee": {"guarantee": "events.middle"},
    "another scenario": {"scenario": "stream-lag"},
    "not violated": {"outcome": Outcome.INCONCLUSIVE},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_an_entry_is_not_about(tmp_path: Path, other: dict[str, Any]) -> None:
    assert listed(baseline(tmp_path)) is not None
    assert listed(baseline(tmp_path), **other) is None


@pytest.mark.parametrize(("glob", "known"), [("'*'", True), ("ca*", True), ("stream-*", False)])
def test_an_entry_may_be_about_several_scenarios(tmp_path: Path, glob: str, known: bool) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text(ENTRY.format(target="'*'", more="").replace("calm", glob))
    several = Baseline.load(path, scenarios={"calm", "stream-lag"})
    assert (listed(several) is not None) == known
    assert bool(several.stale([trial(HELD), trial(OCCURRED, scenario="another")])) == (glob == "ca*")


RANGES = {
    "since this very release": (">=1.58.0", "1.58.0", True),
    "since an older one": (">=1.56.0", "1.58.0", True),
    "two numbers are enough": (">=1.56", "1.58.0", True),
    "ten is more than nine": (">=1.9.1", "1.10.0", True),
    "before it": (">=1.56.0", "1.45.0", False),
    "between two": (">=1.35,<1.60", "1.58.0", True),
    "the end is outside": (">=1.35,<1.58.0", "1.58.0", False),
    "one release": ("==1.58.0", "1.58.0", True),
    "one release and its successor": ("==1.58.0", "1.58.2", False),
    "a family": ("==1.58.*", "1.58.2", True),
    "a candidate is below its release": (">=1.58.0", "1.58.0rc1", False),
    "a candidate is above the release before": (">=1.56.0", "1.58.0rc1", True),
    "a candidate of the release that mended it": (">=1.35,<1.58.0", "1.58.0rc1", False),
    "a build between releases": (">=1.56.0", "1.58.1.dev3+g1a2b3c", True),
    "nothing was reported": (">=1.56.0", "", False),
    "what was reported is no release": (">=1.56.0", "unknown", False),
    "nothing was reported, and nothing asked": ("", "", True),
}


@pytest.mark.parametrize("key", ["release", "client_release"])
@pytest.mark.parametrize(("wanted", "reported", "known"), RANGES.values(), ids=RANGES.keys())
def test_a_range_is_one_of_what_is_reported(tmp_path: Path, key: str, wanted: str, reported: str, known: bool) -> None:
    more = f"    {key}: '{wanted}'" if wanted else ""
    assert (listed(baseline(tmp_path, more=more), **{key: reported}) is not None) == known
    if wanted:
        assert listed(baseline(tmp_path, more=f"    {key}: '<0.1'"), **{key: reported}) is None, (
            "the other key is not asked"
        )


TAGS = ["ghcr.io/openhands/agent-server:1.58.0-python", "tailproof/agent-server:1.58.0", "x/agent-server:3ce32ed"]


@pytest.mark.parametrize("image", [*TAGS, f"x/agent-server@sha256:{'0' * 64}"])
def test_the_tag_of_an_image_says_nothing_of_its_release(tmp_path: Path, image: str) -> None:
    known = baseline(tmp_path, target="'docker:*agent-server*'", more="    release: '>=1.56.0'")
    assert listed(known, target=f"docker:{image}", release="1.58.0")
    assert listed(known, target=f"docker:{image}", release="1.45.0") is None


EXTENDED = {
    "on the release where it was last seen": ("last_seen: 1.58.0", "'>=1.56'", "1.58.0", ""),
    "on an older one": ("last_seen: 1.58.0", "'>=1.56'", "1.57.0", ""),
    "on a newer one": ("last_seen: 1.58.0", "'>=1.56'", "1.58.2", "; last seen on 1.58.0, extended to 1.58.2"),
    "on a candidate of it": ("last_seen: 1.58.0", "'>=1.56'", "1.58.0rc1", ""),
    "on a candidate of the next": (
        "last_seen: 1.58.0",
        "'>=1.56'",
        "1.59.0rc1",
        "; last seen on 1.58.0, extended to 1.59.0rc1",
    ),
    "without a word on where it was seen": ("", "'>=1.56'", "99.0", ""),
    "with its own word, which is newer": ("last_seen: 1.57.0", "'>=1.56'\n    last_seen: 1.58.2", "1.58.2", ""),
    "with its own word, which is older": (
        "last_seen: 1.58.2",
        "'>=1.56'\n    last_seen: 1.57.0",
        "1.58.2",
        "; last seen on 1.57.0, extended to 1.58.2",
    ),
}


@pytest.mark.parametrize("key", ["release", "client_release"])
@pytest.mark.parametrize(("foot", "wanted", "reported", "says"), EXTENDED.values(), ids=EXTENDED.keys())
def test_an_entry_is_extended_to_what_nobody_has_listed_yet(
    tmp_path: Path, key: str, foot: str, wanted: str, reported: str, says: str
) -> None:
    known = baseline(tmp_path, foot=foot, more=f"    {key}: {wanted}")
    found = listed(known, **{key: reported})
    assert found is not None
    assert found.extension == says
    assert bool(found.extended_to) == bool(found.last_seen) == bool(says)


def test_without_a_range_nothing_is_extended(tmp_path: Path) -> None:
    found = listed(baseline(tmp_path, target="'*'", foot="last_seen: 1.58.0"), release="99.0", client_release="99.0")
    assert found is not None
    assert not found.extension


@pytest.mark.parametrize(("reported", "entry"), [("1.50.0", 2), ("1.58.0", 10), ("1.59.0", 10)])
def test_of_several_that_fit_the_one_that_was_seen_last_is_taken(tmp_path: Path, reported: str, entry: int) -> None:
    older = "    release: '>=1.35'\n    last_seen: 1.50.0\n"
    newer = ENTRY.format(target="'*'", more="    release: '>=1.56'").removeprefix("known:\n")
    found = listed(baseline(tmp_path, target="'*'", foot="last_seen: 1.58.0", more=older + newer), release=reported)
    assert found is not None
    assert found.entry.endswith(f"baseline.yaml:{entry}")


def released(release: str, *verdicts: VerdictResult) -> TrialResult:
    """A trial of a server that reports this release."""
    return msgspec.structs.replace(trial(*verdicts), release=release)


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


RANGED = "    release: '>=1.56.0'"
STALE_IN_RANGE = {
    "it holds on a release in range": ([released("1.58.0", HELD)], RANGED, True),
    "it holds on one out of range": ([released("1.45.0", HELD)], RANGED, False),
    "it holds on one that nobody has listed yet": ([released("1.58.2", HELD)], RANGED, False),
    "it holds on one that the entry alone knows": (
        [released("1.58.2", HELD)],
        f"{RANGED}\n    last_seen: 1.58.2",
        True,
    ),
    "it holds where it was seen and on a newer one": (
        [released("1.58.0", HELD), released("1.58.2", HELD)],
        RANGED,
        True,
    ),
    "it holds where it was seen and occurred on a newer one": (
        [released("1.58.0", HELD), released("1.58.2", OCCURRED)],
        RANGED,
        False,
    ),
    "it holds out of range and occurred in range": (
        [released("1.45.0", HELD), released("1.58.0", OCCURRED)],
        RANGED,
        False,
    ),
    "it occurred out of range and holds in range": (
        [released("1.45.0", OCCURRED), released("1.58.0", HELD)],
        RANGED,
        True,
    ),
    "nothing was reported": ([released("", HELD)], RANGED, False),
    "it holds with a newer client": (
        [msgspec.structs.replace(released("1.58.0", HELD), client_release="1.58.2")],
        "    client_release: '>=1.56.0'",
        False,
    ),
    "it holds with a client in range": (
        [msgspec.structs.replace(released("1.99.0", HELD), client_release="1.58.0")],
        "    client_release: '>=1.56.0'",
        True,
    ),
}


@pytest.mark.parametrize(("trials", "more", "stale"), STALE_IN_RANGE.values(), ids=STALE_IN_RANGE.keys())
def test_stale_in_a_range(tmp_path: Path, trials: list[TrialResult], more: str, stale: bool) -> None:
    assert bool(baseline(tmp_path, target="pypi:*", more=more, foot="last_seen: 1.58.0").stale(trials)) == stale


DAYS = {
    "the day before": (date(2026, 11, 1), True),
    "the very day": (date(2026, 11, 2), True),
    "the day after": (date(2026, 11, 3), False),
}


@pytest.mark.parametrize(("day", "known"), DAYS.values(), ids=DAYS.keys())
def test_an_entry_counts_until_its_last_day_is_over(tmp_path: Path, day: date, known: bool) -> None:
    found = replace(baseline(tmp_path, more="    expires: 2026-11-02"), day=day)
    assert (listed(found) is not None) == known
    trials = [trial(OCCURRED, release="1.58.0")]
    on = replace(
        found, entries=tuple((where, entry.model_copy(update={"target": "*"})) for where, entry in found.entries)
    )
    (marked,) = on.marked(trials[0]).verdicts
    assert marked.passed_over == ("" if known else f"{tmp_path / 'baseline.yaml'}:2 expired on 2026-11-02")
    assert [entry.expires for entry in on.expired(trials)] == ([] if known else ["2026-11-02"])


EXPIRED = {
    "it occurred": ([trial(OCCURRED)], "", True),
    "violated in another way": ([trial(OTHERWISE)], "", True),
    "inconclusive": ([trial(UNSURE)], "", True),
    "it holds, so it is stale": ([trial(HELD)], "", False),
    "it holds, but occurs only sometimes": ([trial(HELD)], "    rate: 0.3", True),
    "not applicable": ([trial(NOT_APPLICABLE)], "", False),
    "the trial failed": ([trial(OCCURRED, error="no port")], "", False),
    "another scenario": ([trial(OCCURRED, scenario="stream-lag")], "", False),
    "another release": ([trial(OCCURRED, release="1.45.0")], "    release: '>=1.56'", False),
    "nothing was run": ([], "", False),
}


@pytest.mark.parametrize(("trials", "more", "expired"), EXPIRED.values(), ids=EXPIRED.keys())
def test_an_entry_is_expired_where_somebody_looked(
    tmp_path: Path, trials: list[TrialResult], more: str, expired: bool
) -> None:
    known = replace(baseline(tmp_path, target="pypi:*", more=f"    expires: 2026-11-02\n{more}"), day=date(2026, 11, 3))
    found = known.expired(trials)
    assert bool(found) == expired
    assert not (found and known.stale(trials))
    if found:
        assert found[0].entry.endswith("baseline.yaml:2")


def test_an_entry_about_other_releases_says_so_where_its_violation_occurs(tmp_path: Path) -> None:
    for key in ("release", "client_release"):
        known = baseline(tmp_path, target="pypi:*", more=f"    {key}: '>=1.59'")
        for reported, shown in (("1.58.0", "1.58.0"), ("", "not known")):
            (marked,) = known.marked(trial(OCCURRED, **{key: reported})).verdicts
            assert marked.known is None
            assert marked.passed_over == f"{tmp_path / 'baseline.yaml'}:2 is about {key} >=1.59, and this is {shown}"
        (marked,) = known.marked(trial(OCCURRED, **{key: "1.59.0"})).verdicts
        assert marked.known is not None
        assert not marked.passed_over
    (elsewhere,) = known.marked(trial(OTHERWISE)).verdicts
    assert not elsewhere.passed_over


ERRORS = {
    "a word as day": (
        ENTRY.format(target="x", more="    expires: soon"),
        "8: known[0].expires: 'soon' is no date: write it as 2026-12-31",
    ),
    "a day that is none": (
        ENTRY.format(target="x", more="    expires: 2026-13-01"),
        "8: known[0].expires: '2026-13-01'",
    ),
    "a year as day": (ENTRY.format(target="x", more="    expires: 2026"), "8: known[0].expires: 2026 is no date"),
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
    "a glob as guarantee": (
        ENTRY.format(target="x", more="").replace("events.tail", "events.*"),
        "3: known[0].guarantee: there is no guarantee 'events.*'",
    ),
    "a glob for no scenario": (
        ENTRY.format(target="x", more="").replace("calm", "lag-*"),
        "4: known[0].scenario: there is no scenario 'lag-*'",
    ),
    "a word as range": (
        ENTRY.format(target="x", more="    release: since 1.56"),
        "8: known[0].release: 'since 1.56' is no range of releases: write it as >=1.56.0, or >=1.35,<1.60",
    ),
    "a release as range": (
        ENTRY.format(target="x", more="    client_release: 1.58.0"),
        "8: known[0].client_release: '1.58.0' is no range of releases: write it as ==1.58.0",
    ),
    "a number as range": (
        ENTRY.format(target="x", more="    release: 1.58"),
        "8: known[0].release: should be text, not the number 1.58: put it in quotes",
    ),
    "an empty range": (ENTRY.format(target="x", more="    release: ''"), "8: known[0].release: "),
    "a range as release": (
        ENTRY.format(target="x", more="last_seen: '>=1.58.0'"),
        "8: last_seen: '>=1.58.0' is no release: write it as 1.58.0",
    ),
    "last seen without a range": (
        ENTRY.format(target="x", more="    last_seen: 1.58.0"),
        "8: known[0].last_seen: means nothing without a range: give it a release or a client_release",
    ),
    "the same range twice": (
        ENTRY.format(
            target="x",
            more=f"{RANGED}\n"
            + ENTRY.format(target="x", more=f"{RANGED}\n    last_seen: '2'").removeprefix("known:\n"),
        ),
        "9: known[1]: the same violation is listed at line 2",
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


def test_two_ranges_are_two_entries(tmp_path: Path) -> None:
    other = ENTRY.format(target="x", more="    release: '<1.56.0'").removeprefix("known:\n")
    assert len(baseline(tmp_path, target="x", more=f"{RANGED}\n{other}").entries) == 2


def test_every_shipped_entry_says_since_when_and_where_it_was_last_seen() -> None:
    for where, entry in Baseline.load(folder("suites") / "baseline.yaml").entries:
        since = entry.release or entry.client_release
        assert since is not None, where
        assert since.startswith(">="), where
        assert entry.last_seen in known_releases(RELEASES), where
