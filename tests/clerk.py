"""A client of a real server that creates: it uploads, asks for runs, and follows streams as a browser would."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from whole import request

PATIENCE_SECONDS = 60


@frozen(kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@frozen(kw_only=True)
class Event:
    """One event of a stream; `data` is decoded."""

    name: str
    id: int | None
    data: Any


@define
class Clerk:
    """Asks one server. The mark of a change is fetched when it is first needed."""

    address: str
    token: str | None = None
    _mark: dict[str, str] = field(factory=dict)

    def ask(self, verb: str, path: str, body: Any = None, /, **headers: str) -> Answer:
        """Send one request; a body that is not bytes is sent as JSON."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        if verb not in ("GET", "HEAD"):
            named = {**self.marked(), **named}
        if body is not None and not isinstance(body, bytes):
            body, named = json.dumps(body).encode(), {"content-type": "application/json", **named}
        connection = self.connect()
        try:
            connection.request(verb, path, body=body, headers=named)
            return _answer(connection)
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        host, port = self.address.removeprefix("http://").rsplit(":", 1)
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_SECONDS)

    def marked(self) -> dict[str, str]:
        """Return the headers that a change needs."""
        if self.token is not None:
            return {"authorization": f"Bearer {self.token}"}
        if not self._mark:
            found = self.ask("GET", "/api/v1/csrf")
            cookie = found.headers["set-cookie"].partition(";")[0]
            self._mark = {"cookie": cookie, found.told["header"]: found.told["value"]}
        return self._mark

    def upload(self, data: bytes) -> str:
        """Upload a file; return what names it."""
        answer = self.ask("PUT", "/api/v1/uploads", data)
        assert answer.status == 201, answer
        return str(answer.told["upload"])

    def request(self, data: bytes | None = None, /, **changes: Any) -> Answer:
        """Ask for a run, of some bytes that are uploaded first or of what the changes name."""
        named = {} if data is None else {"upload": self.upload(data)}
        return self.ask("POST", "/api/v1/runs", request(**{**named, **changes}))

    def build(self, job: str) -> Any:
        return self.ask("GET", f"/api/v1/builds/{job}").told

    def ended(self, job: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Return a build when it has ended."""
        return until(lambda: _ended(self.build(job)), seconds)

    @contextmanager
    def stream(self, path: str, /, **headers: str) -> Iterator[Iterator[Event]]:
        """Open a stream of events, and leave it with the block."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            assert response.status == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _events(response)
            response.close()
        finally:
            connection.close()


def run_of(clerk: Clerk, minutes: Path, **changes: Any) -> str:
    """Return the id of a run that was made of a file through the web."""
    made = clerk.ended(clerk.request(minutes.read_bytes(), **changes).told["build_id"])
    assert made["status"] == "succeeded", made
    return str(made["run_id"])


def until(found: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return what a function finds as soon as it finds something."""
    began = time.monotonic()
    while not (thing := found()):
        assert time.monotonic() - began < seconds, "it never came"
        time.sleep(0.02)
    return thing


def _ended(build: Any) -> Any:
    return build if build["status"] in ("succeeded", "failed") else None


def _answer(connection: http.client.HTTPConnection) -> Answer:
    found = connection.getresponse()
    headers = {name.lower(): text for name, text in found.getheaders()}
    return Answer(status=found.status, headers=headers, body=found.read())


def _events(response: http.client.HTTPResponse) -> Iterator[Event]:
    fields: dict[str, str] = {}
    while line := response.readline():
        name, _, text = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = text
        elif "data" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Event(name=fields.get("event", "message"), id=number, data=json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
