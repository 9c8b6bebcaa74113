"""Windows of a run as a browser asks for them: JSON, or columns that it maps, the same numbers in both."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from litestar.testing import TestClient

from buff import sheet
from buff.files import RealDisk
from buff.pyramid import BARS, EQUITY, Details
from buff_web.app import create_app
from whole import opened

SHEET = "application/vnd.buff.columns"
WHATS = ("bars", "equity")
COLUMNS = {"bars": ("ts", *BARS), "equity": ("ts", *EQUITY)}


@pytest.fixture
def run_id(several: Path) -> str:
    """The run of 1m bars that trades both ways."""
    return next(entry.run_id for entry in opened(several).runs().items if entry.timeframe == "1m")


def varies(answer: Any) -> list[str]:
    return [each.strip().lower() for each in answer.headers["vary"].split(",")]


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize(
    "query", ["", "?max=50", "?from=2024-01-01T10:07Z&to=2024-01-01T22:00Z&max=60", "?to=1999-01-01"]
)
def test_a_sheet_says_what_json_says(client: TestClient[Any], run_id: str, what: str, query: str) -> None:
    address = f"/api/v1/runs/{run_id}/{what}{query}"
    told = client.get(address)
    sheeted = client.get(address, headers={"accept": SHEET})
    assert (told.headers["content-type"], sheeted.headers["content-type"]) == ("application/json", SHEET)
    assert "accept" in varies(told)
    assert "accept" in varies(sheeted)
    document = told.json()
    found = sheet.read(sheeted.content)
    assert dict(found.head) == {name: value for name, value in document.items() if name != "columns"}
    assert tuple(found.columns) == COLUMNS[what]
    assert set(document["columns"]) == set(COLUMNS[what])
    for name, values in found.columns.items():
        assert values.dtype == np.dtype("<f8")
        assert values.tolist() == document["columns"][name]


def test_the_layout_is_what_a_browser_maps(client: TestClient[Any], run_id: str) -> None:
    """As JavaScript does it: a DataView for the length, JSON.parse, a Float64Array at each offset."""
    body = client.get(f"/api/v1/runs/{run_id}/bars?max=50", headers={"accept": SHEET}).content
    length = struct.unpack_from("<I", body, 8)[0]
    head = json.loads(body[16 : 16 + length])
    for column in head["columns"]:
        begin = 16 + length + column["offset"]
        assert (column["dtype"], begin % 8) == ("<f8", 0)
        assert begin + 8 * column["rows"] <= len(body)


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("accept", [SHEET, "application/json"])
def test_what_a_client_has_is_not_sent_again(client: TestClient[Any], run_id: str, what: str, accept: str) -> None:
    address, headers = f"/api/v1/runs/{run_id}/{what}", {"accept": accept}
    first = client.get(address, headers=headers)
    again = client.get(address, headers={**headers, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "accept" in varies(again)
    other = client.get(address, headers={"accept": "application/json" if accept == SHEET else SHEET})
    assert other.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        (f"{SHEET};q=0.5, application/json", "application/json"),
        (f"{SHEET}, application/json;q=0.5", SHEET),
    ],
)
def test_json_unless_columns_are_asked_for(
    client: TestClient[Any], run_id: str, accept: str | None, media: str
) -> None:
    headers = {} if accept is None else {"accept": accept}
    assert client.get(f"/api/v1/runs/{run_id}/bars?max=50", headers=headers).headers["content-type"] == media


def test_a_pyramid_changes_nothing(client: TestClient[Any], several: Path, run_id: str) -> None:
    """The same answers where the run is long enough to have one: the limit is lowered instead of making a long run."""
    addresses = [f"/api/v1/runs/{run_id}/{what}?max=60" for what in WHATS]
    plain = [client.get(address).json() for address in addresses]
    app = create_app(opened(several))
    details = Details(RealDisk(), str(several), token="t", bars_min=1)
    app.state.site = site = evolve(app.state.site, details=details)
    app.dependencies["site"].dependency = lambda: site
    with TestClient(app, base_url="http://127.0.0.1:8780") as piled:
        kept = [piled.get(address).json() for address in addresses]
    assert len(list((several / "_cache" / "pyramids").iterdir())) == 2
    for one, other in zip(plain, kept, strict=True):
        for name, values in one["columns"].items():
            np.testing.assert_allclose(values, other["columns"][name], rtol=1e-12)
        assert {**one, "columns": None} == {**other, "columns": None}


def test_changed_columns_are_damage_and_no_picture(client: TestClient[Any], several: Path, run_id: str) -> None:
    path = several / run_id / "columns" / "equity.npy"
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-8])
    told = client.get(f"/api/v1/runs/{run_id}/equity")
    assert (told.status_code, told.json()["code"]) == (409, "RUN_DAMAGED")
    assert client.get(f"/api/v1/runs/{run_id}/bars").status_code == 200


def test_a_flipped_byte_is_told_wherever_its_column_is_read(several: Path, run_id: str, client_over: Any) -> None:
    """The page of the run draws none of it, and no number of it is told, whatever was read before."""
    other = next(entry.run_id for entry in opened(several).runs().items if entry.run_id != run_id)
    path = several / run_id / "columns" / "equity.npy"
    path.chmod(0o644)
    data = path.read_bytes()
    readers = (
        f"/api/v1/runs/{run_id}/equity?from=2024-01-01T10:00Z&to=2024-01-01T11:00Z",
        f"/api/v1/runs/{run_id}/explain?bar=3",
        f"/api/v1/runs/{run_id}/decisions?limit=1",
        f"/api/v1/compare?run={other}&run={run_id}",
        f"/compare?run={other}&run={run_id}",
        f"/runs/{run_id}",
        f"/runs/{run_id}/report",
        f"/runs/{run_id}/trades/0",
        f"/runs/{run_id}/decisions/3",
    )
    with client_over(several) as client:
        assert [client.get(address).status_code for address in readers] == [200] * len(readers)
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
        assert [client.get(address).status_code for address in readers] == [409] * len(readers)
    with client_over(several) as client:
        assert [client.get(address).status_code for address in readers] == [409] * len(readers)
        path.write_bytes(data)
        assert [client.get(address).status_code for address in readers] == [200] * len(readers)
