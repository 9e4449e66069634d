"""What Allure shows is what the result says: the same counts, stable histories, known violations with their link."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from checks import tailproof

from tailproof.reports import json as results

ASKED = (
    *("check", "reference:refuses-after-the-crash", "--client", "plain", "--out", "out"),
    *("--scenario", "calm", "--scenario", "kill-tool-running", "--scenario", "oom-server"),
)
LINK = "https://example.org/issues/7"
STATUS = {
    "violated": "failed",
    "known": "skipped",
    "inconclusive": "broken",
    "not-applicable": "skipped",
    "holds": "passed",
}


def _cases(directory: Path) -> dict[str, dict[str, Any]]:
    cases = [json.loads(path.read_text()) for path in directory.glob("*-result.json")]
    return {case["name"]: case for case in cases}


BASELINE = f"""\
known:
  - target: reference*
    guarantee: status.crash
    scenario: kill-tool-running
    signature: not-usable
    reason: it was always so
    link: {LINK}
"""


@pytest.fixture(scope="module")
def allure_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A violation, what it leaves undecided, and a scenario that is not run: in `new`, and in `known` with a baseline that lists it."""
    place = tmp_path_factory.mktemp("home")
    (place / "baseline.yaml").write_text(BASELINE)
    new = tailproof(*ASKED, "--alluredir", "new", cwd=place)
    known = tailproof(*ASKED, "--alluredir", "known", "--baseline", "baseline.yaml", cwd=place)
    assert (new.code, known.code) == (1, 2), new.stderr + known.stderr
    return place


def test_each_verdict_is_a_case_with_the_status_that_it_has(allure_results: Path) -> None:
    said: dict[str, str] = {}
    for trial, verdict in results.read(allure_results / "out" / "result.json").judged():
        word = "known" if verdict.known else str(verdict.outcome)
        said[f"{verdict.guarantee}[{trial.called}]"] = STATUS[word]
    cases = {name: case["status"] for name, case in _cases(allure_results / "known").items()}
    assert {name: cases[name] for name in said} == said
    assert Counter(cases[name] for name in cases.keys() - said.keys()).keys() == {"skipped"}, "what was not run"
    assert set(said.values()) == {"skipped", "broken", "passed"}
    assert _cases(allure_results / "new")["status.crash[kill-tool-running]"]["status"] == "failed"


def test_each_case_has_a_history_of_its_own_and_keeps_it(allure_results: Path) -> None:
    first, again = (
        {name: case["historyId"] for name, case in _cases(allure_results / which).items()} for which in ("new", "known")
    )
    assert first == again
    assert len(set(first.values())) == len(first)


def test_a_case_tells_level_promise_and_where_the_trial_was(allure_results: Path) -> None:
    crash = _cases(allure_results / "known")["status.crash[kill-tool-running]"]
    assert [(link["url"], link["name"], link["type"]) for link in crash["links"]] == [
        (LINK, "it was always so", "issue")
    ]
    labels = {(label["name"], label["value"]) for label in crash["labels"]}
    assert {("severity", "critical"), ("feature", "status"), ("story", "status.crash"), ("tag", "crash")} <= labels
    driving = next(step for step in crash["steps"] if step["name"].startswith("driving, "))
    assert [step["name"].split()[0] for step in driving["steps"]] == ["process.kill"]
    assert ", proven: " in driving["steps"][0]["name"]
    assert crash["description"].count("\n\n") == 2


@pytest.mark.parametrize("which", ["new", "known"])
def test_what_does_not_hold_has_its_verdict_as_a_file(allure_results: Path, which: str) -> None:
    for name, case in _cases(allure_results / which).items():
        known = bool(case.get("links"))
        attachments = case.get("attachments", [])
        expected = ["verdict.json"] if case["status"] in ("failed", "broken") or known else []
        assert [attachment["name"] for attachment in attachments] == expected, name
        for attachment in attachments:
            assert json.loads((allure_results / which / attachment["source"]).read_text())["guarantee"] in name


def test_no_case_names_a_place_of_this_machine(allure_results: Path) -> None:
    for path in (*(allure_results / "new").iterdir(), *(allure_results / "known").iterdir()):
        assert str(allure_results) not in path.read_text(), path
        assert str(Path(__file__).parents[2]) not in path.read_text(), path
