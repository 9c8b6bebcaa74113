"""What may be asked for: strategies with a schema of what their parameters take, levels, timeframes, limits."""

from typing import Any

import jsonschema
import pytest
from litestar.testing import TestClient

from buff import Timeframe
from buff.decisions.contract import resolve
from buff.decisions.risk import LEVELS
from buff.decisions.strategy import source_sha256, strategies
from buff.errors import BuffError
from buff.market.profiles import PROFILES


def test_strategies_are_listed_with_how_many_runs_they_have(client: TestClient[Any]) -> None:
    told = client.get("/api/v1/strategies").json()
    assert [item["id"] for item in told["items"]] == list(strategies())
    assert {item["id"]: item["runs"] for item in told["items"] if item["runs"]} == {"ma_cross": 2, "hold": 1}
    assert (told["total"], told["next"]) == (len(told["items"]), None)


@pytest.mark.parametrize("id", list(strategies()))
def test_a_strategy_with_its_parameters(client: TestClient[Any], id: str) -> None:
    told, known = client.get(f"/api/v1/strategies/{id}").json(), strategies()[id]
    assert (told["source_sha256"], told["citation"]) == (source_sha256(known), known.citation)
    assert sorted(told["reasons"]) == sorted(known.reasons[1:])
    assert told["warmup"] == known.warmup(resolve(known, {}))
    schema = told["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({param.name: param.default for param in known.params})
    assert not validator.is_valid({"no_such": 1})
    for param in known.params:
        tried: list[Any] = ["text", True, 3, 2.5, -1, 10**9, *param.choices]
        for value in tried:
            try:
                resolve(known, {param.name: value})
            except BuffError as error:
                # A combination may be refused that no schema speaks of; what one value may be, the schema says.
                alone = error.details.get("field", "").endswith(param.name) and "allowed" in error.details
                assert not (alone and validator.is_valid({param.name: value})), (param.name, value)
            else:
                assert validator.is_valid({param.name: value}), (param.name, value)


def test_a_strategy_that_is_not_there(client: TestClient[Any]) -> None:
    answer = client.get("/api/v1/strategies/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "STRATEGY_NOT_FOUND")


def test_risk_levels_say_what_they_mean(client: TestClient[Any]) -> None:
    told = client.get("/api/v1/risk-levels").json()
    assert [item["level"] for item in told["items"]] == list(LEVELS)
    third = told["items"][2]
    names = ("position", "position_yellow", "daily_loss", "daily_loss_yellow", "drawdown", "drawdown_yellow")
    assert [third[name] for name in names] == [0.3, 0.15, 0.03, 0.015, 0.15, 0.075]
    for text in ("30 %", "15 %", "3 %", "1.5 %", "7.5 %"):
        assert text in third["means"]
    assert told["policy"] == "risk.v1"


def test_timeframes_and_profiles(client: TestClient[Any]) -> None:
    told = client.get("/api/v1/timeframes").json()["items"]
    assert [item["timeframe"] for item in told] == [each.value for each in Timeframe]
    assert [item["timeframe"] for item in told if item["base"]][-1] == "1d"
    told = client.get("/api/v1/profiles").json()["items"]
    assert [item["name"] for item in told] == list(PROFILES)
    assert next(item for item in told if item["name"] == "histdata")["zone"] == PROFILES["histdata"].zone


def test_limits_name_no_token(client: TestClient[Any]) -> None:
    told = client.get("/api/v1/limits").json()
    assert told == {
        "csv_bytes_max": 2 << 30,
        "rows_max": 30_000_000,
        "upload_bytes_max": 1 << 30,
        "requests_per_minute": None,
        "builds_max": None,
        "queue_max": 100,
        "free_bytes_min": 0,
        "web_create": False,
        "token": False,
    }
