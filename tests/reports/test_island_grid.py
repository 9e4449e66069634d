"""The page's table of every verdict: signs and words, the filter, the keys, and how a trial is opened from it and left again."""

from __future__ import annotations

import pytest
from island_pages import HOSTILE, entry, index_of, trial_of, wide_index
from playwright.sync_api import Page, expect
from visits import Visiting

pytestmark = [pytest.mark.chromium]

GRID = "#tpx-grid"


def cell(page: Page, trial: str, guarantee: str):  # type: ignore[no-untyped-def]
    row = page.locator(f"{GRID} [role=row]", has=page.get_by_role("rowheader", name=trial, exact=False))
    return row.locator(f'[role=gridcell][aria-label^="{guarantee}:"]')


def names(page: Page) -> list[str]:
    return page.locator(f"{GRID} [role=rowheader] .tpx-called").all_text_contents()


@pytest.mark.parametrize(
    ("trial", "guarantee", "text", "label"),
    [
        ("calm", "events.tail", "✓ holds", "events.tail: holds"),
        ("stream-lag", "events.tail", "✗ violated", "events.tail: violated, lost-tail"),
        ("stream-lag", "events.middle", "△ advisory", "events.middle: advisory, lost"),
        ("kill-late", "events.tail", "◐ known", "events.tail: known, lost-tail"),
        ("kill-late", "status.agree", "? inconclusive", "status.agree: inconclusive"),
        ("oom-tool", "loop.terminates", "· not applicable", "loop.terminates: not applicable"),
        ("disk-full", "events.tail", "", "events.tail: not judged"),
    ],
)
def test_a_verdict_has_its_sign_and_its_word(
    visit: Visiting, trial: str, guarantee: str, text: str, label: str
) -> None:
    page = visit().open()
    expect(cell(page, trial, guarantee)).to_have_text(text)
    expect(cell(page, trial, guarantee)).to_have_attribute("aria-label", label)


def test_a_trial_that_the_harness_lost_says_so(visit: Visiting) -> None:
    page = visit().open()
    expect(page.get_by_role("rowheader", name="disk-full")).to_contain_text("✗ harness failed")


def test_what_applies_to_no_trial_is_counted_and_found_when_asked_for(visit: Visiting) -> None:
    idle = {"loop.terminates": ("not-applicable", "", ""), "server.sane": ("not-applicable", "", "")}
    index = index_of([entry("calm", idle), entry("oom", {"server.sane": ("not-applicable", "", "")})])
    page = visit(index, []).open()
    expect(page.locator(".tpx-found")).to_have_text("1 guarantee that applies to none of these trials is not listed")
    expect(cell(page, "calm", "loop.terminates")).to_have_text("· not applicable")
    expect(cell(page, "calm", "server.sane")).to_have_count(0)
    page.get_by_role("button", name="not applicable").click()
    expect(cell(page, "calm", "server.sane")).to_have_text("· not applicable")


def test_a_narrow_screen_lists_what_has_something_to_tell(visit: Visiting) -> None:
    calm = {"events.tail": ("holds", "", ""), "server.sane": ("holds", "", "")}
    index = index_of([entry("calm", calm), entry("oom", {**calm, "server.sane": ("violated", "s", "")})])
    page = visit(index, [], width=390).open()
    expect(page.locator(".tpx-found")).to_contain_text("that hold wherever judged: see the filter “holds”")
    expect(cell(page, "oom", "server.sane")).to_have_count(1)
    expect(cell(page, "calm", "events.tail")).to_have_count(0)
    page.locator(".tpx-words").get_by_role("button", name="holds").click()
    expect(cell(page, "calm", "events.tail")).to_have_count(1)


def test_a_deep_run_has_only_the_rows_in_sight_in_the_document(visit: Visiting) -> None:
    page = visit(wide_index(), []).open()
    grid = page.locator(GRID)
    expect(grid).to_have_attribute("aria-rowcount", "231")
    expect(grid).to_have_attribute("aria-colcount", "50")
    assert 20 < grid.locator("[role=row]").count() < 60
    page.locator(f"{GRID} [tabindex='0']").focus()
    page.keyboard.press("Control+End")
    expect(page.locator(f"{GRID} [data-row='229'][data-column='49']")).to_be_focused()
    expect(page.locator(f"{GRID} [data-row='229'][data-column='49']")).to_be_in_viewport()
    assert grid.locator("[role=row]").count() < 60


def test_arrow_keys_move_one_focus(visit: Visiting) -> None:
    page = visit().open()
    grid = page.locator(GRID)
    expect(grid.locator("[tabindex='0']")).to_have_count(1)
    grid.locator("[tabindex='0']").focus()
    keys = (
        "ArrowDown",
        "ArrowRight",
        "ArrowRight",
        "End",
        "Home",
        "ArrowUp",
        "ArrowUp",
        "Control+End",
        "Control+Home",
        "PageDown",
    )
    places = []
    for key in keys:
        page.keyboard.press(key)
        places.append(page.evaluate("[+document.activeElement.dataset.row, +document.activeElement.dataset.column]"))
    assert places == [[1, 0], [1, 1], [1, 2], [1, 7], [1, 0], [0, 0], [0, 0], [4, 7], [0, 0], [4, 0]]
    expect(grid.locator("[tabindex='0']")).to_have_count(1)


