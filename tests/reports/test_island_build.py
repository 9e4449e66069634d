"""The built files of the page are those of its sources, small enough, and accessible in both themes and both widths."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from island_pages import wide_index
from visits import HERE, SOURCES, Visiting, run

BUILT = ("app.js", "app.css", "third-party.txt")
MOST_BYTES = 150_000

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("name", BUILT)
def test_a_built_file_is_that_of_the_sources(sources: Path, tmp_path: Path, name: str) -> None:
    run(sources, "node", "build.js", str(tmp_path))
    assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes(), f"reports/html/{name} is stale: make page"


def test_the_sources_have_the_types_they_say(sources: Path) -> None:
    run(sources, "npm", "run", "check")


def test_the_script_is_small_and_ends_no_element() -> None:
    script = (HERE / "app.js").read_text("ascii")
    assert len(script) < MOST_BYTES
    assert "</script" not in script.lower()
    assert "<!--" not in script


def test_a_wheel_has_the_page_and_not_its_sources() -> None:
    project = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text())
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    reports = {name for name in shipped if name.startswith("reports")}
    left = {path.name for path in HERE.iterdir() if f"reports/html/{path.name}" not in reports}
    assert left - {"node_modules"} == {*SOURCES, "src", ".gitignore"}
    assert all((HERE.parent.parent / name).exists() and shipped[name] == f"tailproof/_data/{name}" for name in reports)


AXE = """async () => {
  const found = await axe.run(document.querySelector('#explorer'));
  return found.violations
    .filter(({impact}) => impact === 'serious' || impact === 'critical')
    .map(({id, nodes}) => [id, nodes.slice(0, 3).map((node) => [node.html.slice(0, 200), node.failureSummary])]);
}"""


@pytest.mark.chromium
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(visit: Visiting, sources: Path, width: int, theme: str) -> None:
    axe = (sources / "node_modules/axe-core/axe.min.js").read_text()
    found: dict[str, Any] = {}
    page = visit(width=width, theme=theme).open()
    page.evaluate(axe)
    found["grid"] = page.evaluate(AXE)
    page.get_by_role("searchbox").fill("violated")
    found["filtered grid"] = page.evaluate(AXE)
    page.get_by_role("rowheader", name="stream-lag").click()
    page.locator("#tpx-timeline[data-drawn]").wait_for()
    page.get_by_label("Selection starts").press("ArrowRight")
    page.keyboard.press("n")
    for tab in ("Ledger", "Sequence", "Faults", "Verdicts"):
        page.get_by_role("tab", name=tab).click()
        found[tab] = page.evaluate(AXE)
    assert not any(found.values()), json.dumps(found, indent=1)


@pytest.mark.chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_of_the_page(visit: Visiting, width: int) -> None:
    page = visit(wide_index(), [], width=width).open()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page = visit(width=width).open("#t=stream-lag&r=wire:83")
    page.locator("#tpx-timeline[data-drawn]").wait_for()
    for tab in ("Ledger", "Sequence", "Faults", "Verdicts"):
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth") == width, tab
