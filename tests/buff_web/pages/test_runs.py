"""The list of runs, read without a browser: filters, sorting, pages, and what an empty one says."""

import re
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from outline import ids_of, page_of
from whole import buff


def test_the_front_door_leads_to_the_list(client: TestClient[Any]) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/runs")


def test_the_list(client: TestClient[Any]) -> None:
    html, page = page_of(client, "/runs")
    ids = ids_of(client)
    links = [link["href"] for link in page.all("a") if link.get("class") == "id"]
    assert links == [f"/runs/{ids[timeframe]}" for timeframe in ("1h", "15m", "1m")]
    assert len([svg for svg in page.all("svg") if str(svg.get("class")).startswith("spark")]) == 3
    assert "3 of 3 runs, newest first." in re.sub(r"\s+", " ", page.text)
    assert html.count("committed</span>") == 3
    assert "/api/v1/runs" in [link["href"] for link in page.all("a")]
    assert "buff run list --json" in page.text


def test_a_filtered_and_sorted_list_says_what_it_shows(client: TestClient[Any]) -> None:
    html, page = page_of(client, "/runs?symbol=BTCUSDT&sort=-trades")
    assert "2 of 3 runs, where symbol is BTCUSDT, by trades, largest first." in re.sub(r"\s+", " ", page.text)
    assert '<option value="BTCUSDT" selected>BTCUSDT (2)</option>' in html
    assert [th.get("aria-sort") for th in page.all("th") if th.get("aria-sort")] == ["descending"]
    links = [str(link["href"]) for link in page.all("a")]
    assert "/runs?symbol=BTCUSDT&sort=trades" in links
    assert "/runs?sort=-trades" in links
    assert "/api/v1/runs?symbol=BTCUSDT&sort=-trades" in links
    assert "buff run list --symbol BTCUSDT --sort -trades --json" in page.text


def test_an_archived_run_is_not_listed_and_its_page_says_so(client: TestClient[Any], several: Path) -> None:
    ids = ids_of(client)
    done = buff("run", "archive", ids["1h"], "--why", "superseded", "--runs-root", str(several))
    assert done.returncode == 0, done.stderr
    html, page = page_of(client, "/runs")
    assert "2 of 2 runs" in re.sub(r"\s+", " ", page.text)
    assert "ETHUSDT" not in html
    _, page = page_of(client, f"/runs/{ids['1h']}")
    assert "archived" in page.text


def test_a_list_in_pages(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/runs?limit=2")
    assert [link["href"] for link in page.all("a") if link.get("rel") == "next"] == ["/runs?limit=2&after=2"]
    _, page = page_of(client, "/runs?limit=2&after=2")
    assert [link["href"] for link in page.all("a") if link.get("rel") == "prev"] == ["/runs?limit=2"]
    assert "3–3 of 3" in page.text


def test_lists_without_rows_say_what_to_do(client: TestClient[Any], client_over: Any, tmp_path: Path) -> None:
    _, page = page_of(client, "/runs?symbol=BTCUSDT&strategy=hold")
    assert "No run matches" in page.text
    assert "/runs" in [link["href"] for link in page.all("a")]
    _, page = page_of(client, "/runs?after=9")
    assert "There are no more runs" in page.text
    (tmp_path / "empty").mkdir()
    with client_over(tmp_path / "empty") as empty:
        _, page = page_of(empty, "/runs")
    assert "No runs yet" in page.text
    assert "buff run create --csv" in page.text


def test_a_wrong_filter_is_an_error_page(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/runs?risk_level=9", status=400)
    assert "RUN_CONFIG_INVALID" in page.text
    assert "Risk_level '9' is not a whole number from 1 to 5" in page.text
