"""A program that talks to a real server: reads, uploads, asks for builds and waits for them."""

import http.client
import json
import time
from pathlib import Path
from typing import Any

from attrs import define, field

PATIENCE_SECONDS = 60


@define
class Visitor:
    """One client of the server at `local`, an address without a path. Every request is a connection of its own."""

    local: str
    _mark: dict[str, str] = field(factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request; return the status and the body, as JSON where it is. Values go as JSON, bytes as CSV."""
        host, port = self.local.removeprefix("http://").rsplit(":", 1)
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_SECONDS)
        kind = "text/csv" if isinstance(body, bytes) else "application/json"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**(self.mark if method != "GET" else {}), **({} if data is None else {"content-type": kind}), **headers}
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if "json" in answer.headers["content-type"] else said
        finally:
            connection.close()

    @property
    def mark(self) -> dict[str, str]:
        """The headers with which a change is accepted."""
        if not self._mark:
            host, port = self.local.removeprefix("http://").rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
            connection.request("GET", "/api/v1/csrf")
            answer = connection.getresponse()
            given = json.loads(answer.read())
            connection.close()
            cookie = answer.headers["set-cookie"].partition(";")[0]
            self._mark = {"cookie": cookie, given["header"]: given["value"]}
        return self._mark

    def upload(self, path: Path) -> str:
        """Upload a file; return its name there."""
        status, told = self.ask("PUT", "/api/v1/uploads", path.read_bytes())
        assert status == 201, told
        return str(told["upload"])

    def build(self, values: dict[str, Any], **headers: str) -> str:
        """Ask for a run; return the id of its build."""
        status, told = self.ask("POST", "/api/v1/runs", values, **headers)
        assert status == 202, told
        return str(told["build_id"])

    def until(self, build_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a build has one of some statuses; return what is told of it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            _, told = self.ask("GET", f"/api/v1/builds/{build_id}")
            if told["status"] in statuses:
                return dict(told)
            assert time.monotonic() < end, told
            assert told["status"] not in ("succeeded", "failed"), told
            time.sleep(0.05)