def test_the_tab_key_finds_the_table_wherever_it_is_scrolled_to(visit: Visiting) -> None:
    page = visit(wide_index(), []).open()
    page.locator(GRID).evaluate("grid => { grid.scrollTop = 4000; }")
    expect(page.locator(f"{GRID} [data-row='170']").first).to_be_visible()
    page.get_by_role("button", name="not applicable").focus()
    page.keyboard.press("Tab")
    expect(page.locator(f"{GRID} [data-row='0'][data-column='0']")).to_be_focused()


def test_what_the_focus_is_on_is_said_in_words(visit: Visiting) -> None:
    page = visit().open()
    cell(page, "stream-lag", "events.tail").focus()
    said = page.locator(".tpx-pointed")
    expect(said).to_contain_text("✗ violated lost-tail events.tail in stream-lag")
    expect(said).to_contain_text(
        "MUST When the client's run returns, it holds the first 10 and the last 10 events of the log."
    )


@pytest.mark.parametrize("key", ["Enter", " "])
def test_a_cell_opens_its_trial_at_the_first_evidence_and_gets_the_focus_back(visit: Visiting, key: str) -> None:
    seen = visit()
    page = seen.open()
    cell(page, "stream-lag", "events.tail").focus()
    page.keyboard.press(key)
    expect(page.get_by_role("heading", name="stream-lag", exact=True)).to_be_visible()
    expect(page.locator("#tpx-timeline")).to_be_focused()
    assert seen.hash() == "#t=stream-lag&r=wire:83"
    page.keyboard.press("Escape")
    expect(cell(page, "stream-lag", "events.tail")).to_be_focused()
    assert seen.hash() == "#explorer"


def test_a_click_on_a_name_opens_the_trial_at_its_heading(visit: Visiting) -> None:
    seen = visit()
    page = seen.open()
    page.get_by_role("rowheader", name="calm").click()
    expect(page.get_by_role("heading", name="calm", exact=True)).to_be_focused()
    assert seen.hash() == "#t=calm"


@pytest.mark.parametrize(
    ("text", "trials", "columns", "says"),
    [
        ("violated", ["stream-lag"], 1, "1 of 5 trials, 1 of 7 guarantees"),
        ("VIOLATED", ["stream-lag"], 1, "1 of 5 trials, 1 of 7 guarantees"),
        ("events.tail", ["calm", "stream-lag", "kill-late", "oom-tool"], 1, "4 of 5 trials, 1 of 7 guarantees"),
        ("kill", ["kill-late"], 7, "1 of 5 trials, 7 of 7 guarantees"),
        ("lost-tail", ["stream-lag", "kill-late"], 1, "2 of 5 trials, 1 of 7 guarantees"),
        ("stream events. holds", ["stream-lag"], 2, "1 of 5 trials, 2 of 7 guarantees"),
        ("harness failed", ["disk-full"], 0, "1 of 5 trials, 0 of 7 guarantees"),
    ],
)
def test_the_filter_leaves_what_it_names(
    visit: Visiting, text: str, trials: list[str], columns: int, says: str
) -> None:
    page = visit().open()
    page.get_by_role("searchbox").fill(text)
    expect(page.locator(".tpx-found")).to_have_text(says)
    assert names(page) == trials
    expect(page.locator(f"{GRID} [role=columnheader]")).to_have_count(columns + 1)


def test_a_filter_that_leaves_nothing_says_where_it_looked(visit: Visiting) -> None:
    page = visit().open()
    box = page.get_by_role("searchbox")
    box.fill("nonesuch")
    expect(page.locator(".tpx-nothing")).to_contain_text("No verdict matches “nonesuch”. It looks at guarantees")
    box.press("Escape")
    expect(box).to_have_value("")
    assert len(names(page)) == 5


def test_a_word_is_a_button_that_filters_and_lets_go(visit: Visiting) -> None:
    page = visit().open()
    button = page.get_by_role("button", name="known")
    expect(button).to_contain_text("1")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[aria-live=polite]")).to_have_text("only known")
    assert names(page) == ["kill-late"]
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert len(names(page)) == 5


def test_what_a_server_says_is_text_in_the_table(visit: Visiting) -> None:
    cells = {"events.tail": ("violated", HOSTILE, "wire:1")}
    index = index_of([entry("nasty", cells, called=HOSTILE, summary=HOSTILE, family=HOSTILE, error=HOSTILE)])
    page = visit(index, [trial_of("nasty", called=HOSTILE)]).open()
    expect(page.locator(".tpx-called")).to_have_text(HOSTILE)
    cell(page, "", "events.tail").focus()
    expect(page.locator(".tpx-pointed code")).to_have_text(HOSTILE)
    page.keyboard.press("Enter")
    expect(page.locator("#tpx-trial-title")).to_have_text(HOSTILE)
    assert page.evaluate("window.broken") is None
    assert page.locator("#explorer img, #explorer script").count() == 0
