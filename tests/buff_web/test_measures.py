"""What the runs of a sweep are measured by, and how its values read."""

from buff.recipe import LISTED_METRICS
from buff_web.measures import MEASURES, SHORT, Brief, measured, text
from sweepings import plan_of, rows_of


def test_a_row_has_what_the_registry_knows_of_its_run() -> None:
    (row,) = rows_of(plan_of([{}]), [1.25])
    assert set(LISTED_METRICS) < set(MEASURES) > set(SHORT)
    assert [measured(row, name) for name in ("sharpe", "trades", "deflated_sharpe", "win_rate")] == [1.25, 0, 0.5, None]


def test_values_read_with_their_unit() -> None:
    assert text("net_return", 0.125) == "+12.50\u202f%"
    assert text("sharpe", -1.234) == "−1.23"
    assert text("trades", 1200) == "1,200"
    assert text("sharpe", None) == "–"


def test_where_there_is_little_room_all_have_as_many_decimals() -> None:
    assert [Brief("net_return", [0.5, -0.001]).text(value) for value in (0.5, -0.001)] == ["50.0", "−0.1"]
    assert Brief("sharpe", [0.5]).text(0.5) == "0.50"
    assert Brief("trades", [12.0]).text(12.0) == "12"
    assert (Brief("net_return", ()).unit, Brief("sharpe", ()).unit) == ("%", "")
