"""The timeline of a trial in the page: jumps, zoom, marks and lanes, by keys, mouse and fingers."""

from __future__ import annotations

import re

import pytest
from island_pages import entry, index_of, trial_of
from island_trials import SPOKEN, TIMELINE, opened, place
from playwright.sync_api import expect
from visits import Visiting

pytestmark = [pytest.mark.chromium]


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


def test_a_trial_is_shown_from_where_it_is_driven_when_its_start_took_long(visit: Visiting) -> None:
    phases = [{"name": "starting", "from": 0, "to": 900}, {"name": "driving", "from": 900, "to": 1800}]
    late, index = trial_of("late", phases=phases), index_of([entry("late")])
    sight = visit(index, [late]).open("#t=late").locator(".tpx-sight")
    expect(sight).to_have_count(1)
    early = next(
        address for address, t in zip(late["records"]["address"], late["records"]["t"], strict=True) if t < 500
    )
    page = visit(index, [late]).open(f"#t=late&r={early}")
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    expect(page.locator(".tpx-sight")).to_have_count(0)


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
        re.compile(r"1\.103 s · wire:83 · frame · frame 40, \d+ bytes, message, dropped")
    )
    page.locator(TIMELINE).click(position=at)  # type: ignore[arg-type]
    assert seen.hash() == "#t=stream-lag&r=wire:83"
    page.locator(TIMELINE).hover(position=place(page, "wire.drop", 1150, 1800))  # type: ignore[arg-type]
    expect(page.locator(".tpx-tip")).to_contain_text("1.100 s to 1.240 s, 140 ms long · proven")


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
