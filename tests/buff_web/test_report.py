"""The page that `buff run export` writes, opened from disk in a real browser: alone, readable, and quiet."""

from pathlib import Path
from typing import Any

import pytest

from wild import wild_run

pytestmark = pytest.mark.browser
A4_PX = 718  # 210 mm less two margins of 1 cm, at 96 pixels an inch


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 420])
def test_a_page_from_disk_keeps_its_policy_and_its_contrast(
    browser: Any, tmp_path: Path, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = tmp_path / "run.html"
    page.write_text("".join(wild_run(tmp_path, 2).report()), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    tab, said = context.new_page(), []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("request", lambda request: said.append(request.url))
    tab.goto(page.as_uri())
    assert said == [page.as_uri()], "nothing is loaded, nothing is refused"
    assert tab.evaluate("() => getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    assert tab.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    curve = tab.evaluate("() => document.querySelector('svg .equity').getBoundingClientRect().toJSON()")
    assert curve["width"] > 0.6 * width
    assert curve["height"] > 20
    found = Axe().run(tab).response["violations"]
    assert [f"{each['id']}: {each['nodes'][0]['html']}" for each in found] == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_it_is_dark_on_white_and_no_column_is_cut(browser: Any, tmp_path: Path, scheme: str) -> None:
    page = tmp_path / "run.html"
    run = wild_run(tmp_path, 2)
    page.write_text("".join(run.report()), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": A4_PX, "height": 1000})
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.emulate_media(media="print", color_scheme=scheme)
    paper, ink = tab.evaluate(
        "() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert paper == "rgb(255, 255, 255)"
    assert max(map(int, ink[4:-1].split(","))) < 64
    assert len(run.trades) > 2
    ends = tab.evaluate(
        "() => [...document.querySelectorAll('td, pre, svg')].map(e => e.getBoundingClientRect().right)"
    )
    assert max(ends) <= A4_PX
    context.close()


def test_without_scripts_nothing_is_missing(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    run = wild_run(tmp_path, 2)
    page.write_text("".join(run.report()), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page.as_uri())
    assert tab.locator("table").count() > 5
    assert tab.get_by_text(run.manifest["inputs_hash"]).is_visible()
    assert tab.locator("svg").count() == 3
    context.close()
