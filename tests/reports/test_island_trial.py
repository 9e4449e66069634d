"""A trial in the page: its address, the timeline, the ledger, the messages, the faults and the verdicts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from island_pages import HOSTILE, entry, index_of, small_report, trial_of
from playwright.sync_api import Locator, Page, expect
from visits import Visit, Visiting

pytestmark = [pytest.mark.chromium]

TIMELINE = "#tpx-timeline"
LEDGER = "#tpx-ledger"
SPOKEN = "[aria-live=polite]"
MARGIN_PX = 10  # as in chart.ts


def opened(visit: Visiting, fragment: str = "#t=stream-lag", **how: Any) -> tuple[Visit, Page]:
    seen = visit(**how)
    page = seen.open(fragment)
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    return seen, page


def place(page: Page, lane: str, t: float, until: float) -> dict[str, float]:
    """Where a moment of a lane is on the canvas, when all of the time is in sight."""
    box = page.locator(TIMELINE).bounding_box()
    label = page.locator(".tpx-lanes span", has_text=re.compile(f"^{lane}$")).bounding_box()
    assert box is not None
    assert label is not None
    x = MARGIN_PX + t / until * (box["width"] - 2 * MARGIN_PX)
    return {"x": x, "y": label["y"] + label["height"] / 2 - box["y"]}


def events(page: Page) -> Locator:
    return page.locator(f"{LEDGER} [role=rowheader]")


# -- the address ----------------------------------------------------------------------------------------------------------


def test_an_address_opens_a_trial_at_a_record(visit: Visiting) -> None:
    _, page = opened(visit, "#t=stream-lag&r=wire:85")
    expect(page.locator(".tpx-looked")).to_contain_text("wire, down 1,123 ms · wire:85 · frame · frame 41")
    expect(page.locator(".tpx-command code")).to_have_text("tailproof show histories/stream-lag wire:85")
    expect(page.locator(TIMELINE)).to_be_focused()
    expect(page.locator(SPOKEN)).to_contain_text("evidence 2 of 4: wire, down, 1,123 ms · wire:85")
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


# -- the timeline ---------------------------------------------------------------------------------------------------------


def test_n_and_p_go_round_the_evidence(visit: Visiting) -> None:
    seen, page = opened(visit)
    went = []
    for key in ("n", "n", "p", "p", "p", "n"):
        page.keyboard.press(key)
        went.append(seen.hash().partition("r=")[2])
        expect(page.locator(SPOKEN)).to_contain_text(went[-1])
    assert went == ["wire:83", "wire:85", "wire:83", "wire:89", "wire:87", "wire:89"]
    expect(page.locator(TIMELINE)).to_be_focused()


def test_letters_that_are_typed_are_no_jumps(visit: Visiting) -> None:
    seen, page = opened(visit, static='<p><input aria-label="name"></p>')
    page.get_by_label("name").press_sequentially("np")
    expect(page.get_by_label("name")).to_have_value("np")
    assert seen.hash() == "#t=stream-lag"


def test_a_trial_without_a_violation_has_no_evidence(visit: Visiting) -> None:
    _, page = opened(visit, "#t=calm")
    expect(page.get_by_text("no evidence of a violation")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator(SPOKEN)).to_have_text("no record of this trial is evidence of a violation")


def test_keys_step_through_a_lane_and_over_to_others(visit: Visiting) -> None:
    seen, page = opened(visit, "#t=stream-lag&r=wire:83")
    went = []
    for key in ("j", "k", "k", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        went.append(seen.hash().partition("r=")[2])
    assert went == ["wire:85", "wire:83", "wire:81", "observer:80", "wire:81"]


def test_zoom_by_buttons_keys_and_wheel(visit: Visiting) -> None:
    _, page = opened(visit)
    sight = page.locator(".tpx-sight")
    expect(sight).to_have_count(0)

    def width() -> float:
        box = sight.bounding_box()
        assert box is not None
        return box["width"]

    page.get_by_role("button", name="Zoom in").click()
    once = width()
    page.locator(TIMELINE).focus()
    page.keyboard.press("+")
    assert width() < once
    page.keyboard.press("-")
    assert width() == pytest.approx(once)
    before = sight.bounding_box()
    page.keyboard.press("ArrowRight")
    after = sight.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] > before["x"]
    page.keyboard.press("0")
    expect(sight).to_have_count(0)
    page.locator(TIMELINE).hover(position=place(page, "observer", 800, 1800))  # type: ignore[arg-type]
    page.mouse.wheel(0, -100)
    expect(sight).to_have_count(0)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(sight).to_have_count(1)


def test_zoom_is_animated_unless_motion_is_reduced(visit: Visiting) -> None:
    steps = """async () => {
      const seen = new Set(), end = performance.now() + 400;
      document.querySelector('[aria-label="Zoom in"]').click();
      while (performance.now() < end) {
        await new Promise(requestAnimationFrame);
        seen.add(document.querySelector('.tpx-sight')?.style.width);
      }
      seen.delete(undefined);
      return seen.size;
    }"""
    _, still = opened(visit)
    assert still.evaluate(steps) == 1
    _, moving = opened(visit, motion="no-preference")
    assert moving.evaluate(steps) > 1


def test_two_fingers_zoom_and_one_moves_the_timeline_or_scrolls_the_page(visit: Visiting) -> None:
    _, page = opened(visit, width=390)
    devtools = page.context.new_cdp_session(page)
    page.locator(TIMELINE).evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    box = page.locator(TIMELINE).bounding_box()
    assert box is not None
    x, y = box["x"] + 100, box["y"] + 300

    def fingers(*paths: list[tuple[float, float]]) -> None:
        for number, places in enumerate(zip(*paths, strict=True)):
            kind = "touchMove" if number else "touchStart"
            points = [{"x": x + dx, "y": y + dy, "id": id} for id, (dx, dy) in enumerate(places)]
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def left() -> float:
        return float(page.locator(".tpx-sight").evaluate("sight => parseFloat(sight.style.left)"))

    fingers([(-step, 0) for step in range(0, 40, 5)], [(40 + step, 0) for step in range(0, 40, 5)])
    expect(page.locator(".tpx-sight")).to_have_count(1)
    zoomed, scrolled = left(), page.evaluate("scrollY")
    fingers([(-step, 0) for step in range(0, 80, 8)])
    moved = left()
    assert moved > zoomed
    assert page.evaluate("scrollY") == scrolled
    fingers([(0, -step) for step in range(0, 160, 8)])
    page.wait_for_function("before => scrollY > before", arg=scrolled)
    assert left() == moved


def test_a_mark_says_its_record_and_is_written_to_the_address(visit: Visiting) -> None:
    seen, page = opened(visit)
    at = place(page, "wire, down", 1103, 1800)
    page.locator(TIMELINE).hover(position=at)  # type: ignore[arg-type]
    expect(page.locator(".tpx-tip")).to_contain_text(
        re.compile(r"1,103 ms · wire:83 · frame · frame 40, \d+ bytes, message, dropped")
    )
    page.locator(TIMELINE).click(position=at)  # type: ignore[arg-type]
    assert seen.hash() == "#t=stream-lag&r=wire:83"
    page.locator(TIMELINE).hover(position=place(page, "wire.drop", 1150, 1800))  # type: ignore[arg-type]
    expect(page.locator(".tpx-tip")).to_contain_text("1,100 ms to 1,240 ms, 140 ms long · proven")


def test_marks_that_are_close_are_one_with_a_count(visit: Visiting) -> None:
    trial = trial_of("many", events=6000)
    page = visit(index_of([entry("many")]), [trial]).open("#t=many")
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    page.locator(TIMELINE).hover(position=place(page, "observer", 60_000, trial["duration_ms"]))  # type: ignore[arg-type]
    expect(page.locator(".tpx-tip")).to_contain_text(re.compile(r"^\d+ records within \d+ ms"))
    expect(page.locator(".tpx-tip")).to_contain_text(re.compile(r"and \d+ more records: zoom in$"))


def test_every_thing_has_its_lane(visit: Visiting) -> None:
    _, page = opened(visit)
    assert page.locator(".tpx-lanes span").all_text_contents() == [
        "Phases", "wire.drop", "process.kill", "user.message", "Server lives", "REST status", "Stream status",
        "client", "wire, up", "wire, down", "observer", "REST", "model", "tools", "server", "disk",
    ]  # fmt: skip


# -- the ledger -----------------------------------------------------------------------------------------------------------


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
    trial["ledger"]["at"][1] = trial["ledger"]["at"][4] = None
    page = visit(index_of([entry("cut")]), [trial]).open("#t=cut")
    rows = page.locator(f"{LEDGER} .tpx-body [role=row]")
    said = [[row.locator(f"[data-column='{column}']").inner_text() for column in (3, 4)] for row in rows.all()]
    assert said == [["1", "300 ms"], ["2", "unseen"], ["900", "340 ms"], ["901", "360 ms"], ["–", "not in the log"]]
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
    expect(start).to_have_attribute("aria-valuetext", "198 ms")
    expect(end).to_have_attribute("aria-valuetext", "1,620 ms")
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
    expect(page.locator(f"{LEDGER} [data-row='59999'][data-column='9']")).to_be_focused()
    page.keyboard.press("n")
    expect(page.locator(f"{LEDGER} .tpx-current [role=rowheader]")).to_have_text(re.compile(f"^{59_990:08x}-"))


# -- beside it ------------------------------------------------------------------------------------------------------------


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
    said = [text.split(" ms", 1)[1] for text in rows.all_inner_texts()]
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
    expect(chosen).to_be_in_viewport()


def test_a_trial_without_messages_has_no_sequence(visit: Visiting) -> None:
    _, page = opened(visit, "#t=calm")
    assert page.get_by_role("tab").all_inner_texts() == ["Ledger 60", "Faults 0", "Verdicts 7"]


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
