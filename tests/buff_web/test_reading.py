"""What pages and API say of a root: a page of trades is found without parsing all of them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import Run
from buff.errors import RunDamaged
from buff_web.query import TradesAsked
from buff_web.reading import trades_of
from buff_web.words import stamp
from whole import loosen, make, write_csv

MINUTE_MS = 60_000
FIRST_MS = 1_704_067_200_000


def _slowly(trades: list[dict[str, Any]], asked: TradesAsked) -> list[dict[str, Any]]:
    first, last = (None if ms is None else stamp(ms) for ms in (asked.first_ms, asked.last_ms))
    return [
        trade
        for trade in trades
        if (first is None or "exit" not in trade or trade["exit"]["ts"] >= first)
        and (last is None or trade["entry"]["ts"] < last)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("trades")
    return make(
        folder / "root",
        write_csv(folder / "minutes.csv"),
        timeframe="1m",
        params={"fast": 5, "slow": 20, "direction": "both"},
        risk_level=5,
    ).run


@given(
    window=st.tuples(*[st.none() | st.integers(-100, 3_000)] * 2),
    limit=st.integers(1, 200),
    after=st.integers(0, 300),
)
def test_a_page_of_trades_is_the_page_of_those_alive(
    run: Run, window: tuple[int | None, int | None], limit: int, after: int
) -> None:
    """Invariants checked: items, total and next of any window and page are those of a plain filter over all trades."""
    first, last = (None if minute is None else FIRST_MS + minute * MINUTE_MS for minute in window)
    asked = TradesAsked(first_ms=first, last_ms=last, limit=limit, after=after)
    expected = _slowly(run.trades, asked)
    found = trades_of(run, asked)
    assert list(found.items) == expected[after : after + limit]
    assert found.total == len(expected)
    behind = after + len(found.items)
    assert found.next == (behind if found.items and behind < len(expected) else None)


def test_no_trades_are_none(minutes: Path, tmp_path: Path) -> None:
    run = make(tmp_path / "root", minutes, params={"fast": 3, "slow": 4000}).run
    assert trades_of(run, TradesAsked(first_ms=None, last_ms=None, limit=9, after=0)).items == ()


def test_a_line_that_is_not_json_is_damage(minutes: Path, tmp_path: Path) -> None:
    run = make(tmp_path / "root", minutes).run
    loosen(Path(run.directory))
    Path(run.directory, "trades.jsonl").write_text("{\n")
    with pytest.raises(RunDamaged, match=r"line 1 of trades\.jsonl"):
        trades_of(run, TradesAsked(first_ms=None, last_ms=None, limit=9, after=0))
