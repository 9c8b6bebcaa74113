"""A server over a root whose decision records are compressed, and made plain again, while it runs."""

from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from buff.cold import RECORDS, change
from whole import opened

VARYING = frozenset({"x-request-id", "date"})


def asked(client: TestClient[Any], several: Path) -> list[tuple[int, dict[str, str], bytes]]:
    """Return the answers to all that reads decision records: pages, parts, tags, stories, differences."""
    runs = [entry.run_id for entry in opened(several).runs().items]
    addresses: list[tuple[str, dict[str, str]]] = [(f"/compare?run={runs[0]}&run={runs[1]}", {})]
    for run in runs:
        artifact = f"/api/v1/runs/{run}/artifacts/{RECORDS}"
        tag = client.head(artifact).headers["etag"]
        addresses += [
            (f"/runs/{run}", {}),
            (f"/runs/{run}?after=100", {}),
            (f"/api/v1/runs/{run}/decisions?limit=50&after=20", {}),
            (f"/api/v1/runs/{run}/explain?bar=10", {}),
            (artifact, {}),
            (artifact, {"range": "bytes=1000-2999"}),
            (artifact, {"range": "bytes=-10"}),
            (artifact, {"if-none-match": tag}),
        ]
    answers = [client.get(address, headers=headers) for address, headers in addresses]
    return [
        (each.status_code, {k: v for k, v in each.headers.items() if k not in VARYING}, each.content)
        for each in answers
    ]


def test_every_answer_is_the_same_in_either_form(client: TestClient[Any], several: Path) -> None:
    client.get("/runs")  # the first answer alone sets a cookie
    plain = asked(client, several)
    assert {status for status, _, _ in plain} == {200, 206, 304}
    for undo in (False, True):
        with opened(several) as store:
            assert len(change(store, undo=undo).items) == 3
        for before, now in zip(plain, asked(client, several), strict=True):
            assert now == before


def test_damage_of_a_compressed_file_is_told_as_damage(client: TestClient[Any], several: Path) -> None:
    with opened(several) as store:
        change(store)
        run = next(entry.run_id for entry in store.runs().items if entry.timeframe == "1m")
    path = several / run / f"{RECORDS}.gz"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))
    for address in (f"artifacts/{RECORDS}", f"decisions?limit=1000&after={len(opened(several).run(run).records) // 3}"):
        answer = client.get(f"/api/v1/runs/{run}/{address}", headers={"range": "bytes=0-9"})
        assert answer.json()["code"] == "RUN_DAMAGED"
        assert str(several) not in answer.text
