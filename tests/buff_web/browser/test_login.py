"""The form for the token, the page of the API, and a stranger in the same browser."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from visits import SCHEMES

pytestmark = pytest.mark.browser
TOKEN = "a-token-of-the-tests"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_reader_gives_the_token_once_and_comes_to_what_was_asked_for(
    visit: Any, serve: Any, several: Path, scheme: str
) -> None:
    url = serve(several, env={"BUFF_TOKEN": TOKEN}).local
    tab = visit(scheme)
    page = tab.page
    page.goto(f"{url}/runs?symbol=ETHUSDT")
    assert tab.accessibility() == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/runs?symbol=ETHUSDT")
    assert tab.violations() == []
    cookies = {cookie["name"].rpartition("_")[0]: cookie for cookie in page.context.cookies()}
    assert cookies["buff_session"]["httpOnly"]
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Strict"}
    assert "buff_session" not in page.evaluate("() => document.cookie")
    page.goto(f"{url}/login")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").wait_for()
    assert page.goto(f"{url}/runs").status == 401


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_of_the_api_is_read_by_everybody(visit: Any, serve: Any, several: Path, scheme: str) -> None:
    url = serve(several).local
    tab = visit(scheme)
    tab.page.goto(f"{url}/api/docs")
    tab.page.get_by_role("link", name="Artifacts", exact=True).click()
    tab.page.get_by_role("heading", name="GET /api/v1/runs/{run_id}/artifacts/{name}").wait_for()
    tab.check()


STRANGER = """<!doctype html><title>A stranger</title>
<form method="post" action="{url}/logout"><input name="_csrf" value="{mark}"><button>Win a prize</button></form>"""


@pytest.fixture
def stranger() -> Iterator[Any]:
    """A function that serves one page from another port of this machine, which to a browser is the same site."""
    begun: list[ThreadingHTTPServer] = []

    def begin(html: str) -> str:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, format: str, *values: object) -> None:
                pass

        begun.append(ThreadingHTTPServer(("127.0.0.1", 0), Page))
        threading.Thread(target=begun[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{begun[-1].server_port}/"

    yield begin
    for each in begun:
        each.shutdown()
        each.server_close()


def test_a_page_of_another_origin_changes_nothing(visit: Any, serve: Any, several: Path, stranger: Any) -> None:
    """Not even one of this machine, to which the browser sends our cookies, and that has seen the mark in them."""
    url = serve(several).local
    page = visit().page
    page.goto(f"{url}/runs")
    mark = page.context.cookies()[0]["value"]
    page.goto(stranger(STRANGER.format(url=url, mark=mark)))
    with page.expect_response(f"{url}/logout") as answer:
        page.get_by_role("button").click()
    assert answer.value.status == 403
    assert answer.value.json()["details"] == {"header": "Origin"}
