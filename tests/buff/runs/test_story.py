"""The story of a trade and of a bar: what it says is what the artifacts say, and its printed sums come out."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff.decisions import strategy as registered
from buff.errors import RunConfigInvalid, StrategyInvalid
from buff.runs.run import Run
from buff.runs.story import CHANGES_MAX, bar_at
from whole import make, names, opened, write_csv
from wild import wild_run


@pytest.fixture
def run(root: Path) -> Run:
    return opened(root).run(names(root)["runs"][0])


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Four runs with gaps, invented bars, blocks, halts, reversals and every kind of cost."""
    folder = tmp_path_factory.mktemp("wild")
    return [wild_run(folder, seed, root=folder / "root") for seed in (1, 2, 4, 8)]


def stories(runs: list[Run]) -> Iterator[tuple[Run, dict[str, Any], dict[str, Any]]]:
    """Yield every trade of some runs with its story."""
    for run in runs:
        for number, trade in enumerate(run.trades):
            yield run, trade, run.explain(trade=number)


def printed(text: str) -> float:
    """Work a printed sum out, as a reader with a calculator would."""
    return float(eval(text.replace("×", "*").replace("−", "-"), {"__builtins__": {}}))


def test_the_story_of_a_trade_says_what_was_decided_filled_and_made(run: Run) -> None:
    trade = run.trades[0]
    story = run.explain(trade=0)
    assert (story["run_id"], story["trade"], story["trades"]) == (run.id, 0, len(run.trades))
    assert (story["side"], story["state"]) == (trade["side"], "closed")
    entry, leaving = story["entry"], story["exit"]
    assert entry["decision"]["seq"] == trade["entry"]["decided"] == entry["fill"]["seq"] - 1
    assert entry["decision"]["reason"] == "cross_up"
    assert entry["decision"]["budget"] == run.records[entry["decision"]["seq"]]["budget"]
    assert entry["fill"]["open"] == run.bars.open[entry["fill"]["seq"]]
    assert leaving["fill"]["quantity"] == -entry["fill"]["quantity"]
    assert story["held"]["bars"] == trade["bars"]
    assert story["result"]["pnl"] == trade["pnl"]
    assert story["arithmetic"][-1]["what"] == "pnl"


def test_a_story_shows_the_averages_that_crossed(wild: list[Run]) -> None:
    """A cross up is where the fast average was not above the slow one at the bar before, and is above it now."""
    run = wild[0]
    decision = next(
        story["entry"]["decision"]
        for _, trade, story in stories([run])
        if trade["entry"]["reason"] == "cross_up" and trade["entry"]["decided"] > 20
    )
    fast, slow = decision["indicators"]
    assert (fast["name"], slow["name"]) == ("fast", "slow")
    assert fast["before"] <= slow["before"]
    assert fast["at"] > slow["at"]
    count = run.inputs["strategy"]["params"]["fast"]
    closes = run.bars.close[decision["seq"] + 1 - count : decision["seq"] + 1].tolist()
    assert fast["at"] == pytest.approx(sum(closes) / count, rel=1e-12)


def test_printed_sums_are_the_stored_numbers(wild: list[Run]) -> None:
    """Invariants checked: each sum, worked out from its text alone, gives the stored number; pnl re-adds from parts."""
    whats = set()
    for _, trade, story in stories(wild):
        for each in story["arithmetic"][:-1]:
            assert printed(each["sum"]) == each["gives"] == each["stored"], each
            assert each["exact"]
            assert each["holds"]
            whats.add((each["what"], each["says"]))
        last = story["arithmetic"][-1]
        value = trade.get("pnl", trade.get("unrealised"))
        assert last["stored"] == value
        assert last["holds"]
        assert math.isclose(printed(last["sum"]), value, rel_tol=1e-9, abs_tol=1e-9)
    assert {what for what, _ in whats} >= {"budget", "quantity", "entry fee", "exit fee", "pnl", "return", "unrealised"}
    assert len({says for what, says in whats if what == "entry fee"}) == 2, "a minimum fee and a commission"


def test_a_number_that_is_not_its_parts_is_said(run: Run) -> None:
    changed = list(run.trades)
    changed[0]["pnl"] += 0.01
    vars(run)["trades"] = changed
    sums = {each["says"]: each for each in run.explain(trade=0)["arithmetic"]}
    assert not sums["quantity × (exit price − entry price) − fees"]["holds"]
    assert not sums["the market's move − slippage − fees"]["holds"]
    assert sums["budget / entry price"]["holds"]


