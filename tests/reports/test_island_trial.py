"""What stands beside the timeline of a trial: messages, faults, verdicts, and what is copied."""

from __future__ import annotations

import re

import pytest
from island_pages import HOSTILE, entry, index_of, trial_of
from island_trials import SPOKEN, TIMELINE, opened, place
from playwright.sync_api import expect
from visits import Visiting

pytestmark = [pytest.mark.chromium]


def test_quiet_messages_are_folded_until_somebody_looks(visit: Visiting) -> None:
    calls = [
        {
            "from": "server",
            "to": "client",
            "t": 300.0 + i,
            "says": f"event {i}",
            "address": f"wire:{i}",
            "flag": int(i == 8),
        }
        for i in range(12)
    ]
    trial = trial_of("talk", sequence=calls)
    page = visit(index_of([entry("talk")]), [trial]).open("#t=talk")
    page.get_by_role("tab", name="Sequence").click()
    rows = page.locator("#tpx-sequence .tpx-body [role=row]")
    said = [text.split(" s", 1)[1] for text in rows.all_inner_texts()]
    assert [re.sub(r"\s+", " ", text).strip(" ⋯") for text in said] == [
        "event 0 wire:0",
        "7 quiet messages within 6 ms: Enter shows them",
        "✗ event 8 wire:8",
        "event 9 wire:9",
        "2 quiet messages within 1 ms: Enter shows them",
    ]
    rows.nth(1).locator("[data-column='2']").focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(11)


def test_the_chosen_record_is_found_among_the_messages(visit: Visiting) -> None:
    _, page = opened(visit, "#t=stream-lag&r=wire:83")
    page.get_by_role("tab", name="Sequence").click()
    chosen = page.locator("#tpx-sequence .tpx-current")
    expect(chosen).to_contain_text("✗ message 40 wire:83")
    # Where the page itself stands depends on what was scrolled last: that the table shows the row is what counts.
    page.wait_for_function(
        """() => {
            const box = document.querySelector("#tpx-sequence").getBoundingClientRect();
            const row = document.querySelector("#tpx-sequence .tpx-current").getBoundingClientRect();
            return box.top <= row.top && row.bottom <= box.bottom;
        }"""
    )


def test_a_trial_without_messages_has_no_sequence(visit: Visiting) -> None:
    _, page = opened(visit, "#t=calm")
    assert page.get_by_role("tab").all_inner_texts() == ["Ledger 60", "Faults, acts 0", "Verdicts 7"]


def test_tabs_are_moved_by_arrow_keys(visit: Visiting) -> None:
    _, page = opened(visit)
    page.get_by_role("tab", name="Ledger").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Sequence")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("tabpanel")).to_contain_text("the client lacks 4 of the last 10 events of the log")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Ledger")).to_have_attribute("aria-selected", "true")


def test_a_fault_shows_the_counters_that_prove_it_and_who_keeps_them(visit: Visiting) -> None:
    _, page = opened(visit)
    page.get_by_role("tab", name="Faults").click()
    proof = page.get_by_role("region", name="fault tail")
    assert proof.locator("tbody tr").all_inner_texts() == [
        "frames dropped\t0\t4\twire",
        "bytes dropped\t0\t1 812\twire",
    ]
    expect(proof).to_contain_text("✓ proven")
    expect(page.get_by_role("region", name="fault late")).to_contain_text("? not proven")
    expect(page.get_by_role("region", name="fault late")).to_contain_text("never injected")


def test_the_evidence_of_a_violation_is_one_press_away(visit: Visiting) -> None:
    seen, page = opened(visit)
    page.locator(".tpx-violations").get_by_role("button", name="wire:87").click()
    assert seen.hash() == "#t=stream-lag&r=wire:87"


