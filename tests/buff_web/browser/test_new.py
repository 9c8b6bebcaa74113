"""The journeys of somebody who makes runs in a browser: a first one, a refused file, a duplicate, without a mouse."""

from pathlib import Path
from typing import Any

import pytest

from buff import admission
from visits import SCHEMES
from whole import opened

pytestmark = pytest.mark.browser


@pytest.fixture
def making(serve: Any, tmp_path: Path) -> Any:
    """A server over an empty root that lets runs be made."""
    root = tmp_path / "runs"
    root.mkdir()
    return serve(root, "--create")


def choose(page: Any, making: Any, csv: Path) -> None:
    page.goto(f"{making.local}/runs/new")
    page.set_input_files("#file", str(csv))
    page.wait_for_url("**/runs/new?upload=*")
    page.locator("#preview:not([data-looking]) dl").wait_for()


def fill(page: Any, *, level: int = 3) -> None:
    page.fill("[name=symbol]", "BTCUSDT")
    page.check(f"[name=risk_level][value='{level}']")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_first_run_from_a_file(visit: Any, making: Any, minutes: Path, scheme: str) -> None:
    tab = visit(scheme)
    page = tab.page
    page.goto(f"{making.local}/runs/new")
    tab.check()
    choose(page, making, minutes)
    assert "can be read so" in page.locator("#preview").inner_text()
    tab.check()
    fill(page)
    page.select_option("[name=strategy]", "donchian_breakout")
    page.fill("[name='p.entry']", "12")
    page.get_by_role("button", name="Create the run").click()
    page.wait_for_url("**/builds/bld_*")
    page.wait_for_url("**/runs/run_*")
    tab.drawn()
    assert "donchian_breakout" in page.locator("h1").inner_text()
    assert "entry=12" in page.locator("h1").inner_text()
    page.goto(f"{making.local}/builds")
    assert page.locator("tbody tr").count() == 1
    tab.check()


def test_a_refused_file_is_corrected_and_nothing_typed_is_lost(visit: Any, making: Any, minutes: Path) -> None:
    naive = minutes.with_name("naive.csv")
    naive.write_text(minutes.read_text().replace("Z,", ","))
    tab = visit()
    page = tab.page
    choose(page, making, naive)
    fill(page, level=2)
    page.fill("[name=notes]", "kept")
    page.get_by_role("button", name="Create the run").click()
    failure = page.locator("#failure")
    failure.wait_for()
    assert "DATA_INVALID" in failure.inner_text()
    assert "TIMEZONE" in failure.inner_text()
    tab.check()
    page.get_by_role("link", name="Change the request").click()
    page.locator("#preview .care").wait_for()
    assert page.input_value("[name=notes]") == "kept"
    assert page.is_checked("[name=risk_level][value='2']")
    page.get_by_role("link", name="Read it so").click()
    page.locator("#preview .care.good").wait_for()
    assert page.input_value("[name=timezone]") == "UTC"
    assert page.input_value("[name=notes]") == "kept"
    page.get_by_role("button", name="Create the run").click()
    page.wait_for_url("**/runs/run_*")
    tab.clean()


def test_a_reading_is_tried_as_it_is_chosen(visit: Any, making: Any, minutes: Path) -> None:
    tab = visit()
    choose(tab.page, making, minutes)
    tab.page.select_option("[name=base_timeframe]", "1h")
    tab.page.locator("#preview .wrong").wait_for()
    assert "base_timeframe=1h" in tab.page.url
    tab.page.select_option("[name=base_timeframe]", "1m")
    tab.page.locator("#preview .care.good").wait_for()
    tab.clean()


def test_the_same_again_says_so_and_leads_to_the_run(visit: Any, making: Any, minutes: Path) -> None:
    tab = visit()
    page = tab.page
    for _ in range(2):
        choose(page, making, minutes)
        fill(page)
        page.get_by_role("button", name="Create the run").click()
        page.locator("text=This run exists already").or_(page.locator(".chart[data-state='drawn']")).wait_for()
    page.get_by_role("link", name="Open run_").click()
    page.wait_for_url("**/runs/run_*")
    dataset = f"{making.local}/runs/new"
    page.goto(dataset)
    page.get_by_role("button", name="Take these").click()
    page.check("[name=risk_level][value='3']")
    page.get_by_role("button", name="Create the run").click()
    page.get_by_role("link", name="Open run_").click()
    page.wait_for_url("**/runs/run_*")
    tab.clean()


def test_what_is_refused_at_once_is_marked_in_the_form(visit: Any, making: Any, minutes: Path) -> None:
    tab = visit()
    page = tab.page
    choose(page, making, minutes)
    fill(page)
    page.fill("[name=start]", "yesterday")
    page.get_by_role("button", name="Create the run").click()
    refused = page.locator("[aria-invalid=true]")
    refused.wait_for()
    assert refused.get_attribute("name") == "start"
    assert page.input_value("[name=symbol]") == "BTCUSDT"
    assert "RUN_CONFIG_INVALID" in page.locator("#refused").inner_text()
    assert tab.accessibility() == []


def test_without_a_mouse(visit: Any, making: Any, minutes: Path) -> None:
    tab = visit()
    page = tab.page
    choose(page, making, minutes)
    page.locator("[name=symbol]").focus()
    page.keyboard.type("BTCUSDT")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.name") == "risk_level":
            break
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    assert page.is_checked("[name=risk_level][value='2']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/run_*")
    tab.drawn()
    tab.clean()


def test_without_scripts(browser: Any, making: Any, minutes: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{making.local}/runs/new")
    page.set_input_files("#file", str(minutes))
    page.get_by_role("button", name="Look at it").click()
    assert "can be read so" in page.locator("#preview").inner_text()
    fill(page)
    page.select_option("[name=strategy]", "macd")
    page.get_by_role("button", name="Show its parameters").click()
    assert page.locator("[name='p.signal']").count() == 1
    assert page.input_value("[name=symbol]") == "BTCUSDT"
    page.get_by_role("button", name="Create the run").click()
    page.get_by_role("link", name="Open run_").click(timeout=30_000)
    assert "macd" in page.locator("h1").inner_text()
    context.close()


def test_a_narrow_screen(visit: Any, making: Any, minutes: Path) -> None:
    tab = visit(width=390)
    choose(tab.page, making, minutes)
    tab.check()


def test_a_build_is_cancelled_and_tried_again(visit: Any, serve: Any, minutes: Path, tmp_path: Path) -> None:
    root = tmp_path / "busy"
    root.mkdir()
    with opened(root) as store:
        admission.take(store, "run")  # the only place, so that builds wait
        making = serve(root, "--create", env={"BUFF_BUILDS_MAX": "1"})
        _cancel_and_try_again(visit(), making, minutes)


def _cancel_and_try_again(tab: Any, making: Any, minutes: Path) -> None:
    page = tab.page
    choose(page, making, minutes)
    fill(page)
    page.get_by_role("button", name="Create the run").click()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#failure").wait_for()
    assert "BUILD_CANCELLED" in page.locator("#failure").inner_text()
    page.get_by_role("button", name="Try the same again").click()
    page.locator(".steps .queued[aria-current]").wait_for()
    assert "once more after" in page.locator(".said").inner_text()
    tab.check()


def test_creating_is_off_unless_it_was_turned_on(visit: Any, serve: Any, several: Path) -> None:
    server = serve(several)
    tab = visit()
    tab.page.goto(f"{server.local}/runs/new")
    assert "CREATION_DISABLED" in tab.page.locator("main").inner_text()
    assert tab.page.get_by_role("link", name="New run").count() == 0
