"""Hundreds of hostile requests against a real server: all refused with a type, none breaks it, nothing gets out."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from litestar.routes import HTTPRoute

from buff.errors import CODES
from buff_web import api
from buff_web.app import create_app
from buff_web.guard import HEADERS
from buff_web.openapi import document
from hostile import Hostile, Target, asked, corpus
from whole import names, opened

TOKEN = "a-token-of-the-tests"
CORPUS_MIN = 300


@frozen(kw_only=True)
class Answer:
    """What came back, cut into its parts."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> "Answer":
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines)
        return cls(
            status=int(first.split()[1]), headers={name.lower(): text.strip() for name, _, text in named}, body=body
        )


def _faults(hostile: Hostile, data: bytes, secrets: list[bytes]) -> Iterator[str]:
    """Yield what is wrong with an answer."""
    if not data:
        yield "no answer"
        return
    answer = Answer.of(data)
    if answer.status not in hostile.read and not 400 <= answer.status < 500:
        yield f"status {answer.status}"
    for name, text in HEADERS.items():
        if answer.headers.get(name) != text:
            yield f"header {name}"
    for secret in secrets:
        if secret in data:
            yield f"told {secret[:20]!r}"
    if answer.status >= 400 and answer.body:
        kind = answer.headers["content-type"]
        if kind == "application/problem+json":
            code = json.loads(answer.body)["code"]
            if code not in CODES or code == "INTERNAL":
                yield f"code {code}"
        elif not (kind.startswith("text/html") and any(code.encode() in answer.body for code in CODES)):
            yield f"untyped, {kind}"


def _pages(root: Path) -> dict[str, Any]:
    """The addresses that are no part of the API, in the form of its description."""
    app = create_app(opened(root))
    return {
        route.path_format: {method.lower(): {} for method in route.methods if method != "OPTIONS"}
        for route in app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith("/api/v1")
    }


@pytest.mark.parametrize("create", ["", "1"], ids=["creation off", "creation on"])
def test_a_hostile_request_is_refused_with_a_type(root: Path, serve: Any, tmp_path: Path, create: str) -> None:
    """Prints how many were made and how they were answered."""
    log, before = tmp_path / "log", names(root)
    server = serve(root, env={"BUFF_TOKEN": TOKEN, **({"BUFF_WEB_CREATE": create} if create else {})}, log=log)
    store = opened(root)
    port = int(server.local.rpartition(":")[2])
    target = Target(
        port=port,
        inside={"Authorization": f"Bearer {TOKEN}"},
        names={
            "run_id": store.runs().items[0].run_id,
            "dataset_id": store.datasets()[0].dataset_id,
            "name": "trades.jsonl",
        },
    )
    secrets = [
        (root / "_journal" / "HEAD").read_bytes(),
        b"root:x:",
        str(root.parent).encode(),
        TOKEN.encode(),
        b"Traceback",
    ]
    found: Counter[int] = Counter()
    wrong = []
    requests = list(corpus({"paths": {**document(api.router())["paths"], **_pages(root)}}, target))
    for hostile in requests:
        data = asked(port, hostile.data)
        found[Answer.of(data).status if data else 0] += 1
        wrong += [f"{hostile.name}: {fault}" for fault in _faults(hostile, data, secrets)]
    print(
        f"{len(requests)} hostile requests: "
        + ", ".join(f"{count} x {status}" for status, count in sorted(found.items()))
    )
    assert not wrong, "\n".join(wrong)
    assert len(requests) >= CORPUS_MIN
    alive = Answer.of(asked(port, target.request("GET", "/api/v1/runs")))
    assert (alive.status, b'"total":1' in alive.body) == (200, True)
    assert server.end()[0] == 0
    assert "Traceback" not in log.read_text()
    assert '"level":"error"' not in log.read_text()
    assert TOKEN not in log.read_text()
    assert names(root)["runs"] == before["runs"]