def test_marks_and_risk_changes_are_those_of_a_slow_loop(wild: list[Run]) -> None:
    for run, trade, story in stories(wild):
        held, sign = story["held"], 1 if trade["side"] == "long" else -1
        bars = range(held["first"], held["last"] + 1)
        records = run.records[held["first"] - 1 : held["last"] + 1]
        assert all(record["position"] == sign for record in records[1:])
        marks = [
            sign * trade["quantity"] * (record["price"] - trade["entry"]["price"]) - trade["entry"]["fee"]
            for record in records[1:]
        ]
        assert (held["best"]["unrealised"], held["worst"]["unrealised"]) == (max(marks), min(marks))
        assert held["best"]["seq"] == bars[marks.index(max(marks))]
        changes = [
            (now["seq"], before["risk_state"], now["risk_state"], now.get("rule"))
            for before, now in itertools.pairwise(records)
            if before["risk_state"] != now["risk_state"]
        ]
        assert held["risk_changes"] == len(changes)
        assert [(each["seq"], each["from"], each["to"], each["rule"]) for each in held["risk"]] == changes[:CHANGES_MAX]


def test_limits_are_those_the_state_was_judged_by(wild: list[Run]) -> None:
    """Invariants checked: a fresh RED is where equity is at or below a floor; GREEN is above every floor."""
    seen = set()
    for run in wild:
        for seq in range(0, len(run.records), 3):
            risk = run.explain(bar=seq)["decision"]["risk"]
            red = any(risk["equity"] <= limit["red_at"] for limit in risk["limits"])
            yellow = any(risk["equity"] <= limit["yellow_at"] for limit in risk["limits"])
            match risk["state"]:
                case "GREEN":
                    assert not yellow
                case "YELLOW":
                    assert yellow
                    assert not red
                case "RED" if risk["since"] == seq:
                    assert red
            assert all(run.state[seq] == run.state[at] for at in range(risk["since"], seq))
            assert risk["since"] == 0 or run.state[risk["since"] - 1] != run.state[seq]
            seen.add(risk["state"])
    assert seen == {"GREEN", "YELLOW", "RED"}


def test_an_open_trade_is_said_to_be_open(wild: list[Run]) -> None:
    found = [story for _, trade, story in stories(wild) if trade["state"] == "open"]
    assert found
    for story in found:
        assert story["exit"] is None
        assert story["result"]["pnl"] is None
        assert story["result"]["unrealised"] is not None
        assert story["arithmetic"][-1]["what"] == "unrealised"


# Bars


def why(run: Run, seq: int) -> str:
    return " ".join(run.explain(bar=seq)["why"])


def test_every_bar_has_a_reason_in_words(wild: list[Run]) -> None:
    """Invariants checked: what the words say of a bar is what its record and the next one say."""
    for run in wild:
        records = list(run.records)
        for seq, record in enumerate(records):
            if record["action"] == "HOLD" and seq % 10:
                continue
            words = why(run, seq)
            following = records[seq + 1] if seq + 1 < len(records) else None
            match record["action"]:
                case "HOLD":
                    assert "Nothing is" in words
                case "BLOCKED":
                    assert f"blocked by {record['rule']}" in words
                case _ if following is None:
                    assert "pending" in words
                case _ if following.get("fills"):
                    assert f"filled at the open of bar {seq + 1}" in words
                case _:
                    assert following["filled"]
                    assert "lapsed" in words
                    assert f"of bar {seq} lapsed" in why(run, seq + 1)


def test_a_blocked_bar_says_since_when_and_until_when(wild: list[Run]) -> None:
    """The bar that ends a daily block is the first one of a later UTC day, and it is not RED by the old loss."""
    daily = halted = 0
    for run in wild:
        for record in run.records:
            if record["action"] != "BLOCKED" or (record["seq"] % 5 and record["rule"] == "max_drawdown"):
                continue
            words = why(run, record["seq"])
            if record["rule"] == "max_drawdown":
                halted += 1
                assert "no entry is made any more" in words
                continue
            later = next((bar for bar in run.records[record["seq"] :] if bar["ts"][:10] > record["ts"][:10]), None)
            daily += later is not None
            assert "the run ends before" in words if later is None else f"may decide is {later['seq']} (" in words
    assert daily
    assert halted


def test_a_warm_up_is_why_nothing_happens(run: Run) -> None:
    assert "warms up until bar 7" in why(run, 6)
    assert "warms up" not in why(run, 7)