def test_a_known_violation_is_none_that_closes_the_gate(visit: Visiting) -> None:
    known = trial_of("stream-lag", events=40, losing=range(30, 34))
    known["violations"][0]["known"] = "the tail is cut (BUGS.md, TP-1)"
    index = index_of([entry("stream-lag", {"events.tail": ("known", "lost-tail", "wire:87")})])
    page = visit(index, [known]).open("#t=stream-lag")
    box = page.locator(".tpx-violations li")
    expect(box).to_contain_text("◐ events.tail")
    expect(box).to_contain_text("Known: the tail is cut (BUGS.md, TP-1)")
    expect(box.locator(".tpx-violated")).to_have_count(0)


def test_a_violation_that_no_event_proves_is_explained_by_its_messages_or_by_the_verdicts(visit: Visiting) -> None:
    _, page = opened(visit)
    expect(page.get_by_role("tab", name="Ledger")).to_have_attribute("aria-selected", "true")
    unproven = trial_of("stream-lag", events=40, losing=range(30, 34))
    unproven["records"]["event"] = [-1] * len(unproven["records"]["event"])
    index = index_of([entry("stream-lag", {"server.sane": ("not-applicable", "", "")})])
    page = visit(index, [unproven]).open("#t=stream-lag")
    expect(page.get_by_role("tab", name="Sequence")).to_have_attribute("aria-selected", "true")
    for message in unproven["sequence"]:
        message["flag"] = 0
    page = visit(index, [unproven]).open("#t=stream-lag")
    expect(page.get_by_role("tab", name="Verdicts")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".tpx-idle")).to_have_text("· not applicable server.sane")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_command_is_copied_and_that_is_said(visit: Visiting, allowed: bool) -> None:
    seen, page = opened(visit, "#t=stream-lag&r=wire:83", static='<p><textarea aria-label="paste here"></textarea></p>')
    page.get_by_label("paste here").fill("something else")
    page.get_by_label("paste here").press("Control+A")
    page.get_by_label("paste here").press("Control+X")
    if not allowed:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    page.locator(".tpx-looked").get_by_role("button", name="Copy").click()
    expect(page.locator(SPOKEN)).to_have_text("copied")
    page.get_by_label("paste here").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_label("paste here")).to_have_value("tailproof show histories/stream-lag wire:83")
    expect(page.locator(".tpx-looked").get_by_role("button", name="Copy", exact=True)).to_be_visible()
    assert seen.hash() == "#t=stream-lag&r=wire:83"


def test_a_button_of_the_page_copies_what_it_names(visit: Visiting) -> None:
    static = (
        '<p><code id="c1">tailproof repro X</code><button data-copy="c1">Copy command</button><textarea></textarea></p>'
    )
    page = visit(static=static).open()
    page.get_by_role("button", name="Copy command").click()
    expect(page.locator(SPOKEN)).to_have_text("copied")
    page.locator("textarea").focus()
    page.keyboard.press("Control+V")
    expect(page.locator("textarea")).to_have_value("tailproof repro X")


def test_what_a_server_says_is_text_in_a_trial(visit: Visiting) -> None:
    trial = trial_of("nasty", events=60, called=HOSTILE)
    trial["records"]["says"] = [HOSTILE for _ in trial["records"]["says"]]
    trial["ledger"]["kind"] = [HOSTILE] * 60
    for message in trial["sequence"]:
        message["says"] = HOSTILE
    for fault in trial["faults"]:
        fault["says"] = fault["name"] = fault["scope"] = HOSTILE
    page = visit(index_of([entry("nasty")]), [trial]).open("#t=nasty&r=wire:83")
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    for tab in ("Ledger", "Sequence", "Faults", "Verdicts"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel")).to_contain_text("</script><img src=x")
    page.locator(TIMELINE).hover(position=place(page, "observer", 1103, 1800))  # type: ignore[arg-type]
    expect(page.locator(".tpx-tip")).to_contain_text("</script><img src=x")
    assert page.evaluate("window.broken") is None
    assert page.locator("#explorer img, #explorer script").count() == 0
