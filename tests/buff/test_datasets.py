"""Datasets: named by content, made true by one rename, read back mapped, never silently damaged."""

import multiprocessing
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buff import datasets
from buff.columns import HEADER_BYTES
from buff.datasets import Dataset, DatasetWriter, base_bars, check, load, publish, resampled
from buff.errors import BuffError, DatasetNotFound, RunDamaged
from buff.files import RealDisk
from buff.market import quality
from buff.market.bars import COLUMNS, DTYPES, PRICES
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.resample import resample
from buff.market.timeframe import Timeframe
from csv_files import HEADER, MINUTE_MS, START_MS, csv_file, rows

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dataset.v1"
DISK = RealDisk()


def golden_csv() -> bytes:
    """Forty minutes, integer arithmetic alone, one of them missing and one without volume."""
    lines = []
    for at in range(40):
        if at != 17:
            low = 1000 + at * at % 37
            prices = f"{low / 100:.2f},{(low + 9) / 100:.2f},{low / 100:.2f},{(low + at % 9) / 100:.2f}"
            lines.append(f"{(START_MS + at * MINUTE_MS) // 1000},{prices},{at * 7 % 11 / 10}")
    return HEADER + "\n".join(lines).encode()


def staged(directory: str, *contents: bytes, disk: RealDisk = DISK, **options: Any) -> Dataset:
    how = CsvOptions(**options)
    writer = DatasetWriter(disk, directory, how.base)
    ingest(csv_file(*contents), how, write=writer.write, rows_max=10**6, bytes_max=10**8, block_bytes=500)
    return writer.finish()


def stored(root: Path, content: bytes, **options: Any) -> Dataset:
    dataset = staged(str(root / "staged"), content, **options)
    publish(DISK, str(root), str(root / "staged"), dataset)
    return dataset


def whole(count: int) -> bytes:
    return HEADER + b"\n".join(rows(count))


def test_a_dataset_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    dataset = stored(tmp_path, golden_csv(), gaps="keep")
    assert load(str(tmp_path), dataset.id) == dataset == check(str(tmp_path), dataset.id)
    assert (dataset.rows, dataset.gaps, dataset.missing, dataset.filled, dataset.zero_volume) == (39, 1, 1, 0, 4)
    assert (dataset.first_ts, dataset.last_ts) == (START_MS, START_MS + 39 * MINUTE_MS)
    bars = base_bars(str(tmp_path), dataset)
    assert (len(bars), bars.decimals, bars.timeframe) == (39, 2, Timeframe.MINUTE_1)
    assert not bars.close.flags.owndata
    assert not bars.close.flags.writeable


def test_every_file_has_the_bytes_of_the_golden_dataset(tmp_path: Path) -> None:
    """To make it anew after a change of the format: copy the directory that this test writes, and say why."""
    dataset = stored(tmp_path, golden_csv(), gaps="keep")
    resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "coarse"))
    made = tmp_path / "_datasets" / dataset.id
    names = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.is_file())
    for name in names:
        assert (made / name).read_bytes() == (GOLDEN / name).read_bytes(), name


def test_the_same_bars_are_the_same_dataset_by_whatever_door(tmp_path: Path) -> None:
    seconds = staged(str(tmp_path / "a"), HEADER + b"\n".join(rows(30, form="s")))
    local = staged(str(tmp_path / "b"), HEADER + b"\r\n".join(rows(30, form="naive")), timezone="UTC", gaps="keep")
    halves = staged(str(tmp_path / "c"), whole(20), HEADER + b"\n".join(rows(30)[20:]))
    assert seconds == local == halves
    assert staged(str(tmp_path / "d"), whole(29)).id != seconds.id


def test_publishing_what_is_there_keeps_the_first_and_removes_ours(tmp_path: Path) -> None:
    first = staged(str(tmp_path / "a"), whole(9))
    again = staged(str(tmp_path / "b"), whole(9))
    assert publish(DISK, str(tmp_path), str(tmp_path / "a"), first) is False
    kept = os.stat(tmp_path / "_datasets" / first.id).st_ino
    assert publish(DISK, str(tmp_path), str(tmp_path / "b"), again) is True
    assert os.stat(tmp_path / "_datasets" / first.id).st_ino == kept
    assert sorted(os.listdir(tmp_path)) == ["_datasets"]


