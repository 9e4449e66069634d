"""A baseline is brought up to what checks found, and everything that a person wrote there stays as it is."""

from __future__ import annotations

import difflib
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_check import check, trial, verdict

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.incoming import BadInput
from tailproof.reports.baseline import Baseline, BaselineFile
from tailproof.reports.baseline_lines import scalar
from tailproof.reports.baseline_update import NoReason, Update, Wanted, update
from tailproof.reports.gate import decide
from tailproof.reports.result import FailOn, Result, TrialResult
from tailproof.resources import folder
from tailproof.yamlfile import BadFile, Document

DAY = date(2026, 11, 27)
PATH = Path("known.yaml")
WHY = Wanted(reason="the client forgets", link="https://example.org/1")
FILE = """\
# Why this file is here.
last_seen: 1.58.0  # looked at by hand
known:
  # The first one.
  - target: ["pypi:*", 'docker:*']
    release: ">=1.56.0"
    guarantee: events.tail    # the tail
    scenario: calm
    signature: missing-tail
    reason: >-
      a long reason
      # of two lines
    link: https://example.org/1

  # Two of a kind:
  - guarantee: events.paged
    target: pypi:*
    scenario: calm
    signature: count
    reason: it counts badly
    link: https://example.org/2
  -
    target: pypi:*
    client_release: ">=1.35"
    last_seen: "1.57.0"  # only there
    guarantee: loop.once
    scenario: calm
    signature: twice
    reason: 'it''s done twice'
    link: https://example.org/3
# The end.
"""


def found(*trials: TrialResult, fail_on: FailOn = "must") -> Result:
    return msgspec.structs.replace(check(), trials=trials, gate=decide(trials, fail_on=fail_on))


def hit(guarantee: str, signature: str, **more: Any) -> Any:
    return verdict(Outcome.VIOLATED, guarantee=guarantee, signature=signature, **more)


TAIL, COUNT, TWICE = hit("events.tail", "missing-tail"), hit("events.paged", "count"), hit("loop.once", "twice")
ALL = trial(TAIL, COUNT, TWICE, release="1.58.0", client_release="1.57.0")


def brought(text: str, *trials: TrialResult, wanted: Wanted = WHY, fail_on: FailOn = "must") -> Update:
    return update(PATH, text, [found(*trials, fail_on=fail_on)], wanted, DAY)


def diff(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def test_what_is_as_it_was_changes_nothing() -> None:
    done = brought(FILE, ALL)
    assert (done.text, done.changes, done.left) == (FILE, (), ())


def test_nothing_run_changes_nothing() -> None:
    assert brought(FILE).text == FILE


def test_a_new_violation_is_one_entry_at_the_end() -> None:
    other = trial(hit("events.unique", "doubled"), scenario="lag", release="1.58.0", client_release="1.58.0")
    done = brought(FILE, ALL, other)
    assert diff(FILE, done.text) == [
        '+  - target: "pypi:1"',
        '+    release: ">=1.58.0"',
        '+    client: "sdk:1"',
        '+    client_release: ">=1.58.0"',
        "+    guarantee: events.unique",
        "+    scenario: lag",
        "+    signature: doubled",
        "+    last_seen: 1.58.0",
        "+    reason: the client forgets",
        "+    link: https://example.org/1",
    ]
    assert done.text.endswith("    link: https://example.org/1\n# The end.\n")
    assert done.changes == ("added    events.unique[lag] doubled (sdk:1 with pypi:1), in 1 of 1 trials",)
    assert brought(done.text, ALL, other).text == done.text


def played(*verdicts: Any, target: str = "pypi:1.58.0", client: str = "sdk:1.57.0", **more: Any) -> TrialResult:
    releases = {"release": "1.58.0", "client_release": "1.57.0", **more}
    return msgspec.structs.replace(trial(*verdicts, **releases), target=target, client=client)


NEW = hit("events.unique", "doubled")
HELD = verdict(guarantee="events.unique")
SAID: dict[str, tuple[list[TrialResult], dict[str, Any]]] = {
    "releases are ranges": (
        [played(NEW)],
        {
            "target": "pypi:*",
            "release": ">=1.58.0",
            "client": "sdk:*",
            "client_release": ">=1.57.0",
            "last_seen": "1.58.0",
        },
    ),
    "from the oldest to the newest": (
        [played(NEW, target="pypi:1.9.1", release="1.9.1"), played(NEW, target="pypi:1.10.0", release="1.10.0")],
        {"target": "pypi:*", "release": ">=1.9.1", "last_seen": "1.57.0"},
    ),
    "a tag that says more than the release": (
        [played(NEW, target="docker:x:1.58.0-python")],
        {"target": "docker:x:1.58.0-python", "release": ">=1.58.0"},
    ),
    "no release is known": (
        [played(NEW, release="", client="plain", client_release="")],
        {"target": "pypi:1.58.0", "release": None, "client": "plain", "client_release": None, "last_seen": None},
    ),
    "what occurs sometimes has a rate": ([played(NEW), played(HELD), played(HELD)], {"rate": 0.33}),
    "an older release that holds is no trial of it": (
        [played(NEW), played(HELD, target="pypi:1.55.0", release="1.55.0")],
        {"release": ">=1.58.0", "rate": None},
    ),
    "what was not decided is no trial of it": (
        [played(NEW), played(verdict(Outcome.INCONCLUSIVE, guarantee="events.unique"))],
        {"rate": None},
    ),
    "what always occurs has none": ([played(NEW), played(NEW)], {"rate": None}),
    "what a person said": ([played(NEW)], {"reason": WHY.reason, "link": WHY.link, "expires": None}),
}


@pytest.mark.parametrize(("trials", "says"), SAID.values(), ids=SAID.keys())
def test_what_a_new_entry_says(trials: list[TrialResult], says: dict[str, Any]) -> None:
    done = brought("known: []\n", *trials)
    (entry,) = Document.of(PATH, done.text).parse(BaselineFile).known
    assert {key: getattr(entry, key) for key in says} == says
    known = Baseline.of(Document.of(PATH, done.text), day=DAY)
    assert all(known.known(one, verdict) for one in trials for verdict in one.verdicts if verdict is NEW)


def test_a_day_can_be_given() -> None:
    done = brought("known: []\n", played(NEW), wanted=Wanted(reason="r", link="l", expires=date(2027, 1, 31)))
    assert done.text.startswith("known:\n  - target: ")
    assert done.text.endswith("\n    expires: 2027-01-31\n")


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(reason="r"), Wanted(link="l")], ids=["neither", "no-link", "no-reason"]
)
def test_nothing_is_added_without_reason_and_link(wanted: Wanted) -> None:
    with pytest.raises(NoReason, match=r"--reason, --link \(events\.unique\[calm\] doubled"):
        brought(FILE, played(NEW), wanted=wanted)
    assert brought(FILE, ALL, wanted=wanted).text == FILE


