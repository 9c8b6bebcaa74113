"""A body is JSON of exactly the declared shape, or it is refused by the name of the field."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, Response, post
from litestar.params import JSONBody
from litestar.testing import TestClient

from buff.errors import RequestInvalid, RunConfigInvalid
from buff_web import bodies
from buff_web.problems import Declined, problem

JSON = {"content-type": "application/json"}


class Inner(bodies.Body):
    ratio: float = 0.0


class Asked(bodies.Body):
    count: int
    sure: bool = False
    kind: Literal["a", "b"] = "a"
    name: Annotated[str, msgspec.Meta(max_length=3)] = ""
    params: dict[str, int | float | str | bool] = msgspec.field(default_factory=dict)
    inner: Inner = Inner()
    tags: list[str] = msgspec.field(default_factory=list)


def test_a_body_of_the_declared_shape_is_read() -> None:
    read = bodies.decode(b'{"count": 3, "params": {"fast": 5}, "inner": {"ratio": 0.5}, "tags": ["x"]}', Asked)
    assert read == Asked(count=3, params={"fast": 5}, inner=Inner(ratio=0.5), tags=["x"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "count"),
        (b'{"count": "3"}', "count"),
        (b'{"count": 3.0}', "count"),
        (b'{"count": true}', "count"),
        (b'{"count": null}', "count"),
        (b'{"count": 1, "sure": 0}', "sure"),
        (b'{"count": 1, "sure": "true"}', "sure"),
        (b'{"count": 1, "kind": "c"}', "kind"),
        (b'{"count": 1, "name": "long"}', "name"),
        (b'{"count": 1, "colour": "red"}', "colour"),
        (b'{"count": 1, "inner": {"ratio": "1"}}', "inner.ratio"),
        (b'{"count": 1, "inner": {"colour": 1}}', "inner.colour"),
        (b'{"count": 1, "params": {"fast": [1]}}', "params[...]"),
        (b'{"count": 1, "tags": ["a", 1]}', "tags[1]"),
        (b'{"count": 1, "count": 1}', "count"),
        (b'{"count": 1, "inner": {"ratio": 1, "ratio": 2}}', "ratio"),
        (b"[]", ""),
        (b"null", ""),
        (b'"count"', ""),
    ],
)
def test_a_body_that_does_not_fit_is_refused_by_its_field(body: bytes, field: str) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        bodies.decode(body, Asked)
    assert caught.value.details["field"] == field
    assert caught.value.hint


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"count": 1',
        b'{"count": 1} x',
        b'{"count": 1,}',
        b"{'count': 1}",
        b'{"count": 01}',
        b'{"count": NaN}',
        b'{"count": 1, "inner": {"ratio": NaN}}',
        b'{"count": 1, "inner": {"ratio": Infinity}}',
        b'{"count": 1, "name": "\xff"}',
        b'{"count": 1, "name": "\xed\xa0\x80"}',
        b'{"count": 1, "name": "\\ud800"}',
        b'{"count": 1, "name": "\x00"}',
        b'\xef\xbb\xbf{"count": 1}',
        b'{"count": 1}'.decode().encode("utf-16"),
        b"[" * 60_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"count": ' + b"9" * 5_000 + b"}",
        b"--a\r\n\r\n--a--",
        b"count=1",
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid, match="the body cannot be read"):
        bodies.decode(body, Asked)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Invariants checked: no bytes whatever raise anything but the two refusals."""
    with suppress(RequestInvalid, RunConfigInvalid):
        assert isinstance(bodies.decode(body, Asked), Asked)


@pytest.mark.parametrize("named", ["application/json", "APPLICATION/JSON", 'application/json; charset="UTF-8"'])
def test_the_type_of_a_body_may_be_written_in_any_case(named: str) -> None:
    bodies.check_type(named, "application/json")


@pytest.mark.parametrize(
    "named",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json", "*/*"],
)
def test_any_other_type_is_refused(named: str | None) -> None:
    with pytest.raises(Declined) as caught:
        bodies.check_type(named, "application/json")
    told = problem(caught.value, root="/srv/runs")
    assert (told.status, told.document["code"]) == (415, "REQUEST_INVALID")
    assert told.document["details"] == {"status": 415, "header": "Content-Type"}


@pytest.fixture
def client() -> Iterator[TestClient[Any]]:
    @post("/things", sync_to_thread=False, request_max_body_size=1_000)
    def make(data: JSONBody[Asked]) -> Response[bytes]:
        return Response(msgspec.json.encode(data), media_type="application/json")

    def told(_request: object, error: Exception) -> Response[Any]:
        found = problem(error, root="/srv/runs")
        return Response(found.document, status_code=found.status, media_type="application/json")

    app = Litestar(
        [make], request_class=bodies.StrictRequest, exception_handlers={Exception: told}, logging_config=None
    )
    with TestClient(app) as found:
        yield found


def test_a_handler_is_given_the_value_it_declares(client: TestClient[Any]) -> None:
    answer = client.post("/things", content=b'{"count": 2}', headers=JSON)
    assert (answer.status_code, answer.json()["count"]) == (201, 2)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"count": 2}', {}, 415, "REQUEST_INVALID"),
        (b'{"count": 2}', {"content-type": "text/plain"}, 415, "REQUEST_INVALID"),
        (b"", JSON, 400, "REQUEST_INVALID"),
        (b"", {}, 400, "REQUEST_INVALID"),
        (b'{"count": "2"}', JSON, 400, "RUN_CONFIG_INVALID"),
        (b'{"count": 2' + b" " * 1_000 + b"}", JSON, 413, "LIMIT_EXCEEDED"),
        (iter([b'{"count": 2'] + [b" " * 100] * 20 + [b"}"]), JSON, 413, "LIMIT_EXCEEDED"),
    ],
)
def test_a_handler_is_not_called_with_anything_else(
    client: TestClient[Any], content: Any, headers: dict[str, str], status: int, code: str
) -> None:
    answer = client.post("/things", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["hint"]
