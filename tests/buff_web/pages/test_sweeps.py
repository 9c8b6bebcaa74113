"""The pages of sweeps, read without a browser: the list, and one sweep three times over, in the order of requests."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from buff.crew import Here
from buff.store import Store
from buff.sweeps import Asked, Sweep, carry_out
from outline import Outline, page_of
from whole import SETTINGS, host, loosen


@pytest.fixture(scope="module")
def client(client_over: Any, swept_root: Path) -> Iterator[TestClient[Any]]:
    with client_over(swept_root) as found:
        yield found


def said(page: Outline) -> str:
    return re.sub(r"\s+", " ", page.text)


def words(html: str) -> str:
    """Return the text of a page, what stands in different elements apart."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def links(page: Outline) -> list[str]:
    return [str(link["href"]) for link in page.all("a")]


def runs(html: str) -> list[str]:
    """Return the runs of the table, in its order."""
    return re.findall(r'<input type="checkbox" name="run" value="(\w+)"', html)


def numbers(html: str) -> list[int]:
    return [int(each) for each in re.findall(r'<tr data-at="(\d+)[ \d]*">\s*<th scope="row" class="num">', html)]


def made(sweep: Sweep) -> list[str]:
    return [str(each.run_id) for each in sweep.outcomes if each.ok]


# The list


