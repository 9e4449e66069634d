"""The page of a comparison: the verdict on the change first, and of each finding how it was before."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from seen_pages import HOSTILE, Seen, page_of
from small_check import check, trial, verdict

from tailproof.guarantees.verdict import Outcome
from tailproof.reports.compare import compare
from tailproof.reports.comparison import Comparison
from tailproof.reports.gate import decide
from tailproof.reports.result import KnownResult, Result

HELD = verdict()
HIT = verdict(
    Outcome.VIOLATED, signature="missing-tail", says="6 were missing", expected=("e-9",), repro="tailproof repro x"
)
UNSURE = verdict(Outcome.INCONCLUSIVE, says="nobody subscribed")
KNOWN = msgspec.structs.replace(HIT, known=KnownResult(reason="it forgets", link="https://e.org/1", entry="b:1"))


def played(*verdicts: Any, scenario: str = "calm", **more: Any) -> Result:
    """One trial for each verdict."""
    trials = tuple(trial(one, scenario=scenario, **more) for one in verdicts)
    return msgspec.structs.replace(check(), trials=trials, not_run=(), gate=decide(trials))


def compared(before: Result, after: Result, **more: Any) -> tuple[Comparison, str]:
    found = compare(before, after, names=("a", "b"), folders=("base", "candidate"), **more)
    return found, page_of(after, comparison=found)


def card(page: str) -> str:
    """The text of the first card."""
    told = page[page.index('<article class="tp-card"') : page.index("</article>")]
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", told))


BADGES = {
    "new": ([HELD, HELD], [HIT], "✗violated ✗new ", "before 0 of 2 trials"),
    "still there": ([HIT, HIT], [HIT], "✗violated ◐still there ", "before 2 of 2 trials"),
    "comes and goes": ([HIT, HELD], [HIT], "✗violated △comes and goes ", "before 1 of 2 trials"),
    "new, not decided before": ([UNSURE], [HIT], "✗violated ✗new ", "before not decided"),
    "known, and new": ([HELD], [KNOWN], "◐violated (known) △new ", "before 0 of 1 trials"),
}


@pytest.mark.parametrize(("before", "after", "badges", "often"), BADGES.values(), ids=BADGES.keys())
def test_a_card_says_how_it_was_before(before: list[Any], after: list[Any], badges: str, often: str) -> None:
    _, page = compared(played(*before), played(*after))
    assert badges in card(page)
    assert f"calm 1 of 1 trials, {often}" in card(page)


def test_a_card_of_several_scenarios_says_it_of_each() -> None:
    before, after = (
        msgspec.structs.replace(check(), trials=(*of_calm.trials, *of_lag.trials), not_run=())
        for of_calm, of_lag in (
            (played(HIT), played(HELD, scenario="lag")),
            (played(HIT), played(HIT, scenario="lag")),
        )
    )
    _, page = compared(before, after)
    assert page.count('<article class="tp-card"') == 1
    assert "✗violated ◐still there ✗new " in card(page)
    assert "calm 1 of 1 trials, before 1 of 1 trials" in card(page)
    assert "lag 1 of 1 trials, before 0 of 1 trials" in card(page)


def test_what_is_fixed_stands_with_what_was_seen_before() -> None:
    _, page = compared(played(HIT), played(HELD), goal="the tail is there (events.tail)")
    text = Seen(page).text()
    assert "✓Pass" in text
    assert "Does it achieve its goal? Yes. the tail is there (events.tail)" in text
    assert "✓1 fixed" in text
    assert "✓fixed events.tail MUST calm missing-tail before 1 of 1 trials, after 0 of 1 trials" in text
    assert "6 were missing" in text
    assert "e-9" in text
    assert "tailproof repro base/histories/calm" in text


VERDICTS = {
    "Pass": (played(HIT), played(HELD), "holds"),
    "Pass with issues": (played(HIT), played(HIT), "advisory"),
    "Fail": (played(HELD), played(HIT), "violated"),
    "Partial": (played(HELD), played(UNSURE), "inconclusive"),
}


@pytest.mark.parametrize(("word", "sides"), [(word, (a, b, looks)) for word, (a, b, looks) in VERDICTS.items()])
def test_the_verdict_is_that_of_the_change(word: str, sides: tuple[Result, Result, str]) -> None:
    found, page = compared(*sides[:2])
    (heading,) = Seen(page).all("h1")
    assert heading["class"] == f"tp-gate tp-is-{sides[2]}"
    assert f"{word}{found.says}" in re.sub(r"\s*\n", "", "".join(said for _, said in Seen(page).said))
    assert page.index('id="changes"') < page.index('id="findings"')


def test_nothing_violated_on_either_side_is_said() -> None:
    assert "No guarantee was broken, before or after." in Seen(compared(played(HELD), played(HELD))[1]).text()


def test_what_could_not_be_verified_is_told() -> None:
    text = Seen(compared(played(HIT), played(UNSURE))[1]).text()
    assert "that events.tail[calm] missing-tail is fixed" in text
    assert "nobody subscribedplay it again" in text


def test_commands_are_typed_where_the_comparison_lies() -> None:
    _, page = compared(played(HELD), played(HIT))
    assert "tailproof repro candidate/histories/calm" in card(page)
    assert "history: `candidate/histories/calm`" in card(page)
    assert "tailproof repro histories/calm" not in page
    assert '"history":"candidate/histories/calm"' in page


def test_pairs_are_compared_each_with_itself() -> None:
    _, page = compared(played(HELD, pair="sdk-1_pypi-1"), played(HIT, pair="sdk-1_pypi-1"))
    assert "✗new" in card(page)
    assert "✗new events.tail MUST calm_sdk-1_pypi-1 missing-tail" in Seen(page).text()


def test_a_page_without_a_comparison_says_nothing_of_before() -> None:
    text = Seen(page_of(played(HIT))).text()
    assert "before" not in text
    assert "What changed" not in text


def test_hostile_text_does_nothing() -> None:
    hostile = msgspec.structs.replace(HIT, guarantee=HOSTILE, signature=HOSTILE, says=HOSTILE, expected=(HOSTILE,) * 9)
    before = played(hostile, scenario=HOSTILE, history=HOSTILE)
    after = played(msgspec.structs.replace(UNSURE, says=HOSTILE), scenario=HOSTILE, history=HOSTILE)
    found = compare(before, after, names=(HOSTILE, HOSTILE), folders=(HOSTILE, HOSTILE), goal=HOSTILE)
    seen = Seen(page_of(after, comparison=found))
    assert not seen.all("img")
    assert "\\u202e" in seen.text()


def test_very_many_findings_are_counted() -> None:
    hits = tuple(verdict(Outcome.VIOLATED, guarantee=f"events.x{number}", signature="s") for number in range(60))
    before, after = played(*hits), played(*(verdict(guarantee=one.guarantee) for one in hits))
    text = Seen(compared(before, after)[1]).text()
    assert "✓60 fixed" in text
    assert "and 20 more in compare.json" in text
