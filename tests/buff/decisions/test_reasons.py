"""Every code that an artifact gives as a reason has a sentence, in one place."""

from typing import Any

import pytest

from buff.decisions.engine import RULES as ENGINE_RULES
from buff.decisions.engine import reason_names, simulate
from buff.decisions.metrics import metrics
from buff.decisions.reasons import FLAGS, OF_METRICS, OF_RISK, OF_STRATEGIES, RULES, of_decision, of_metric
from buff.decisions.returns import returns
from buff.decisions.strategy import describe, strategies
from worlds import world


@pytest.mark.parametrize("id", sorted(strategies()))
def test_every_reason_of_a_strategy_is_said(id: str) -> None:
    rule = strategies()[id]
    assert list(OF_STRATEGIES[id]) == list(rule.reasons[1:])
    assert describe(rule)["reasons_say"] == OF_STRATEGIES[id]


def test_what_is_said_is_a_sentence_and_never_the_code_again() -> None:
    said = [*OF_STRATEGIES.values(), OF_RISK, OF_METRICS, FLAGS]
    assert [code for table in said for code, says in table.items() if " " not in says or "_" in says] == []
    assert all(says != code.replace("_", " ") for table in said for code, says in table.items())


def test_the_policys_rules_are_those_of_the_engine() -> None:
    assert set(RULES) == {*ENGINE_RULES[1:]}
    assert set(OF_RISK) == set(reason_names(())) == {f"risk_{rule}" for rule in RULES}


def test_a_code_means_what_its_strategy_means_by_it() -> None:
    assert of_decision("cross_up", "ma_cross") == "the fast average is above the slow one"
    assert of_decision("cross_up", "macd") == "the line is above its signal"
    assert "the loss since the last UTC midnight is at its limit" in of_decision("risk_daily_loss", "macd")


def test_a_code_from_outside_is_its_own_words() -> None:
    assert of_decision("moon_is_full", "lunar") == "moon is full"
    assert of_metric("of_a_later_version") == "of a later version"


def _codes(args: dict[str, Any]) -> set[str | None]:
    simulated = {name: args[name] for name in ("bars", "decisions", "level", "costs", "initial_equity")}
    outcome = simulate(**simulated)
    found = metrics(args["bars"], outcome, warmup=0)
    table = returns(args["bars"], outcome, warmup=0)
    rows = [row for name in ("months", "years") for row in table[name]["rows"]]
    named = [*found.values(), *rows]
    return {each.get(name) for each in named for name in ("null_reason", "flag", "buy_and_hold_null_reason")}


def test_no_world_gives_a_metric_a_reason_that_nobody_can_say() -> None:
    seen = set().union(*(_codes(world(seed)) for seed in range(200))) - {None}
    assert seen <= OF_METRICS.keys() | FLAGS.keys()
    assert len(seen) >= 10, "the worlds give most of them"
