"""The journey of somebody who looks at a sweep: from the list to its map, from a cell to its run, along an axis."""

from pathlib import Path
from typing import Any

import pytest

from buff.crew import Here
from buff.store import Store
from buff.sweeps import Sweep, resume
from whole import SETTINGS, host

pytestmark = pytest.mark.browser

SAME = "(each) => each.dataset.at"


def test_from_the_list_to_a_run_and_along_an_axis(visit: Any, furnished: Any) -> None:
    place, server = furnished
    tab = visit()
    page = tab.page
    page.goto(f"{server.local}/sweeps")
    page.get_by_role("link", name=place.ids["sweep"]).click()

    # the same run is marked on the map, among the lines and in the table
    cell = page.locator(".map td a[data-at]").nth(1)
    cell.hover()
    at = cell.evaluate(SAME)
    for part in (".map a.lit", ".strands .lines .lit", ".results tr.lit"):
        assert page.locator(part).evaluate_all("(all) => all.map((each) => each.dataset.at)") == [at]
    title = cell.get_attribute("title")
    assert page.locator("[data-told]").inner_text() == title
    page.locator(".results tbody tr").first.hover()
    assert page.locator(".map a.lit").evaluate(SAME).split()[0] == "0"

    # one stop on the way through the page, arrows from cell to cell, Enter to the run
    first = page.locator(".map").first
    assert first.locator("td a[tabindex='0']").count() == 1
    first.locator("td a[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")  # nothing but what was skipped is there
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    focused = page.locator(":focus")
    address = focused.get_attribute("href")
    assert focused.evaluate("(each) => [each.closest('tr').rowIndex, each.closest('td').cellIndex]") == [2, 2]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}")
    assert "one of 10 tried" in page.locator(".tried").inner_text()
    tab.drawn()
    page.go_back()

    # a choice is drawn at once and is in the address; a drag along an axis keeps a stretch of it
    page.select_option("[name=metric]", "net_return")
    page.wait_for_url("**metric=net_return**")
    page.get_by_text("Net return, in per cent, one of 10 tried").wait_for()
    page.locator(".strands").scroll_into_view_if_needed()
    box = page.locator(".strands .axis[data-axis=fast] .hit").bounding_box()
    x, top, bottom = box["x"] + box["width"] / 2, box["y"] + 4, box["y"] + box["height"] - 4
    page.mouse.move(x, bottom)
    page.mouse.down()
    page.mouse.move(x, (top + bottom) / 2, steps=3)
    assert page.locator(".strands .lines .away").count() > 0
    page.mouse.up()
    page.wait_for_url("**from.fast=3&to.fast=3**")
    page.get_by_text("lie within").wait_for()
    assert set(page.locator(".results tbody tr td:nth-child(3)").all_inner_texts()) == {"3"}
    page.go_back()
    page.get_by_text("lie within").wait_for(state="detached")
    tab.check()


def test_a_sweep_under_way_moves_by_itself(visit: Any, furnished: Any) -> None:
    place, server = furnished
    tab = visit("dark")
    tab.page.goto(f"{server.local}/sweeps/{place.ids['begun']}")
    tab.page.get_by_text("0 of at most 2 runs are committed").wait_for()
    assert f"buff sweep --resume {place.ids['begun']}" in tab.page.locator("#progress").inner_text()
    with Store(str(place.root), host=host(), settings=SETTINGS) as store:
        done: Sweep = resume(store, place.ids["begun"], executor=Here())
    tab.page.locator("#progress .tiles").wait_for()
    assert tab.page.locator(".results tbody tr").count() == len(done.outcomes)
    tab.clean()


def test_without_scripts_the_same_is_a_form_and_links(browser: Any, furnished: Any, tmp_path: Path) -> None:
    place, server = furnished
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.local}/sweeps/{place.ids['walk']}")
    page.select_option("[name=metric]", "trades")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**metric=trades**")
    page.locator(".spans a").nth(1).click()
    page.wait_for_url("**at.window=1**")
    assert "Held at window 2" in page.locator("#look").inner_text()
    page.locator(".results thead a").nth(3).click()
    page.wait_for_url("**sort=window**")
    page.locator(".strands .lines a").first.dispatch_event("click")
    context.close()
