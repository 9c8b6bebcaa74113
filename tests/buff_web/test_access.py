"""Who may ask: the token where there is one, a session for browsers, and a mark for every change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from litestar import Response, Router, get, post
from litestar.testing import TestClient

from buff_web import access
from buff_web.access import Access
from buff_web.app import create_app
from buff_web.guard import Guard
from buff_web.pages.login import local
from whole import opened

TOKEN = "correct horse battery staple"
BEARER = {"authorization": f"Bearer {TOKEN}"}
URL = "http://127.0.0.1:8780"


@post("/api/v1/changes", sync_to_thread=False, status_code=200)
def change() -> Response[bytes]:
    return Response(b'"changed"', media_type="application/json")


@get("/api/v1/alive", sync_to_thread=False, opt=access.OPEN)
def alive() -> Response[bytes]:
    return Response(b'"alive"', media_type="application/json")


def _client(root: Path, token: str | None) -> TestClient[Any]:
    store = opened(root)
    store.settings = evolve(store.settings, token=token)
    app = create_app(store)
    app.register(Router("/", route_handlers=[change, alive]))
    return TestClient(Guard(app, root=str(root)), base_url=URL, raise_server_exceptions=False)  # type: ignore[arg-type]


@pytest.fixture
def free(root: Path) -> Iterator[TestClient[Any]]:
    """A client of a server without a token."""
    with _client(root, None) as client:
        yield client


@pytest.fixture
def closed(root: Path) -> Iterator[TestClient[Any]]:
    """A client of a server with a token."""
    with _client(root, TOKEN) as client:
        yield client


# The mark of a change ----------------------------------------------------------------------------------------------


def test_a_program_asks_for_the_mark_once_and_sends_it_with_every_change(free: TestClient[Any]) -> None:
    told = free.get("/api/v1/csrf").json()
    assert told["header"] == "x-csrf-token"
    for _ in range(2):
        assert free.post("/api/v1/changes", headers={told["header"]: told["value"]}).json() == "changed"


def test_a_page_gives_the_mark_in_a_cookie_that_its_scripts_can_read(free: TestClient[Any]) -> None:
    cookie = free.get("/runs").headers["set-cookie"]
    assert cookie.startswith("buff_csrf_8780=")
    assert cookie.endswith("; Path=/; SameSite=Strict")
    assert "set-cookie" not in free.get("/runs").headers
    value = cookie.partition("=")[2].partition(";")[0]
    assert free.post("/api/v1/changes", headers={"x-csrf-token": value}).status_code == 200


def test_a_form_without_scripts_sends_the_mark_in_a_field(free: TestClient[Any]) -> None:
    value = free.get("/api/v1/csrf").json()["value"]
    assert free.post("/api/v1/changes", data={"_csrf": value, "a": "b"}).json() == "changed"
    assert free.post("/api/v1/changes", data={"_csrf": value[:-1], "a": "b"}).status_code == 403
    assert free.post("/api/v1/changes", data={"_csrf": value}, files={"a": ("a", b"b")}).json() == "changed"
    assert free.post("/api/v1/changes", files={"_csrf": ("a", value)}).status_code == 403


def test_a_change_without_the_mark_is_refused(free: TestClient[Any]) -> None:
    value = free.get("/api/v1/csrf").json()["value"]
    other = Access().sign("buff_csrf")
    for shown in ({}, {"x-csrf-token": ""}, {"x-csrf-token": value + "0"}, {"x-csrf-token": other}):
        answer = free.post("/api/v1/changes", headers=shown)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN_ORIGIN")
        assert answer.json()["details"] == {"header": "x-csrf-token"}
    for cookie, shown in ((other, other), ("x", "x"), ("", ""), (value, value + "ü")):
        free.cookies.clear()
        headers = {"x-csrf-token": shown.encode(), "cookie": f"buff_csrf_8780={cookie}"}
        assert free.post("/api/v1/changes", headers=headers).status_code == 403  # type: ignore[arg-type]
    free.cookies.clear()
    assert free.post("/api/v1/changes", headers={"x-csrf-token": value}).status_code == 403


def test_what_is_signed_holds_for_one_purpose_and_one_server() -> None:
    ours, other = Access(token="a", secret=b"s"), Access(token="a", secret=b"t")
    mark = ours.sign("mark")
    assert ours.is_signed("mark", mark)
    assert mark != ours.sign("mark")
    assert not ours.is_signed("session", mark)
    assert not other.is_signed("mark", mark)
    assert not Access(token="b", secret=b"s").is_signed("mark", mark)
    assert not any(ours.is_signed("mark", text) for text in ("", ".", mark[:-1], mark + "0", f"0{mark}", "ü.ü"))
    assert "secret" not in repr(ours)


def test_reading_needs_no_mark(free: TestClient[Any]) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert free.request(method, "/api/v1/runs").status_code in (200, 204)


def test_two_servers_on_one_machine_do_not_take_each_others_mark_away() -> None:
    """A browser sends the cookies of 127.0.0.1 to every port of it."""
    names = {access._named("buff_csrf", _asking(f"127.0.0.1:{port}")) for port in (8780, 8781)}
    assert names == {"buff_csrf_8780", "buff_csrf_8781"}
    assert access._named("buff_csrf", _asking("buff.example")) == "buff_csrf_80"


def _asking(host: str) -> Any:
    from litestar.connection import ASGIConnection

    return ASGIConnection({"type": "http", "headers": [(b"host", host.encode())], "state": {}})  # type: ignore[arg-type]


# The token ---------------------------------------------------------------------------------------------------------


def test_with_the_token_everything_is_answered(closed: TestClient[Any]) -> None:
    assert closed.get("/api/v1/runs", headers=BEARER).status_code == 200
    assert closed.get("/runs", headers=BEARER).status_code == 200
    assert closed.get("/runs", headers={"authorization": f"bearer  {TOKEN} "}).status_code == 200


def test_a_change_with_the_token_needs_no_mark(closed: TestClient[Any]) -> None:
    assert closed.post("/api/v1/changes", headers=BEARER).json() == "changed"


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} x",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer{TOKEN}",
        "Bearer \xff",
    ],
)
def test_without_it_nothing_is(closed: TestClient[Any], said: str | None) -> None:
    headers = {} if said is None else {"authorization": said.encode("latin-1")}
    for path in ("/api/v1/runs", "/api/v1/openapi.json", "/api/v1/csrf"):
        answer = closed.get(path, headers=headers)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text


def test_live_health_and_what_the_form_is_made_of_need_none(closed: TestClient[Any]) -> None:
    assert closed.get("/api/v1/alive").json() == "alive"
    page = closed.get("/login").text
    stylesheet = next(part.partition('"')[0] for part in page.split('href="') if part.startswith("/assets/"))
    assert closed.get(stylesheet).status_code == 200


# The session of a browser ------------------------------------------------------------------------------------------


def _field(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def test_a_browser_logs_in_where_it_was_and_logs_out(closed: TestClient[Any]) -> None:
    refused = closed.get("/runs")
    assert refused.status_code == 401
    assert "BUFF_TOKEN" in refused.text
    mark, goal = _field(refused.text, "_csrf"), _field(refused.text, "next")
    answer = closed.post("/login", data={"_csrf": mark, "next": goal, "token": f" {TOKEN} "}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("buff_session_8780=")
    assert cookie.endswith("; Path=/; SameSite=Strict; HttpOnly")
    assert TOKEN not in cookie
    assert closed.get("/runs").status_code == 200
    assert closed.get("/api/v1/runs").status_code == 200
    assert closed.post("/api/v1/changes").status_code == 403
    assert closed.post("/api/v1/changes", headers={"x-csrf-token": mark}).status_code == 200
    out = closed.post("/logout", data={"_csrf": mark}, follow_redirects=False)
    assert out.headers["location"] == "/login"
    assert closed.get("/runs").status_code == 401


def test_the_form_leads_to_the_whole_address_that_was_asked_for(closed: TestClient[Any]) -> None:
    page = closed.get("/runs?symbol=BTCUSDT&tag=%C3%BC").text
    assert _field(page, "next") == "/runs?symbol=BTCUSDT&amp;tag=%C3%BC"


def test_a_stranger_is_told_nothing_of_the_root(root: Path, closed: TestClient[Any]) -> None:
    (root / "_kill_switch").write_text("a secret reason")
    for path in ("/runs", "/login", "/nothing", "/runs/run_0/nothing"):
        page = closed.get(path)
        assert (page.status_code, "token" in page.text) == (200 if path == "/login" else 401, True)
        assert "secret" not in page.text
        assert "KILL_SWITCH" not in page.text
    assert "KILL_SWITCH" in closed.get("/runs", headers=BEARER).text
    assert closed.get("/nothing", headers=BEARER).status_code == 404


def test_a_wrong_token_begins_no_session(closed: TestClient[Any]) -> None:
    mark = _field(closed.get("/login").text, "_csrf")
    for token in ("", "wrong", TOKEN + "x"):
        answer = closed.post("/login", data={"_csrf": mark, "token": token})
        assert (answer.status_code, "buff_session" in answer.headers.get("set-cookie", "")) == (401, False)
        assert "not the token" in answer.text
    assert closed.post("/login", data={"_csrf": mark}).status_code == 401
    assert closed.post("/login", data={"token": TOKEN}).status_code == 403
    assert closed.get("/runs").status_code == 401


def test_a_session_of_another_process_or_a_mark_is_no_session(closed: TestClient[Any]) -> None:
    mark = closed.get("/api/v1/csrf", headers=BEARER).json()["value"]
    for value in (Access(token=TOKEN).sign("buff_session"), mark, TOKEN, "", ".", "ü"):
        closed.cookies.clear()
        headers = {"cookie": f"buff_session_8780={value}".encode()}
        assert closed.get("/api/v1/runs", headers=headers).status_code == 401  # type: ignore[arg-type]


def test_without_a_token_there_is_nothing_to_log_in_to(free: TestClient[Any]) -> None:
    assert "No token is needed here" in free.get("/login").text
    assert free.get("/login?next=//evil.example").status_code == 200


@pytest.mark.parametrize(
    ("goal", "leads"),
    [
        ("/runs/run_0", "/runs/run_0"),
        ("/", "/"),
        ("//evil.example", "/runs"),
        ("/\\evil.example", "/runs"),
        ("https://evil.example", "/runs"),
        ("evil", "/runs"),
        ("/a\r\nset-cookie: a=b", "/runs"),
        ("/ü", "/runs"),
        ("", "/runs"),
    ],
)
def test_a_form_leads_nowhere_else(goal: str, leads: str) -> None:
    assert local({"next": goal}) == leads
