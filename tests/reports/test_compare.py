"""Before and after a change: what counts as new, fixed, still there or flaky, and what a reviewer reads of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt
from small_check import check, trial, verdict

from tailproof.guarantees.verdict import Level, Outcome, holds
from tailproof.reports import json, markdown, markdown_compare, terminal_compare
from tailproof.reports.compare import compare
from tailproof.reports.comparison import Comparison
from tailproof.reports.fitting import SMALLEST
from tailproof.reports.gate import decide
from tailproof.reports.result import EvidenceResult, FaultResult, KnownResult, LifeResult, NotRunResult, Result
from tailproof.resources import folder

HELD = verdict()
HIT = verdict(Outcome.VIOLATED, signature="missing-tail", says="6 were missing")
OTHERWISE = verdict(Outcome.VIOLATED, signature="missing-head", says="2 were missing")
UNSURE = verdict(Outcome.INCONCLUSIVE, says="nobody subscribed")
NOT_APPLICABLE = verdict(Outcome.NOT_APPLICABLE)
KNOWN = verdict(
    Outcome.VIOLATED,
    signature="missing-tail",
    known=KnownResult(reason="it forgets", link="https://e.org/1", entry="b:1"),
)
SHOULD = verdict(Outcome.VIOLATED, guarantee="cost.reconcile", level=Level.SHOULD, signature="s")


def result(*trials: Any, **more: Any) -> Result:
    gate = decide(trials, fail_on=more.pop("fail_on", "must"))
    told = {"trials": trials, "not_run": (), "gate": gate, **more}
    return msgspec.structs.replace(check(), **told)


def played(*verdicts: Any, scenario: str = "calm") -> Result:
    """One trial for each verdict."""
    return result(*(trial(one, scenario=scenario) for one in verdicts))


def compared(before: Result, after: Result, **more: Any) -> Comparison:
    return compare(before, after, names=("a", "b"), folders=("out/base", "out/candidate"), **more)


CHANGES = {
    "held, and holds": ([HELD], [HELD], {}, "PASS", 0),
    "held, is violated": ([HELD], [HIT], {"missing-tail": "new"}, "FAIL", 1),
    "held, is violated once of three": ([HELD], [HIT, HELD, HELD], {"missing-tail": "new"}, "FAIL", 1),
    "held, is violated and known": ([HELD], [KNOWN], {"missing-tail": "new"}, "PASS WITH ISSUES", 0),
    "was violated, and holds": ([HIT], [HELD], {"missing-tail": "fixed"}, "PASS", 0),
    "was known, and holds": ([KNOWN], [HELD], {"missing-tail": "fixed"}, "PASS", 0),
    "was violated, and still is": ([HIT], [HIT, HIT], {"missing-tail": "still"}, "PASS WITH ISSUES", 0),
    "was violated sometimes, and still is": ([HIT, HELD], [HIT], {"missing-tail": "flaky"}, "PASS WITH ISSUES", 0),
    "was violated, and is sometimes": ([HIT], [HIT, HELD], {"missing-tail": "flaky"}, "PASS WITH ISSUES", 0),
    "was violated half the time, and holds twice": (
        [HIT, HELD],
        [HELD, HELD],
        {"missing-tail": "flaky"},
        "PASS WITH ISSUES",
        0,
    ),
    "was violated half the time, and holds five times": ([HIT, HELD], [HELD] * 5, {"missing-tail": "fixed"}, "PASS", 0),
    "was violated in one way, is in another": (
        [HIT],
        [OTHERWISE],
        {"missing-tail": "fixed", "missing-head": "new"},
        "FAIL",
        1,
    ),
    "was violated, and is not decided": ([HIT], [UNSURE], {"missing-tail": "undecided"}, "PARTIAL", 2),
    "was violated, and does not apply": ([HIT], [NOT_APPLICABLE], {"missing-tail": "undecided"}, "PARTIAL", 2),
    "was not decided, and is violated": ([UNSURE], [HIT], {"missing-tail": "new"}, "FAIL", 1),
    "was not decided, and holds": ([UNSURE], [HELD], {}, "PASS", 0),
    "held, and is not decided": ([HELD], [HELD, UNSURE], {}, "PARTIAL", 2),
    "a SHOULD held, and is violated": (
        [verdict(guarantee="cost.reconcile", level=Level.SHOULD)],
        [SHOULD],
        {"s": "new"},
        "PASS WITH ISSUES",
        0,
    ),
}


@pytest.mark.parametrize(("before", "after", "changes", "said", "code"), CHANGES.values(), ids=CHANGES.keys())
def test_change(before: list[Any], after: list[Any], changes: dict[str, str], said: str, code: int) -> None:
    found = compared(played(*before), played(*after))
    assert {one.signature: one.change for one in found.findings} == changes
    assert (found.verdict, found.exit_code) == (said, code)


def test_a_should_that_decides_closes() -> None:
    held = verdict(guarantee="cost.reconcile", level=Level.SHOULD)
    found = compared(played(held), result(trial(SHOULD), fail_on="should"))
    assert (found.verdict, found.findings[0].closes) == ("FAIL", True)


def test_each_side_says_how_often_and_shows_the_trial_that_says_it() -> None:
    (found,) = compared(played(HIT, HELD, UNSURE), played(HELD, OTHERWISE)).of("flaky")
    assert (found.base.violated, found.base.judged, found.base.verdict) == (1, 2, HIT)
    assert (found.candidate.violated, found.candidate.judged, found.candidate.verdict) == (0, 2, HELD)
    assert found.candidate.history == "histories/calm"


GOALS = {
    "nothing named, all fixed": ("it works", [HIT], [HELD], "yes", "PASS"),
    "nothing named, one fixed and one still": (
        "it works",
        [HIT, SHOULD],
        [HELD, SHOULD],
        "partially",
        "PASS WITH ISSUES",
    ),
    "the fixed one named": ("events.tail holds.", [HIT, SHOULD], [HELD, SHOULD], "yes", "PASS WITH ISSUES"),
    "the other one named": ("fix cost.reconcile", [HIT, SHOULD], [HELD, SHOULD], "no", "FAIL"),
    "the scenario named": ("mend calm", [HIT], [HELD], "yes", "PASS"),
    "a word in a longer one": (
        "calmly, events.tailored",
        [HIT, SHOULD],
        [HELD, SHOULD],
        "partially",
        "PASS WITH ISSUES",
    ),
    "still there": ("it works", [HIT], [HIT], "no", "FAIL"),
    "broken by the change": ("it works", [HELD], [HIT], "no", "FAIL"),
    "never violated": ("it works", [HELD], [HELD], "not shown", "PARTIAL"),
    "what is named was never violated": ("mend events.tail", [HELD, SHOULD], [HELD, SHOULD], "not shown", "PARTIAL"),
    "not decided since": ("it works", [HIT], [UNSURE], "not shown", "PARTIAL"),
}


@pytest.mark.parametrize(("goal", "before", "after", "answer", "said"), GOALS.values(), ids=GOALS.keys())
def test_a_stated_goal_is_answered_by_what_it_names(
    goal: str, before: list[Any], after: list[Any], answer: str, said: str
) -> None:
    found = compared(result(trial(*before)), result(trial(*after)), goal=goal)
    if goal == "comes and goes" or (before == [HIT] and after == [HIT, HELD]):
        found = compared(played(*before), played(*after), goal=goal)
    assert (found.answer, found.verdict) == (answer, said)


def test_a_goal_that_is_reached_in_some_trials_only_is_not_achieved() -> None:
    assert compared(played(HIT), played(HIT, HELD), goal="it works").answer == "no"


def test_each_of_several_pairs_is_compared_with_itself() -> None:
    pairs = [trial(HIT, pair="old"), trial(HELD, pair="new")]
    found = compared(result(*pairs), result(pairs[0], trial(HIT, pair="new")))
    assert {one.scenario: one.change for one in found.findings} == {"calm_new": "new", "calm_old": "still"}
    assert found.scenarios[0].candidate.command == "tailproof check pypi:1 --client sdk:1 --scenario calm --seed 1"
    other = compared(result(*pairs), result(trial(HIT)))
    assert [(one.scenario, one.change) for one in other.findings] == [("calm", "flaky")]


def test_releases_that_share_the_plain_client_are_compared() -> None:
    old, new = trial(HELD, pair="sdk-1"), trial(HIT, pair="sdk-2")
    plain = msgspec.structs.replace(trial(HELD, scenario="listed", pair="plain"), client="plain")
    assert compared(result(old, plain), result(new, plain)).exit_code == 1


def test_a_pair_that_one_side_lacks_hides_nothing() -> None:
    old, new = trial(HIT, pair="old"), trial(HELD, pair="new")
    lacks = compared(result(old, new), result(old))
    assert lacks.exit_code == 2
    more = compared(result(old, new), result(old, trial(HIT, pair="new"), trial(HELD, pair="third")))
    assert ("calm_new", "new") in [(one.scenario, one.change) for one in more.findings]
    assert more.exit_code == 1


FAULT = FaultResult(fault="lag", name="wire.delay", says="", scope="", injected_at_s=1.0, healed_at_s=2.0, proven=True)
DIED = LifeResult(epoch=0, end="died", ended_at_s=2.0, downtime_s=1.0)


def test_a_scenario_belongs_to_the_phase_that_its_trials_went_through() -> None:
    trials = [
        trial(HELD),
        trial(HELD, scenario="lag", faults=(FAULT,)),
        trial(HELD, scenario="kill", faults=(FAULT,), lives=(DIED,)),
        trial(HELD, scenario="told", faults=(msgspec.structs.replace(FAULT, act=True),)),
    ]
    found = compared(result(*trials), result(*trials))
    assert {one.scenario: one.phase for one in found.scenarios} == {
        "calm": "conformance",
        "lag": "faults",
        "kill": "recovery",
        "told": "conformance",
    }


def test_faults_are_counted_over_all_trials() -> None:
    lost = msgspec.structs.replace(FAULT, proven=False)
    hurt = [trial(HELD, faults=(FAULT,)), trial(HELD, faults=(lost,)), trial(HELD, faults=(FAULT,))]
    report = markdown_compare.render(compared(result(*hurt), result(*hurt[:1])))
    assert "1 scenario: nothing violated; faults 3 of 4 proven |" in report


def why(found: Comparison) -> dict[str, tuple[str, bool]]:
    return {one.what: (one.why, one.weighs) for one in found.unverified}


def test_what_one_side_alone_has_played_is_told() -> None:
    both, alone = trial(HELD), trial(HIT, scenario="lag")
    lost = compared(result(both, alone), result(both))
    assert why(lost) == {"lag": ("only the base has played it", True)}
    assert lost.verdict == "PARTIAL"
    assert why(compared(result(both), result(both, alone))) == {
        "lag": ("only the candidate has played it; violated there: events.tail", True)
    }
    held = compared(result(both), result(both, trial(HELD, scenario="lag")))
    assert why(held) == {"lag": ("only the candidate has played it", False)}
    assert held.verdict == "PASS"


def test_nothing_in_common_verifies_nothing() -> None:
    found = compared(result(trial(HELD)), result(trial(HELD, scenario="lag")))
    assert (found.verdict, found.exit_code) == ("PARTIAL", 2)
    assert why(found)["anything"] == ("no scenario was played on both sides", True)


def test_what_neither_can_play_says_what_it_needs() -> None:
    not_run = tuple(
        NotRunResult(scenario=name, guarantee=None, reason="no memory limit: use docker:IMAGE")
        for name in ("oom", "oom-tool")
    )
    found = compared(result(trial(HELD), not_run=not_run), result(trial(HELD), not_run=not_run))
    (row,) = found.unverified
    assert (row.what, row.how, row.weighs) == ("oom, oom-tool", "no memory limit: use docker:IMAGE", False)
    assert found.verdict == "PASS"


def test_a_candidate_that_cannot_be_told_is_no_pass_and_a_base_is_none_of_its() -> None:
    failed = trial(HELD, error="no port")
    assert compared(result(trial(HELD)), result(trial(HELD), failed)).verdict == "PARTIAL"
    found = compared(result(trial(HELD), failed), result(trial(HELD)))
    assert found.verdict == "PASS"
    assert why(found) == {"before the change": ("the trial of calm failed: no port", False)}


def test_too_few_trials_are_told_with_how_many_are_enough() -> None:
    found = compared(played(HIT, HELD), played(HELD, HELD))
    (row,) = found.unverified
    assert row.what == "that events.tail[calm] missing-tail is fixed"
    assert "in 1 of 2 trials before" in row.why
    assert row.how == "play it 5 times (--repetitions 5)"
    (few,) = compared(played(HIT), played(HELD)).unverified
    assert (few.why, few.weighs) == ("a side decided it in fewer than 3 trials", False)
    assert compared(played(HIT, HIT, HIT), played(HELD, HELD, HELD)).unverified == ()


def test_only_the_scenarios_that_were_asked_for_are_compared() -> None:
    before, after = result(trial(HELD), trial(HELD, scenario="lag")), result(trial(HELD), trial(HIT, scenario="lag"))
    assert compared(before, after).verdict == "FAIL"
    found = compared(before, after, scenarios=["ca*"])
    assert [one.scenario for one in found.scenarios] == ["calm"]
    assert found.verdict == "PASS"


# -- the report ---------------------------------------------------------------------------------------------------------------

READER = MarkdownIt("commonmark", {"html": True}).enable("table")
BEFORE, AFTER = check(tail=holds("all held", compared={"events": 11})), check()


def outside(report: str) -> list[str]:
    """What a reader sees without unfolding anything, block by block."""
    shown = re.sub(r"<details>.*?</details>", "", report, flags=re.DOTALL)
    return [block for block in re.split(r"\n{2,}", shown) if block.strip()]


def longest(block: str) -> int:
    lines = block.strip().split("\n")
    return len(lines) - 2 if lines[0].startswith("|") else len(lines)


MANY = [
    verdict(
        Outcome.VIOLATED,
        guarantee=f"events.x{n}",
        signature="s",
        says="é" * 900,
        expected=tuple("é" * 500 for _ in range(50)),
    )
    for n in range(40)
]
COMPARISONS = {
    "fails": compared(BEFORE, AFTER, goal="the tail is held (events.tail)", checks="12 checks, all green"),
    "mends": compared(AFTER, BEFORE, goal="the tail is held"),
    "nothing": compared(AFTER, AFTER),
    "many": compared(
        result(*(trial(HELD, scenario=f"s{n}") for n in range(60))),
        result(*(trial(*MANY, scenario=f"s{n}") for n in range(60))),
        goal="g " * 900,
    ),
}


@pytest.mark.parametrize("limit", [SMALLEST, markdown.PR_COMMENT, markdown.STEP_SUMMARY])
@pytest.mark.parametrize("found", COMPARISONS.values(), ids=COMPARISONS.keys())
def test_it_fits_and_nothing_outside_a_fold_is_longer_than_four_lines(found: Comparison, limit: int) -> None:
    report = markdown_compare.render(found, limit=limit)
    assert len(report.encode()) <= limit
    assert max(map(longest, outside(report))) <= 4
    assert report.count("<details>") == report.count("</details>")
    # Markdown begins again behind each summary only after a blank line.
    assert report.count("</summary>") == report.count("</summary>\n\n")


def test_a_report_that_was_cut_says_so() -> None:
    report = markdown_compare.render(COMPARISONS["many"])
    assert f"not shown**: this report ends at {markdown.PR_COMMENT:,} bytes; `compare.json` holds everything." in report
    assert "<summary>s0: 40 new</summary>" in report
    assert "(and 32 more in `compare.json`)" in report
    assert report.startswith("## ❌ QA report: FAIL\n\n60 scenarios played before and after the change: ")


def test_the_form_of_a_report() -> None:
    report = markdown_compare.render(COMPARISONS["fails"])
    blocks = outside(report)
    assert blocks[:3] == [
        "## ❌ QA report: FAIL",
        "3 scenarios played before and after the change: 1 violation is new, 2 are still there (not all could be verified).",
        "### Does it achieve its stated goal?",
    ]
    assert blocks[3] == "**No.** the tail is held (events.tail)"
    assert blocks[4] == (
        "- `events.tail[stream-lag]` `missing-tail` is new: violated in 0 of 1 trials before, in 1 of 1 trials after"
    )
    assert [line.split("|")[1].strip() for line in blocks[5].split("\n")] == [
        "Phase", "---", "Environment", "Conformance", "Faults", "Recovery",
    ]  # fmt: skip
    assert "<br>CI and tests: 12 checks, all green |" in blocks[5]
    assert blocks[6] == "### Issues"
    assert [re.findall(r"\*\*(\w+)\*\*", line)[0] for line in blocks[7].split("\n")] == ["Blocker", "Minor", "Minor"]


def test_no_issue_is_none() -> None:
    report = markdown_compare.render(compared(played(HIT), played(HELD)))
    assert report.startswith("## ✅ QA report: PASS\n")
    assert "### Issues\n\nNone.\n" in report


def test_evidence_of_both_sides_is_folded() -> None:
    report = markdown_compare.render(COMPARISONS["fails"])
    card = report[report.index("<summary>stream-lag: 1 new, 1 still there</summary>") :]
    steps = [
        "**Step 1: before the change**",
        "tailproof check docker:openhands:1.58.0 --client sdk:1.58.0 --scenario stream-lag --seed 7",
        "fault wire.delay: 3.400 s to 11.900 s, proven",
        "events.tail: holds (in 1 of 1 trials)",
        "history: out/base/histories/stream-lag",
        "- `events.tail` is kept: “When the client",
        "**Step 2: what changed**",
        "Both sides name the same target, client and versions.",
        "**Step 3: the same with the change**",
        "events.tail: violated, missing-tail (in 1 of 1 trials)",
        "  6 of the last 10 events were missing when run() returned",
        "  expected: event-01, event-02, (7 more), event-10, event-11",
        "  client:41 at 9.120 s: run() returned with status running",
        "history: out/candidate/histories/stream-lag",
        "- `events.tail` (MUST) is broken: “When the client",
    ]
    at = [card.index(step) for step in steps]
    assert at == sorted(at)


def test_a_promise_that_is_broken_in_another_way_is_not_called_kept() -> None:
    report = markdown_compare.render(compared(played(HIT, HIT), played(OTHERWISE, OTHERWISE, HELD)))
    assert "events.tail: violated, missing-tail (in 2 of 2 trials)" in report
    assert "events.tail: violated, missing-head (in 2 of 3 trials)" in report
    assert "events.tail: holds (in 1 of 3 trials)" in report


HOSTILE = "</details>\n```\n# x <script>alert(1)</script> | @somebody #12 \x1b[31m\u202e `a` ![x](http://e.org/x.png)"


def test_hostile_text_of_a_server_does_nothing() -> None:
    bad = verdict(
        Outcome.VIOLATED, guarantee="events.tail", signature=HOSTILE, says=HOSTILE, expected=(HOSTILE,), seen=(HOSTILE,),
        evidence=(EvidenceResult(witness="client", seq=1, at_s=1.0, says=HOSTILE),), measured={HOSTILE: HOSTILE},
    )  # fmt: skip
    after = result(trial(bad), not_run=(NotRunResult(scenario=HOSTILE, guarantee=None, reason=HOSTILE),))
    after = msgspec.structs.replace(after, target=HOSTILE, client=HOSTILE)
    found = compared(result(trial(HELD)), after, goal=HOSTILE, checks=HOSTILE)
    report = markdown_compare.render(found)
    html = READER.render(report)
    for tag in ("<script", "<img", 'href="http://e.org'):
        assert tag not in html
    assert html.count("<details>") == html.count("</details>")
    assert "@somebody" not in re.sub(r"<code.*?</code>", "", html, flags=re.DOTALL)
    for text in (report, terminal_compare.render(found, files={})):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


def test_what_a_terminal_shows_fits_and_says_both_sides() -> None:
    shown = terminal_compare.render(COMPARISONS["fails"], files={"report": "out/compare.md"})
    assert shown.splitlines()[0].startswith("FAIL  3 scenarios played before and after the change: ")
    assert max(map(len, shown.splitlines())) <= 80
    assert (
        "NEW  events.tail[stream-lag]  missing-tail  MUST\n  before  0 of 1 trials: all held\n  after   1 of 1" in shown
    )
    assert shown.endswith("\n  report  out/compare.md")


def test_the_data_is_what_the_published_schema_says(tmp_path: Path) -> None:
    assert (folder("reports") / "compare.schema.json").read_bytes() == json.comparison_schema(), "run: make schemas"
    json.write_comparison(COMPARISONS["fails"], tmp_path / "compare.json")
    assert msgspec.json.decode((tmp_path / "compare.json").read_bytes(), type=Comparison) == COMPARISONS["fails"]


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    markdown_compare.write(COMPARISONS["fails"], tmp_path / "compare.md")
    assert [path.name for path in tmp_path.iterdir()] == ["compare.md"]
    assert (tmp_path / "compare.md").read_text() == markdown_compare.render(COMPARISONS["fails"])
