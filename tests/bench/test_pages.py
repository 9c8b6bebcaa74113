"""How the chart of five years of minutes moves, in a real browser.

`pytest -m bench -s tests/bench/test_pages.py` makes a run of 2,628,000 one-minute bars, visits it in Chromium with
software rendering, and prints the figures beside their goals. As an ordinary test the run has a month of minutes, and
only what noise cannot break is asserted: that detail is read and nothing grows.
"""

import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from visits import Server, Visit, chromium
from whole import make, write_csv

# By night only: what these pages do is tested by the journeys.
pytestmark = [pytest.mark.bench, pytest.mark.browser, pytest.mark.nightly]

FRAMES = """(milliseconds) => new Promise((done) => {
  const began = performance.now();
  const gaps = [];
  let last = began;
  const step = (now) => {
    gaps.push(now - last);
    last = now;
    if (now - began < milliseconds) requestAnimationFrame(step);
    else done(gaps.slice(1));
  };
  requestAnimationFrame(step);
})"""
MOVE = """(keys) => new Promise((done) => {
  const canvas = document.querySelector(".chart .canvas");
  let at = 0;
  const timer = setInterval(() => {
    if (at === keys.length) { clearInterval(timer); done(); return; }
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: keys[at], bubbles: true }));
    at += 1;
  }, 60);
})"""


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether the figures are wanted, and not only a test."""
    return bool(request.config.getoption("markexpr") == "bench")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, whole: bool) -> Iterator[tuple[str, str]]:
    """The address of a server over one long run, and the run's id."""
    folder = tmp_path_factory.mktemp("pages")
    csv = write_csv(folder / "minutes.csv", 2_628_000 if whole else 44_640)
    params = {"fast": 60, "slow": 720, "direction": "both"}
    run = make(folder / "root", csv, timeframe="1m", params=params, commission_bps=0.0, slippage_bps=0.0).run
    make(folder / "root", dataset=run.inputs["dataset_id"], timeframe="1h", params={"fast": 3, "slow": 9})
    server = Server.of(folder / "root")
    yield server.local, run.id
    server.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def _visit(browser: Any, served: tuple[str, str]) -> Visit:
    tab = Visit(browser, "light")
    tab.page.goto(f"{served[0]}/runs/{served[1]}")
    tab.drawn()
    tab.page.locator(".chart:not([data-busy])").wait_for()
    return tab


def _drawn_ms(tab: Visit) -> float:
    return float(tab.page.evaluate("() => performance.getEntriesByName('drawn')[0].startTime"))


def _move(tab: Visit, keys: str) -> list[float]:
    """Press keys on the chart while the gaps between frames are taken, milliseconds."""
    names = {"<": "ArrowLeft", ">": "ArrowRight"}
    pressed = [names.get(key, key) for key in keys]
    gaps: list[float] = tab.page.evaluate(
        f"async (keys) => (await Promise.all([({FRAMES})(keys.length * 60 + 300), ({MOVE})(keys)]))[0]", pressed
    )
    tab.page.locator(".chart:not([data-busy])").wait_for()
    return gaps


def _share(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def test_the_chart_of_five_years_of_minutes(browser: Any, served: tuple[str, str], whole: bool) -> None:
    first = []
    for _ in range(6 if whole else 2):
        tab = _visit(browser, served)
        first.append(_drawn_ms(tab))
        tab.context.close()
    tab = _visit(browser, served)
    zoom, pan = "+" * 20 + "-" * 6, "<>" * 10 + ">" * 20
    frames = {"zoom": _move(tab, zoom), "pan": _move(tab, pan)}
    assert tab.page.locator(".chart").get_attribute("data-bucket") in ("1m", "5m", "15m", "30m")
    swaps = tab.page.evaluate("() => performance.getEntriesByName('swap').map((each) => each.duration)")
    assert swaps
    session = tab.context.new_cdp_session(tab.page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    heap = found["JSHeapUsedSize"]
    tab.clean()
    tab.context.close()
    print()
    print(f"first chart, first visit        {first[0]:7.0f} ms")
    print(f"first chart, median of others   {statistics.median(first[1:]):7.0f} ms   (goal: 800 ms)")
    print(f"detail swap, median             {statistics.median(swaps):7.1f} ms")
    print(f"detail swap, most of {len(swaps):>3}        {max(swaps):7.1f} ms   (goal: 60 ms)")
    for name, gaps in frames.items():
        told = f"{statistics.median(gaps):7.1f} ms, p95 {_share(gaps, 0.95):.1f} ms"
        print(f"frames while one moves ({name:<4})   {told}   (goal: p95 25 ms)")
    print(f"heap                            {heap / 1e6:7.1f} MB   (goal: 80 MB)")
    assert heap <= 80e6