NOT_ADDED = {
    "of a level that does not decide": ([played(hit("cost.reconcile", "s", level=Level.SHOULD))], WHY, ()),
    "of another guarantee": (
        [played(NEW)],
        Wanted(guarantees=["loop.*"]),
        ("events.unique[calm] doubled is not listed",),
    ),
    "of another scenario": (
        [played(NEW)],
        Wanted(scenarios=["stream-*"]),
        ("events.unique[calm] doubled is not listed",),
    ),
    "inconclusive": ([played(verdict(Outcome.INCONCLUSIVE))], Wanted(), ()),
}


@pytest.mark.parametrize(("trials", "wanted", "left"), NOT_ADDED.values(), ids=NOT_ADDED.keys())
def test_what_is_not_added(trials: list[TrialResult], wanted: Wanted, left: tuple[str, ...]) -> None:
    done = brought(FILE, *trials, wanted=wanted)
    assert (done.text, done.left) == (FILE, left)


def test_a_level_that_decided_is_added() -> None:
    done = brought("known: []\n", played(hit("cost.reconcile", "s", level=Level.SHOULD)), fail_on="should")
    assert "guarantee: cost.reconcile" in done.text


STALE = {
    "the first": (
        trial(verdict(), COUNT, TWICE, release="1.58.0", client_release="1.57.0"),
        (4, 13),
        "removed  events.tail[calm] missing-tail: it occurs no more (known.yaml:5)",
    ),
    "one in the middle": (
        trial(TAIL, verdict(guarantee="events.paged"), TWICE, release="1.58.0", client_release="1.57.0"),
        (15, 21),
        "removed  events.paged[calm] count: it occurs no more (known.yaml:16)",
    ),
    "the last, whose dash stands alone": (
        trial(TAIL, COUNT, verdict(guarantee="loop.once"), release="1.58.0", client_release="1.57.0"),
        (21, 30),
        "removed  loop.once[calm] twice: it occurs no more (known.yaml:23)",
    ),
}


@pytest.mark.parametrize(("of", "lines", "says"), STALE.values(), ids=STALE.keys())
def test_a_stale_entry_goes_and_the_comments_around_it_stay(of: TrialResult, lines: tuple[int, int], says: str) -> None:
    whole = FILE.split("\n")
    done = brought(FILE, of)
    assert done.text == "\n".join(whole[: lines[0]] + whole[lines[1] :])
    assert done.changes == (says,)


def test_the_last_entry_leaves_an_empty_list() -> None:
    held = trial(
        verdict(),
        verdict(guarantee="events.paged"),
        verdict(guarantee="loop.once"),
        release="1.58.0",
        client_release="1.57.0",
    )
    done = brought(FILE, held)
    assert "\nknown: []\n  # The first one.\n" in done.text
    assert done.text.endswith("# The end.\n")
    again = brought(done.text, played(NEW))
    assert "\nknown:\n" in again.text
    assert len(Document.of(PATH, again.text).parse(BaselineFile).known) == 1


