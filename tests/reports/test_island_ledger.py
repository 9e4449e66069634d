"""The ledger of a trial in the page: its marks, what filters it, and how much of it is in the document."""

from __future__ import annotations

import re

import pytest
from island_pages import entry, index_of, trial_of
from island_trials import LEDGER, TIMELINE, events, opened, place
from playwright.sync_api import expect
from visits import Visiting

pytestmark = [pytest.mark.chromium]


def test_the_ledger_has_the_marks_of_each_witness(visit: Visiting) -> None:
    _, page = opened(visit)
    page.get_by_label("only trouble").check()
    expect(page.locator(".tpx-ledger [role=status]")).to_have_text("8 of 60 events")
    found = page.locator(f"{LEDGER} .tpx-mark").evaluate_all(
        "all => all.map(one => [one.ariaLabel.split(':')[0], one.innerText])"
    )
    lost = [["client list", "✗ lost"], ["callbacks", "✗ lost"]]
    assert found == [
        ["client list", "2× twice"],
        ["client list", "» late +901 ms"],
        ["client list", "⇅ out of order"],
        ["client list", "≠ changed"],
        *(lost * 4),
    ]


def test_an_event_that_proves_a_violation_is_trouble(visit: Visiting) -> None:
    trial = trial_of("twice", events=8, losing=range(0))
    trial["records"]["flag"][trial["records"]["event"].index(6)] = 1
    page = visit(index_of([entry("twice")]), [trial]).open("#t=twice")
    page.get_by_label("only trouble").check()
    expect(events(page)).to_have_count(1)
    expect(events(page)).to_have_attribute("aria-label", re.compile("^00000006-.*, evidence of a violation$"))
    expect(events(page).locator(".tpx-ring")).to_have_count(1)


def test_the_ledger_says_where_in_the_log_an_event_is_and_what_is_left_out(visit: Visiting) -> None:
    trial = trial_of("cut", events=5, losing=range(0))
    trial["ledger"]["place"] = [1, 2, 900, 901, 0]
    trial["ledger"]["at"][1] = trial["ledger"]["at"][4] = trial["ledger"]["stamp"][4] = None
    page = visit(index_of([entry("cut")]), [trial]).open("#t=cut")
    rows = page.locator(f"{LEDGER} .tpx-body [role=row]")
    said = [[row.locator(f"[data-column='{column}']").inner_text() for column in (3, 4, 5)] for row in rows.all()]
    assert said == [
        ["1", "+0.000 s", "0.300 s"],
        ["2", "+0.020 s", "not live"],
        ["900", "+0.040 s", "0.340 s"],
        ["901", "+0.060 s", "0.360 s"],
        ["–", "not in the log", "not live"],
    ]
    assert rows.evaluate_all("all => all.map(one => one.classList.contains('tpx-gap'))") == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_cell_of_the_ledger_shows_its_record(visit: Visiting) -> None:
    seen, page = opened(visit)
    page.get_by_label("only trouble").check()
    page.locator(f"{LEDGER} .tpx-mark-l").first.click()
    assert seen.hash() == "#t=stream-lag&r=wire:83"
    expect(page.locator(".tpx-looked")).to_contain_text("dropped")


def test_a_selection_of_time_filters_the_ledger(visit: Visiting) -> None:
    _, page = opened(visit)
    expect(page.locator(".tpx-ledger [role=status]")).to_have_text("60 events")
    canvas = page.locator(TIMELINE).bounding_box()
    assert canvas is not None
    a, b = place(page, "REST", 1090, 1800), place(page, "REST", 1170, 1800)
    page.keyboard.down("Shift")
    page.mouse.move(canvas["x"] + a["x"], canvas["y"] + a["y"])
    page.mouse.down()
    page.mouse.move(canvas["x"] + b["x"], canvas["y"] + b["y"], steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".tpx-ledger [role=status]")).to_contain_text("4 of 60 events")
    expect(page.locator(".tpx-sight")).to_have_count(0)
    page.get_by_role("button", name="Zoom to it").click()
    expect(page.locator(".tpx-sight")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".tpx-ledger [role=status]")).to_have_text("60 events")


def test_the_handles_select_by_keys(visit: Visiting) -> None:
    _, page = opened(visit)
    start, end = page.get_by_label("Selection starts"), page.get_by_label("Selection ends")
    start.press("Shift+ArrowRight")
    start.press("ArrowRight")
    end.press("PageDown")
    expect(start).to_have_attribute("aria-valuetext", "0.198 s")
    expect(end).to_have_attribute("aria-valuetext", "1.620 s")
    end.press("Home")
    expect(page.locator(".tpx-ledger")).to_contain_text("No event is left")
    end.press("End")
    start.press("Home")
    expect(page.locator(".tpx-selection")).to_have_count(0)


def test_of_60_000_events_only_those_in_sight_are_in_the_document(visit: Visiting) -> None:
    trial = trial_of("long", events=60_000, losing=range(59_990, 59_994))
    page = visit(index_of([entry("long")]), [trial]).open("#t=long")
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    expect(page.locator(LEDGER)).to_have_attribute("aria-rowcount", "60001")
    assert page.locator("#explorer *").count() < 2000
    page.locator(f"{LEDGER} [tabindex='0']").focus()
    page.keyboard.press("Control+End")
    expect(page.locator(f"{LEDGER} [data-row='59999'][data-column='10']")).to_be_focused()
    page.keyboard.press("n")
    expect(page.locator(f"{LEDGER} .tpx-current [role=rowheader]")).to_have_text(re.compile(f"^{59_990:08x}-"))
