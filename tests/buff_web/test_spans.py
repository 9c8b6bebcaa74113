"""The windows of a walk on a line of time, each a link to the maps that are held at it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from buff_web import spans
from outline import Outline
from sweepings import DATASET, plan_of, rows_of


def windows(dataset: str = DATASET, first: int = 1, count: int = 2, **changes: Any) -> list[dict[str, Any]]:
    parts = (("train", 0, 4), ("test", 5, 7))
    return [
        {
            "params": {"fast": fast},
            "dataset": dataset,
            "window": window,
            "part": part,
            "start": f"2024-01-{first + 2 * window + begin:02}T00:00:00Z",
            "end": f"2024-01-{first + 2 * window + end:02}T00:00:00Z",
            **changes,
        }
        for fast in (5, 10)
        for window in range(count)
        for part, begin, end in parts
    ]


def drawn(requests: list[dict[str, Any]]) -> tuple[spans.Walk, ...]:
    return spans.of(rows_of(plan_of(requests, walk=True)))


def test_both_parts_of_every_window_are_drawn_once() -> None:
    (walk,) = drawn(windows())
    assert walk.title == ""
    page = Outline(str(walk.picture))
    assert [link["href"] for link in page.all("a")] == ["?at.window=0#map", "?at.window=1#map"]
    bars = [(rect["class"], float(str(rect["x"])), float(str(rect["width"]))) for rect in page.all("rect")]
    assert [name for name, _, _ in bars] == ["train", "test"] * 2
    (_, x, width), (_, behind, short) = bars[:2]
    assert behind > x + width  # a day was left out between them
    assert round(width / short, 1) == 2.0
    assert "Window 1: looked at 2024-01-03 to 2024-01-07, judged by 2024-01-08 to 2024-01-10" in page.text


def test_a_window_alone_leads_to_the_maps_as_they_are() -> None:
    (walk,) = drawn(windows(count=1))
    assert [link["href"] for link in Outline(str(walk.picture)).all("a")] == ["#map"]


def test_data_that_begin_on_other_days_have_a_drawing_of_their_own() -> None:
    found = drawn([*windows(), *windows("b" * 64, first=5, symbol="ETHUSDT")])
    assert [each.title for each in found] == ["BTCUSDT 1h, dataset a5cff81a", "ETHUSDT 1h, dataset bbbbbbbb"]
    assert [each.title for each in drawn([*windows(), *windows(symbol="ETHUSDT")])] == [""]


def test_a_thousand_windows_keep_their_height() -> None:
    first = datetime(2020, 1, 1, tzinfo=UTC)
    days = [(first + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ") for day in range(1_010)]
    requests = [
        {"window": number, "part": part, "start": days[number + begin], "end": days[number + begin + length]}
        for number in range(1_000)
        for part, begin, length in (("train", 0, 5), ("test", 5, 2))
    ]
    (walk,) = drawn(requests)
    assert len(walk.spans) == 1_000
    height = re.search(r'viewBox="0 0 \d+ (\d+)"', str(walk.picture))
    assert height is not None
    assert int(height[1]) <= 1_000 * spans.ROW_MIN + 50


def test_a_window_of_which_one_part_was_refused_is_left_to_the_table() -> None:
    requests = windows(count=1)[:2]
    requests[1] = {"window": 0, "part": "test", "error": {"code": "RUN_CONFIG_INVALID", "message": "no bar"}}
    assert drawn(requests) == ()
