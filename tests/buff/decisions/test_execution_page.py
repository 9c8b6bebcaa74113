"""docs/explanation/execution.md shows the limits that the code has."""

import re
from pathlib import Path

from buff.decisions.risk import LEVELS

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "execution.md"


def test_the_table_of_risk_levels_is_the_codes() -> None:
    rows = re.findall(r"^\| (\d) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(level) for level, _ in rows] == sorted(LEVELS)
    for level, cells in rows:
        shown = [float(number) for number in re.findall(r"([\d.]+) %", cells)]
        each = LEVELS[int(level)]
        floors = (each.day_red, each.day_yellow, each.drawdown_red, each.drawdown_yellow)
        expected = [100 * each.fraction, 100 * each.half, *(100 * (1 - floor) for floor in floors)]
        assert [round(number, 9) for number in expected] == shown
