"""The pages of data, the journal and the state of the service, as a reader without scripts gets them."""

from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from buff import builds, safety
from buff.errors import DataInvalid
from buff.store import Store
from whole import SETTINGS, host, opened, request


def text(client: TestClient[Any], path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def test_datasets_and_one_of_them(client: TestClient[Any], several: Path) -> None:
    (entry, *_) = opened(several).datasets()
    assert entry.dataset_id[:16] in text(client, "/datasets")
    page = text(client, f"/datasets/{entry.dataset_id}")
    assert "has all of its bars" in page
    assert all(run.run_id in page for run in opened(several).runs_of(entry.dataset_id))
    assert str(several) not in page
    assert client.get(f"/datasets/{entry.dataset_id[:10]}").url.path == f"/datasets/{entry.dataset_id}"
    assert "DATASET_NOT_FOUND" in text(client, "/datasets/beef", 404)


def test_datasets_are_narrowed_and_sorted(client: TestClient[Any], several: Path) -> None:
    (entry, *_) = opened(several).datasets()
    page = text(client, "/datasets?symbol=ethusdt&sort=-rows&after=")
    assert entry.dataset_id[:16] in page
    assert "stored under ethusdt, most bars first." in page
    assert '<option value="-rows" selected>' in page
    assert 'href="/api/v1/datasets?symbol=ethusdt&amp;sort=-rows"' in page
    nothing = text(client, "/datasets?symbol=%3Cb%3E")
    assert "No dataset matches" in nothing
    assert "<b>" not in nothing
    assert "RUN_CONFIG_INVALID" in text(client, "/datasets?sort=weight", 400)


def test_builds_are_narrowed(client: TestClient[Any], several: Path, minutes: Path) -> None:
    with Store(str(several), host=host(), settings=SETTINGS) as store:
        failed, waits = (builds.request(store, request(minutes, symbol=name), kind="run").job for name in ("A1", "B1"))
        builds.drop(store, [failed], DataInvalid("line 2: low 9 is above high 8", rule="BAR", hint="correct the file"))
    both, one = text(client, "/builds?status=&kind=run"), text(client, "/builds?status=failed")
    assert [job in both for job in (failed, waits)] == [True, True]
    assert [job in one for job in (failed, waits)] == [True, False]
    assert "<strong>1</strong> build where status is failed, the newest first." in one
    assert 'href="/api/v1/builds?status=failed"' in one
    assert "No build matches" in text(client, "/builds?status=succeeded&kind=ingest")
    assert "RUN_CONFIG_INVALID" in text(client, "/builds?status=lost", 400)


def test_the_journal_from_the_newest_to_the_first(client: TestClient[Any], several: Path) -> None:
    last = opened(several).state.seq
    page = text(client, "/journal")
    assert f'id="event-{last}"' in page
    assert 'id="event-1"' in page
    assert 'id="event-3"' not in text(client, "/journal?before=3")
    only = text(client, "/journal?type=run_committed")
    assert only.count("<tr id=") == 3
    assert "RUN_CONFIG_INVALID" in text(client, "/journal?type=nothing", 400)


def test_health_says_what_the_kill_switch_says(client: TestClient[Any], several: Path) -> None:
    page = text(client, "/health")
    assert "Nothing stops new runs" in page
    with Store(str(several), host=host(), settings=SETTINGS) as store:
        safety.engage(store, "a bad <feed>")
        for path in ("/health", "/runs"):
            page = text(client, path)
            assert "KILL_SWITCH_ENGAGED" in page
            assert "a bad &lt;feed&gt;" in page
        safety.release(store)
    page = text(client, "/health")
    assert "KILL_SWITCH_ENGAGED" not in page
    assert "turned on" in page


@pytest.mark.parametrize("path", ["/datasets", "/journal", "/health", "/builds"])
def test_an_empty_root_has_these_pages(tmp_path: Path, client_over: Any, path: str) -> None:
    with client_over(tmp_path) as client:
        assert "<h1>" in text(client, path)
