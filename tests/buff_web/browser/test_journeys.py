"""The journeys of somebody who works with runs in a browser, from the list on.

How a first run is made, a refused file corrected and the same asked for twice is in `test_new.py`; how a trade is found
and read is in `test_run.py`.
"""

import os
import re
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from buff.crew import Here
from buff.staging import pid_of
from buff.store import Store
from buff.sweeps import resume
from crowds import fill
from whole import SETTINGS, buff, host, make, opened, write_csv

pytestmark = pytest.mark.browser

LONG_MS = 60_000  # what a build may take on a machine that does much else
REAL = Path(__file__).resolve().parents[4] / "shared" / "legacy_artifacts"


@pytest.fixture(scope="module")
def long_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes enough for a build that takes a while."""
    return write_csv(tmp_path_factory.mktemp("long") / "long.csv", 300_000)


def _ask(page: Any, local: str, csv: Path) -> None:
    """Ask for a run over a file, and be on the page of its build."""
    page.goto(f"{local}/runs/new")
    page.set_input_files("#file", str(csv))
    page.wait_for_url("**/runs/new?upload=*", timeout=LONG_MS)
    page.locator("#preview:not([data-looking]) dl").wait_for(timeout=LONG_MS)
    page.fill("[name=symbol]", "BTCUSDT")
    page.select_option("[name=timeframe]", "1m")
    page.check("[name=risk_level][value='3']")
    page.get_by_role("button", name="Create the run").click()
    page.wait_for_url("**/builds/bld_*")


def _worker(root: Path) -> int:
    """Wait until the only build of a root runs; return the process that does it."""
    store = opened(root)
    until = time.monotonic() + LONG_MS / 1_000
    while time.monotonic() < until:
        (build,) = store.state.builds.values()
        pid = pid_of(build.worker or "")
        if pid is not None:
            return pid
        time.sleep(0.02)
    raise AssertionError("the build was not begun")


def test_a_build_is_killed_and_tried_again_with_one_click(
    visit: Any, serve: Any, tmp_path: Path, long_csv: Path
) -> None:
    (tmp_path / "root").mkdir()
    tab = visit()
    page = tab.page
    _ask(page, serve(tmp_path / "root", "--create").local, long_csv)
    os.kill(_worker(tmp_path / "root"), signal.SIGKILL)
    failure = page.locator("#failure")
    failure.wait_for(timeout=LONG_MS)
    assert "BUILD_LOST" in failure.inner_text()
    assert opened(tmp_path / "root").runs().total == 0
    tab.check()
    page.get_by_role("button", name="Try the same again").click()
    page.wait_for_url("**/runs/run_*", timeout=LONG_MS)
    tab.drawn()
    tab.clean()
    assert opened(tmp_path / "root").runs().total == 1


def test_a_server_starts_again_and_the_page_of_a_build_goes_on(
    visit: Any, serve: Any, tmp_path: Path, minutes: Path, long_csv: Path
) -> None:
    before = make(tmp_path / "root", minutes).run
    server = serve(tmp_path / "root", "--create")
    tab = visit()
    page = tab.page
    _ask(page, server.local, long_csv)
    _worker(tmp_path / "root")
    assert server.end()[0] == 0  # the build is a process of its own, and goes on
    serve(tmp_path / "root", "--create", "--port", str(urlsplit(server.local).port))
    page.wait_for_url("**/runs/run_*", timeout=LONG_MS)
    tab.drawn()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Runs").click()
    assert page.locator("a.id").count() == 2
    page.get_by_role("link", name=before.id).click()
    tab.drawn()
    # While no server was there the browser said so on the console, and nothing else went wrong.
    assert all("ERR_CONNECTION_REFUSED" in each or "ERR_INCOMPLETE" in each for each in tab.wrong), tab.wrong
    assert tab.violations() == []


def test_the_list_follows_what_is_built(visit: Any, serve: Any, tmp_path: Path, minutes: Path, long_csv: Path) -> None:
    run = make(tmp_path / "root", minutes).run
    server = serve(tmp_path / "root", "--create")
    asking, tab = visit(), visit()
    _ask(asking.page, server.local, long_csv)
    asking.context.close()
    page = tab.page
    page.goto(server.url)
    builds = page.get_by_role("region", name="Builds under way")
    builds.wait_for()
    assert page.locator("a.id").count() == 1
    page.get_by_label(f"Compare {run.id}").check()
    page.locator("a.id").nth(1).wait_for(timeout=LONG_MS)
    builds.wait_for(state="detached")
    assert page.get_by_label(f"Compare {run.id}").is_checked()
    assert page.locator("[name=run]:checked").count() == 1
    assert page.get_by_role("button", name="Choose 2 to 8 to compare").is_disabled()
    tab.check()


def test_the_first_run_fills_the_empty_list(visit: Any, serve: Any, tmp_path: Path, long_csv: Path) -> None:
    (tmp_path / "root").mkdir()
    server = serve(tmp_path / "root", "--create")
    asking, tab = visit(), visit()
    tab.page.goto(server.url)
    assert tab.page.get_by_role("link", name="Make the first run").is_visible()
    _ask(asking.page, server.local, long_csv)
    tab.page.goto(server.url)
    tab.page.locator("a.id").wait_for(timeout=LONG_MS)
    assert tab.page.get_by_role("button", name="Apply").is_visible()
    tab.clean()


def test_runs_are_chosen_in_the_list_and_compared(visit: Any, furnished: Any) -> None:
    place, server = furnished
    tab = visit()
    page = tab.page
    page.goto(f"{server.local}/runs?state=any")
    button = page.locator("#pick button")
    assert button.is_disabled()
    boxes = page.locator("[name=run]")
    boxes.nth(0).focus()
    page.keyboard.press("Space")
    assert button.is_disabled()
    boxes.nth(1).check()
    assert button.inner_text() == "Compare 2 runs"
    ids = [boxes.nth(at).get_attribute("value") for at in (0, 1)]
    assert place.ids["damaged"] not in ids
    button.click()
    page.wait_for_url("**/compare?*")
    assert parse_qs(urlsplit(page.url).query)["run"] == ids
    assert page.locator("main").get_by_text("differs").count() + page.locator(".differs").count() > 0
    page.go_back()
    button.and_(page.locator(":enabled")).wait_for()
    assert button.inner_text() == "Compare 2 runs"
    tab.clean()


def test_more_than_eight_runs_are_not_compared(visit: Any, serve: Any, tmp_path: Path) -> None:
    tab = visit()
    tab.page.goto(serve(fill(tmp_path / "root", 1_000)).url)
    for at in range(9):
        tab.page.locator("[name=run]").nth(at).check()
    button = tab.page.locator("#pick button")
    assert button.is_disabled()
    assert button.inner_text() == "9 chosen; at most 8 can be compared"
    tab.page.locator("[name=run]").nth(0).uncheck()
    assert button.inner_text() == "Compare 8 runs"


def test_a_thousand_runs_are_filtered_to_one(visit: Any, serve: Any, tmp_path: Path) -> None:
    root = fill(tmp_path / "root", 1_000)
    wanted = opened(root).runs(limit=1_000).items[617]
    with opened(root) as store:
        store.annotate(wanted.run_id, name="The one I mean")
    tab = visit()
    page = tab.page
    page.goto(serve(root).url)
    assert "1,000 of 1,000 runs" in page.locator(".said").inner_text()
    narrow = page.get_by_role("navigation", name="Narrow the list")
    for value in (wanted.symbol, wanted.timeframe, wanted.strategy, wanted.tags[0]):
        narrow.get_by_role("link", name=re.compile(rf"^{re.escape(value)} \d")).click()
        page.get_by_role("link", name=re.compile(rf"^Drop the filter .* {re.escape(value)}$")).wait_for()
    assert int(page.locator(".said strong").inner_text()) < 100
    page.keyboard.press("/")
    page.keyboard.type("one mean")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=one+mean*")
    assert "1 of 1,000 runs" in page.locator(".said").inner_text()
    assert page.locator("a.id").inner_text() == wanted.run_id
    tab.check()
    page.get_by_role("link", name="Clear filters").click()
    assert "1,000 of 1,000 runs" in page.locator(".said").inner_text()
    page.get_by_role("link", name="Next →").click()
    assert "51–100 of 1,000" in page.get_by_role("navigation", name="Pages of runs").inner_text()


def test_the_kill_switch_stops_what_is_new_and_reading_goes_on(
    visit: Any, serve: Any, several: Path, minutes: Path
) -> None:
    server = serve(several, "--create")
    tab = visit()
    page = tab.page
    page.goto(f"{server.local}/runs/new")
    page.set_input_files("#file", str(minutes))
    page.wait_for_url("**/runs/new?upload=*")
    page.locator("#preview:not([data-looking]) dl").wait_for()
    page.fill("[name=symbol]", "BTCUSDT")
    page.check("[name=risk_level][value='4']")
    engaged = buff("kill-switch", "on", "--why", "the feed is wrong", "--runs-root", str(several))
    assert engaged.returncode == 0, engaged.stderr
    page.get_by_role("button", name="Create the run").click()
    page.locator("#refused").wait_for()
    assert "KILL_SWITCH_ENGAGED" in page.locator("#refused").inner_text()
    assert "the feed is wrong" in page.locator(".banner").inner_text()
    assert page.input_value("[name=symbol]") == "BTCUSDT"
    tab.wrong.clear()  # the browser says that the form was answered with an error
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Runs").click()
    assert "KILL_SWITCH_ENGAGED" in page.locator(".banner").inner_text()
    assert page.locator("a.id").count() == 3
    page.locator("a.id").first.click()
    tab.drawn()
    tab.check()
    released = buff("kill-switch", "off", "--runs-root", str(several))
    assert released.returncode == 0, released.stderr
    page.goto(server.url)
    assert page.locator(".banner").count() == 0
    tab.clean()


def test_a_year_of_minutes_is_zoomed_to_an_hour(visit: Any, serve: Any, tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "year.csv", 525_600)
    run = make(tmp_path / "root", csv, timeframe="1m", params={"fast": 60, "slow": 720}).run
    tab = visit()
    page = tab.page
    page.goto(f"{serve(tmp_path / 'root').local}/runs/{run.id}")
    tab.drawn()
    for _ in range(60):
        if _seen(page) <= timedelta(hours=1):
            break
        before = page.url
        page.keyboard.press("+")
        page.wait_for_url(lambda url, before=before: url != before)
    assert timedelta(minutes=5) < _seen(page) <= timedelta(hours=1)
    page.locator(".chart[data-bucket='1m']:not([data-busy])").wait_for()
    assert page.locator("[data-note]").inner_text().startswith("Every bar of 1m.")
    page.reload()
    tab.drawn()
    assert _seen(page) <= timedelta(hours=1)
    tab.clean()


def _seen(page: Any) -> timedelta:
    """Return how much time the chart shows, by the address; all of it has none."""
    query = parse_qs(urlsplit(page.url).query)
    if "from" not in query:
        return timedelta.max
    return datetime.fromisoformat(query["to"][0]) - datetime.fromisoformat(query["from"][0])


def test_a_legacy_run_is_found_and_opened(visit: Any, furnished: Any) -> None:
    _, server = furnished
    tab = visit()
    page = tab.page
    page.goto(server.url)
    page.get_by_role("navigation", name="Narrow the list").get_by_role("link", name=re.compile("^legacy ")).click()
    page.get_by_role("link", name="phase1_demo").click()
    said = page.locator("main").inner_text()
    assert "A run of the previous generation" in said
    assert "total_return" in said
    page.go_back()
    page.get_by_role("link", name="stage5_demo").click()
    assert page.get_by_role("img", name="Closes of").is_visible()
    assert page.get_by_role("img", name="Equity after 2 trades").is_visible()
    tab.check()


def test_the_real_legacy_runs_are_opened(visit: Any, serve: Any, tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip("real legacy runs (../shared/legacy_artifacts) are not on this machine")
    (tmp_path / "root").mkdir()
    server = serve(tmp_path / "root", env={"ARTIFACTS_ROOT": str(REAL)})
    tab = visit()
    page = tab.page
    page.goto(server.url)
    links = [link.get_attribute("href") for link in page.locator("a.id").all()]
    assert sorted(links) == [f"/legacy/{each.name}" for each in sorted(REAL.iterdir())]
    for link in links:
        page.goto(server.local + str(link))
        assert "A run of the previous generation" in page.locator("main").inner_text()
        tab.check()


# Sweeps


def test_from_a_sweep_to_a_run_and_along_an_axis(visit: Any, furnished: Any) -> None:
    place, server = furnished
    tab = visit()
    page = tab.page
    page.goto(f"{server.local}/sweeps")
    page.get_by_role("link", name=place.ids["sweep"]).click()

    # the same run is marked on the map, among the lines and in the table
    cell = page.locator(".map td a[data-at]").nth(1)
    cell.hover()
    at = cell.evaluate("(each) => each.dataset.at")
    for part in (".map a.lit", ".strands .lines .lit", ".results tr.lit"):
        assert page.locator(part).evaluate_all("(all) => all.map((each) => each.dataset.at)") == [at]
    title = cell.get_attribute("title")
    assert page.locator("[data-told]").inner_text() == title
    page.locator(".results tbody tr").first.hover()
    assert page.locator(".map a.lit").evaluate("(each) => each.dataset.at").split()[0] == "0"

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
    held: list[Any] = []
    page.route("**metric=max_drawdown*", lambda route: held.append(route))
    page.select_option("[name=metric]", "max_drawdown")
    page.select_option("[name=metric]", "net_return")
    page.wait_for_url("**metric=net_return**")
    page.get_by_text("Net return, in per cent, one of 10 tried").wait_for()
    with page.expect_response("**metric=max_drawdown*"):
        held[0].continue_()  # the answer to the choice before comes last
    page.locator("#look:not([aria-busy])").wait_for()
    assert "metric=net_return" in page.url
    assert page.locator("select[name=metric]").input_value() == "net_return"
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
        done = resume(store, place.ids["begun"], executor=Here())
    tab.page.locator("#progress .tiles").wait_for()
    assert tab.page.locator(".results tbody tr").count() == len(done.outcomes)
    tab.clean()


def test_a_sweep_without_scripts_is_a_form_and_links(browser: Any, furnished: Any) -> None:
    place, server = furnished
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.local}/sweeps/{place.ids['walk']}")
    page.select_option("[name=metric]", "trades")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**metric=trades**")
    page.locator(".spans a").nth(1).click()
    page.wait_for_url("**at.window=1**")
    assert "Held at window 1" in page.locator("#look").inner_text()
    page.locator(".results thead a").nth(3).click()
    page.wait_for_url("**sort=window**")
    assert page.locator(".strands .lines a").first.get_attribute("href").startswith("/runs/run_")
    context.close()
