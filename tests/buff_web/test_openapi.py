"""The API says what it is, and is what it says: schemathesis asks a real server what the description allows."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from litestar.testing import TestClient

from buff.errors import CODES
from buff_web import api, bodies
from buff_web.openapi import document
from buff_web.problems import MEDIA_TYPE
from whole import environment, opened

TOKEN = "a-token-of-the-tests"
EXAMPLES = 2  # of every operation, beside those that the bounds of its parameters suggest
SECONDS = 55


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(api.router())


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_every_operation_says_what_it_does_and_how_it_refuses(described: dict[str, Any]) -> None:
    for path, _, operation in _operations(described):
        assert operation["summary"]
        assert operation["tags"]
        for status, answer in operation["responses"].items():
            assert answer["description"], (path, status)
            if int(status) >= 400 and status != "503":
                assert list(answer["content"]) == [MEDIA_TYPE], (path, status)
        assert {"400", "401", "403", "500"} <= set(operation["responses"])


def test_every_parameter_is_described_and_bounded(described: dict[str, Any]) -> None:
    for path, _, operation in _operations(described):
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])
            schema = parameter["schema"]
            if schema.get("type") == "integer":
                assert {"minimum", "maximum"} <= set(schema), (path, parameter["name"])


def test_what_a_body_may_hold_is_closed(described: dict[str, Any]) -> None:
    """`bodies.Body` refuses fields nobody declared, and the description says so of every object in a body."""
    told = document(_router_with_a_body())
    assert told["components"]["schemas"]["Thing"]["additionalProperties"] is False
    assert told["components"]["schemas"]["Part"]["additionalProperties"] is False
    for handler in _handlers():
        if (data := handler.parsed_fn_signature.parameters.get("data")) is not None:
            assert issubclass(data.annotation, bodies.Body), handler


class Part(bodies.Body):
    count: int


class Thing(bodies.Body):
    parts: list[Part]


def _router_with_a_body() -> Any:
    from litestar import Response, Router, post
    from litestar.params import JSONBody

    from buff_web.openapi import answers

    @post("/things", sync_to_thread=False, status_code=202, responses=answers(Part, status=202))
    def make(data: JSONBody[Thing]) -> Response[bytes]:
        return Response(b"")

    return Router("/", route_handlers=[make])


def _handlers() -> list[Any]:
    return [handler for _, module in api.MODULES for handler in module.HANDLERS]


def test_the_description_is_whole_json_schema(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))
    assert named <= set(schemas)


def test_every_code_has_a_place_in_the_description(described: dict[str, Any]) -> None:
    assert described["components"]["schemas"]["Document"]["properties"]["code"]["enum"] == sorted(CODES)


def test_the_server_gives_the_description(client: TestClient[Any], described: dict[str, Any]) -> None:
    assert client.get("/api/v1/openapi.json").json() == described


# What is said and what is done ------------------------------------------------------------------------------------


def _with_real_names(described: dict[str, Any], root: Path) -> dict[str, Any]:
    """Let some of what is asked for be there: by chance no id ever is."""
    store = opened(root)
    known = {
        "run_id": [entry.run_id for entry in store.runs().items] + ["run_0", "AAA", "."],
        "dataset_id": [entry.dataset_id for entry in store.datasets()] + ["ds_0"],
        "name": ["trades.jsonl", "returns.json", "columns/equity.npy", "nothing"],
    }
    told: dict[str, Any] = json.loads(json.dumps(described))
    for _, _, operation in _operations(told):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" and parameter["name"] in known:
                parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    return told


def _settings(described: dict[str, Any]) -> str:
    """Say where a request that fits its schema may be refused all the same: what no schema says is looked at, too.

    A pattern knows no calendar, nor that a window ends after it begins, nor which page gave a cursor; and of a body,
    only a reader of the data can tell whether it can be carried out.
    """
    lines = [f"auth.openapi.bearer.bearer = {json.dumps(TOKEN)}\n"]
    for path, method, operation in _operations(described):
        parameters = operation.get("parameters", [])
        instants = "components/schemas/Instant" in json.dumps(parameters)
        if instants or any(each["name"] == "cursor" for each in parameters) or method != "get":
            also = ["400", *(["413", "415", "416", "422", "503", "507"] if method != "get" else [])]
            statuses = json.dumps(["2xx", "3xx", "401", "403", "404", "409", "429", *also])
            lines.append(
                f"[[operations]]\ninclude-name = {json.dumps(f'{method.upper()} {path}')}\n"
                f"checks.positive_data_acceptance.expected-statuses = {statuses}\n"
            )
    return "\n".join(lines)


def _streams(described: dict[str, Any]) -> list[str]:
    """The operations whose answers have no end."""
    return [
        operation["operationId"]
        for _, _, operation in _operations(described)
        if any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())
    ]


def test_the_server_is_what_the_description_says(
    several: Path, serve: Any, tmp_path: Path, described: dict[str, Any]
) -> None:
    """Prints how many requests were made; every one was answered as described."""
    server = serve(several, env={"BUFF_TOKEN": TOKEN, "BUFF_WEB_CREATE": "1"})
    told = tmp_path / "openapi.json"
    told.write_text(json.dumps(_with_real_names(described, several)))
    (tmp_path / "schemathesis.toml").write_text(_settings(described))
    without = [word for name in _streams(described) for word in ("--exclude-operation-id", name)]
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(told), "--url", server.local, "--seed", "20260120"),
        *("--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing", "--no-color"),
        *("--request-timeout", "20", *without),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=5 * SECONDS, check=False
    )
    figures = re.findall(r"^.*(?:generated|failures|no issues|in [0-9.]+s).*$", done.stdout, flags=re.MULTILINE)
    print("\n".join(figures))
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    code, said = server.end()
    assert code == 0
    assert "Traceback" not in said
    assert '"level":"error"' not in said
