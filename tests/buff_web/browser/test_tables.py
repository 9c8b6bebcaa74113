"""What the pages of data and journal do in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from buff.store import Store
from whole import SETTINGS, host, make, opened

pytestmark = pytest.mark.browser


def test_gaps_are_drawn_on_a_calendar(visit: Any, serve: Any, minutes: Path, tmp_path: Path) -> None:
    lines = minutes.read_text().splitlines(keepends=True)
    gappy = tmp_path / "gappy.csv"
    gappy.write_text("".join([*lines[:200], *lines[1_900:]]))
    root = tmp_path / "runs"
    make(root, gappy, gaps="keep")
    server = serve(root)
    for scheme, width in (("light", 1360), ("dark", 390)):
        tab = visit(scheme, width=width)
        tab.page.goto(f"{server.local}/datasets/{opened(root).datasets()[0].dataset_id}")
        assert tab.page.locator(".calendar rect").count() == 2
        tab.check()


def test_the_journal_grows_while_it_is_looked_at(visit: Any, serve: Any, several: Path) -> None:
    server = serve(several)
    tab = visit()
    tab.page.goto(f"{server.local}/journal")
    tab.page.locator("#event-1 summary").click()
    run = opened(several).runs().items[0].run_id
    with Store(str(several), host=host(), settings=SETTINGS) as store:
        store.annotate(run, name="seen at once")
    tab.page.get_by_text("New events appeared.").wait_for()
    assert "run_annotated" in tab.page.locator("#events tbody tr").first.inner_text()
    assert tab.page.locator("#event-1 details[open]").count() == 1
    tab.check()
