"""Sweeps over HTTP: lists, one sweep with its plan in short, and its rows as JSON and CSV, in the order asked for."""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from buff.sweeps import Sweep
from buff.trials import Trials, results
from whole import loosen, opened


@pytest.fixture(scope="module")
def client(client_over: Any, swept_root: Path) -> Iterator[TestClient[Any]]:
    with client_over(swept_root) as found:
        yield found


def test_sweeps_in_pages_filtered_and_sorted(client: TestClient[Any], sweeps: tuple[Sweep, ...]) -> None:
    ids = [each.id for each in reversed(sweeps)]
    told = client.get("/api/v1/sweeps").json()
    assert ([item["sweep"] for item in told["items"]], told["total"], told["next"]) == (ids, 3, None)
    assert told["items"][2] == {
        **{name: getattr(sweeps[0].entry, name) for name in told["items"][2] if hasattr(sweeps[0].entry, name)},
        "state": "finished",
    }
    assert (told["items"][2]["what"], told["items"][2]["skipped"]) == ("ma_cross, fast 3 x slow 2", 3)
    first = client.get("/api/v1/sweeps?limit=2").json()
    for place in (f"after={first['next']}", f"cursor={first['cursor']}"):
        rest = client.get(f"/api/v1/sweeps?limit=2&{place}").json()
        assert [item["sweep"] for item in [*first["items"], *rest["items"]]] == ids
    by_trials = client.get("/api/v1/sweeps?sort=trials").json()["items"]
    assert [item["trials"] for item in by_trials] == sorted(each.entry.trials for each in sweeps)
    for wanted, count in (
        ("strategy=ma_cross", 1), ("text=WALK+tester", 1), ("state=finished", 3), ("text=none", 0)
    ):  # fmt: skip
        assert client.get(f"/api/v1/sweeps?{wanted}").json()["total"] == count
    for wrong in ("sort=strategy", "state=done", "cursor=x", "limit=0"):
        refused = client.get(f"/api/v1/sweeps?{wrong}")
        assert (refused.status_code, refused.json()["code"]) == (400, "RUN_CONFIG_INVALID")


def test_one_sweep_says_what_was_skipped_what_failed_and_where_it_walked(
    client: TestClient[Any], sweeps: tuple[Sweep, ...]
) -> None:
    gridded, failing, walking = (client.get(f"/api/v1/sweeps/{each.id[:12]}").json() for each in sweeps)
    assert (gridded["states"], gridded["walk"], gridded["windows"]) == ({"committed": 3}, None, [])
    assert [each["request"]["params"] for each in gridded["skips"]] == [
        {"fast": 4, "slow": 4}, {"fast": 6, "slow": 4}, {"fast": 6, "slow": 6},
    ]  # fmt: skip
    assert all("must be below" in each["says"] for each in gridded["skips"])
    assert failing["states"] == {"committed": 1, "failed": 1}
    assert [(each["at"], each["run_id"], each["code"]) for each in failing["failures"]] == [(1, None, "RISK_INVALID")]
    assert walking["walk"] == {"train": "12h", "test": "6h", "step": "6h", "purge": "1h", "anchored": False}
    assert len(walking["windows"]) * 2 == walking["requests"] == walking["trials"]
    first = walking["windows"][0]
    assert first["train_start"] < first["train_end"] < first["test_start"] < first["test_end"]


def test_rows_are_in_the_order_of_the_requests_unless_a_reader_sorts_them(
    client: TestClient[Any], swept_root: Path, sweeps: tuple[Sweep, ...]
) -> None:
    address = f"/api/v1/sweeps/{sweeps[0].id}/results"
    told = client.get(address)
    rows = [{**row.as_dict(), "pair": None} for row in results(opened(swept_root), sweeps[0].id).rows]
    assert told.json() == {"sweep": sweeps[0].id, "trials": 3, "items": rows, "total": 3, "next": None}
    assert client.get(address, headers={"if-none-match": told.headers["etag"]}).status_code == 304
    for sign in ("", "-"):
        ordered = client.get(f"{address}?sort={sign}sharpe").json()["items"]
        assert ordered == sorted(rows, key=lambda row: row["metrics"]["sharpe"], reverse=bool(sign))
    pages = [client.get(f"{address}?limit=2&after={after}").json() for after in (0, 2, 4)]
    assert [item for page in pages for item in page["items"]] == rows
    assert [page["next"] for page in pages] == [2, None, None]


def test_what_has_no_value_comes_last_whichever_way_it_is_sorted(
    client: TestClient[Any], sweeps: tuple[Sweep, ...]
) -> None:
    address = f"/api/v1/sweeps/{sweeps[1].id}/results"
    for sort in ("sharpe", "-sharpe", "bars", "-trades"):
        told = client.get(f"{address}?sort={sort}").json()["items"]
        assert [(row["at"], row["state"]) for row in told] == [(0, "committed"), (1, "failed")]


