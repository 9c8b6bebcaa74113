"""The page of a run in a real browser: the chart, the tables and the stories move together, and the address says where.

The root `several` has a run of 2,880 minutes, which are drawn as candles of 5 minutes until one looks closer.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from visits import SCHEMES, Visit
from whole import make, opened

pytestmark = pytest.mark.browser


@pytest.fixture
def minutes_page(visit: Any, serve: Any, several: Any) -> Callable[..., Visit]:
    """A function that opens the page of the run of minutes."""
    run_id = opened(several).runs(timeframe="1m").items[0].run_id
    url = serve(several).local

    def at(query: str = "", **options: Any) -> Visit:
        tab: Visit = visit(**options)
        tab.page.goto(f"{url}/runs/{run_id}{query}")
        tab.drawn()
        return tab

    return at


PRICES_PX = 80  # the scale at the right
POINTING = "() => [...document.querySelectorAll('.canvas *')].some((each) => each.style.cursor === 'pointer')"


def _bucket(tab: Visit, timeframe: str) -> None:
    tab.page.locator(f".chart[data-bucket='{timeframe}']").wait_for()


def _canvas(tab: Visit) -> dict[str, float]:
    """Bring the chart into sight, and return where it is."""
    tab.page.evaluate("() => document.querySelector('.chart').scrollIntoView({ behavior: 'instant' })")
    box: dict[str, float] = tab.page.locator(".chart .canvas").bounding_box()
    return box


def _address(tab: Visit, *, has: str) -> dict[str, str]:
    tab.page.wait_for_url(re.compile(rf"[?&]{has}="))
    return {name: values[0] for name, values in parse_qs(urlsplit(tab.page.url).query).items()}


def _story(tab: Visit, title: str) -> None:
    tab.page.locator("#story").get_by_role("heading", name=title).wait_for()


def test_zooming_in_reads_finer_bars_and_all_goes_back(minutes_page: Callable[..., Visit]) -> None:
    tab = minutes_page()
    note, legend = tab.page.locator("[data-note]"), tab.page.locator(".legend")
    assert note.inner_text().startswith("Candles of 5m stand for bars of 1m.")
    whole = legend.inner_text()
    tab.page.locator(".chart").get_by_role("button", name="Zoom in").focus()
    with tab.page.expect_response(lambda answer: "/bars?from=" in answer.url):
        for _ in range(6):
            tab.page.keyboard.press("Enter")
    _bucket(tab, "1m")
    assert note.inner_text().startswith("Every bar of 1m.")
    place = _address(tab, has="from")
    assert place["from"] < place["to"]
    tab.page.keyboard.press("0")
    _bucket(tab, "5m")
    tab.page.wait_for_url(re.compile(r"/runs/run_[0-9a-f]+$"))
    assert legend.inner_text() == whole
    tab.clean()


def test_the_wheel_zooms_to_where_the_pointer_is(minutes_page: Callable[..., Visit]) -> None:
    tab = minutes_page()
    box = _canvas(tab)
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    for _ in range(24):
        tab.page.mouse.wheel(0, -240)
    _bucket(tab, "1m")
    place = _address(tab, has="from")
    assert place["from"].startswith("2024-01-0")
    tab.clean()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_find_a_trade_and_read_why(minutes_page: Callable[..., Visit], scheme: str) -> None:
    """From the table, by arrow keys, by n and p, and from the address of the place."""
    tab = minutes_page(scheme=scheme)
    page = tab.page
    page.get_by_role("link", name="Trade 3", exact=True).click()
    _story(tab, "Trade 3: ")
    assert page.locator("tr[aria-current]").get_attribute("id") == "trade-3"
    _bucket(tab, "1m")  # the chart went there
    assert _address(tab, has="trade")["trade"] == "3"
    page.keyboard.press("ArrowDown")
    _story(tab, "Trade 4: ")
    assert page.evaluate("() => document.activeElement.textContent") == "4"
    page.keyboard.press("n")
    _story(tab, "Trade 5: ")
    page.keyboard.press("p")
    _story(tab, "Trade 4: ")
    page.locator("#story").get_by_role("link", name="Next").click()
    _story(tab, "Trade 5: ")
    page.get_by_text("The sums again").click()
    assert page.locator("#story").get_by_role("rowheader", name="quantity").is_visible()
    page.wait_for_url(re.compile(r"from=.*trade=5"))
    page.locator(".chart:not([data-busy])").wait_for()
    tab.check()
    other = minutes_page("?" + urlsplit(page.url).query, scheme=scheme)
    _story(other, "Trade 5: ")
    assert other.page.locator("tr[aria-current]").first.get_attribute("id") == "trade-5"
    _bucket(other, "1m")
    other.clean()


def test_a_trade_on_another_page_of_the_table_is_fetched(minutes_page: Callable[..., Visit]) -> None:
    tab = minutes_page("?trade=99")
    assert tab.page.locator("#trade-99[aria-current]").is_visible()
    tab.page.keyboard.press("n")
    _story(tab, "Trade 100: ")
    assert tab.page.locator("#trade-100[aria-current]").is_visible()
    tab.page.locator("nav", has_text="101–").get_by_role("link", name="Previous").click()
    tab.page.locator("#trade-0").wait_for()
    tab.clean()


def test_the_chart_leads_to_the_decisions_and_decisions_to_the_chart(minutes_page: Callable[..., Visit]) -> None:
    tab = minutes_page("?from=2024-01-01T10:00:00Z&to=2024-01-01T14:00:00Z")
    page = tab.page
    box = _canvas(tab)
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.72)  # on the equity
    page.locator("tr[data-bar][aria-current]").wait_for()
    bar = int(page.locator("tr[data-bar][aria-current]").get_attribute("data-bar"))
    assert 600 < bar < 840
    _story(tab, f"Bar {bar}")
    page.get_by_role("link", name=f"Bar {bar + 1}", exact=True).click()
    _story(tab, f"Bar {bar + 1}")
    page.keyboard.press("ArrowUp")
    _story(tab, f"Bar {bar}")
    assert _address(tab, has="bar")["bar"] == str(bar)
    page.get_by_role("link", name="Later →").click()
    page.locator(f"#bar-{bar + 100}").wait_for()
    tab.clean()


def test_a_click_on_a_trade_of_the_chart_tells_its_story(minutes_page: Callable[..., Visit], several: Any) -> None:
    store = opened(several)
    trade = store.run(store.runs(timeframe="1m").items[0].run_id).trades[20]
    first = datetime.fromisoformat(trade["entry"]["ts"])
    window = [(first + timedelta(minutes=by)).isoformat().replace("+00:00", "Z") for by in (-30, 90)]
    tab = minutes_page(f"?from={window[0]}&to={window[1]}")
    page = tab.page
    page.locator(".chart:not([data-busy])").wait_for()
    box = _canvas(tab)
    x = box["x"] + (box["width"] - PRICES_PX) * 0.25 + 4  # a quarter of the window, in the middle of the bar
    # The pointer changes over a triangle or a dot; where it is in height depends on the prices in sight.
    for y in range(30, int(box["height"] * 0.55), 4):
        page.mouse.move(x, box["y"] + y)
        if page.evaluate(POINTING):
            page.mouse.click(x, box["y"] + y)
            break
    page.locator("tr[data-trade][aria-current]").wait_for()
    chosen = page.locator("tr[data-trade][aria-current]").get_attribute("data-trade")
    assert chosen in ("19", "20")  # where one is left, the next may be entered
    _story(tab, f"Trade {chosen}: ")
    tab.clean()


def test_a_run_is_verified_and_annotated_from_its_page(minutes_page: Callable[..., Visit]) -> None:
    tab = minutes_page()
    page = tab.page
    page.get_by_role("button", name="Verify", exact=True).click()
    page.get_by_text("Verified just now: identical.").wait_for()
    page.get_by_role("button", name="Edit name, tags, notes").click()
    page.get_by_label("Name").fill("<i>The minutes</i>")
    page.get_by_label("Tags").fill("fine, looked_at")
    page.get_by_label("Notes").fill("Both sides.")
    tab.check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("<i>The minutes</i>", exact=True).first.wait_for()
    assert page.get_by_role("link", name="looked_at").is_visible()
    assert page.locator(".badge", has_text="verified").is_visible()
    tab.clean()


def test_a_narrow_screen_shows_all_of_it_without_moving_sideways(minutes_page: Callable[..., Visit]) -> None:
    tab = minutes_page("?trade=3", width=390)
    tab.page.locator(".chart:not([data-busy])").wait_for()
    assert tab.page.locator("#story").get_by_role("heading", name="Trade 3: ").is_visible()
    tab.check()


def test_a_source_with_a_long_name_does_not_push_a_narrow_page_wide(
    visit: Any, serve: Any, tmp_path: Path, minutes: Path
) -> None:
    """An upload is named by its hash: 64 letters without a place to break."""
    named = tmp_path / f"{'0123456789abcdef' * 4}.csv"
    named.write_bytes(minutes.read_bytes())
    run_id = make(tmp_path / "root", named).run.id
    tab = visit(width=390)
    tab.page.goto(f"{serve(tmp_path / 'root').local}/runs/{run_id}")
    tab.drawn()
    facts = tab.page.locator(".facts dd", has_text=named.name)
    assert facts.first.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    assert facts.first.evaluate("(each) => each.getBoundingClientRect().right <= window.innerWidth")
    tab.clean()


def test_a_server_that_goes_away_is_told_and_what_is_drawn_stays(visit: Any, serve: Any, several: Any) -> None:
    server = serve(several)
    tab = visit()
    tab.page.goto(f"{server.local}/runs/{opened(several).runs(timeframe='1m').items[0].run_id}")
    tab.drawn()
    tab.page.locator(".chart:not([data-busy])").wait_for()
    server.end()
    for _ in range(6):
        tab.page.keyboard.press("+")
    tab.page.get_by_text("Finer data could not be read.").wait_for()
    assert tab.page.locator(".chart[data-state='drawn']").count() == 1
