"""Risk levels 1 to 5 (policy `risk.v1`): what each allows.

A level goes in, its limits come out, as literals that are never computed. Nothing here looks at a bar or an account;
the engine applies the limits.
"""

from attrs import evolve, frozen

from buff.errors import RiskInvalid
from buff.market.timeframe import DAY_MS, Timeframe

POLICY = "risk.v1"


@frozen(kw_only=True)
class Limits:
    """What one risk level allows.

    fraction: the part of equity an entry may use; half: the same in YELLOW. The other four are floors, as factors:
    equity at or below `day_open * day_red` is RED by daily_loss, at or below `peak * drawdown_red` by max_drawdown,
    and likewise for YELLOW. A daily floor of 0.0 watches nothing.
    """

    fraction: float
    half: float
    day_red: float
    day_yellow: float
    drawdown_red: float
    drawdown_yellow: float


def _level(
    fraction: float, half: float, day_red: float, day_yellow: float, drawdown_red: float, drawdown_yellow: float
) -> Limits:
    return Limits(
        fraction=fraction,
        half=half,
        day_red=day_red,
        day_yellow=day_yellow,
        drawdown_red=drawdown_red,
        drawdown_yellow=drawdown_yellow,
    )


# Decimal literals on purpose: 1 - 0.15 is not 0.85, and "at the limit" must mean the number a user reads.
LEVELS = {
    1: _level(0.10, 0.05, 0.99, 0.995, 0.95, 0.975),
    2: _level(0.20, 0.10, 0.98, 0.99, 0.90, 0.95),
    3: _level(0.30, 0.15, 0.97, 0.985, 0.85, 0.925),
    4: _level(0.40, 0.20, 0.96, 0.98, 0.80, 0.90),
    5: _level(0.50, 0.25, 0.95, 0.975, 0.75, 0.875),
}


def check_level(level: object) -> int:
    """Return `level` if it is a whole number from 1 to 5. Raises RiskInvalid for anything else, True and "3" too."""
    if not isinstance(level, int) or isinstance(level, bool) or level not in LEVELS:
        raise RiskInvalid(
            f"the risk level is {level!r}; it must be a whole number from 1 to 5",
            hint="1 is the most careful (10 % of equity a position), 5 the least (50 %)",
            details={"field": "risk_level", "value": repr(level), "allowed": sorted(LEVELS)},
        )
    return level


def watches_days(timeframe: Timeframe) -> bool:
    """This function says whether bars of `timeframe` show a day's loss: they must not be longer than a day."""
    return timeframe.step_ms is not None and timeframe.step_ms <= DAY_MS


def limits(level: object, timeframe: Timeframe = Timeframe.MINUTE_1) -> Limits:
    """Return the limits of a level for bars of `timeframe`. Raises RiskInvalid.

    For bars longer than a day the daily floors are 0.0: a loss within a day cannot be seen in them.
    """
    chosen = LEVELS[check_level(level)]
    return chosen if watches_days(timeframe) else evolve(chosen, day_red=0.0, day_yellow=0.0)


def means(level: object) -> dict[str, float | str]:
    """Return what a level allows as plain values: parts of equity as fractions, and all of it in a sentence.

    Raises RiskInvalid.
    """
    found = limits(level)
    told = {
        "position": found.fraction,
        "position_yellow": found.half,
        "daily_loss": _loss(found.day_red),
        "daily_loss_yellow": _loss(found.day_yellow),
        "drawdown": _loss(found.drawdown_red),
        "drawdown_yellow": _loss(found.drawdown_yellow),
    }
    percent = {name: f"{value * 100:g} %" for name, value in told.items()}
    sentence = (
        f"An entry takes {percent['position']} of equity. A loss of {percent['daily_loss']} since the last UTC "
        f"midnight closes the position until the next day, a fall of {percent['drawdown']} from the highest equity "
        "for good; "
        f"at {percent['daily_loss_yellow']} or {percent['drawdown_yellow']} entries take {percent['position_yellow']}."
    )
    return {**told, "means": sentence}


def _loss(floor: float) -> float:
    return round(1.0 - floor, 6)  # shown and never applied: what is applied is the floor
