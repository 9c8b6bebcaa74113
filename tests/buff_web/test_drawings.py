"""Pictures drawn by the server: well-formed, inside their frame, without style or script."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from buff.pyramid import Detail, Series, Window, bars_series, equity_series
from buff_web.drawings import SPARK_HEIGHT, SPARK_WIDTH, bought, overlay, picture, sparkline
from whole import make


def _points(svg: str, which: str) -> list[tuple[float, float]]:
    tree = ElementTree.fromstring(svg)
    line = next(element for element in tree.iter() if element.get("class") == which)
    return [(float(x), float(y)) for x, y in (pair.split() for pair in line.attrib["d"][1:].split("L"))]


def test_a_rising_curve_rises() -> None:
    assert _points(sparkline([1.0, 2.0, 3.0]), "curve") == [(0.0, 25.0), (56.0, 14.0), (112.0, 3.0)]
    assert 'class="spark up"' in sparkline([1.0, 2.0])
    assert 'class="spark down"' in sparkline([2.0, 1.0])


def test_nothing_gives_nothing() -> None:
    assert sparkline([]) == ""


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=700))
def test_every_sparkline_stays_in_its_frame(values: list[float]) -> None:
    """Invariants checked: well-formed XML; every point inside the frame; no inline style."""
    drawn = sparkline(values)
    assert all(0 <= x <= SPARK_WIDTH and 0 <= y <= SPARK_HEIGHT for x, y in _points(drawn, "curve"))
    assert "style=" not in drawn


def _picture(run: Any) -> str:
    window = Window(buckets=300)
    bars, equity = (
        series.cut(window).columns for series in (_detail(bars_series(run)), _detail(equity_series(run, run.bars.ts)))
    )
    start = run.inputs["initial_equity"]
    return picture(bars, equity, start=start, bought=bought(run), label='"<b>')


def _detail(series: Series) -> Detail:
    return Detail(series=series, pyramid=None)


def test_the_picture_of_a_run_has_both_curves_and_what_buy_and_hold_made_is_its_metric(
    minutes: Path, tmp_path: Path
) -> None:
    run: Any = make(tmp_path / "root", minutes).run
    held = bought(run)
    assert held is not None
    drawn = _picture(run)
    assert '"<b>' not in drawn
    assert "style=" not in drawn
    assert len(ElementTree.fromstring(f"<div>{drawn}</div>")) == 3
    for kind in ("equity", "hold", "depth", "grid"):
        assert f'class="{kind}"' in drawn
    assert float(run.bars.close[-1]) / held.price - 1 == run.metrics["buy_and_hold"].value


def test_a_run_that_only_warms_up_has_no_buy_and_hold(minutes: Path, tmp_path: Path) -> None:
    run: Any = make(tmp_path / "root", minutes, params={"fast": 3, "slow": 4000}).run
    assert bought(run) is None
    assert 'class="hold"' not in _picture(run)


def test_curves_of_several_runs_are_drawn_where_they_are() -> None:
    ts = [minute * 60_000 for minute in range(5)]
    drawn = overlay(
        ts, [[None, 100.0, 101.0, 102.0, None], [100.0, 99.0, 98.0, 97.0, 96.0]], label="two", fractions=False
    )
    assert [len(_points(drawn, kind)) for kind in ("r1", "r2")] == [3, 5]
    left = [_points(drawn, kind)[0][0] for kind in ("r1", "r2")]
    assert left[0] > left[1]
    assert "nan" not in drawn
