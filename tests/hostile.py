"""Requests that no honest client sends, as bytes: made from the description of an API, so that none of it is left out.

A description, the names of what is there and how to be let in go in; requests come out, each with its name.
"""

import itertools
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen

PATIENCE_SECONDS = 20
UP = (
    "..",
    "%2e%2e",
    "..%2f",
    "%2e%2e%2f",
    "..%5c",
    "%252e%252e%252f",
    "....//",
    "..;/",
    "%c0%ae%c0%ae/",
    "~root",
    "..%00",
)
GOALS = ("manifest.json", "_journal/HEAD", "etc/passwd", "%2fetc%2fpasswd", "index.json", "../../_journal/HEAD")
NAMES = (
    "%00",
    "x%00",
    "%ff%fe",
    "%c3%28",
    "%ed%a0%80",
    "a" * 5000,
    "%0d%0aset-cookie:a=b",
    "con",
    "nul",
    "aux.txt",
    ".",
    "%2e",
    "-",
    "--help",
    "_journal",
    "_datasets",
    "run_*",
    "run_%25",
    "%7b%7b7*7%7d%7d",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "'%20or%201=1--",
    "%F0%9F%92%A5",
    "%E2%80%AE",
    "%20",
    "%09",
    "null",
    "NaN",
    "0",
    "-1",
    "9" * 400,
    "[]",
    "*",
    "run_",
    "RUN_0",
    "bld_" + "0" * 16,
    "bld_" + "g" * 16,
    "%u0041",
    "$(id)",
    "`id`",
    "|id",
    "C:%5cWindows",
    "%5c%5chost%5cshare",
    "file:%2f%2f%2fetc%2fpasswd",
    "http:%2f%2fevil.example",
)
QUERIES = (
    "x=1",
    "limit=1&limit=2",
    "limit=%ff",
    "%ff=1",
    "limit=%00",
    "limit=1e3",
    "limit=-1",
    "limit=0x10",
    "limit=%D9%A3",
    "limit=" + "9" * 500,
    "after=" + "9" * 30,
    "=",
    "[]=1",
    "limit[]=1",
    "limit[$gt]=1",
    "&".join(["limit=1"] * 60),
    "from=NaN",
    "from=2024-02-30",
    "from=2024-01-01T00:00",
    "to=" + "9" * 15,
    "from=5&to=5",
    "max=1",
    "max=true",
    "__proto__=1",
    "limit=1;limit=2",
    "a" * 4000,
    "limit=1%26x=2",
    "limit=1#x",
    "_csrf=1",
    "callback=alert",
)
BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b'{"x": 1}',
    b'{"name": 1}',
    b'{"name": "a", "name": "b"}',
    b'{"name": "\xff"}',
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\\ud800"}',
    b'{"name": NaN}',
    b'{"name": Infinity}',
    b'{"name": 1e999}',
    b"[" * 50_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"name": ' + b"9" * 5_000 + b"}",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"\x00",
    b'{"__proto__": {"x": 1}}',
    b'{"csv": "/etc/passwd"}',
    b'{"run_id": "../x"}',
    b'{"tags": "x"}',
    b'{"risk_level": true}',
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    b"a=b",
    b"\x1f\x8b\x08\x00junk",
)
TYPES = (
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/json; charset=utf-16",
    "application/json, text/plain",
    "application/x-python-pickle",
    "*/*",
    "\x01",
)
HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example",
    "localhost:{port}@evil.example",
    "evil.example#127.0.0.1:{port}",
    "127.0.0.1:{port}, evil.example",
    "",
    ":{port}",
    "::1",
    "0.0.0.0:{port}",
    "192.168.0.7:{port}",
    "localhost.",
    "2130706433",
    "0x7f.1",
    "127.1",
    "[::ffff:127.0.0.1]",
    "127.0.0.1:99999x",
    "../../etc",
    "localhost\x7f",
)
ORIGINS = (
    "http://evil.example",
    "null",
    "http://localhost:1",
    "https://127.0.0.1:{port}",
    "file://",
    "chrome-extension://x",
    "http://127.0.0.1:{port}.evil.example",
)
METHODS = (
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "BUY",
    "get",
    "DELETE",
    "PATCH",
    "PUT",
    "POST",
    "G" * 500,
    "QUERY",
    "M-SEARCH",
)


@frozen(kw_only=True)
class Hostile:
    """One request. `read` are the statuses that are right beside a refusal: some oddities are harmless."""

    name: str
    data: bytes
    read: tuple[int, ...] = ()