def test_sweeps_are_listed_with_what_became_of_them(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    html, page = page_of(client, "/sweeps")
    ids = [link["href"] for link in page.all("a") if link.get("class") == "id"]
    assert ids == [f"/sweeps/{each.id}" for each in reversed(sweeps)]
    assert "3 of 3 sweeps, newest first." in said(page)
    assert "ma_cross, fast 3 x slow 2" in page.text
    assert "2 requests" in page.text
    assert "finished, 1 failed" in said(page)
    assert "/api/v1/sweeps" in links(page)
    assert "buff sweep list" in page.text
    assert "data-poll" not in html
    assert "/sweeps" in [link["href"] for link in page.all("a") if link.get("aria-current") == "page"]


def test_the_list_is_narrowed_by_words_and_state(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    _, page = page_of(client, "/sweeps?text=MA_CROSS+fast")
    assert "1 of 3 sweeps" in said(page)
    assert f"/sweeps/{sweeps[0].id}" in links(page)
    _, page = page_of(client, "/sweeps?state=unfinished")
    assert "No sweep matches" in page.text
    assert "/sweeps" in links(page)
    _, page = page_of(client, "/sweeps?after=9")
    assert "There are no more sweeps" in page.text
    _, page = page_of(client, "/sweeps?state=lost", status=400)
    assert "RUN_CONFIG_INVALID" in page.text


def test_an_empty_list_says_what_to_do(client_over: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with client_over(tmp_path / "empty") as empty:
        _, page = page_of(empty, "/sweeps")
    assert "No sweeps yet" in page.text
    assert "buff sweep --dataset ID --timeframe 1h" in page.text


# One sweep


def test_a_sweep_says_what_was_swept_and_shows_its_runs_three_times(
    client: TestClient[Any], sweeps: Sequence[Sweep]
) -> None:
    sweep = sweeps[0]
    html, page = page_of(client, f"/sweeps/{sweep.id}")
    text = words(html)
    for each in ("fast 2,4,6 3 values", "slow 4,6 2 values", "Tried 3", "Skipped 3", "Failed 0", "strategy ma_cross"):
        assert each in text
    assert runs(html) == made(sweep)
    cells = [link for link in page.all("a") if link.get("data-at") and not link.get("tabindex")]
    lines = [link for link in page.all("a") if link.get("tabindex") == "-1"]
    for shown in (cells, lines):
        assert sorted(str(link["href"]) for link in shown) == sorted(f"/runs/{run}" for run in made(sweep))
    assert all("one of 3 tried" in str(cell["title"]) for cell in cells)
    assert html.count('class="skipped"') == 3
    assert "strategy ma_cross: fast (4) must be below slow (4)" in text
    assert {f"/api/v1/sweeps/{sweep.id}", f"/api/v1/sweeps/{sweep.id}/results.csv", "/help#trials"} <= set(links(page))
    assert f"buff sweep show {sweep.id}" in page.text
    assert client.get(f"/api/v1/sweeps/{sweep.id}/results.csv").text.count("\n") == 4


def test_the_beginning_of_an_id_finds_it(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    answer = client.get(f"/sweeps/{sweeps[0].id[:12]}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"/sweeps/{sweeps[0].id}")
    _, page = page_of(client, "/sweeps/swp_no", status=404)
    assert "SWEEP_NOT_FOUND" in page.text
    assert "How far it is" in page_of(client, f"/sweeps/{sweeps[0].id}/progress")[1].text


def test_rows_stand_in_the_order_of_requests_unless_a_reader_sorts_them(
    client: TestClient[Any], sweeps: Sequence[Sweep]
) -> None:
    address = f"/sweeps/{sweeps[0].id}"
    rows = client.get(f"/api/v1{address}/results").json()["items"]
    html, page = page_of(client, address)
    assert numbers(html) == [0, 1, 2]
    assert "in the order they were asked for" in page.text
    for sort, key in (("-sharpe", lambda row: -row["metrics"]["sharpe"]), ("slow", lambda row: row["params"]["slow"])):
        html, page = page_of(client, f"{address}?sort={sort}")
        assert numbers(html) == [row["at"] for row in sorted(rows, key=key)]
        assert "as you sorted them" in page.text
    assert "descending" in [th.get("aria-sort") for th in page_of(client, f"{address}?sort=-sharpe")[1].all("th")]


def test_swapped_axes_begin_where_they_did(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    address = f"/sweeps/{sweeps[0].id}"
    assert f"{address}?x=slow&y=fast&y.after=1#map" in links(page_of(client, f"{address}?x.after=1")[1])


def test_a_stretch_of_an_axis_is_kept_in_all_three(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    address = f"/sweeps/{sweeps[0].id}?from.fast=4&x=slow"
    html, page = page_of(client, address)
    kept = [each for each in sweeps[0].outcomes if each.ok and each.entry and each.entry.params["fast"] >= 4]
    assert runs(html) == [each.run_id for each in kept]
    assert "1 of 3 requests lie within" in said(page)
    assert len([link for link in page.all("a") if "out" in str(link.get("class"))]) == 2
    assert html.count(' out"') == 4  # two cells, two lines
    assert f"/sweeps/{sweeps[0].id}?x=slow#lines" in links(page)  # the way back keeps the rest
    html, page = page_of(client, f"/sweeps/{sweeps[0].id}?from.net_return=99")
    assert runs(html) == []
    assert "No run lies within what you kept" in said(page)


@pytest.mark.parametrize(
    "query", ["x=nothing", "at.fast=3", "sort=loss", "metric=luck", "from.sharpe=much", "steps=odd", "after=-1", "z=1"]
)
def test_what_cannot_be_chosen_is_refused(client: TestClient[Any], sweeps: Sequence[Sweep], query: str) -> None:
    _, page = page_of(client, f"/sweeps/{sweeps[0].id}?{query}", status=400)
    assert "RUN_CONFIG_INVALID" in page.text


def test_what_failed_stands_with_its_code_and_names_no_path(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    html, page = page_of(client, f"/sweeps/{sweeps[1].id}")
    assert "1 request of which there is no run" in said(page)
    assert html.count("/help#RISK_INVALID") == 2
    assert f"buff sweep --resume {sweeps[1].id}" in page.text
    assert "/home/" not in html
    assert "Nothing varies between these requests" in page.text  # the other was refused
    assert numbers(html) == [0, 1, 1]  # once more where it is told why


def test_a_sweep_without_a_run_has_reasons_and_nothing_to_draw(
    client_over: Any, swept_root: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(swept_root, tmp_path / "root"))
    with Store(str(root), host=host(), settings=SETTINGS) as store:
        plain = {"dataset": store.datasets()[0].dataset_id, "timeframe": "1h", "strategy": "ma_cross", "risk_level": 3}
        odd = ({**plain, "risk_level": [9]}, {**plain, "params": 7, "start": 5}, {**plain, "params": {"<i>": None}})
        sweep = carry_out(store, Asked(requests=odd), executor=Here()).id
    with client_over(root) as client:
        html, page = page_of(client, f"/sweeps/{sweep}")
    assert "3 requests of which there is no run" in said(page)
    assert "Nothing varies between these requests" in page.text
    assert "so there are no lines to draw" in page.text
    assert numbers(html) == [0, 1, 2] * 2
    assert "<i>" not in html


def test_a_walk_has_both_parts_side_by_side(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    walk = sweeps[2]
    html, _ = page_of(client, f"/sweeps/{walk.id}")
    assert runs(html) == made(walk)
    assert numbers(html) == list(range(0, len(walk.outcomes), 2))
    text = words(html)
    assert "Run looked at Run it is judged by" in text
    assert "Return looked at Return judged by Sharpe looked at Sharpe judged by" in text
    assert f"{len(walk.outcomes) // 2} pairs of runs" in text
    assert html.count("?at.window=") == len(walk.outcomes) // 2
    rows = client.get(f"/api/v1/sweeps/{walk.id}/results?limit=1000").json()["items"]
    html, _ = page_of(client, f"/sweeps/{walk.id}?sort=test.net_return")
    judged = sorted((row for row in rows if row["part"] == "test"), key=lambda row: row["metrics"]["net_return"])
    assert numbers(html) == [row["at"] - 1 for row in judged]


def test_a_run_says_of_which_sweep_it_is_one(client: TestClient[Any], sweeps: Sequence[Sweep]) -> None:
    run, other = made(sweeps[0])[1:]
    for address, many in ((f"/runs/{run}", 1), (f"/compare?run={run}&run={other}", 4)):
        html, _ = page_of(client, address)
        assert html.count(f'<a href="/sweeps/{sweeps[0].id}">one of 3 tried</a>') == many, address
    html, _ = page_of(client, "/runs?limit=200&strategy=ma_cross")
    assert html.count(f'<a href="/sweeps/{sweeps[0].id}">1 of 3</a>') == 3


def test_a_damaged_run_is_marked_and_a_damaged_plan_is_told(
    client_over: Any, swept_root: Path, sweeps: Sequence[Sweep], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(swept_root, tmp_path / "root"))
    damaged = made(sweeps[0])[0]
    loosen(root / damaged)
    (root / damaged / "manifest.json").write_bytes(b"{}")
    with client_over(root) as client:
        html, page = page_of(client, f"/sweeps/{sweeps[0].id}")
        assert "damaged" in page.text
        assert re.search(rf'value="{damaged}"[^>]* disabled', html)
    with Store(str(root), host=host(), settings=SETTINGS) as store:
        plan = root / "_sweeps" / f"{store.sweeps()[-1].plan_sha256}.json"
    plan.chmod(0o644)
    plan.write_bytes(b"{}")
    with client_over(root) as client:
        _, page = page_of(client, f"/sweeps/{sweeps[0].id}", status=409)
        assert "RUN_DAMAGED" in page.text
