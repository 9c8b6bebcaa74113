"""Catalogue: every dataset with where it came from and who uses it, every ingest with what became of it."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from bad_inputs import BAR, lines
from buff.catalogue import IngestLog, abandoned_bytes, described, ingests, listed
from buff.cli.datasets import ingest_row
from buff.deposit import Ingest, deposit
from buff.errors import BuffError, DatasetNotFound
from buff.intake import take_in
from buff.market.options import CsvOptions
from buff.space import free
from buff.store import Store
from killing import ingest_until
from whole import SETTINGS, host, make, names, opened, write_csv

GOLDEN = Path(__file__).parents[1] / "golden" / "ingests_v1"


def put(root: Path | Store, *paths: Path, **values: Any) -> Ingest:
    given = {"csv": [str(path) for path in paths], "symbol": "BTCUSDT", **values}
    return deposit(given, root=root if isinstance(root, Store) else str(root), host=host(), settings=SETTINGS)


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


# Ingests


def test_every_step_of_an_ingest_has_its_time_and_counts(tmp_path: Path, minutes: Path) -> None:
    root, seconds = tmp_path / "root", iter(range(100))
    root.mkdir()
    with opened(root, monotonic=lambda: float(next(seconds))) as store:
        put(store, minutes, gaps="keep")
    (entry,) = ingests(opened(root))
    # The clock moves on whenever somebody looks at it: while files are read, the kill switch does so once.
    assert dict(entry.steps) == {"started": 0, "parsed": 2_000, "validated": 1_000, "stored": 1_000}
    assert (entry.state, entry.rows, entry.gaps, entry.missing, entry.filled) == ("stored", 2_880, 0, 0, 0)
    assert (entry.verdict, entry.symbol, entry.files, entry.by) == ("PASS", "BTCUSDT", ("minutes.csv",), "tester")
    assert entry.options == {"profile": "buff", "timezone": None, "gaps": "keep", "base_timeframe": "1m"}
    assert entry.existed is False


def test_a_refusal_is_listed_with_its_rule_and_line(tmp_path: Path) -> None:
    root, csv = tmp_path / "root", tmp_path / "gap.csv"
    root.mkdir()
    lines(f"+0,{BAR}", f"+1,{BAR}", f"+9,{BAR}")(csv)
    with pytest.raises(BuffError):
        put(root, csv)
    (entry,) = ingests(opened(root))
    assert (entry.state, entry.code, entry.rule, entry.line) == ("rejected", "DATA_INVALID", "GAP", 4)
    assert (entry.counts, entry.files) == ({"GAP": 1}, ("gap.csv",))
    assert list(entry.steps) == ["started", "rejected"]


def test_a_refusal_before_the_files_are_opened_has_no_start(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(BuffError):
        put(tmp_path / "root", tmp_path / "nowhere.csv")
    (entry,) = ingests(opened(tmp_path / "root"))
    assert (entry.state, entry.code, entry.files) == ("rejected", "DATA_SOURCE_NOT_FOUND", ("nowhere.csv",))
    assert list(entry.steps) == ["rejected"]


def test_an_ingest_runs_while_its_owner_lives(tmp_path: Path, minutes: Path) -> None:
    """Seen from another store while the files are read, and after the process left without an end."""
    root, seen = tmp_path / "root", list[IngestLog]()
    root.mkdir()

    def look(stage: str, done: int, total: int) -> None:
        seen.extend(ingests(opened(root)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), opened(root) as store:
        take_in(store, [str(minutes)], CsvOptions(), symbol="X", progress=look)
    assert [(entry.state, list(entry.steps)) for entry in seen] == [("running", ["started"])]
    assert [entry.state for entry in ingests(opened(root))] == ["interrupted"]


def test_an_ingest_that_ends_while_it_is_looked_at_has_ended(tmp_path: Path, minutes: Path) -> None:
    """The lock is looked at first and the journal after it, so an ingest that ends in between was no interruption."""
    root = tmp_path / "root"
    root.mkdir()
    store = opened(root)
    stored = opened(root)

    class Late(type(store.disk)):  # type: ignore[misc]
        def exists(self, path: str) -> bool:
            if path.endswith("/lock") and stored.state.ingests:
                progress.close()
            return bool(super().exists(path))

    class Progress:
        """An ingest held open until somebody looks at its lock."""

        def __init__(self) -> None:
            self.store = opened(root)
            self.steps = self._steps()
            next(self.steps)

        def _steps(self) -> Any:
            from buff.journal.events import IngestRejected, IngestStarted

            self.store.record(
                IngestStarted(
                    ingest="ing_1", owner=Path(self.store.owner.directory).name, files=["a.csv"], size_bytes=1,
                    symbol="X", options={}, by="me",
                )
            )  # fmt: skip
            yield
            self.store.record(
                IngestRejected(
                    ingest="ing_1", files=["a.csv"], code="DATA_INVALID", rule="GAP", message="m", counts={}, line=1,
                    milliseconds=1, by="me",
                )
            )  # fmt: skip
            self.store.close()

        def close(self) -> None:
            for _ in self.steps:
                pass

    progress = Progress()
    assert [entry.state for entry in ingests(store)] == ["running"]
    looking = Store(str(root), host=host(), settings=SETTINGS, disk=Late())
    assert [entry.state for entry in ingests(looking)] == ["rejected"]


def test_ingests_of_the_first_version_are_listed(tmp_path: Path) -> None:
    """They named no owner: one without an end cannot be under way."""
    root = tmp_path / "root"
    shutil.copytree(GOLDEN, root)
    found = ingests(opened(root))
    assert [entry.state for entry in found] == ["stored", "rejected", "stored", "stored", "interrupted"]
    assert [entry.existed for entry in found] == [False, None, False, True, None]
    assert found[0].options == {"profile": "buff", "timezone": None, "gaps": "reject", "base_timeframe": "1m"}


# Killed


@pytest.mark.crash
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_process_killed_at_any_change_leaves_nothing_listed_and_an_ingest_that_says_so(
    tmp_path: Path, minutes: Path, every: int
) -> None:
    """Invariants checked, killed at some or all changes on disk: what is listed is whole; an ingest that began and told
    no end is interrupted, be it known only after the next writer found its event; that one leaves nothing in staging;
    the same files can be taken in.
    """
    values = {"csv": [str(minutes)], "symbol": "X"}
    (tmp_path / "traced").mkdir()
    assert ingest_until(tmp_path / "traced", values, None, tmp_path / "trace.json") == 0
    steps = (tmp_path / "trace.json").read_text().count('["')
    states = set()
    for step in range(0, steps, every):
        root = tmp_path / f"root-{step}"
        root.mkdir()
        assert ingest_until(root, values, step) == -signal.SIGKILL
        before = ingests(opened(root))
        states |= {(entry.state, list(entry.steps)[-1]) for entry in before}
        assert len(before) <= 1
        assert len(opened(root).datasets()) == sum(entry.state == "stored" for entry in before)
        stored = put(root, minutes, symbol="X")
        *earlier, last = ingests(opened(root))
        assert last.state == "stored"
        assert len(before) <= len(earlier) <= 1
        assert all(entry.state in ("interrupted", "stored") for entry in earlier)
        assert last.existed or not any(entry.state == "stored" for entry in earlier)
        left = names(root)
        assert (left["_datasets"], left["_staging"]) == ([stored.dataset_id], [])
        assert set(left["_orphans"]) == set(opened(root).state.orphans)
        assert described(opened(root), stored.dataset_id)["rows"] == 2_880
        shutil.rmtree(root)
    assert {("interrupted", "started"), ("interrupted", "parsed"), ("stored", "stored")} <= states


def test_what_a_killed_ingest_left_is_told_until_it_is_freed(tmp_path: Path, minutes: Path) -> None:
    """First where it died, then where the next writer moved it, then no more."""
    values = {"csv": [str(minutes)], "symbol": "X"}
    (tmp_path / "traced").mkdir()
    assert ingest_until(tmp_path / "traced", values, None, tmp_path / "trace.json") == 0
    trace = json.loads((tmp_path / "trace.json").read_text())
    step = next(at for at, (what, path) in enumerate(trace) if path.endswith("dataset.json"))
    root = tmp_path / "root"
    root.mkdir()
    assert ingest_until(root, values, step) == -signal.SIGKILL
    (entry,) = ingests(opened(root))
    (left,) = entry.left
    assert left == f"_staging/{entry.owner}/{entry.ingest}"
    assert entry.left_bytes == sum(path.stat().st_size for path in (root / left).iterdir()) > 2_880 * 49
    assert abandoned_bytes(opened(root)) == entry.left_bytes
    says = (
        f"{entry.left_bytes:,} bytes are left in {left}: the next writer moves it to _orphans; `buff store gc --apply"
    )
    assert says in ingest_row(entry)[-1]
    with opened(root) as store:
        store.journal()
        assert store.owner
    (entry,) = ingests(opened(root))
    assert entry.left == (f"_orphans/{entry.ingest}.0",)
    assert (entry.left_bytes > 2_880 * 49, abandoned_bytes(opened(root))) == (True, 0)
    assert ingest_row(entry)[-1].endswith(f"{entry.left[0]}: `buff store gc --apply --orphans` frees it")
    with opened(root) as store:
        free(store, ["orphans"])
    (entry,) = ingests(opened(root))
    assert (entry.state, entry.left, entry.left_bytes) == ("interrupted", (), 0)
    assert ingest_row(entry)[-1].endswith("nothing is left of it")


# Datasets


def test_a_dataset_tells_where_it_came_from_and_who_uses_it(tmp_path: Path, minutes: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy.csv"
    stored = put(root, minutes)
    copy.write_text(minutes.read_text().replace("\n", "\r\n"), newline="")
    put(root, copy, symbol="ETHUSDT")
    run = make(root, dataset=stored.dataset_id, symbol="ETHUSDT").run
    found = described(opened(root), stored.dataset_id[:6])
    assert (found["dataset_id"], found["rows"], found["symbols"]) == (stored.dataset_id, 2_880, ["BTCUSDT", "ETHUSDT"])
    assert [ingest["source"]["name"] for ingest in found["ingests"]] == ["minutes.csv", "copy.csv"]
    assert [each["run_id"] for each in found["runs"]] == [run.id]
    assert [each["timeframe"] for each in found["resamples"]] == ["1h"]
    folder = root / "_datasets" / stored.dataset_id
    for column in found["columns"]:
        assert (folder / f"{column['name']}.npy").stat().st_size == column["size_bytes"]
    assert found["quality"] == stored.quality
    assert found["size_bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    (row,) = listed(opened(root))
    assert (row["sources"], row["size_bytes"], row["rows"]) == (2, found["size_bytes"], 2_880)


def test_the_newest_dataset_is_listed_first(tmp_path: Path) -> None:
    stored = [put(tmp_path / "root", write_csv(tmp_path / f"{n}.csv", minutes=10 + n)).rows for n in range(3)]
    assert [row["rows"] for row in listed(opened(tmp_path / "root"))] == stored[::-1]


def test_a_dataset_that_is_not_there_is_said_so(root: Path) -> None:
    with pytest.raises(DatasetNotFound) as caught:
        described(opened(root), "f" * 64)
    assert caught.value.hint