def test_an_expired_entry_is_left_to_a_person() -> None:
    text = FILE.replace("    signature: count\n", "    signature: count\n    expires: 2026-11-26\n")
    done = brought(text, ALL)
    assert done.text == text
    assert done.left == ("known.yaml:16 expired on 2026-11-26: mend it, or give it another day",)


def newer(*verdicts: Any, release: str = "1.58.3") -> TrialResult:
    return trial(*verdicts, release=release, client_release=release)


def test_what_occurs_on_a_newer_release_is_marked_so() -> None:
    done = brought(FILE, newer(TAIL, COUNT, TWICE))
    assert diff(FILE, done.text) == [
        "-last_seen: 1.58.0  # looked at by hand",
        "+last_seen: 1.58.3  # looked at by hand",
        '-    last_seen: "1.57.0"  # only there',
        "+    last_seen: 1.58.3  # only there",
    ]
    assert done.changes == (
        "raised   last_seen of the file from 1.58.0 to 1.58.3",
        "raised   last_seen of loop.once[calm] twice to 1.58.3",
    )


ENTRIES = "".join(
    f"  - target: pypi:*\n    release: '>=1.56'\n    guarantee: {name}\n    scenario: calm\n    signature: s\n"
    f"    reason: r\n    link: l\n"
    for name in ("events.tail", "events.paged", "loop.once")
)


@pytest.mark.parametrize(
    ("occurred", "changed"),
    [
        (1, ["+    last_seen: 1.58.3"]),
        (2, ["-last_seen: 1.58.0", "+last_seen: 1.58.3", "+    last_seen: 1.58.0"]),
        (3, ["-last_seen: 1.58.0", "+last_seen: 1.58.3"]),
    ],
)
def test_fewer_entries_get_a_line_of_their_own(occurred: int, changed: list[str]) -> None:
    text = f"last_seen: 1.58.0\nknown:\n{ENTRIES}"
    names = ("events.tail", "events.paged", "loop.once")
    done = brought(text, newer(*(hit(name, "s") for name in names[:occurred])))
    assert diff(text, done.text) == changed
    for name in names:
        (entry,) = [e for _, e in Baseline.of(Document.of(PATH, done.text)).entries if e.guarantee == name]
        assert entry.last_seen == ("1.58.3" if name in names[:occurred] else "1.58.0")


def test_line_ends_of_another_system_stay() -> None:
    text = FILE.replace("\n", "\r\n")
    assert brought(text, ALL).text == text
    done = brought(text, ALL, played(NEW))
    assert done.text.count("\r\n") == done.text.count("\n") == text.count("\n") + 10


def test_a_file_without_a_last_line_end_is_continued() -> None:
    text = FILE.removesuffix("\n# The end.\n")
    assert diff(text, brought(text, ALL, played(NEW)).text)[0] == '+  - target: "pypi:*"'


FLOWS = {
    "two in one line": "known: [{a}, {a}]\n".format(
        a="{target: 'pypi:*', guarantee: events.tail, scenario: calm, signature: missing-tail, reason: r, link: l}"
    ).replace("missing-tail", "x", 1),
    "each in one line": "last_seen: 1.58.0\nknown:\n"
    + "".join(
        f"  - {{target: 'pypi:*', release: '>=1.0', guarantee: {name}, scenario: calm, signature: missing-tail, reason: r, link: l}}\n"
        for name in ("events.tail", "loop.once")
    ),
    "an alias": FILE.replace("- target: [", "- target: &all [").replace("target: pypi:*", "target: *all", 1),
}


def test_what_cannot_be_changed_line_by_line_is_refused_and_never_damaged() -> None:
    held = trial(verdict(), TWICE, COUNT, release="1.58.0", client_release="1.57.0")
    with pytest.raises(BadFile, match="two entries in one line"):
        brought(FLOWS["two in one line"], held)
    with pytest.raises(BadFile, match="could not be read any more, changed as it is written: is not YAML"):
        brought(FLOWS["each in one line"], newer(TAIL))
    with pytest.raises(BadFile, match="could not be read any more, changed as it is written: the alias"):
        brought(FLOWS["an alias"], held)


def test_the_shipped_list_is_continued_as_it_is_written() -> None:
    text = (folder("suites") / "baseline.yaml").read_text()
    done = update(PATH, text, [found(played(NEW))], WHY, DAY)
    assert [line[0] for line in diff(text, done.text)] == ["+"] * 10


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_any_reason_is_read_as_it_was_given(text: str) -> None:
    try:
        done = brought(FILE, ALL, played(NEW), wanted=Wanted(reason=text, link=text))
    except BadInput:
        return
    entry = Document.of(PATH, done.text).parse(BaselineFile).known[-1]
    assert (entry.reason, entry.link) == (text, text)


@pytest.mark.parametrize(
    "text",
    ["1.58", "1.58.0", "true", "no", "null", "a: b", "a #b", "- a", "'a", "*a", "&a", "a\nb", "é", "2026-12-31", "a "],
)
def test_a_scalar_is_a_text_for_who_reads_it(text: str) -> None:
    assert Document.of(PATH, f"a: {scalar(text)}\n").data == {"a": text}
