"""What every page has, in a real browser: the theme, the keys, copy buttons."""

from typing import Any

import pytest

from whole import opened

pytestmark = pytest.mark.browser


def _paper(tab: Any) -> str:
    return str(tab.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_by_preference_until_it_is_chosen_and_stays_chosen(visit: Any, serve: Any, several: Any) -> None:
    server = serve(several)
    tab = visit("dark")
    tab.page.goto(server.url)
    dark = _paper(tab)
    button = tab.page.get_by_role("button", name="Theme: auto")
    button.click()
    light = _paper(tab)
    assert light != dark
    tab.page.get_by_role("button", name="Theme: light").wait_for()
    tab.page.goto(f"{server.local}/help")
    assert _paper(tab) == light
    assert tab.page.evaluate("() => document.documentElement.dataset.theme") == "light"
    tab.page.keyboard.press("t")
    assert _paper(tab) == dark
    tab.page.keyboard.press("t")
    tab.page.get_by_role("button", name="Theme: auto").wait_for()
    tab.page.emulate_media(color_scheme="light")
    assert _paper(tab) == light
    tab.clean()


def test_the_chart_takes_the_theme_along(visit: Any, serve: Any, several: Any) -> None:
    tab = visit("light")
    tab.page.goto(f"{serve(several).local}/runs/{opened(several).runs(timeframe='1m').items[0].run_id}")
    tab.drawn()
    canvas = tab.page.locator(".chart .canvas")
    before = canvas.screenshot()
    for _ in range(2):
        tab.page.get_by_role("button", name="Theme: ").click()
    tab.page.wait_for_timeout(300)
    assert canvas.screenshot() != before
    tab.clean()


def test_keys(visit: Any, serve: Any, several: Any) -> None:
    tab = visit()
    tab.page.goto(serve(several).url)
    tab.page.keyboard.press("/")
    assert tab.page.evaluate("() => document.activeElement.hasAttribute('data-filter')")
    tab.page.keyboard.press("?")  # a field has it
    dialog = tab.page.get_by_role("dialog", name="Keys")
    assert not dialog.is_visible()
    tab.page.locator("h1").click()
    tab.page.keyboard.press("?")
    dialog.wait_for()
    tab.check()
    tab.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    tab.page.get_by_role("link", name="Keys of this page").click()
    dialog.wait_for()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
    tab.clean()


def test_motion_is_reduced_where_that_is_preferred(visit: Any, serve: Any, several: Any) -> None:
    tab = visit()
    tab.page.goto(serve(several).url)
    moves = """() => [
      getComputedStyle(document.documentElement).scrollBehavior,
      getComputedStyle(document.querySelector("a")).transitionDuration,
    ]"""
    assert tab.page.evaluate(moves)[0] == "smooth"
    tab.page.emulate_media(reduced_motion="reduce")
    assert tab.page.evaluate(moves) == ["auto", "0s"]


def test_a_copied_text_is_said(visit: Any, serve: Any, several: Any) -> None:
    tab = visit()
    tab.page.goto(f"{serve(several).local}/strategies/ma_cross")
    tab.page.get_by_role("button", name="Copy buff run create").click()
    said = tab.page.locator("#voice")
    said.get_by_text("--strategy ma_cross").wait_for()
    tab.clean()
