"""The page's address opens a trial at a record, follows what is looked at, and goes back the way it came."""

from __future__ import annotations

import re

import pytest
from island_pages import small_report
from island_trials import LEDGER, SPOKEN, TIMELINE, opened
from playwright.sync_api import expect
from visits import Visiting

pytestmark = [pytest.mark.chromium]


def test_an_address_opens_a_trial_at_a_record(visit: Visiting) -> None:
    _, page = opened(visit, "#t=stream-lag&r=wire:85")
    expect(page.locator(".tpx-looked")).to_contain_text("wire, down 1.123 s · wire:85 · frame · frame 41")
    expect(page.locator(".tpx-command code")).to_have_text("tailproof show histories/stream-lag wire:85")
    expect(page.locator(TIMELINE)).to_be_focused()
    expect(page.locator(SPOKEN)).to_contain_text("evidence 2 of 4: wire, down, 1.123 s · wire:85")
    expect(page.locator(f"{LEDGER} .tpx-current [role=rowheader]")).to_have_text(re.compile("^00000029-"))


def test_the_back_button_goes_the_way_back(visit: Visiting) -> None:
    seen = visit()
    page = seen.open()
    page.get_by_role("rowheader", name="calm").click()
    page.get_by_role("link", name="Every verdict").click()
    page.get_by_role("rowheader", name="stream-lag").click()
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    page.keyboard.press("n")
    assert seen.hash() == "#t=stream-lag&r=wire:83"
    page.go_back()
    expect(page.locator("#tpx-grid")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="calm", exact=True)).to_be_visible()
    page.go_forward()
    page.go_forward()
    expect(page.locator(".tpx-looked")).to_contain_text("wire:83")


@pytest.mark.parametrize(
    ("fragment", "says"),
    [
        ("#t=nonesuch", "This report has no trial “nonesuch”."),
        ("#t=%3Cimg%20src=x%3E", "This report has no trial “<img src=x>”."),
        ("#t=oom-tool&r=wire:4", "tailproof show histories/oom-tool wire:4"),
        ("#t=disk-full", "the harness failed: the wire did not start"),
        ("#t=stream-lag&r=wire:9999", "The record wire:9999 is not in this page."),
        ("#t=kill-late", "500 quiet records between 400 ms and 900 ms were left out."),
    ],
)
def test_what_is_not_here_is_said(visit: Visiting, fragment: str, says: str) -> None:
    page = visit().open(fragment)
    expect(page.locator("#explorer")).to_contain_text(says)


def test_data_that_cannot_be_read_is_said(visit: Visiting) -> None:
    index, trials = small_report()
    static = '<script type="text/plain" class="tp-trial" data-key="oom-tool">H4sIAAAAAAAA</script>'
    page = visit(index, trials, static=static).open("#t=oom-tool")
    expect(page.get_by_role("status")).to_contain_text("The data of this trial cannot be read here:")


def test_from_a_link_of_the_page_to_a_record_and_back_by_keys_alone(visit: Visiting) -> None:
    link = (
        '<a href="#t=stream-lag&amp;r=wire:83" data-open-trial="stream-lag" data-record="wire:83">show in timeline</a>'
    )
    seen = visit(static=f"<p>{link}</p>")
    page = seen.open()
    page.keyboard.press("Tab")
    assert seen.focused() == "show in timeline"
    page.keyboard.press("Enter")
    expect(page.locator(TIMELINE)).to_be_focused()
    page.keyboard.press("n")
    expect(page.locator(".tpx-looked")).to_contain_text("wire:85")
    page.keyboard.press("Escape")
    expect(page.get_by_text("show in timeline")).to_be_focused()


def test_a_place_in_the_page_is_not_a_trial(visit: Visiting) -> None:
    _, page = opened(visit, static='<p><a href="#there">there</a></p><p id="there">here</p>')
    page.get_by_text("there", exact=True).click()
    expect(page.locator("#tpx-grid")).to_be_visible()