class LateDisk(RealDisk):
    """A disk on which somebody else is a moment faster: names appear after they were looked for."""

    def exists(self, path: str) -> bool:
        return super().exists(path) and os.path.basename(path) == "_datasets"


def test_whoever_loses_the_race_to_a_name_succeeds_too(tmp_path: Path) -> None:
    dataset = stored(tmp_path, whole(30))
    again = staged(str(tmp_path / "b"), whole(30))
    assert publish(LateDisk(), str(tmp_path), str(tmp_path / "b"), again) is True
    made = [
        resampled(LateDisk(), str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / f"coarse{turn}"))
        for turn in range(2)
    ]
    assert made[0].references == made[1].references
    assert sorted(os.listdir(tmp_path)) == ["_datasets"]


def _race(root: str, number: int, start: Any) -> None:
    dataset = staged(f"{root}/staged{number}", whole(500))
    start.wait(120)  # the other may have failed before
    publish(DISK, root, f"{root}/staged{number}", dataset)
    made = resampled(DISK, root, dataset, Timeframe.MINUTE_15, f"{root}/coarse{number}")
    assert len(made.bars) == 33


def test_two_processes_may_store_the_same_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    workers = [context.Process(target=_race, args=(str(tmp_path), number, start)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    (dataset_id,) = os.listdir(tmp_path / "_datasets")
    again = resampled(DISK, str(tmp_path), check(str(tmp_path), dataset_id), Timeframe.MINUTE_15, str(tmp_path / "x"))
    assert len(again.bars)
    assert sorted(os.listdir(tmp_path)) == ["_datasets"]


class TellingDisk(RealDisk):
    """A disk that tells what was done to it, in order."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self._names: dict[int, str] = {}

    def create(self, path: str) -> int:
        handle = super().create(path)
        self._names[handle] = path
        return handle

    def sync(self, handle: int) -> None:
        super().sync(handle)
        self.done.append(("sync", os.path.basename(self._names[handle])))

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.done.append(("sync_directory", os.path.basename(path)))

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.done.append(("rename", os.path.basename(target)))


def test_everything_is_synced_before_the_rename_and_the_rename_after_it(tmp_path: Path) -> None:
    disk = TellingDisk()
    dataset = staged(str(tmp_path / "staged"), whole(9), disk=disk)
    publish(disk, str(tmp_path), str(tmp_path / "staged"), dataset)
    *synced, directory, root, rename, parent = disk.done
    files = [*(f"{name}.npy" for name in COLUMNS), "dataset.json", "quality.json"]
    assert synced == [("sync", name) for name in files]
    assert directory == ("sync_directory", "staged")
    assert root == ("sync_directory", tmp_path.name)
    assert (rename, parent) == (("rename", dataset.id), ("sync_directory", "_datasets"))
    again = staged(str(tmp_path / "again"), whole(9), disk=disk)
    disk.done.clear()
    publish(disk, str(tmp_path), str(tmp_path / "again"), again)
    assert disk.done == [("sync_directory", tmp_path.name), ("sync_directory", "_datasets")], (
        "names found are synced (I7)"
    )


def test_files_are_read_only_and_so_are_directories_of_resamples(tmp_path: Path) -> None:
    dataset = stored(tmp_path, whole(30))
    resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "coarse"))
    directory = tmp_path / "_datasets" / dataset.id
    assert {path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()} == {0o444}
    assert (directory / "5m").stat().st_mode & 0o777 == 0o555


def _all_of_it(root: str) -> None:
    dataset = stored(Path(root), whole(30))
    for _ in range(2):
        resampled(DISK, root, dataset, Timeframe.MINUTE_5, f"{root}/coarse")
    assert stored(Path(root), whole(30)) == check(root, dataset.id)
    assert len(resampled(DISK, root, dataset, Timeframe.MINUTE_5, os.path.join(root, "x")).bars)


def _as_nobody(root: str) -> None:
    with tempfile.TemporaryDirectory() as other:
        _all_of_it(other)  # everything is imported while the interpreter's own files can still be read
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    _all_of_it(root)


def test_an_ordinary_user_can_do_all_of_it() -> None:
    """Read-only bits stop a user who is not root: renaming, adding a resample and removing a copy must still work."""
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o777)
        worker = multiprocessing.get_context("spawn").Process(target=_as_nobody, args=(root,))
        worker.start()
        worker.join()
        assert worker.exitcode == 0


# Resamples


def test_a_resample_is_made_once_and_then_mapped(tmp_path: Path) -> None:
    dataset = stored(tmp_path, golden_csv(), gaps="keep")
    made = resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "coarse"))
    mapped = resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "unused"))
    purely = resample(base_bars(str(tmp_path), dataset), Timeframe.MINUTE_5)
    for name in COLUMNS:
        assert getattr(made.bars, name).tolist() == getattr(mapped.bars, name).tolist()
        assert getattr(made.bars, name).tolist() == getattr(purely.bars, name).tolist()
    assert made.quality == mapped.quality == quality.resample_facts(purely)
    assert made.bars.decimals == mapped.bars.decimals == 2
    assert made.references == mapped.references
    close = next(each for each in made.references if each.column == "close")
    assert close.file == f"_datasets/{dataset.id}/5m/close.npy"
    content = (tmp_path / close.file).read_bytes()[128:]
    assert np.frombuffer(content, DTYPES["close"]).tolist() == made.bars.close.tolist()


def test_the_base_is_its_own_resample_and_not_stored_again(tmp_path: Path) -> None:
    dataset = stored(tmp_path, whole(9))
    found = resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_1, str(tmp_path / "unused"))
    assert [each.file for each in found.references] == [f"_datasets/{dataset.id}/{name}.npy" for name in COLUMNS]
    assert [each.sha256 for each in found.references] == [dataset.columns[name] for name in COLUMNS]
    assert len(found.bars) == 9
    assert not (tmp_path / "_datasets" / dataset.id / "1m").exists()


def test_a_timeframe_without_a_complete_window_is_empty_and_stored(tmp_path: Path) -> None:
    dataset = stored(tmp_path, whole(9))
    for _ in range(2):
        found = resampled(DISK, str(tmp_path), dataset, Timeframe.MONTH_1, str(tmp_path / "coarse"))
        assert (len(found.bars), found.quality["dropped"]["count"]) == (0, 1)


# Damage


def _edit(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.chmod(0o644)
    path.write_bytes(content.replace(old, new, 1))


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    for dataset_id in ("0" * 64, "../../etc", "", "0" * 63):
        with pytest.raises(DatasetNotFound):
            load(str(tmp_path), dataset_id)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("dataset.json", b'"rows":39', b'"rows":38'),
        ("dataset.json", b'"schema":"ds.v1"', b'"schema":"ds.v9"'),
        ("dataset.json", b'"base_timeframe":"1m"', b'"base_timeframe":"1w"'),
        ("dataset.json", b"{", b"["),
        ("dataset.json", b'"first_ts":', b'"last_tx":'),
        ("quality.json", b"{", b"["),
        ("close.npy", b"\x93NUMPY", b"\x93NUMPX"),
        ("close.npy", b"(39,)", b"(38,)"),
    ],
)
def test_a_header_that_does_not_fit_its_columns_is_damage(tmp_path: Path, name: str, old: bytes, new: bytes) -> None:
    dataset = stored(tmp_path, golden_csv(), gaps="keep")
    _edit(tmp_path / "_datasets" / dataset.id / name, old, new)
    with pytest.raises(RunDamaged):
        load(str(tmp_path), dataset.id)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_is_gone_or_cut_is_damage(tmp_path: Path, name: str) -> None:
    dataset = stored(tmp_path, whole(9))
    path = tmp_path / "_datasets" / dataset.id / f"{name}.npy"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1])
    with pytest.raises(RunDamaged):
        load(str(tmp_path), dataset.id)
    path.unlink()
    with pytest.raises(RunDamaged):
        load(str(tmp_path), dataset.id)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_changed_value_is_found_by_hashing(tmp_path: Path, name: str) -> None:
    dataset = stored(tmp_path, whole(9))
    path = tmp_path / "_datasets" / dataset.id / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    assert load(str(tmp_path), dataset.id) == dataset
    with pytest.raises(RunDamaged) as caught:
        check(str(tmp_path), dataset.id)
    assert caught.value.details["file"] == f"{name}.npy"


@pytest.mark.parametrize("junk", [b"\xff", b"\x7f", b"\x80", b"\0"])
@pytest.mark.parametrize("name", COLUMNS)
def test_of_bytes_that_are_not_those_stored_only_that_is_said(tmp_path: Path, name: str, junk: bytes) -> None:
    """Times no calendar has and prices that are no number: nothing is derived from them before the hashes."""
    dataset = stored(tmp_path, whole(9))
    path = tmp_path / "_datasets" / dataset.id / f"{name}.npy"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:HEADER_BYTES] + junk * (len(content) - HEADER_BYTES))
    if path.read_bytes() == content:
        return  # a column of zeros, as `filled` mostly is
    with pytest.raises(RunDamaged, match="its content is not what was stored") as caught:
        check(str(tmp_path), dataset.id)
    assert caught.value.details["file"] == f"{name}.npy"


def test_changed_facts_are_found_by_deriving_them_again(tmp_path: Path) -> None:
    dataset = stored(tmp_path, golden_csv(), gaps="keep")
    _edit(tmp_path / "_datasets" / dataset.id / "quality.json", b'"missing":1', b'"missing":2')
    with pytest.raises(RunDamaged, match="facts"):
        check(str(tmp_path), dataset.id)


@pytest.mark.parametrize(("timeframe", "folder"), [(Timeframe.MINUTE_5, "5m/"), (Timeframe.MINUTE_1, "")])
def test_nothing_is_made_of_stored_columns_that_have_changed(tmp_path: Path, timeframe: Timeframe, folder: str) -> None:
    dataset = stored(tmp_path, whole(30))
    resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "coarse"))
    directory = tmp_path / "_datasets" / dataset.id / folder
    directory.chmod(0o755)
    _edit(directory / "high.npy", (directory / "high.npy").read_bytes()[-8:], b"\0" * 8)
    with pytest.raises(RunDamaged) as caught:
        resampled(DISK, str(tmp_path), dataset, timeframe, str(tmp_path / "again"))
    assert caught.value.details["file"] == f"{folder}high.npy"


def test_facts_of_another_version_of_the_report_are_made_anew(tmp_path: Path) -> None:
    dataset = stored(tmp_path, golden_csv(), gaps="keep")
    resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "coarse"))
    directory = tmp_path / "_datasets" / dataset.id
    _edit(directory / "quality.json", b'"quality.v1"', b'"quality.v0"')
    _edit(directory / "quality.json", b'"missing":1', b'"missing":9')
    _edit(directory / "5m" / "resample.json", b'"quality.v1"', b'"quality.v0"')
    _edit(directory / "5m" / "resample.json", b'"windows":7', b'"windows":9')
    assert load(str(tmp_path), dataset.id) == dataset
    found = resampled(DISK, str(tmp_path), dataset, Timeframe.MINUTE_5, str(tmp_path / "unused"))
    assert found.quality["windows"] == 7


def test_an_ingest_that_is_given_up_leaves_open_no_file(tmp_path: Path) -> None:
    writer = DatasetWriter(DISK, str(tmp_path / "staged"), Timeframe.MINUTE_1)
    with pytest.raises(BuffError):
        ingest(csv_file(b""), CsvOptions(), write=writer.write, rows_max=9, bytes_max=9)
    writer.close()
    writer.close()
    with pytest.raises(AssertionError):
        DatasetWriter(DISK, str(tmp_path / "other"), Timeframe.MINUTE_1).finish()


def test_decimals_are_those_of_the_whole_column(tmp_path: Path) -> None:
    lines = [b"%d,1,1,1,1,%s" % (at * 60, volume) for at, volume in enumerate((b"1", b"0.25", b"1e15", b"3"))]
    dataset = staged(str(tmp_path / "staged"), HEADER + b"\n".join(lines))
    assert dataset.decimals == {**dict.fromkeys(PRICES, 0), "volume": None}
    assert dataset.price_decimals == 0
    assert datasets.FOLDER == "_datasets"
