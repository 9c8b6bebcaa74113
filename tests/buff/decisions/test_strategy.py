"""The registered strategies: what they decide, what they say of themselves, and the hash of their source."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import buff.decisions
from buff.decisions.strategy import decide, describe, resolve, source_sha256, strategies, strategy
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from worlds import bars_of


def _bars(closes: list[float], decimals: int | None = 2) -> Bars:
    return bars_of(Timeframe.HOUR_1, closes, closes, decimals=decimals)


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StrategyInvalid, match="no strategy 'moon'") as caught:
        strategy("moon")
    assert caught.value.details["known"] == list(strategies())


def test_hold_is_long_from_the_first_bar() -> None:
    hold = strategy("hold")
    found = decide(hold, _bars([5.0, 6.0, 4.0]), resolve(hold, {}))
    assert found.target.tolist() == [1, 1, 1]
    assert [hold.reasons[code] for code in found.reason] == ["hold", "", ""]


def test_ma_cross_takes_the_side_of_the_fast_average_and_keeps_it_on_a_tie() -> None:
    cross = strategy("ma_cross")
    # fast is the close, slow the mean of two: up, up, tie, down, tie, up
    bars = _bars([10.0, 11.0, 12.0, 12.0, 11.0, 11.0, 12.0])
    found = decide(cross, bars, resolve(cross, {"fast": 1, "slow": 2}))
    assert found.target.tolist() == [0, 1, 1, 1, 0, 0, 1]
    assert [cross.reasons[code] for code in found.reason] == ["", "cross_up", "", "", "cross_down", "", "cross_up"]
    both = decide(cross, bars, resolve(cross, {"fast": 1, "slow": 2, "direction": "both"}))
    assert both.target.tolist() == [0, 1, 1, 1, -1, -1, 1]
    short = decide(cross, bars, resolve(cross, {"fast": 1, "slow": 2, "direction": "short"}))
    assert short.target.tolist() == [0, 0, 0, 0, -1, -1, 0]
    assert [cross.reasons[code] for code in short.reason] == ["", "", "", "", "cross_down", "", "cross_up"]


def test_ma_cross_needs_fast_below_slow() -> None:
    with pytest.raises(StrategyInvalid, match=r"fast \(20\) must be below slow \(20\)"):
        resolve(strategy("ma_cross"), {"fast": 20})


def test_fewer_bars_than_the_warm_up_decide_nothing() -> None:
    cross = strategy("ma_cross")
    assert not decide(cross, _bars([1.0] * 19), resolve(cross, {})).target.any()


@given(st.lists(st.integers(990, 1010), min_size=1, max_size=80), st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_ma_cross_is_the_rule_a_reader_would_write_on_whole_cents(
    cents: list[int], fast: int, more: int, both: bool
) -> None:
    """The oracle compares exact sums of whole cents: 1/100 has no exact double, yet a tie must be a tie."""
    cross, slow = strategy("ma_cross"), fast + more
    params = resolve(cross, {"fast": fast, "slow": slow, "direction": "both" if both else "long"})
    expected, now = [], 0
    for bar in range(len(cents)):
        if bar >= slow - 1:
            quick = sum(cents[bar - fast + 1 : bar + 1]) * slow
            calm = sum(cents[bar - slow + 1 : bar + 1]) * fast
            now = 1 if quick > calm else (-1 if both else 0) if quick < calm else now
        expected.append(now)
    exact = decide(cross, _bars([cent / 100 for cent in cents]), params)
    assert exact.target.tolist() == expected
    floats = decide(cross, _bars([cent / 100 for cent in cents], decimals=None), params)
    assert floats.target.tolist() == expected


def test_a_strategy_describes_itself_in_plain_values() -> None:
    found = describe(strategy("ma_cross"))
    assert found["sides"] == ["long", "short"]
    assert found["reasons"] == ["cross_up", "cross_down"]
    assert [(param["name"], param["default"]) for param in found["params"]] == [
        ("fast", 10),
        ("slow", 20),
        ("direction", "long"),
    ]
    assert all(strategy(id).citation and strategy(id).rule for id in strategies())


def test_the_source_hash_is_of_the_strategys_file_and_the_kernels() -> None:
    """Worked by hand: path, NUL, SHA-256 of the bytes, in the order of the paths."""
    folder = Path(str(buff.decisions.__file__)).parent
    expected = hashlib.sha256()
    for name in ("indicators.py", "signals.py", "strategies/ma_cross.py"):
        content = (folder / name).read_bytes().replace(b"\r\n", b"\n")
        expected.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    assert source_sha256(strategy("ma_cross")) == expected.hexdigest()
    assert source_sha256(strategy("hold")) != source_sha256(strategy("ma_cross"))


def test_bars_of_another_writer_are_never_changed() -> None:
    bars = _bars([1.0, 2.0, 3.0])
    before = bars.close.tobytes()
    for rule in strategies().values():
        decide(rule, bars, resolve(rule, {}))
    assert bars.close.tobytes() == before
    assert np.array_equal(bars.ts, np.sort(bars.ts))
