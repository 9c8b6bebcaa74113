"""Export: tables that say what the artifacts say, a page that needs nothing, and never in the place of another file."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import parquet

from buff.decisions.engine import ACTIONS, STATES
from buff.errors import RunConfigInvalid, RunNotFound
from buff.export import TABLES, Export, export, format_of
from buff.runs.run import Run
from buff.times import iso
from whole import names, opened
from wild import wild_run


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one run that has gaps, fills, blocks, reversals and an open trade."""
    folder = tmp_path_factory.mktemp("wild")
    wild_run(folder, 4, root=folder / "root", run_id="wild")
    wild_run(folder, 2, root=folder / "root", run_id="blocked")
    return folder / "root"


def take(root: Path, out: Path, run_id: str = "wild", **options: Any) -> Export:
    return export(opened(root), run_id, out=str(out), **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_folder_holds_all_three_tables(wild: Path, tmp_path: Path) -> None:
    run, done = opened(wild).run("wild"), take(wild, tmp_path / "out")
    bars = len(run.equity)
    assert done.files == {"trades.csv": len(run.trades), "equity.csv": bars, "records.csv": bars}
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(done.files)
    first = rows_of(tmp_path / "out" / "trades.csv")[0]
    assert (first["trade"], first["side"], first["entry_ts"]) == (
        "0",
        run.trades[0]["side"],
        run.trades[0]["entry"]["ts"],
    )


def texts(values: dict[str, Any]) -> dict[str, str]:
    """Write values as a CSV does: the shortest text of a number, true for a flag."""
    return {
        name: "true" if value is True else repr(value) if isinstance(value, float) else str(value)
        for name, value in values.items()
    }


def flat_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with its fills beside it, the slow way."""
    found = {name: value for name, value in record.items() if name != "fills"}
    for fill in record.get("fills", []):
        for name in fill.keys() - {"effect"}:
            found[f"{fill['effect'].lower()}_{name}"] = fill[name]
    return found


@pytest.mark.parametrize("run_id", ["wild", "blocked"])
def test_every_cell_is_a_member_of_a_record(wild: Path, tmp_path: Path, run_id: str) -> None:
    """Invariants checked: each cell with text is a member, each member has its cell, in every record and trade."""
    run = opened(wild).run(run_id)
    take(wild, tmp_path / "out", run_id)
    for row, record in zip(rows_of(tmp_path / "out" / "records.csv"), run.records, strict=True):
        assert {name: cell for name, cell in row.items() if cell} == texts(flat_record(record))
    for row, trade in zip(rows_of(tmp_path / "out" / "trades.csv"), run.trades, strict=True):
        legs = {f"{leg}_{name}": value for leg in ("entry", "exit") for name, value in trade.get(leg, {}).items()}
        own = {name: value for name, value in trade.items() if name not in ("entry", "exit")}
        assert {name: cell for name, cell in row.items() if cell} == texts({**own, **legs})
    for at, row in enumerate(rows_of(tmp_path / "out" / "equity.csv")):
        assert row == texts(
            {
                "seq": at,
                "ts": iso(run.bars.ts[at]),
                "close": float(run.bars.close[at]),
                "equity": float(run.equity[at]),
                "drawdown": float(run.drawdown[at]),
                "position": int(run.position[at]),
                "state": STATES[run.state[at]],
                "action": ACTIONS[run.action[at]],
            }
        )


def test_parquet_holds_what_the_csv_holds(wild: Path, tmp_path: Path) -> None:
    take(wild, tmp_path / "csv")
    take(wild, tmp_path / "pq", format="parquet")
    for table in TABLES:
        read = parquet.read_table(tmp_path / "pq" / f"{table.name}.parquet")
        assert read.column_names == list(table.columns)
        stored = rows_of(tmp_path / "csv" / f"{table.name}.csv")
        for row, expected in zip(read.to_pylist(), stored, strict=True):
            written = {
                name: "" if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ") if name.endswith("ts") else value
                for name, value in row.items()
            }
            assert texts(written) == expected
    frame = pd.read_parquet(tmp_path / "pq" / "equity.parquet")
    assert str(frame["ts"].dtype) == "datetime64[ms, UTC]"


@pytest.mark.parametrize(
    ("options", "name"), [({}, "a.html"), ({"what": "trades"}, "a.csv"), ({"what": "equity"}, "a.parquet")]
)
def test_a_file_takes_the_format_of_its_name_and_the_same_bytes_each_time(
    wild: Path, tmp_path: Path, options: dict[str, Any], name: str
) -> None:
    digests = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        done = take(wild, tmp_path / folder / name, **options)
        assert done.format == name.partition(".")[2]
        digests.add(hashlib.sha256((tmp_path / folder / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_page_is_the_report_of_the_run(wild: Path, tmp_path: Path) -> None:
    take(wild, tmp_path / "a.html")
    run: Run = opened(wild).run("wild")
    assert (tmp_path / "a.html").read_text() == "".join(
        run.report(tried=opened(wild).tried([opened(wild).entry("wild")])[0].says)
    )


def test_what_is_there_stays_unless_it_is_to_be_replaced(wild: Path, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    for out in ("a.html", "out"):
        with pytest.raises(RunConfigInvalid, match="exists already"):
            take(wild, tmp_path / out)
        take(wild, tmp_path / out, force=True)
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.parametrize(
    ("out", "options", "says"),
    [
        ("a.xlsx", {"format": "xlsx"}, "no format"),
        ("a.csv", {}, "name of one file"),
        ("a.csv", {"what": "candles"}, "no table"),
        ("a.html", {"what": "trades"}, "a page has all"),
    ],
)
def test_what_makes_no_sense_is_refused(
    wild: Path, tmp_path: Path, out: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(RunConfigInvalid, match=says):
        take(wild, tmp_path / out, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_is_not_found(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RunNotFound):
        take(root, tmp_path / "a.html", "nothing")
    assert take(root, tmp_path / "a.html", names(root)["runs"][0][:8]).run_id == names(root)["runs"][0]


def test_the_format_of_a_folder_is_csv() -> None:
    assert [format_of(name, None) for name in ("out", "out.d", "a.PARQUET", "a.html")] == [
        "csv",
        "csv",
        "parquet",
        "html",
    ]
