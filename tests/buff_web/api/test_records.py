"""Decision records in pages: by bar, by time and by action, what a slow loop over all of them finds."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from buff import Run
from buff.decisions.engine import ACTIONS
from buff.times import epoch_ms
from buff_web import decisions
from whole import make, opened


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Run:
    root = tmp_path_factory.mktemp("records") / "root"
    return make(root, minutes, timeframe="1m", params={"fast": 5, "slow": 20, "direction": "both"}, risk_level=5).run


@given(st.data())
def test_a_page_is_what_a_slow_loop_finds(run: Run, data: st.DataObject) -> None:
    """Invariants checked: the records of the window and the actions, from a bar on, in order; their number in all; and
    pages that follow one another are all of them.
    """
    records = list(run.records)
    stamps = [epoch_ms(record["ts"]) for record in records]
    bound = st.none() | st.integers(stamps[0] - 100_000, stamps[-1] + 100_000)
    first, last = data.draw(bound), data.draw(bound)
    actions = data.draw(st.sets(st.sampled_from(ACTIONS)))
    begin, limit = data.draw(st.integers(0, len(records) + 5)), data.draw(st.integers(1, 700))
    matching = [
        record
        for record, stamp in zip(records, stamps, strict=True)
        if (first is None or stamp >= first)
        and (last is None or stamp < last)
        and (not actions or record["action"] in actions)
    ]
    wanted = [record for record in matching if record["seq"] >= begin]
    found: list[Any] = []
    place: int | None = begin
    while place is not None:
        page = decisions.page(run, first_ms=first, last_ms=last, actions=actions, begin=place, limit=limit)
        assert page.total == len(matching)
        assert len(page.items) <= limit
        found += page.items
        place = page.next
    assert found == wanted


def test_decisions_over_http(client: TestClient[Any], several: Path) -> None:
    store = opened(several)
    run = store.run(next(entry.run_id for entry in store.runs().items if entry.timeframe == "1m"))
    address = f"/api/v1/runs/{run.id}/decisions"
    told = client.get(f"{address}?limit=5&after=300").json()
    assert (told["items"], told["total"], told["next"]) == (run.records[300:305], len(run.records), 305)
    entries = client.get(f"{address}?action=ENTER_LONG&action=ENTER_SHORT&limit=1000").json()
    assert entries["items"] == [record for record in run.records if record["action"].startswith("ENTER")]
    at = run.records[100]["ts"]
    assert client.get(f"{address}?from={at}&limit=1").json()["items"] == [run.records[100]]
    refused = client.get(f"{address}?action=BUY")
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "action")


@pytest.mark.parametrize(
    ("name", "readers"),
    [
        ("decision_records.jsonl", ("/api/v1/runs/{}/decisions?limit=1", "/runs/{}/decisions", "/runs/{}")),
        ("trades.jsonl", ("/api/v1/runs/{}/trades?limit=1", "/runs/{}/trades", "/runs/{}")),
        ("metrics.json", ("/api/v1/runs/{}/metrics", "/api/v1/runs/{}", "/runs/{}")),
        ("returns.json", ("/api/v1/runs/{}/returns", "/runs/{}")),
        ("timeline.json", ("/api/v1/runs/{}/timeline", "/runs/{}")),
        ("quality_report.json", ("/api/v1/runs/{}/quality", "/runs/{}")),
    ],
)
def test_what_was_changed_on_disk_is_shown_nowhere(
    several: Path, client_over: Any, name: str, readers: tuple[str, ...]
) -> None:
    """Not even on the page that does not hold the change; whatever was read before, and again when it is as it was."""
    run_id = next(entry.run_id for entry in opened(several).runs().items if entry.timeframe == "1m")
    path = several / run_id / name
    path.chmod(0o644)
    good = path.read_bytes()
    place = max(good.rfind(digit) for digit in (b"1", b"2", b"3"))
    changed = good[:place] + b"9" + good[place + 1 :]

    def answers() -> set[int]:
        return {client.get(reader.format(run_id)).status_code for reader in readers}

    with client_over(several) as client:
        assert answers() == {200}
        path.write_bytes(changed)
        assert answers() == {409}
        path.write_bytes(good)
        assert answers() == {200}
    path.write_bytes(changed)
    with client_over(several) as client:
        assert answers() == {409}
