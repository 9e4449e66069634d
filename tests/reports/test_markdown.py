"""The QA report for a pull request: whole, within its limit, and safe to paste."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt
from small_check import check, several, trial, verdict

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports import markdown
from tailproof.reports.fitting import SMALLEST, Section, fit
from tailproof.reports.gate import decide
from tailproof.reports.result import KnownResult, NotRunResult, Result, StaleResult, TrialResult

READER = MarkdownIt("commonmark").enable("table")
NOT_RUN = "| `new-host` | this target cannot start on a new host |"


def result_of(*trials: TrialResult, **more: object) -> Result:
    gate = decide(trials, stale=more.get("stale", ()))  # type: ignore[arg-type]
    return msgspec.structs.replace(check(), trials=trials, gate=gate)


def many(number: int) -> Result:
    cards = (
        verdict(Outcome.VIOLATED, guarantee=f"events.x{n}", signature="s", expected=tuple("é" * 500 for _ in range(50)))
        for n in range(number)
    )
    return result_of(trial(*cards))


def test_the_verdict_comes_first() -> None:
    assert markdown.render(check()).startswith(f"## {check().gate.says}\n")


def test_a_violation_tells_all_that_a_person_needs() -> None:
    report = markdown.render(check())
    card = report[report.index("#### `events.tail[stream-lag]` MUST") : report.index("### Violated (advisory")]
    for needed in (
        "When the client's run returns, it holds the first 10 and the last 10 events of the log. (OpenHands PR 1865)",
        "**Found:** 6 of the last 10 events were missing when run() returned",
        "signature: `missing-tail`, in 1 of 1 trials",
        "fault: `wire.delay` 3.400 s to 11.900 s, proven: rule.lag.done 11, frames.down 13",
        "measured: edge 10, missing 6",
        "expected:\n  event-01\n",
        "| `client:41` | 9.120 s | run() returned with status running |",
        "```sh\ntailproof repro histories/stream-lag\n```",
    ):
        assert needed in card


def test_a_fault_stands_with_its_proof_and_the_death_it_caused() -> None:
    (row,) = [line for line in markdown.render(check()).splitlines() if line.startswith("| `oom-server` | 1 inc")]
    for needed in ("exit code 137", "memory.oom_kill 0 → 1", "OOM-killed by the kernel", "down for 4.25 s", "proven"):
        assert needed in row


def test_known_violations_are_folded_with_reason_and_link() -> None:
    report = markdown.render(check())
    folded = re.search(r"<details>\n<summary>Known violations: 1</summary>\n\n(.*?)\n\n</details>", report, re.DOTALL)
    assert folded is not None
    assert "the lease of the dead process is honoured for 45 s" in folded[1]
    assert "(https://example.org/issues/3184)" in folded[1]
    assert "#### `status.crash" not in report


def test_a_known_violation_of_a_release_that_nobody_has_listed_says_so() -> None:
    known = KnownResult(reason="r" * 900, link="l", entry="e", last_seen="1.58.0", extended_to="1.58.2")
    report = markdown.render(result_of(trial(verdict(Outcome.VIOLATED, signature="s", known=known))))
    assert "…; last seen on 1.58.0, extended to 1.58.2 (" in report, "a long reason does not push it out"


def test_what_newest_came_to_is_one_line_of_what_was_asked() -> None:
    says = "pypi:newest is pypi:1.58.0, the newest in the package index"
    result = several()
    first, second, *others = result.pairs
    asked = [msgspec.structs.replace(pair, newest=says) for pair in (first, second)]
    assert f"| newest | {says} |" in markdown.render(msgspec.structs.replace(result, pairs=(*asked, *others)))
    assert "newest" not in markdown.render(result)


def test_what_was_not_run_is_listed() -> None:
    assert NOT_RUN in markdown.render(check())


def test_a_gate_that_is_not_sure_says_why() -> None:
    report = markdown.render(check())
    assert "- loop.once\\[oom-server\\] is inconclusive: POST /run was never accepted after the restart" in report


def test_what_was_allowed_to_be_inconclusive_is_told() -> None:
    trials = (trial(verdict(), verdict(Outcome.INCONCLUSIVE, guarantee="loop.once", says="nobody subscribed")),)
    allowed = msgspec.structs.replace(result_of(*trials), gate=decide(trials, allow_inconclusive=3))
    report = markdown.render(allowed)
    assert "### Inconclusive, allowed\n\nUp to 3 may be inconclusive here.\n" in report
    assert "- loop.once\\[calm\\] is inconclusive: nobody subscribed" in report
    assert "Could not tell" not in report


def test_a_stale_entry_says_what_to_remove() -> None:
    stale = (StaleResult(entry="suites/baseline.yaml:9", guarantee="events.tail", scenario="calm", signature="s"),)
    report = markdown.render(result_of(trial(verdict()), stale=stale))
    assert "- `suites/baseline.yaml:9`: `events.tail[calm]` `s`" in report


def test_a_trial_that_failed_is_loud() -> None:
    report = markdown.render(result_of(trial(scenario="calm", error="port 8000 is in use")))
    assert "| `calm` | **failed** |" in report
    assert "- the trial of calm failed: port 8000 is in use" in report


def test_the_same_violation_in_ten_trials_is_one_card_that_says_how_often() -> None:
    hits = [trial(verdict(Outcome.VIOLATED, signature="s")) for _ in range(7)]
    report = markdown.render(result_of(*hits, *[trial(verdict()) for _ in range(3)]))
    assert report.count("#### `events.tail[calm]` MUST") == 1
    assert "signature: `s`, in 7 of 10 trials" in report


@pytest.mark.parametrize("limit", [SMALLEST, markdown.PR_COMMENT])
@pytest.mark.parametrize("number", [5, 400])
def test_a_long_report_is_cut_between_cards_and_says_so(number: int, limit: int) -> None:
    report = markdown.render(many(number), limit=limit)
    shown = report.count("#### ")
    assert len(report.encode()) <= limit
    if shown < number:
        assert f"**{number - shown} {'more ' if shown else ''}violations not shown**" in report
    assert f"this report ends at {limit:,} bytes" in report or shown == number
    assert report.count("\n```\n") + report.count("\n```sh\n") == 2 * shown  # an opening and an end for each card
    assert NOT_RUN in report or "not shown" in report
    assert READER.parse(report)[-1].type == "html_block", "the report ends in the middle of something"


def test_long_lists_never_push_a_violation_out() -> None:
    missing = tuple(NotRunResult(scenario=f"s{n}", guarantee=None, reason="x" * 200) for n in range(900))
    calm = tuple(trial(verdict(), scenario=f"calm-{n}") for n in range(2000))
    report = markdown.render(msgspec.structs.replace(check(), trials=(*calm, *check().trials), not_run=missing))
    assert "#### `events.tail[stream-lag]` MUST" in report
    assert re.search(r"\*\*\d+ more faults not shown\*\*", report)
    assert re.search(r"\*\*\d+ reasons not shown\*\*", report)
    assert len(report.encode()) <= markdown.PR_COMMENT


def test_a_limit_that_holds_no_report_is_refused() -> None:
    with pytest.raises(ValueError, match="a report needs at least 8192 bytes, not 100"):
        markdown.render(check(), limit=100)
    with pytest.raises(ValueError, match="headings of the report alone exceed"):
        fit([Section(head="x" * SMALLEST)], SMALLEST)


def test_hostile_text_of_a_server_does_nothing() -> None:
    text = "</details><script>x</script> @team | ``` \x1b[31m\n# boo"
    bad = verdict(
        Outcome.VIOLATED, says=text, signature=text, expected=(text,), seen=(text,), level=Level.SHOULD,
        measured={text: text}, known=KnownResult(reason=text, link=text, entry=text),
    )  # fmt: skip
    unknown = msgspec.structs.replace(bad, known=None)
    hostile = result_of(trial(bad, unknown, scenario=text, error=text), scenario=text)
    report = markdown.render(hostile)
    assert "\x1b" not in report
    tokens = READER.parse(report)
    blocks = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert [re.sub(r"\n.*", "", block, flags=re.DOTALL) for block in blocks] == ["<details>", "</details>"] * 2
    spans = {child.content for token in tokens for child in token.children or [] if child.type == "html_inline"}
    assert spans <= {"<code>", "</code>", "<br>"}
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert all("boo" not in heading or heading.startswith(("`", "<code>")) for heading in headings)


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    markdown.write(check(), tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text() == markdown.render(check())
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_several_pairs_stand_in_one_table_and_each_row_names_client_and_target() -> None:
    report = markdown.render(several())
    for needed in (
        "| 2 | `sdk:1.58.0` | `docker:openhands:1.57.0` | 2 | 1 inconclusive · 2 hold |",
        "| 5 | `sdk:1.57.0` | `pypi:0.0.9` | 0 | **could not be built**: there is no release 0.0.9 |",
        "| `events.tail` | X | ? | X |  |  |  |  |  | violated: `stream-lag` (1, 3)<br>inconclusive: `stream-lag` (2) |",
        "| `stream-lag` | `sdk:1.57.0` | `docker:openhands:1.58.0` | 1 violated · 1 hold | none |",
        "| `stream-lag` | `sdk:1.57.0` | `docker:openhands:1.58.0` | 1.50 s |",
        "- client `sdk:1.57.0` with target `docker:openhands:1.57.0`",
        "- also `sdk:1.57.0` with `docker:openhands:1.58.0`, in 1 of 1 trials",
        "- `status.crash[oom-server]` `s` (pairs 7-8): the lease is honoured",
        "| `init` | 1.57.0 is never dormant | 1-2 |",
    ):
        assert needed in report
    assert report.count("#### ") == 1


@pytest.mark.parametrize("limit", [SMALLEST, markdown.PR_COMMENT])
def test_a_report_of_many_pairs_keeps_its_limit(limit: int) -> None:
    result = several()
    pairs = tuple(msgspec.structs.replace(result.pairs[0], client=f"sdk:1.{n}.0") for n in range(40))
    trials = [
        msgspec.structs.replace(
            trial(*many(40).trials[0].verdicts, pair=f"p{n}"), client=pair.client, target=pair.target
        )
        for n, pair in enumerate(pairs)
    ]
    report = markdown.render(msgspec.structs.replace(result_of(*trials), pairs=pairs), limit=limit)
    assert len(report.encode()) <= limit
    assert "| 40 | `sdk:1.39.0` |" in report