def test_a_bar_is_named_by_its_number_or_its_open(run: Run) -> None:
    assert run.explain(bar="2024-01-01T05:00:00Z") == run.explain(bar=5) == run.explain(bar="5")
    assert bar_at(run, 0) == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"trade": 10_000}, {"trade": -1}, {"bar": 48}, {"bar": -1}, {"bar": "day"}, {"bar": "2024-01-01T05:30:00Z"},
        {"bar": "2030-01-01T00:00:00Z"}, {"bar": "1e3"}, {"bar": "²"}, {}, {"trade": 0, "bar": 0},
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_with_what_is(run: Run, asked: dict[str, Any]) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        run.explain(**asked)
    assert caught.value.hint


# Indicators


@settings(max_examples=15)
@given(data=st.data())
def test_indicators_are_those_of_all_bars_at_once(wild: list[Run], data: st.DataObject) -> None:
    """Invariants checked: computed over no later bar, the values are bit for bit those computed over the whole run."""
    run = data.draw(st.sampled_from(wild))
    seq = data.draw(st.integers(0, len(run.records) - 1))
    rule = registered.strategy(run.inputs["strategy"]["id"])
    assert rule.indicators is not None
    whole = rule.indicators(run.bars, run.inputs["strategy"]["params"])
    for each in run.explain(bar=seq)["decision"]["indicators"]:
        for place, value in (("before", seq - 1), ("at", seq)):
            expected = float(whole[each["name"]][value]) if value >= 0 else math.nan
            assert each[place] == expected or (each[place] is None and np.isnan(expected))


def test_a_changed_source_gives_no_indicator_values(run: Run) -> None:
    """The manifest in memory is given the hash of another source, as it is after the strategy was edited."""
    run.manifest["inputs"]["strategy"]["source_sha256"] = "0" * 64
    story = run.explain(trade=0)
    assert story["entry"]["decision"]["indicators"] is None
    assert story["strategy"]["rule"] is None
    assert "not the one of this run" in story["strategy"]["no_indicators"]
    assert story["entry"]["decision"]["reason"] == "cross_up"


def test_a_strategy_that_is_gone_leaves_the_story_readable(run: Run) -> None:
    run.manifest["inputs"]["strategy"]["id"] = "gone"
    assert "not registered any more" in run.explain(bar=20)["strategy"]["no_indicators"]


def test_a_run_knows_of_how_many_decimals_its_prices_are(run: Run) -> None:
    """Without them an indicator would be computed another way than for the run, and differ in its last bit."""
    assert run.bars.decimals == 2


def test_an_indicator_that_fails_is_said_and_the_rest_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StrategyInvalid("strategy ma_cross raised ZeroDivisionError")

    monkeypatch.setattr("buff.runs.story.indicators", broken)
    story = run.explain(trade=0)
    assert story["strategy"]["no_indicators"] == "strategy ma_cross raised ZeroDivisionError"
    assert story["entry"]["decision"]["indicators"] is None
    assert all(each["holds"] for each in story["arithmetic"])


# Every strategy, every length of bar


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("month") / "month.csv", minutes=40 * 1_440)


@pytest.mark.parametrize("id", sorted(registered.strategies()))
def test_every_strategy_can_be_told(id: str, month: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "strategies"
    run = make(root, month, timeframe="1h", strategy=id, params={}).run
    shows = registered.strategy(id).indicators is not None
    story = run.explain(trade=0)
    assert (story["entry"]["decision"]["indicators"] is not None) is shows
    assert (story["strategy"]["no_indicators"] is None) is shows
    for number in range(len(run.trades)):
        assert all(each["holds"] for each in run.explain(trade=number)["arithmetic"])


@pytest.mark.parametrize(
    "asked",
    [
        {"timeframe": "1m", "end": "2024-01-01T00:01:00Z"}, {"timeframe": "1m", "end": "2024-01-01T00:02:00Z"},
        {"timeframe": "1d"}, {"timeframe": "1w"}, {"timeframe": "1M"},
    ],
)  # fmt: skip
def test_every_length_of_run_and_bar_can_be_told(
    asked: dict[str, Any], month: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One bar, bars of a day, and bars longer than a day, where no day's loss is watched."""
    params = {"fast": 1, "slow": 2, "direction": "both"}
    run = make(tmp_path_factory.getbasetemp() / "lengths", month, params=params, **asked).run
    for seq in range(len(run.records)):
        story = run.explain(bar=seq)
        assert story["why"]
        rules = [limit["rule"] for limit in story["decision"]["risk"]["limits"]]
        assert ("daily_loss" in rules) is (asked["timeframe"] not in ("1w", "1M"))
    for number in range(len(run.trades)):
        assert all(each["holds"] for each in run.explain(trade=number)["arithmetic"])
    assert run.diff(run)["same_artifacts"]
    assert "".join(run.report()).endswith("</html>\n")