def test_a_walk_marks_which_rows_belong_together(client: TestClient[Any], sweeps: tuple[Sweep, ...]) -> None:
    address = f"/api/v1/sweeps/{sweeps[2].id}/results"
    told = client.get(address).json()["items"]
    for row in told:
        other = told[row["pair"]]
        assert (other["pair"], other["window"], {other["part"], row["part"]}) == (
            row["at"],
            row["window"],
            {"train", "test"},
        )
    tests = client.get(f"{address}?part=test").json()
    assert (tests["items"], tests["total"]) == ([row for row in told if row["part"] == "test"], len(told) // 2)


def test_the_table_is_what_the_command_writes(client: TestClient[Any], sweeps: tuple[Sweep, ...]) -> None:
    answer = client.get(f"/api/v1/sweeps/{sweeps[0].id}/results.csv")
    assert answer.headers["content-type"].partition(";")[0] == "text/csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{sweeps[0].id}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    told = client.get(f"/api/v1/sweeps/{sweeps[0].id}/results").json()["items"]
    assert [(row["run_id"], row["trials"], row["params.fast"]) for row in rows] == [
        (row["run_id"], "3", str(row["params"]["fast"])) for row in told
    ]
    assert [float(row["deflated_sharpe"]) for row in rows] == [row["deflated_sharpe"] for row in told]


@pytest.mark.parametrize("rest", ["", "/results", "/results.csv"])
def test_a_sweep_that_is_not_there_or_whose_plan_is_not(
    client: TestClient[Any], client_over: Any, swept_root: Path, sweeps: tuple[Sweep, ...], tmp_path: Path, rest: str
) -> None:
    for unknown in ("swp_none", "swp_"):  # the latter begins all of them
        refused = client.get(f"/api/v1/sweeps/{unknown}{rest}")
        assert (refused.status_code, refused.json()["code"]) == (404, "SWEEP_NOT_FOUND")
    assert client.post(f"/api/v1/sweeps/{sweeps[0].id}{rest}").status_code == 405
    root = Path(shutil.copytree(swept_root, tmp_path / "root"))
    plan = root / "_sweeps" / f"{sweeps[0].entry.plan_sha256}.json"
    plan.write_bytes(plan.read_bytes() + b" ")
    with client_over(root) as other:
        for code in ("RUN_DAMAGED", "STORAGE_UNREADABLE"):
            assert other.get(f"/api/v1/sweeps/{sweeps[0].id}{rest}").json()["code"] == code
            plan.unlink(missing_ok=True)
        assert other.get("/api/v1/sweeps").json()["total"] == 3, "one plan hides no sweep"


def test_a_run_whose_directory_is_damaged_is_said_to_be(
    client_over: Any, swept_root: Path, sweeps: tuple[Sweep, ...], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(swept_root, tmp_path / "root"))
    loosen(root)
    run_id = sweeps[0].outcomes[1].run_id
    (root / str(run_id) / "manifest.json").write_bytes(b"{}")
    with client_over(root) as client:
        told = client.get(f"/api/v1/sweeps/{sweeps[0].id}/results").json()["items"]
    assert [(row["state"], row["code"]) for row in told] == [
        ("committed", None), ("damaged", "RUN_DAMAGED"), ("committed", None),
    ]  # fmt: skip
    assert str(tmp_path) not in str(told)


def test_results_are_kept_until_a_run_or_the_sweep_changes(
    swept_root: Path, sweeps: tuple[Sweep, ...], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(swept_root, tmp_path / "root"))
    one, two, three = (each.id for each in sweeps)
    with opened(root) as store:
        trials = Trials(store)
        found = trials.of(one)
        assert trials.of(one[:12]) is found
        store.archive(str(sweeps[0].outcomes[0].run_id))
        again = trials.of(one)
        assert [row.state for row in again.rows] == ["archived", "committed", "committed"]
        assert trials.of(two) is trials.of(two)
        assert trials.of(one) is again
        trials.of(three)
        assert trials.of(one) is again, "the one asked for longest ago is forgotten"
        assert trials.of(two) == results(store, two)


def test_a_run_says_wherever_its_metrics_are_given_how_many_were_tried(
    client: TestClient[Any], swept_root: Path, sweeps: tuple[Sweep, ...]
) -> None:
    store, run_id = opened(swept_root), sweeps[0].outcomes[0].run_id
    (tried,) = store.tried([store.entry(str(run_id))])
    told = tried.as_dict()
    assert [each["sweep"] for each in told["sweeps"]] == [sweeps[1].id, sweeps[0].id], "both asked for it"
    assert told["trials"] == told["on_symbol"] > sweeps[0].entry.trials
    assert client.get(f"/api/v1/runs/{run_id}").json()["tried"] == told
    assert client.get(f"/api/v1/runs/{run_id}/metrics").json()["tried"] == told
    rows = {row["run_id"]: row["tried"] for row in client.get("/api/v1/runs?limit=200").json()["items"]}
    assert rows[run_id] == told
    others = [each for each in rows if each != run_id]
    compared = client.get(f"/api/v1/compare?run={run_id}&run={others[0]}").json()["runs"]
    assert [each["tried"] for each in compared] == [told, rows[others[0]]]
