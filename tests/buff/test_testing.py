"""The test kit: honest strategies pass it, and every way to break the contract is caught with its evidence."""

import importlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

import buff
import outside
from buff import testing
from buff.decisions.strategy import strategies, strategy
from buff.errors import StrategyInvalid
from buff.market.bars import PRICES

Decide = Callable[[buff.Bars, buff.Params], buff.Decisions]
BOUNDED = buff.Param(name="bars", kind="int", default=5, low=1, high=60, says="bars of the range")


def decisions(up: Any) -> buff.Decisions:
    """Long where `up` holds; reason 1 to enter, 2 to leave."""
    target = np.asarray(up).astype(np.int8)
    changed = np.diff(target, prepend=np.int8(0))
    return buff.Decisions(target=target, reason=np.where(changed > 0, 1, np.where(changed < 0, 2, 0)).astype(np.uint8))


def momentum(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    """The honest rule that the cheats below are variations of."""
    back = int(params["bars"])
    up = np.zeros(len(bars), np.bool_)
    up[back:] = bars.close[back:] > bars.close[: max(len(bars) - back, 0)]
    return decisions(up)


def made(decide: Decide = momentum, **changes: Any) -> buff.Strategy:
    values: dict[str, Any] = {
        "id": "made",
        "version": "1",
        "citation": "none",
        "rule": "A rule for tests.",
        "params": (BOUNDED,),
        "reasons": ("", "up", "down"),
        "sides": ("long",),
        "warmup": lambda params: params["bars"],
        "decide": decide,
    }
    return buff.Strategy(**{**values, **changes})


def refusal(rule: buff.Strategy) -> StrategyInvalid:
    with pytest.raises(StrategyInvalid) as caught:
        testing.check(rule)
    return caught.value


# Honest


@pytest.mark.parametrize("id", ["hold", "ma_cross", "donchian_breakout", "rsi_reversion"])
def test_built_in_strategies_pass(id: str) -> None:
    testing.check(strategy(id))


@pytest.mark.nightly
@pytest.mark.parametrize("id", sorted(strategies()))
def test_every_registered_strategy_passes(id: str) -> None:
    testing.check(strategy(id))


def test_an_honest_rule_passes_and_was_asked_about_every_kind_of_bars() -> None:
    asked = []
    testing.check(made(lambda bars, params: asked.append((len(bars), params["bars"])) or momentum(bars, params)))
    assert {bars for _, bars in asked} == {1, 5, 60}, "the default and both bounds"
    assert {1, 2, 5, 6, 7} <= {count for count, bars in asked if bars == 5}, "around the warm-up"
    names = [case.name for case in testing.cases(made())]
    assert len(set(names)) > 15


def test_the_bars_are_what_their_names_say_and_the_same_every_time() -> None:
    kinds = {case.name: case.bars for case in testing.cases(made(params=(), warmup=lambda params: 20))}
    again = {case.name: case.bars for case in testing.cases(made(params=(), warmup=lambda params: 20))}
    for name, bars in kinds.items():
        assert all(getattr(bars, column).tobytes() == getattr(again[name], column).tobytes() for column in PRICES)
        assert (np.diff(bars.ts) > 0).all()
        assert (bars.low > 0).all()
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        if bars.decimals is not None:
            units = bars.close * 10**bars.decimals
            assert np.allclose(units, np.rint(units), rtol=0, atol=1e-6), name
    assert kinds["gaps"].missing.max() > 50
    assert 20 < kinds["filled"].filled.sum() < 200
    assert (kinds["filled"].volume[kinds["filled"].filled == 1] == 0).all()
    assert not kinds["no volume"].volume.any()
    assert np.ptp(kinds["constant"].close) == 0
    assert (np.diff(kinds["rising"].close) > 0).all()
    assert (np.diff(kinds["falling"].close) < 0).all()
    assert (np.abs(np.diff(kinds["spikes"].close)) > 0.8 * kinds["spikes"].close[:-1]).sum() > 5
    assert len(kinds["sample"]) == 336
    assert kinds["days"].timeframe == buff.Timeframe("1d")
    assert {name for name in kinds if name.startswith("the first ")} == {
        f"the first {count}" for count in (1, 2, 20, 21, 22)
    }


# Broken


def _raises_on_one_bar(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    return decisions(bars.close > bars.close[1] + 1e9)


def _divides(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    spread = round(float(bars.close.max() - bars.close.min()), 6)
    return decisions(np.zeros(len(bars)) * int(1 / spread))


def _assigns(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    bars.close[0] = 1.0
    return momentum(bars, params)


def _writes(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    found = momentum(bars, params)
    bars.volume.flags.writeable = True
    bars.volume[-1] += 1.0
    return found


def _changes_parameters(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    params["bars"] = 3  # type: ignore[index]
    return momentum(bars, params)


COUNT, ROLL, KEPT = itertools.count(), np.random.default_rng(7), {}


def _counts(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    return decisions(np.arange(len(bars)) > 100 + next(COUNT) % 5)


def _rolls(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    up = ROLL.random(len(bars)) > 0.5
    up[: int(params["bars"])] = False
    return decisions(up)


def _keeps(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    """A cache with too small a key."""
    return KEPT.setdefault((len(bars), params["bars"]), momentum(bars, params))


LAST: list[float] = [0.0]


def _remembers(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    """Begins with the last close it saw, ever, unless it was asked the same just before."""
    if LAST[-1] != bars.close[-1]:
        LAST.append(float(bars.close[-1]))
    up = np.arange(len(bars)) >= int(params["bars"]) + len(LAST) % 3
    return decisions(up)


def _early(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    """Right at its default, a bar too early above twenty."""
    return momentum(bars, {"bars": int(params["bars"]) - (int(params["bars"]) > 20)})


def _tomorrow(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    up = np.append(bars.close[1:], bars.close[-1]) > bars.close
    up[: int(params["bars"])] = False
    return decisions(up)


def _typed_wrong(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    found = momentum(bars, params)
    return evolve(found, target=found.target.astype(np.int64))


def _cut(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    found = momentum(bars, params)
    return buff.Decisions(target=found.target[:-1], reason=found.reason[:-1])


def _plain(bars: buff.Bars, params: buff.Params) -> Any:
    return momentum(bars, params).target


def _short(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    found = momentum(bars, params)
    return evolve(found, target=-found.target)


def _doubled(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    found = momentum(bars, params)
    return evolve(found, target=found.target * 2)


def _silent(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    return evolve(momentum(bars, params), reason=np.zeros(len(bars), np.uint8))


def _talks(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    return evolve(momentum(bars, params), reason=np.ones(len(bars), np.uint8))


def _unknown(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    found = momentum(bars, params)
    return evolve(found, reason=np.where(found.reason == 2, 7, found.reason).astype(np.uint8))


@pytest.mark.parametrize(
    ("decide", "rule", "says"),
    [
        (_raises_on_one_bar, "raised", r"decide raised IndexError.*tried on 1 bars: the first 1"),
        (_divides, "raised", r"decide raised ZeroDivisionError: float division by zero.*: constant, bars=5"),
        (_assigns, "raised", "decide raised ValueError: assignment destination is read-only"),
        (_writes, "inputs", "it changed the column volume of the bars it was given"),
        (_changes_parameters, "raised", "decide raised TypeError: 'mappingproxy' object does not support item"),
        (_counts, "warmup|repeat", "asked twice"),
        (_rolls, "repeat", "asked twice, it gave two different answers for target"),
        (_keeps, "memory", "it keeps something from call to call"),
        (_remembers, "memory|lookahead|repeat", "otherwise|another|twice"),
        (_early, "warmup", "the target must be 0 on the 60 bars of the warm-up.*bars=60"),
        (_tomorrow, "lookahead", "it decides otherwise when what follows bar"),
        (_typed_wrong, "shape", r"target must be int8\[\d+\], it is int64\[\d+\]"),
        (_cut, "shape", r"target must be int8\[305\], it is int8\[304\]"),
        (_plain, "shape", "decide must return Decisions, not ndarray"),
        (_short, "side", "it is short, but declares the side long only"),
        (_doubled, "range", "the target must be -1, 0 or"),
        (_silent, "reason", "a reason must stand exactly where the target changes"),
        (_talks, "reason", "a reason must stand exactly where the target changes"),
        (_unknown, "reason", "reason codes go up to 2"),
    ],
)
def test_a_strategy_that_breaks_its_contract_is_refused_with_the_evidence(decide: Decide, rule: str, says: str) -> None:
    error = refusal(made(decide))
    assert error.code == "STRATEGY_INVALID"
    assert error.details["rule"] in rule.split("|")
    with pytest.raises(StrategyInvalid, match=says):
        raise error
    assert error.details["case"] in error.message
    bar = error.details["bar"]
    if bar is not None:
        assert f"at bar {bar}" in error.message
        assert str(error.details["ts"]).endswith("Z")
    if error.details["rule"] == "raised":
        assert decide.__name__ in error.details["place"]
        assert error.details["source_line"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "Made"}, "the id 'Made' is not made of"),
        ({"citation": " "}, "citation must be a text"),
        ({"reasons": ("", "up", "up")}, "different texts"),
        ({"reasons": ("", "up", "Out!")}, "the reason 'Out!' is not a word"),
        ({"params": (BOUNDED, BOUNDED)}, "with different names"),
        ({"params": (evolve(BOUNDED, kind="number"),)}, "be one of int, float, bool, str"),
        ({"params": (evolve(BOUNDED, default=61),)}, "bars is 61; it must be a whole number from 1 to 60"),
        ({"params": (evolve(BOUNDED, high=60.5),)}, "bars is 60.5"),
        ({"warmup": lambda params: None}, "warmup must return a whole number of at least 0, not None"),
        ({"warmup": lambda params: 1 // 0}, "warmup raised ZeroDivisionError"),
        ({"check": lambda params: 1 // (60 - params["bars"])}, "strategy made: 0"),
        ({"check": lambda params: [][params["bars"]]}, "check raised IndexError"),
        ({"indicators": lambda bars, params: bars.close}, "indicators must return a dict"),
        ({"indicators": lambda bars, params: {"close": bars.ts}}, r"indicator close must be float64\["),
        ({"indicators": lambda bars, params: {"close": bars.close * bars.close[-1]}}, "its indicator close is another"),
    ],
)
def test_what_a_strategy_declares_is_checked_too(changes: Mapping[str, Any], says: str) -> None:
    assert says.replace("\\", "") in refusal(made(**changes)).message


def test_bounds_that_are_refused_together_are_left_out() -> None:
    rule = made(check=lambda params: "sixty is too many" if params["bars"] == 60 else None)
    testing.check(rule)
    assert {case.params["bars"] for case in testing.cases(rule)} == {1, 5}


def test_a_warm_up_longer_than_any_trial_is_still_tried_on_short_bars() -> None:
    endless = evolve(BOUNDED, high=10**7)
    lengths = [len(case.bars) for case in testing.cases(made(params=(endless,))) if case.params["bars"] == 10**7]
    assert max(lengths) == testing.BARS_MAX + 2
    testing.check(made(params=(endless,)))


# Other processes

SETS = """
import attrs, numpy as np, riser
from buff import Decisions

def _decide(bars, params):
    "Which word comes first in a set is another question in each process."
    first = list({"north", "east", "south", "west", "up", "down"})
    side = np.full(len(bars), first.index("up") % 2, np.int8)
    return Decisions(target=side, reason=np.diff(side, prepend=np.int8(0)).astype(np.uint8))

STRATEGY = attrs.evolve(riser.STRATEGY, id="sets", warmup=lambda params: 0, decide=_decide)
"""


def test_every_process_decides_the_same_of_an_honest_rule(site: Path) -> None:
    outside.install(site, "riser")
    testing.check_processes(strategy("riser"))
    testing.check_processes(strategy("hold"))


def test_a_rule_that_goes_by_the_order_of_a_set_is_caught(site: Path) -> None:
    """In one process it keeps every rule."""
    outside.install(site, "riser")
    (site / "sets.py").write_text(SETS)
    rule = importlib.import_module("sets").STRATEGY
    testing.check(rule)
    with pytest.raises(
        StrategyInvalid, match=r"another process, with PYTHONHASHSEED=[12], decides otherwise"
    ) as caught:
        testing.check_processes(rule)
    assert caught.value.details["rule"] == "process"


def test_what_no_other_process_can_ask_is_told(site: Path) -> None:
    with pytest.raises(StrategyInvalid, match="it is no name of a module of its package"):
        testing.check_processes(made())
    text = (
        outside.RULE.replace("{id}", "riser")
        + "import sys\nif 'pytest' not in sys.modules: raise RuntimeError('not here')\n"
    )
    outside.install(site, "riser", files={"__init__.py": text})
    with pytest.raises(StrategyInvalid, match="another process cannot ask it: RuntimeError: not here"):
        testing.check_processes(importlib.import_module("riser").STRATEGY)


# What a test of a rule needs


def test_bars_of_closes_and_decisions_on_them() -> None:
    bars = testing.bars([1.0, 3.0, 2.0], timeframe="4h", volumes=[5.0, 6.0, 7.0])
    assert (bars.open.tolist(), bars.high.tolist(), bars.low.tolist()) == ([1, 1, 3], [1, 3, 3], [1, 1, 2])
    assert bars.volume.tolist() == [5.0, 6.0, 7.0]
    assert (bars.timeframe.value, np.diff(bars.ts).tolist()) == ("4h", [14_400_000] * 2)
    found = testing.decide(made(), bars, {"bars": 1})
    assert (found.target.tolist(), found.reason.tolist()) == ([0, 1, 0], [0, 1, 2])
    with pytest.raises(StrategyInvalid, match="no parameter 'speed'"):
        testing.decide(made(), bars, {"speed": 1})
