"""What the list of runs costs a reader, in a real browser: how soon something is seen, and what the page holds.

`pytest -m bench -s tests/bench/test_list.py` visits roots with 1,000 and 100,000 runs and prints the figures. As an
ordinary test the large root is smaller, and only what noise cannot break is asserted: that the page of a large root is
not heavier than that of a small one.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crowds import fill
from visits import Server, Visit, chromium

# By night only: what these pages do is tested by the journeys.
pytestmark = [pytest.mark.bench, pytest.mark.browser, pytest.mark.nightly]

SMALL, LARGE = 1_000, 100_000
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]"
ANSWERED = "() => performance.getEntriesByType('navigation')[0].responseEnd"
ELEMENTS = "() => document.querySelectorAll('*').length"
ADDRESSES = {
    "the first page": "",
    "a page in the middle": "?after={middle}",
    "one strategy, by Sharpe": "?strategy=macd&sort=-sharpe",
    "by words": "?text=abc",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def _rounds(browser: Any, url: str, rounds: int) -> tuple[list[float], list[float], dict[str, float]]:
    """Return first paints and answers in milliseconds, and what the last page holds."""
    paints, answers = [], []
    for _ in range(rounds):
        tab = Visit(browser, "light")
        tab.page.goto(url)
        tab.page.wait_for_function(f"() => Boolean({PAINTED})")
        paints.append(float(tab.page.evaluate(f"() => {PAINTED}.startTime")))
        answers.append(float(tab.page.evaluate(ANSWERED)))
        session = tab.context.new_cdp_session(tab.page)
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        held = {"heap": found["JSHeapUsedSize"], "elements": float(tab.page.evaluate(ELEMENTS))}
        tab.clean()
        tab.context.close()
    return paints, answers, held


def test_the_list_of_very_many_runs(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    whole = request.config.getoption("markexpr") == "bench"
    held = {}
    print()
    for runs in (SMALL, LARGE if whole else 3 * SMALL):
        server = Server.of(fill(tmp_path / str(runs), runs))
        for name, query in ADDRESSES.items():
            url = server.url + query.format(middle=runs // 2)
            paints, answers, held[runs, name] = _rounds(browser, url, 10 if whole else 1)
            figures = held[runs, name]
            print(
                f"  {runs:>7,} runs, {name:<24} first paint median {statistics.median(paints):4.0f} ms, "
                f"most {max(paints):4.0f} ms (goal: 300); answered {statistics.median(answers):4.0f} ms; "
                f"{figures['heap'] / 1e6:.1f} MB, {figures['elements']:.0f} elements"
            )
        server.end()
    for what in ("elements", "heap"):
        small, large = (
            max(figures[what] for (runs, _), figures in held.items() if (runs == SMALL) is few) for few in (True, False)
        )
        assert large <= 1.2 * small, what
