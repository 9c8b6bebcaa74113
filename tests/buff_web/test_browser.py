"""The journey of a first user, in a real browser: make a run, find it, look at it, restart, find it again."""

from pathlib import Path
from typing import Any

import pytest

from visits import PATIENCE_MS, Visit
from whole import arguments, buff, request

pytestmark = pytest.mark.browser


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
        tab.drawn()
        assert tab.page.url.endswith(f"/runs/{run_id}")
        assert _painted(tab) > 1_000
        assert "BTCUSDT 1h" in tab.page.locator("h1").inner_text()
        years = tab.page.get_by_role("region", name="Table of returns")
        assert years.get_by_role("rowheader", name="2024").is_visible()
        assert years.get_by_role("row").count() == 3
        tab.check()
    assert server.end()[0] == 0
    server = serve(root)
    tab = visit()
    tab.page.goto(server.url)
    tab.page.get_by_role("link", name=run_id).click()
    tab.drawn()
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


def test_the_list_filters_sorts_and_goes_back_without_scripts(browser: Any, serve: Any, several: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(serve(several).url)
    page.get_by_role("link", name="ma_cross 2").click()
    assert "strategy=ma_cross" in page.url
    assert page.locator("a.id").count() == 2
    page.get_by_role("link", name="Trades").click()
    assert "sort=-trades" in page.url
    page.get_by_role("link", name="Drop the filter strategy ma_cross").click()
    assert page.locator("a.id").count() == 3
    page.go_back()
    assert page.locator("a.id").count() == 2
    page.locator("a.id").first.click()
    assert page.get_by_role("img", name="Equity from").is_visible()
    assert not page.locator(".chart .canvas").is_visible()
    page.get_by_role("link", name="Trade 2", exact=True).click()
    assert page.get_by_role("heading", name="Trade 2: ").is_visible()
    assert page.locator("tr[aria-current]").count() == 2
    page.get_by_role("link", name="Bar 60", exact=True).click()
    assert page.get_by_role("heading", name="Bar 60").is_visible()
    page.get_by_role("link", name="Later").click()
    assert page.url.endswith("/decisions?after=110")
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
    narrow.drawn()
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
