"""Deposit: files become datasets without a run, once each, and every refusal is told."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import buff
from bad_inputs import BAR, lines
from buff.datasets import load
from buff.deposit import Ingest, deposit
from buff.errors import BuffError, DataInvalid, DataSourceNotFound, LimitExceeded, ProfileInvalid, RunConfigInvalid
from buff.journal.events import IngestRejected
from buff.market.timeframe import MINUTE_MS
from buff.sample import START_MS
from buff.settings import Settings
from whole import SETTINGS, events, host, make, names, opened, write_csv


def put(root: Path, *paths: Path, **values: Any) -> Ingest:
    given = {"csv": [str(path) for path in paths], "symbol": "BTCUSDT", **values}
    return deposit(given, root=str(root), host=host(), settings=SETTINGS)


def test_files_become_a_dataset_and_no_run(tmp_path: Path, minutes: Path) -> None:
    root = tmp_path / "root"
    stored = put(root, minutes, symbol="btcusdt")
    assert (stored.existed, stored.symbol, stored.base_timeframe, stored.rows) == (False, "BTCUSDT", "1m", 2_880)
    assert (stored.first, stored.last) == ("2024-01-01T00:00:00Z", "2024-01-02T23:59:00Z")
    assert (stored.gaps, stored.missing, stored.filled, stored.warnings) == (0, 0, 0, ())
    assert (stored.verdict, stored.quality["schema"]) == (stored.quality["verdict"], "quality.v1")
    assert stored.source["gaps"] == "reject"
    assert names(root) == {"runs": [], "_datasets": [stored.dataset_id], "_staging": [], "_orphans": []}


def test_the_same_bars_are_stored_once(tmp_path: Path, minutes: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "other.csv"
    shutil.copy(minutes, copy)
    first, again = put(root, minutes), put(root, copy)
    assert (first.existed, again.existed) == (False, True)
    assert (again.dataset_id, again.warnings) == (first.dataset_id, ())
    assert names(root)["_datasets"] == [first.dataset_id]
    (entry,) = opened(root).datasets()
    assert (entry.symbols, len(entry.sources)) == (["BTCUSDT"], 1)


def test_the_command_it_names_makes_a_run(tmp_path: Path, minutes: Path) -> None:
    root = tmp_path / "root"
    stored = put(root, minutes)
    words = stored.next.split()
    asked = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[:3] == ["buff", "run", "create"]
    created = make(
        root,
        dataset=asked["--dataset"],
        symbol=asked["--symbol"],
        timeframe=asked["--timeframe"],
        strategy=asked["--strategy"],
        risk_level=int(asked["--risk-level"]),
    )
    assert created.run.inputs["dataset_id"] == stored.dataset_id


@pytest.mark.parametrize(("base", "timeframe"), [("1m", "1h"), ("1h", "1h"), ("4h", "4h"), ("1d", "1d")])
def test_the_command_asks_for_what_the_base_can_be(tmp_path: Path, base: str, timeframe: str) -> None:
    step = {"1m": 1, "1h": 60, "4h": 240, "1d": 1440}[base]
    csv = tmp_path / "bars.csv"
    rows = (f"{START_MS + at * step * MINUTE_MS},{BAR}" for at in range(2 * 1440 // step))
    lines(*rows)(csv)
    assert f"--timeframe {timeframe} " in put(tmp_path / "root", csv, base_timeframe=base).next


@pytest.mark.parametrize(
    ("minutes", "timeframe"),
    [(range(42), "1m"), (range(1440), "1h"), ([at for at in range(3 * 1440) if at % 60 != 30], "1m")],
    ids=["too few", "a day", "no whole hour"],
)
def test_the_command_is_one_that_is_not_refused(tmp_path: Path, minutes: Sequence[int], timeframe: str) -> None:
    csv, root = tmp_path / "bars.csv", tmp_path / "root"
    lines(*(f"{START_MS + at * MINUTE_MS},{BAR}" for at in minutes))(csv)
    stored = put(root, csv, gaps="keep")
    assert stored.timeframe == timeframe
    assert f"--timeframe {timeframe} " in stored.next
    created = make(root, dataset=stored.dataset_id, symbol="BTCUSDT", timeframe=timeframe, strategy="hold", params={})
    assert len(created.run.records) > 0


def test_two_symbols_in_a_fresh_root_are_run_from_their_ids(tmp_path: Path, minutes: Path) -> None:
    """The CSV files are gone when the runs are made; one dataset has two symbols, another one."""
    root, other = tmp_path / "root", write_csv(tmp_path / "other.csv", seed=8)
    csv = tmp_path / "gone.csv"
    shutil.copy(minutes, csv)
    one, eth = put(root, csv), put(root, csv, symbol="ETHUSDT")
    sol = put(root, other, symbol="SOLUSDT")
    csv.unlink()
    other.unlink()
    assert one.dataset_id == eth.dataset_id != sol.dataset_id
    runs = [make(root, dataset=one.dataset_id, symbol=symbol).run for symbol in ("BTCUSDT", "ETHUSDT")]
    runs.append(make(root, dataset=sol.dataset_id, symbol=None).run)
    assert [run.inputs["symbol"] for run in runs] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert len({run.id for run in runs}) == 3
    assert runs[2].manifest["data"]["source"]["name"] == "other.csv"


def test_the_beginning_of_an_id_is_no_part_of_a_runs_identity(root: Path) -> None:
    dataset = opened(root).datasets()[0].dataset_id
    assert make(root, dataset=dataset, symbol=None).run.id == make(root, dataset=dataset[:12], symbol=None).run.id
    with pytest.raises(RunConfigInvalid, match="12"):
        make(root, dataset=dataset[:11], symbol=None)


@pytest.mark.parametrize(("gaps", "rows", "kept", "filled"), [("keep", 41, 1, 0), ("fill", 42, 0, 1)])
def test_gaps_stay_visible_from_the_file_to_the_run(
    tmp_path: Path, gaps: str, rows: int, kept: int, filled: int
) -> None:
    csv, root = tmp_path / "gap.csv", tmp_path / "root"
    lines(*(f"+{n},{BAR}" for n in range(42) if n != 7))(csv)
    stored = put(root, csv, gaps=gaps)
    assert (stored.rows, stored.gaps, stored.missing, stored.filled) == (rows, kept, kept, filled)
    assert stored.source["gaps"] == gaps
    checks = stored.quality["dataset"]["checks"]
    assert (checks["gaps"]["count"], checks["filled"]["count"]) == (kept, filled)
    params = {"timeframe": "1m", "params": {"fast": 1, "slow": 2}}
    run = make(root, dataset=stored.dataset_id, symbol=None, **params).run
    assert run.id == make(root, csv, gaps=gaps, **params).run.id
    assert (run.inputs["gaps"], run.manifest["data"]["source"]["gaps"]) == (gaps, gaps)
    assert (run.manifest["data"]["gaps"], run.manifest["data"]["filled"]) == (kept, filled)
    assert run.quality["dataset"]["checks"]["filled"]["count"] == int(run.bars.filled.sum()) == filled
    assert [record["seq"] for record in run.records if record.get("gap_bars")] == [7] * kept


def test_a_revised_file_is_another_dataset_and_says_so(tmp_path: Path, minutes: Path) -> None:
    root, revised = tmp_path / "root", tmp_path / "revised.csv"
    old = put(root, minutes)
    revised.write_text(minutes.read_text().replace("2024-01-01T00:05:00Z,", "2024-01-01T00:05:00Z,", 1))
    rows = minutes.read_text().splitlines()
    cells = rows[9].split(",")
    revised.write_text("\n".join([*rows[:9], ",".join([*cells[:5], "1.5"]), *rows[10:]]) + "\n")
    new = put(root, revised)
    assert new.dataset_id != old.dataset_id
    (warning,) = new.warnings
    assert warning.endswith(f"buff data diff {old.dataset_id[:16]} {new.dataset_id[:16]}")
    told = [event.warnings for event in events(root) if hasattr(event, "warnings")]
    assert told == [[], [warning]]
    assert put(root, revised).warnings == (), "nothing new was said"
    for changes in ({"symbol": "OTHER"}, {"base_timeframe": "5m"}):
        other = write_csv(tmp_path / "later.csv", minutes=10, seed=3) if "symbol" in changes else _five(tmp_path)
        assert put(root, other, **changes).warnings == ()


def _five(folder: Path) -> Path:
    path = folder / "five.csv"
    lines(*(f"+{5 * n},{BAR}" for n in range(12)))(path)
    return path


def test_of_many_earlier_datasets_the_latest_is_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    stored = [put(root, write_csv(tmp_path / f"{count}.csv", minutes=count)) for count in (10, 20, 30)]
    assert [len(each.warnings) for each in stored] == [0, 1, 1]
    assert "2 earlier datasets" in stored[2].warnings[0]
    assert f"diff {stored[1].dataset_id[:16]} {stored[2].dataset_id[:16]}" in stored[2].warnings[0]


def test_files_that_follow_each_other_do_not_overlap(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in (0, 1):
        path = tmp_path / f"{number}.csv"
        lines(*(f"+{10 * number + n},{BAR}" for n in range(10)))(path)
        assert put(root, path).warnings == ()


REFUSED: list[tuple[dict[str, Any], type[BuffError]]] = [
    ({"symbol": None}, RunConfigInvalid),
    ({"symbol": "a b"}, RunConfigInvalid),
    ({"gaps": "maybe"}, RunConfigInvalid),
    ({"base_timeframe": "1w"}, RunConfigInvalid),
    ({"profile": "nobody"}, ProfileInvalid),
    ({"quick": True}, RunConfigInvalid),
    ({"csv": []}, RunConfigInvalid),
    ({"csv": ["nowhere.csv"]}, DataSourceNotFound),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED, ids=lambda part: repr(part)[:40])
def test_a_request_that_cannot_be_makes_no_root_and_is_told_where_there_is_one(
    tmp_path: Path, root: Path, minutes: Path, changes: dict[str, Any], error: type[BuffError]
) -> None:
    with pytest.raises(error) as caught:
        put(tmp_path / "none", minutes, **changes)
    assert caught.value.hint
    assert not (tmp_path / "none").exists()
    before = names(root)
    with pytest.raises(error):
        put(root, minutes, **changes)
    assert names(root) == before
    last = events(root)[-1]
    assert isinstance(last, IngestRejected)
    assert last.code == caught.value.code


def test_a_full_disk_refuses_before_anything_is_read(root: Path, minutes: Path) -> None:
    full = Settings(user="tester", free_bytes_min=1 << 62)
    with pytest.raises(LimitExceeded, match="are free"):
        deposit({"csv": [str(minutes)], "symbol": "X"}, root=str(root), host=host(), settings=full)
    assert events(root)[-1].code == "LIMIT_EXCEEDED"


def test_the_public_function_is_the_same_door(tmp_path: Path, minutes: Path) -> None:
    root = tmp_path / "root"
    stored = buff.ingest(csv=minutes, symbol="BTCUSDT", runs_root=root)
    with buff.open(root) as store:
        again = buff.ingest(csv=[minutes], symbol="BTCUSDT", runs_root=store)
    assert (stored.existed, again.existed) == (False, True)
    assert load(str(root), stored.dataset_id).rows == stored.rows
    run = buff.create_run(dataset=stored.dataset_id, timeframe="1h", strategy="hold", risk_level=3, runs_root=root)
    assert run.inputs["dataset_id"] == stored.dataset_id
    with pytest.raises(DataInvalid):
        buff.ingest(csv=_gap(tmp_path), symbol="X", runs_root=root)


def _gap(folder: Path) -> Path:
    path = folder / "gap.csv"
    lines(f"+0,{BAR}", f"+1,{BAR}", f"+9,{BAR}")(path)
    return path
