"""The whole page in a browser: real trials, what is readable without scripts, and the way from a finding to its record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kept_check import kept_check
from playwright.sync_api import Browser, BrowserContext, expect
from visits import Visit

from tailproof.reports.page.render import write

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]

SERIOUS = """async () => (await axe.run()).violations
  .filter(({impact}) => impact === 'serious' || impact === 'critical')
  .map(({id, nodes}) => [id, nodes.length, nodes[0].html.slice(0, 200)])"""
Opening = Callable[..., Visit]


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of four trials, two of them with violations, from the disk."""
    root = tmp_path_factory.mktemp("page")
    result = kept_check(["OH-1554-bad", "OH-1554-good", "OH-1832-bad", "OH-1832-good"], root)
    write(result, [root / "report.html"], root=root)
    return (root / "report.html").as_uri()


@pytest.fixture
def opening(windows: Callable[[int, str, str], BrowserContext], address: str) -> Iterator[Opening]:
    """The page in a window of its own. A script that failed, a warning or a request to anywhere fails the test."""
    visits: list[Visit] = []

    def begin(*, width: int = 1280, theme: str = "light") -> Visit:
        visits.append(Visit(windows(width, theme, "reduce"), address))
        return visits[-1]

    yield begin
    for one in visits:
        one.page.close()
        assert one.complaints == []
        assert {asked.partition("#")[0] for asked in one.requests} == {one.address}


def test_a_finding_leads_to_its_record(opening: Opening) -> None:
    visit = opening()
    page = visit.open()
    first = page.locator("#card-violated-1 .tp-evidence .tp-open").first
    record = first.get_attribute("data-record")
    first.click()
    page.locator("#tpx-timeline[data-drawn]").wait_for()
    assert visit.hash() == f"#t={first.get_attribute('data-open-trial')}&r={record}"
    expect(page.locator("#explorer")).to_contain_text(str(record))


def test_the_table_that_is_interactive_stands_in_for_the_other(opening: Opening) -> None:
    page = opening().open()
    expect(page.locator("#explorer")).to_be_visible()
    expect(page.locator("#grid")).to_be_hidden()


def test_a_command_is_copied(opening: Opening) -> None:
    page = opening().open()
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.locator("#card-violated-1 .tp-command button").click()
    page.wait_for_function("window.copied !== undefined")
    assert page.evaluate("window.copied") == page.locator("#repro-violated-1").text_content()


def test_all_is_readable_without_scripts(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    for part in ("findings", "grid", "coverage", "trials", "environment"):
        expect(page.locator(f"#{part}")).to_be_visible()
    expect(page.locator("#explorer")).to_be_hidden()
    expect(page.locator("button")).to_have_count(page.locator("button.tp-script").count())
    expect(page.locator("button").first).to_be_hidden()
    page.locator("#grid summary").click()
    expect(page.locator("#grid td").first).to_be_visible()
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_and_each_theme_has_its_ground(opening: Opening, width: int, theme: str) -> None:
    page = opening(width=width, theme=theme).open()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    by_theme = {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 17, 20)"}
    assert page.evaluate(ground) == by_theme[theme]
    other = "dark" if theme == "light" else "light"
    page.evaluate(f"document.documentElement.dataset.theme = '{other}'")
    assert page.evaluate(ground) == by_theme[other]


@pytest.mark.node
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_the_whole_page(opening: Opening, sources: Path, width: int, theme: str) -> None:
    page = opening(width=width, theme=theme).open()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    page.evaluate((sources / "node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate(SERIOUS)
    assert found == [], json.dumps(found, indent=1)


def test_what_is_printed_has_no_buttons_and_loses_nothing(opening: Opening) -> None:
    page = opening().open()
    page.emulate_media(media="print")
    expect(page.locator("#card-violated-1 .tp-says")).to_be_visible()
    expect(page.locator("#card-violated-1 .tp-evidence .tp-open").first).to_be_visible()
    expect(page.locator(".tp-script").first).to_be_hidden()
    expect(page.locator("#explorer")).to_be_hidden()
