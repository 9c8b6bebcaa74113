"""What every page keeps: landmarks, labels, no inline script or style, everything typed by people escaped."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from outline import Outline, ids_of, page_of
from whole import loosen, make

PAGES = (
    *("/runs", "/runs/RUN", "/runs/RUN?trade=1", "/runs/RUN/trades", "/runs/RUN/trades/1", "/runs/RUN/decisions"),
    *("/runs/RUN/decisions/90", "/strategies", "/strategies/ma_cross", "/help", "/runs/nothing", "/nothing"),
)


def test_what_people_typed_is_escaped(client: TestClient[Any]) -> None:
    ids = ids_of(client)
    for path in ("/runs", f"/runs/{ids['15m']}", "/runs?tag=%3Cscript%3Ealert(1)%3C/script%3E", "/runs/%3Cb%3E"):
        html = client.get(path).text
        assert "<b>bold" not in html
        assert "<script>" not in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in client.get("/runs").text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole(client: TestClient[Any], path: str) -> None:
    """One h1, one main, landmarks, unique ids, labelled fields, no inline script or style, nothing from elsewhere."""
    answer = client.get(path.replace("RUN", ids_of(client)["1m"]))
    page = Outline(answer.text)
    assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5
    assert len(page.ids) == len(set(page.ids))
    assert all("src" in script for script in page.all("script"))
    assert page.all("style") == []
    assert not any(
        "style" in attributes or any(name.startswith("on") for name in attributes) for _, attributes in page.tags
    )
    loaded = [tag.get("src") or tag.get("href") for name in ("script", "link", "img") for tag in page.all(name)]
    assert all(str(address).startswith("/assets/") for address in loaded)
    away = [str(link["href"]) for link in page.all("a") if not str(link["href"]).startswith(("/", "#"))]
    assert away == ["https://www.tradingview.com/"]
    assert page.all("html")[0]["lang"] == "en"


def test_everything_a_page_loads_is_there_and_immutable(client: TestClient[Any]) -> None:
    _, page = page_of(client, f"/runs/{ids_of(client)['1m']}")
    loaded = [str(tag.get("src") or tag.get("href")) for name in ("script", "link") for tag in page.all(name)]
    assert len(loaded) == 7
    for address in loaded:
        answer = client.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert client.get("/assets/nothing.js").json()["code"] == "REQUEST_INVALID"


def test_a_damaged_journal_is_told_on_every_page_and_what_is_proven_is_served(client_over: Any, several: Path) -> None:
    segment = next((several / "_journal").glob("0*.jsonl"))
    segment.chmod(0o644)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b"ETHUSDT", b"XTHUSDT")
    segment.write_bytes(b"".join(lines))
    with client_over(several) as client:
        html, page = page_of(client, "/runs")
        assert "JOURNAL_CORRUPT" in page.text
        assert str(several) not in html
        assert len([link for link in page.all("a") if link.get("class") == "id"]) == 2
        told = client.get("/api/v1/runs").json()
        assert (told["problem"]["code"], told["total"]) == ("JOURNAL_CORRUPT", 2)
        for path in (f"/runs/{told['items'][0]['run_id']}", "/nothing"):
            assert "JOURNAL_CORRUPT" in client.get(path).text


def test_a_root_that_goes_away_is_an_error_page(client: TestClient[Any], several: Path, minutes: Path) -> None:
    loosen(several)
    make(several, minutes, timeframe="4h")
    shutil.rmtree(several / "_journal")
    html, page = page_of(client, "/runs")
    assert "No runs yet" in page.text or "RUNS_ROOT" in page.text
    assert str(several) not in html
