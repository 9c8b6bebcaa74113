"""The journey of a first user, in a real browser: make a run, find it, look at it, restart, find it again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from whole import arguments, buff, request

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  (window.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


class Visit:
    """One tab, and everything in it that should not have happened."""

    def __init__(self, browser: Any, scheme: str, width: int = 1360) -> None:
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(WATCH)
        self.wrong: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console {message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            self.wrong.append(f"foreign request: {request.url}")

    def violations(self) -> list[str]:
        return list(self.page.evaluate("() => window.violations ?? []"))

    def accessibility(self) -> list[str]:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]

    def clean(self) -> None:
        """Assert that nothing went wrong so far: no violation, no console error, no foreign request, no overflow."""
        assert self.violations() == []
        assert self.wrong == []
        assert self.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")

    def check(self) -> None:
        """Assert that nothing went wrong, and that axe finds nothing on the page as it stands."""
        self.clean()
        assert self.accessibility() == []


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    begun: list[Visit] = []

    def begin(scheme: str = "light", **options: Any) -> Visit:
        begun.append(Visit(browser, scheme, **options))
        return begun[-1]

    yield begin
    for each in begun:
        each.context.close()


def _drawn(visit: Visit) -> None:
    visit.page.locator(".chart[data-state='drawn']").wait_for()


def test_make_a_run_look_at_it_and_find_it_after_a_restart(
    visit: Any, serve: Any, minutes: Path, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    made = buff("run", "create", *arguments(request(minutes)), "--runs-root", str(root))
    assert made.returncode == 0, made.stderr
    server = serve(root)
    for scheme in ("light", "dark"):
        tab = visit(scheme)
        tab.page.goto(server.url)
        tab.check()
        link = tab.page.locator("a.id")
        run_id = link.inner_text()
        link.click()
        _drawn(tab)
        assert tab.page.url.endswith(f"/runs/{run_id}")
        assert _painted(tab) > 1_000
        assert "BTCUSDT 1h" in tab.page.locator("h1").inner_text()
        years = tab.page.get_by_role("region", name="Table of returns")
        assert years.get_by_role("rowheader", name="2024").is_visible()
        assert years.get_by_role("row").count() == 3
        tab.check()
    assert server.end() == (0, "")
    server = serve(root)
    tab = visit()
    tab.page.goto(server.url)
    tab.page.get_by_role("link", name=run_id).click()
    _drawn(tab)
    tab.check()


def _painted(tab: Visit) -> int:
    """Return how many pixels of the largest canvas are not of its first one's colour."""
    return int(
        tab.page.evaluate(
            """() => {
              const all = [...document.querySelectorAll(".chart canvas")];
              const canvas = all.reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a));
              const pixels = new Uint32Array(
                canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
              return pixels.filter((pixel) => pixel !== pixels[0]).length;
            }"""
        )
    )


def test_zooming_in_reads_finer_bars_and_all_goes_back(visit: Any, serve: Any, several: Path) -> None:
    """2,880 minutes are drawn as 5m candles; closer, the minutes themselves come; All shows the first view again."""
    tab = visit()
    tab.page.goto(serve(several).url + "?timeframe=1m")
    tab.page.locator("a.id").click()
    _drawn(tab)
    note, legend = tab.page.locator("[data-note]"), tab.page.locator(".legend")
    assert note.inner_text().startswith("Candles of 5m stand for bars of 1m")
    whole = legend.inner_text()
    tab.page.locator(".chart").get_by_role("button", name="Zoom in").focus()
    with tab.page.expect_response(lambda answer: "/bars?from=" in answer.url):
        for _ in range(6):
            tab.page.keyboard.press("Enter")
    tab.page.get_by_text("Every bar of 1m is drawn.").wait_for()
    tab.page.keyboard.press("0")
    tab.page.get_by_text("Candles of 5m stand for bars of 1m").wait_for()
    assert legend.inner_text() == whole
    tab.clean()


def test_the_list_filters_sorts_and_goes_back_without_scripts(browser: Any, serve: Any, several: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(serve(several).url)
    page.get_by_label("Strategy").select_option("ma_cross")
    page.get_by_role("button", name="Apply").click()
    assert "strategy=ma_cross" in page.url
    assert page.locator("a.id").count() == 2
    page.get_by_role("link", name="Trades").click()
    assert "sort=-trades" in page.url
    page.get_by_role("link", name="Drop the filter strategy ma_cross").click()
    assert page.locator("a.id").count() == 3
    page.go_back()
    assert page.locator("a.id").count() == 2
    page.locator("a.id").first.click()
    assert page.locator("svg.still").is_visible()
    assert not page.locator(".chart .canvas").is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_other_pages_are_as_clean(visit: Any, serve: Any, several: Path, tmp_path: Path, scheme: str) -> None:
    """The empty list, a list that matches nothing, an error page (an answer of 404 is told on the console, and is all
    that may be), a damaged run, and a narrow screen.
    """
    (tmp_path / "empty").mkdir()
    tab = visit(scheme)
    tab.page.goto(serve(tmp_path / "empty").url)
    tab.check()
    server = serve(several)
    for path in ("/runs?symbol=NONE", "/runs/nothing"):
        tab = visit(scheme)
        tab.page.goto(server.local + path)
        tab.wrong = [each for each in tab.wrong if "404 (Not Found)" not in each]
        tab.check()
    narrow = visit(scheme, width=390)
    narrow.page.goto(server.url)
    narrow.check()
    narrow.page.locator("a.id").first.click()
    _drawn(narrow)
    narrow.check()
    run_id = narrow.page.url.rsplit("/", 1)[1]
    manifest = several / run_id / "manifest.json"
    manifest.parent.chmod(0o755)
    manifest.unlink()
    tab = visit(scheme)
    tab.page.goto(f"{server.local}/runs/{run_id}")
    assert "RUN_DAMAGED" in tab.page.locator("main").inner_text()
    tab.wrong = [each for each in tab.wrong if "409 (Conflict)" not in each]
    tab.check()