@frozen(kw_only=True)
class Target:
    """Where requests go: the port, headers that let a request in, and a name for every part of an address."""

    port: int
    inside: Mapping[str, str]
    names: Mapping[str, str]

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        bare: bool = False,
    ) -> bytes:
        """Return a request as bytes. `bare` leaves out what lets it in."""
        named = {
            "Host": f"127.0.0.1:{self.port}",
            "Connection": "close",
            **({} if bare else self.inside),
            **({} if body is None else {"Content-Length": str(len(body)), "Content-Type": "application/json"}),
            **(headers or {}),
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in named.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")

    def path(self, template: str, **changed: str) -> str:
        """Return an address with its parts filled in."""
        return re.sub(r"\{(\w+)\}", lambda found: {**self.names, **changed}.get(found[1], "x"), template)


def corpus(described: Mapping[str, Any], target: Target) -> Iterator[Hostile]:
    """Yield every request."""
    operations = [
        (path, method.upper(), operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]
    yield from _names(operations, target)
    yield from _traversals(target)
    yield from _queries(operations, target)
    yield from _bodies(operations, target)
    yield from _hosts(target)
    yield from _marks(operations, target)
    yield from _methods(described["paths"], target)
    yield from _oversized(operations, target)
    yield from _smuggled(target)
    yield from _lines(target)


def _names(operations: list[tuple[str, str, Any]], target: Target) -> Iterator[Hostile]:
    """Every shape of a name in every place of an address that takes one."""
    for path, method, _ in operations:
        for part in re.findall(r"\{(\w+)\}", path):
            for name in NAMES:
                body = None if method == "GET" else b"{}"
                data = target.request(method, target.path(path, **{part: name}), body=body)
                read = (200, 302) if name in ("0", "run_") else ()  # a number, and the beginning of an id
                yield Hostile(name=f"name {name[:30]} as {part} of {method} {path}", data=data, read=read)


def _traversals(target: Target) -> Iterator[Hostile]:
    run = target.names["run_id"]
    places = (
        f"/api/v1/runs/{run}/artifacts/",
        f"/api/v1/runs/{run}/artifacts/columns/",
        "/api/v1/runs/",
        "/runs/",
        "/assets/",
        "/",
    )
    for place, up, goal in itertools.product(places, UP, GOALS):
        yield Hostile(name=f"traversal {place}{up}/{goal}", data=target.request("GET", f"{place}{up}/{goal}"))


def _queries(operations: list[tuple[str, str, Any]], target: Target) -> Iterator[Hostile]:
    paths = [
        path for path, method, _ in operations if method == "GET" and "stream" not in path and "events" not in path
    ]
    for path, query in itertools.product(paths, QUERIES):
        # What is filtered on may be anything, and some texts are harmless where another address takes no such name.
        yield Hostile(
            name=f"query {query[:30]} of {path}",
            data=target.request("GET", f"{target.path(path)}?{query}"),
            read=(200, 302, 404, 503),
        )


def _bodies(operations: list[tuple[str, str, Any]], target: Target) -> Iterator[Hostile]:
    for path, method, operation in operations:
        if method == "GET":
            continue
        where = target.path(path, run_id="run_0", build_id="bld_" + "0" * 16, dataset_id="0" * 64)
        for body in BODIES:
            takes_bytes = "requestBody" in operation and "application/json" not in operation["requestBody"]["content"]
            read = (200, 201, 202, 204, 303, 404) if takes_bytes or "requestBody" not in operation else (404,)
            yield Hostile(
                name=f"body {body[:30]!r} of {method} {path}", data=target.request(method, where, body=body), read=read
            )
        for kind in TYPES:
            data = target.request(method, where, body=b"{}", headers={"Content-Type": kind})
            yield Hostile(name=f"type {kind!r} of {method} {path}", data=data, read=(200, 201, 202, 204, 303))


def _hosts(target: Target) -> Iterator[Hostile]:
    for host in HOSTS:
        data = target.request("GET", "/api/v1/runs", headers={"Host": host.format(port=target.port)})
        yield Hostile(name=f"host {host!r}", data=data)
    for origin, method in itertools.product(ORIGINS, ("POST", "PUT", "PATCH", "DELETE")):
        headers = {"Origin": origin.format(port=target.port)}
        yield Hostile(
            name=f"{method} from {origin}", data=target.request(method, "/api/v1/runs", body=b"{}", headers=headers)
        )
    for site in ("cross-site", "same-site", "evil"):
        yield Hostile(
            name=f"fetch from {site}",
            data=target.request("POST", "/login", body=b"{}", headers={"Sec-Fetch-Site": site}),
        )
    for extra in ("Host: evil.example", "Host: 127.0.0.1", "hOsT: x"):
        data = target.request("GET", "/api/v1/runs").replace(b"\r\n\r\n", f"\r\n{extra}\r\n\r\n".encode())
        yield Hostile(name=f"two hosts, {extra}", data=data)
    yield Hostile(name="no host", data=b"GET /api/v1/runs HTTP/1.1\r\nConnection: close\r\n\r\n")
    yield Hostile(name="no host, HTTP/1.0", data=b"GET /api/v1/runs HTTP/1.0\r\n\r\n")
    forwarded = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "1.2.3.4",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/x",
    }
    yield Hostile(name="forwarded", data=target.request("GET", "/api/v1/runs", headers=forwarded), read=(200,))
    yield Hostile(name="address of another", data=target.request("GET", "http://evil.example/api/v1/runs"))


def _marks(operations: list[tuple[str, str, Any]], target: Target) -> Iterator[Hostile]:
    """Changes without the mark or the token, and with others."""
    changes = [(path, method) for path, method, _ in operations if method != "GET"]
    signed = f"{'0' * 32}.{'0' * 64}"
    for path, method in changes:
        for shown in (
            {},
            {"X-CSRF-Token": signed},
            {"X-CSRF-Token": signed, "Cookie": f"buff_csrf_{target.port}={signed}"},
        ):
            data = target.request(method, target.path(path), body=b"{}", headers=shown, bare=True)
            yield Hostile(name=f"mark {sorted(shown)} of {method} {path}", data=data)
    cookies = (
        "",
        "=",
        ";;;",
        "a" * 8000,
        f"buff_session_{target.port}=",
        f"buff_session_{target.port}={signed}",
        "\xff=\xfe",
        f"buff_session_{target.port}=a; buff_session_{target.port}=b",
        '$Version=1; a="b',
        "a=b\x01",
    )
    for cookie in cookies:
        yield Hostile(
            name=f"cookie {cookie[:30]!r}",
            data=target.request("GET", "/api/v1/runs", headers={"Cookie": cookie}, bare=True),
        )
    for said in (
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic eDp5",
        "bearer \xff",
        "Bearer " + "x" * 9000,
        "Digest a=b",
        "\x01",
    ):
        yield Hostile(
            name=f"authorization {said[:20]!r}",
            data=target.request("GET", "/api/v1/runs", headers={"Authorization": said}, bare=True),
        )


def _methods(paths: Mapping[str, Any], target: Target) -> Iterator[Hostile]:
    for path, method in itertools.product([*paths, "/nothing"], METHODS):
        if method.lower() not in paths.get(path, {}):
            yield Hostile(name=f"{method[:20]} {path}", data=target.request(method, target.path(path)))
    override = {"X-HTTP-Method-Override": "DELETE"}
    yield Hostile(name="method override", data=target.request("POST", "/api/v1/csrf", body=b"", headers=override))


def _oversized(operations: list[tuple[str, str, Any]], target: Target) -> Iterator[Hostile]:
    yield Hostile(name="line of 1 MB", data=target.request("GET", "/" + "a" * 1_000_000))
    yield Hostile(name="query of 100 kB", data=target.request("GET", "/api/v1/runs?symbol=" + "a" * 100_000))
    yield Hostile(name="query of 30 kB", data=target.request("GET", "/api/v1/runs?symbol=" + "a" * 30_000))
    yield Hostile(
        name="header of 1 MB", data=target.request("GET", "/api/v1/runs", headers={"X-Large": "a" * 1_000_000})
    )
    many = {f"X-{number}": "a" for number in range(20_000)}
    yield Hostile(name="20,000 headers", data=target.request("GET", "/api/v1/runs", headers=many))
    yield Hostile(name="no line", data=b"A" * 200_000)
    bodies = [(path, method) for path, method, operation in operations if "requestBody" in operation]
    for (path, method), size in itertools.product([*bodies, ("/login", "POST")], (1 << 40, 1 << 70)):
        data = target.request(method, target.path(path), body=b"{}", headers={"Content-Length": str(size)})
        yield Hostile(name=f"{size} bytes announced to {method} {path}", data=data)
    yield Hostile(
        name="large form",
        data=target.request(
            "POST", "/login", body=b"a=" + b"b" * 200_000, headers={"Content-Type": "application/x-www-form-urlencoded"}
        ),
    )


def _smuggled(target: Target) -> Iterator[Hostile]:
    """Requests whose end can be read in two ways."""
    host = f"Host: 127.0.0.1:{target.port}\r\n"
    inner = f"GET /api/v1/runs HTTP/1.1\r\n{host}\r\n"
    for name, headers, body in (
        ("two lengths", "Content-Length: 0\r\nContent-Length: 5\r\n", "12345"),
        ("lengths in one", "Content-Length: 0, 5\r\n", "12345"),
        ("negative length", "Content-Length: -1\r\n", ""),
        ("length with a sign", "Content-Length: +5\r\n", "12345"),
        ("length in hex", "Content-Length: 0x5\r\n", "12345"),
        ("length with a space", "Content-Length : 5\r\n", "12345"),
        ("length in words", "Content-Length: five\r\n", "12345"),
        ("length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + inner),
        ("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + inner),
        ("two encodings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("other encoding", "Transfer-Encoding: gzip\r\n", "x"),
        ("encoding list", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ("misspelt encoding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("encoding with a tab", "Transfer-Encoding:\tchunked\x0b\r\n", "0\r\n\r\n"),
        ("bad chunk size", "Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"),
        ("negative chunk", "Transfer-Encoding: chunked\r\n", "-1\r\nabc\r\n0\r\n\r\n"),
        ("endless chunk size", "Transfer-Encoding: chunked\r\n", "f" * 100_000),
        ("chunk without end", "Transfer-Encoding: chunked\r\n", "5\r\nabcdeXX0\r\n\r\n"),
        ("chunk extension", "Transfer-Encoding: chunked\r\n", "5;" + "a" * 100_000 + "\r\nabcde\r\n0\r\n\r\n"),
        ("folded header", "X-A: b\r\n c: d\r\nContent-Length: 0\r\n", ""),
        ("bare newline", "X-A: b\nX-B: c\r\nContent-Length: 0\r\n", ""),
        ("bare return", "X-A: b\rX-B: c\r\nContent-Length: 0\r\n", ""),
        ("null in a header", "X-A: b\x00c\r\nContent-Length: 0\r\n", ""),
        ("null in a name", "X\x00A: b\r\nContent-Length: 0\r\n", ""),
        ("header without a name", ": b\r\nContent-Length: 0\r\n", ""),
        ("header without a colon", "nothing\r\nContent-Length: 0\r\n", ""),
        ("space before the colon", "X-A : b\r\nContent-Length: 0\r\n", ""),
    ):
        for path in ("/api/v1/csrf", "/login"):
            data = f"POST {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n{body}".encode("latin-1")
            yield Hostile(name=f"{name}, {path}", data=data)


def _lines(target: Target) -> Iterator[Hostile]:
    """First lines that are none."""
    host = f"Host: 127.0.0.1:{target.port}\r\nConnection: close\r\n\r\n"
    for line in (
        "",
        " ",
        "GET",
        "GET /",
        "GET  /  HTTP/1.1",
        "GET / HTTP/9.9",
        "GET / HTTP/0.9",
        "GET / HTP/1.1",
        "GET / http/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\xff HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "G\x00T / HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "PRI * HTTP/2.0",
        "GET api/v1/runs HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET //evil.example/ HTTP/1.1",
        "GET \\\\x HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "GET http://[::1 HTTP/1.1",
        "GET /#x HTTP/1.1",
        "GET /runs#x HTTP/1.1",
        "\x16\x03\x01",
    ):
        yield Hostile(name=f"line {line!r}", data=f"{line}\r\n{host}".encode("latin-1"), read=(200, 204, 302))
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade, close",
        "Sec-WebSocket-Key": "x",
        "Sec-WebSocket-Version": "13",
    }
    yield Hostile(name="websocket", data=target.request("GET", "/api/v1/runs", headers=upgrade), read=(200,))
    clear = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings, close", "HTTP2-Settings": "AAMAAABk"}
    yield Hostile(name="h2c", data=target.request("GET", "/api/v1/runs", headers=clear), read=(200,))
    for part in (
        "bytes=" + ",".join(f"{number}-" for number in range(2_000)),
        "bytes=-0",
        "bytes=999999999-",
        "bytes=0-" + "9" * 99,
    ):
        path = target.path("/api/v1/runs/{run_id}/artifacts/trades.jsonl")
        yield Hostile(
            name=f"range {part[:20]}", data=target.request("GET", path, headers={"Range": part}), read=(200, 206)
        )
    for name in (
        "If-None-Match",
        "If-Range",
        "Accept",
        "Accept-Encoding",
        "X-Request-Id",
        "Last-Event-ID",
        "Accept-Language",
    ):
        for text in ("\xff", '"' * 500, "*" * 500, ",;q=" * 500, json.dumps({"a": 1})):
            data = target.request("GET", "/api/v1/runs", headers={name: text})
            yield Hostile(name=f"{name} {text[:10]!r}", data=data, read=(200, 206, 304))


def asked(port: int, data: bytes) -> bytes:
    """Send bytes over a connection of their own and return all that comes back before it is closed."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        # What is refused before all of it was sent and read is answered, and then reset.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        with suppress(ConnectionResetError, TimeoutError):
            while piece := connection.recv(1 << 16):
                found += piece
    return found
