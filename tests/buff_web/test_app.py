"""The application as a whole: changes need a mark, every answer carries the policy, and no request breaks it."""

import inspect
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from buff_web.access import READS
from buff_web.app import create_app
from buff_web.guard import HEADERS
from whole import names, opened

VERBS = ("POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BUY")


def _run_id(client: TestClient[Any]) -> str:
    return str(client.get("/api/v1/runs").json()["items"][0]["run_id"])


def _changes(app: Litestar) -> list[tuple[str, str]]:
    """Every verb and address that is not a plain read; what stands in braces is filled in."""
    return [
        (method, re.sub(r"\{[^}]*\}", "x", route.path))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in sorted(set(route.methods) - READS)
    ]


def test_every_change_asks_for_the_mark_before_anything_is_read(several: Path, client: TestClient[Any]) -> None:
    before, asked = names(several), _changes(create_app(opened(several)))
    assert ("POST", "/login") in asked
    for verb, path in asked:
        answer = client.request(verb, path, content=b'{"order": "buy"}', headers={"content-type": "application/json"})
        assert answer.status_code == 403, (verb, path)
        if path.startswith("/api"):
            assert answer.json()["code"] == "FORBIDDEN_ORIGIN"
    assert names(several) == before


def test_no_address_is_named_after_an_order(several: Path) -> None:
    words = {word for route in create_app(opened(several)).routes for word in re.split(r"\W+", route.path)}
    assert not words & {"order", "orders", "buy", "sell", "broker", "account", "position", "positions"}


def test_no_verb_changes_anything(client: TestClient[Any], several: Path) -> None:
    run_id, before = _run_id(client), names(several)
    for path, verb in itertools.product(("/runs", f"/runs/{run_id}", "/api/v1/runs", f"/api/v1/runs/{run_id}"), VERBS):
        answer = client.request(verb, path, content=b'{"order": "buy"}')
        assert answer.status_code in (403, 405), (verb, path)
        if answer.status_code == 405 and verb != "CONNECT":
            assert "GET" in answer.headers["allow"]
            assert "HEAD" in answer.headers["allow"]
        if path.startswith("/api"):
            assert answer.json()["code"] == {403: "FORBIDDEN_ORIGIN", 405: "REQUEST_INVALID"}[answer.status_code]
    assert names(several) == before


def test_an_address_says_what_it_answers_to(client: TestClient[Any]) -> None:
    answer = client.options("/api/v1/csrf")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert client.options("/login").headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_no_page_has_a_form_that_writes(client: TestClient[Any]) -> None:
    for path in ("/runs", f"/runs/{_run_id(client)}", "/nothing"):
        html = client.get(path).text.lower()
        assert 'method="post"' not in html
        assert "formaction" not in html
        for word in ("place order", "buy now", "sell now", "broker"):
            assert word not in html


@pytest.mark.parametrize(
    ("verb", "path", "headers", "status"),
    [
        ("GET", "/", {}, 302),
        ("GET", "/runs", {}, 200),
        ("GET", "/api/v1/runs", {}, 200),
        ("GET", "/api/v1/runs", {"if-none-match": "*"}, 304),
        ("GET", "/runs?x=1", {}, 400),
        ("GET", "/nothing", {}, 404),
        ("GET", "/api/v1/nothing", {}, 404),
        ("POST", "/api/v1/kill-switch", {}, 405),
        ("OPTIONS", "/api/v1/runs", {}, 204),
        ("GET", "/runs", {"host": "evil.example"}, 403),
        ("POST", "/runs", {"origin": "http://evil.example"}, 403),
        ("GET", "/runs/broken", {}, 500),
        ("GET", "/api/v1/runs/broken", {}, 500),
    ],
)
def test_every_answer_carries_the_policy(
    client: TestClient[Any],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    def broken(_store: Any, run_id: str) -> Any:
        raise ZeroDivisionError(run_id)

    if "broken" in path:
        monkeypatch.setattr("buff.Store.entry", broken)
    answer = client.request(verb, path, headers=headers, follow_redirects=False)
    assert answer.status_code == status
    for name, text in HEADERS.items():
        assert answer.headers[name] == text
    assert "cache-control" in answer.headers
    assert "traceback" not in answer.text.lower()
    assert "ZeroDivisionError" not in answer.text
    if status >= 400 and path.startswith("/api"):
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_policy_is_strict() -> None:
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert "require-trusted-types-for 'script'" in policy


def test_a_cross_site_read_gets_no_permission(client: TestClient[Any]) -> None:
    """Without Access-Control headers a browser keeps the answer from the page that asked."""
    answer = client.get("/api/v1/runs", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


ODD = (
    "%00", "%ff%fe", "a" * 5000, "%0d%0aset-cookie:a=b", "<script>", "'%20or%201=1--", "%F0%9F%92%A5", "\u202e",
)  # fmt: skip


def test_odd_queries_are_refused_with_a_type(client: TestClient[Any]) -> None:
    names = ("symbol", "timeframe", "risk_level", "since", "sort", "limit", "after", "x")
    for name, value in itertools.product(names, (*ODD, "%", "%zz", "&&&", "=", "[]", "null", "NaN", "1e9", "-0")):
        for path in ("/api/v1/runs", "/runs"):
            answer = client.get(f"{path}?{name}={value}")
            assert answer.status_code in (200, 400), (path, name, value, answer.status_code)


def test_threads_see_whole_answers(client: TestClient[Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    run_id = _run_id(client)
    paths = ["/api/v1/runs", f"/api/v1/runs/{run_id}", f"/api/v1/runs/{run_id}/bars", f"/runs/{run_id}"] * 10
    alone = {path: client.get(path).status_code for path in paths}
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: client.get(path).status_code, paths)) == [alone[path] for path in paths]
    assert set(alone.values()) == {200}


def test_no_guard_waits_for_a_thread(several: Path) -> None:
    """Litestar calls a guard that is no coroutine in a thread: every request would wait for two or three of them."""
    routes = [route for route in create_app(opened(several)).routes if isinstance(route, HTTPRoute)]
    guards = [guard for route in routes for handler in route.route_handlers for guard in handler.resolve_guards()]
    assert len(guards) > 2 * len(routes)
    assert [guard for guard in guards if not inspect.iscoroutinefunction(guard)] == []
