"""The description in words says what the description says."""

from typing import Any

import pytest
from litestar.testing import TestClient

from buff_web import api, reference
from buff_web.openapi import EVERYWHERE, document


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(api.router())


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 2000, "default": 50}, "whole number from 1 to 2,000, default 50"),
        ({"type": "integer"}, "whole number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 200}, "text of at most 200 characters"),
        ({"type": "string", "enum": ["a", "b"]}, "one of a, b"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}, "list of Thing"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"type": "object", "additionalProperties": {}}, "object"),
        ({"type": "object"}, "object"),
        ({}, "anything"),
    ],
)
def test_a_schema_in_words(schema: dict[str, Any], says: str) -> None:
    assert reference.kind_of(schema) == says


def test_every_operation_has_its_place_and_its_own_errors(described: dict[str, Any]) -> None:
    found = {each.name: each for family in reference.families(described).values() for each in family}
    assert set(found) == {
        operation["operationId"] for item in described["paths"].values() for operation in item.values()
    }
    trades = found["show_trades"]
    assert (trades.method, trades.path) == ("GET", "/api/v1/runs/{run_id}/trades")
    assert trades.codes == ("RUN_NOT_FOUND", "RUN_DAMAGED")
    assert [field.name for field in trades.parameters][:3] == ["run_id (path)", "from", "to"]
    assert [answer.status for answer in trades.answers] == [200, 304]
    assert found["create_run"].body == ("application/json: NewRun",)
    assert found["cancel_build"].body == ("application/json: Cancelling, or none",)
    assert not set(EVERYWHERE) & {code for each in found.values() for code in each.codes}


def test_every_object_says_what_it_is(described: dict[str, Any]) -> None:
    for shape in reference.shapes(described):
        assert shape.says, shape.name
    found = {shape.name: shape for shape in reference.shapes(described)}
    assert "One of 1m, 5m" in found["Timeframe"].says
    assert {field.name for field in found["Document"].fields} >= {"code", "message", "details", "hint"}


def test_the_page_shows_every_operation_without_a_script_of_its_own(
    client: TestClient[Any], described: dict[str, Any]
) -> None:
    page = client.get("/api/docs").text
    for family in reference.families(described).values():
        for each in family:
            assert f"<code>{each.method} {each.path}</code>" in page
    assert page.count("<script") == client.get("/nothing").text.count("<script")
    assert client.get("/api/docs?x=1").status_code == 400
