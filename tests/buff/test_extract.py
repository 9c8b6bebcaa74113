"""Extract: a dataset as a file that comes back as the same dataset, and never in the place of another file."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bad_inputs import BAR, lines
from buff.datasets import FOLDER
from buff.deposit import Ingest, deposit
from buff.errors import ArtifactsWriteFailed, BuffError, DatasetNotFound, RunConfigInvalid, RunDamaged, StorageFull
from buff.extract import Extract, csv_blocks, extract
from buff.files import RealDisk
from buff.market.bars import VALUES
from buff.store import Store
from whole import HEADER, SETTINGS, host, opened


def put(root: Path, path: Path, **values: Any) -> Ingest:
    return deposit({"csv": [str(path)], "symbol": "X", **values}, root=str(root), host=host(), settings=SETTINGS)


def never(data: bytes) -> None:
    raise AssertionError("nothing goes to standard output")


def take(root: Path, out: Path | str, *, dataset: str = "", **options: Any) -> Extract:
    store = opened(root)
    wanted = dataset or store.datasets()[0].dataset_id
    return extract(store, wanted, out=str(out), **{"stdout": never, **options})


def test_a_csv_comes_back_as_the_same_dataset(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = take(root, out)
    assert (done.rows, done.timeframe, done.format, done.same, done.options) == (2_880, "1m", "csv", True, ())
    assert out.read_text().splitlines()[:2] == [
        "ts,open,high,low,close,volume",
        "2024-01-01T00:00:00Z,40000.06,40016.58,39994.94,40007.02,12.32528",
    ]
    assert put(root, out).existed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "root"]


# Within these bounds no return and no sum of the quality report overflows.
numbers = st.floats(min_value=1e-9, max_value=1e12) | st.sampled_from([1e-7, 0.1, 1 / 3, 123456789.125, 1e11 + 0.1])
volumes = st.floats(min_value=0.0, max_value=1e200) | st.sampled_from([0.0, 5e-324, 1e22, 1e16, 1e-7])


@settings(max_examples=20)
@given(
    bars=st.lists(st.tuples(numbers, volumes), min_size=2, max_size=9),
    start=st.integers(-30_000_000, 60_000_000),
    jump=st.integers(0, 3),
    size=st.integers(1, 4),
)
def test_every_number_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, bars: list[tuple[float, float]], start: int, jump: int, size: int
) -> None:
    """Invariants checked: whatever finite numbers and times, the CSV is the same dataset by the options named."""
    folder = tmp_path_factory.mktemp("bits")
    stamps = [start + at + (jump if at else 0) for at in range(len(bars))]
    if jump and len(bars) == 2:
        stamps = [start, start + 1]
    rows = "".join(
        f"{np.datetime64(at, 'm')}:00Z,{price!r},{price!r},{price!r},{price!r},{volume!r}\n"
        for at, (price, volume) in zip(stamps, bars, strict=True)
    )
    (folder / "in.csv").write_text(HEADER + rows)
    stored = put(folder / "root", folder / "in.csv", gaps="keep")
    done = take(folder / "root", folder / "out.csv")
    options = dict(zip(done.options[::2], done.options[1::2], strict=True))
    again = put(folder / "root", folder / "out.csv", gaps=options.get("--gaps"))
    assert done.same
    assert (again.dataset_id, again.existed) == (stored.dataset_id, True)
    assert "".join(csv_blocks(_bars(folder / "root"), size)) == (folder / "out.csv").read_text()


def _bars(root: Path) -> Any:
    from buff.datasets import base_bars, load

    return base_bars(str(root), load(str(root), opened(root).datasets()[0].dataset_id))


def test_a_negative_zero_comes_back(tmp_path: Path) -> None:
    lines(*(f"+{n},1,1,1,1,-0" for n in range(2)))(tmp_path / "in.csv")
    stored = put(tmp_path / "root", tmp_path / "in.csv")
    take(tmp_path / "root", tmp_path / "out.csv")
    assert put(tmp_path / "root", tmp_path / "out.csv").dataset_id == stored.dataset_id


@pytest.mark.parametrize(("base", "options"), [("5m", ("--base-timeframe", "5m")), ("1d", ("--base-timeframe", "1d"))])
def test_a_coarser_base_names_the_options_it_comes_back_with(
    tmp_path: Path, base: str, options: tuple[str, ...]
) -> None:
    step = {"5m": 5, "1d": 1_440}[base]
    rows = "".join(f"{np.datetime64('2024-01-01T00:00') + step * n}:00Z,{BAR}\n" for n in range(4))
    (tmp_path / "in.csv").write_text(HEADER + rows)
    stored = put(tmp_path / "root", tmp_path / "in.csv", base_timeframe=base)
    done = take(tmp_path / "root", tmp_path / "out.csv")
    assert done.options == options
    assert put(tmp_path / "root", tmp_path / "out.csv", base_timeframe=base).dataset_id == stored.dataset_id


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A root with a dataset of which Buff made one bar."""
    lines(*(f"+{n},{BAR}" for n in range(42) if n != 7))(tmp_path / "gap.csv")
    put(tmp_path / "filled", tmp_path / "gap.csv", gaps="fill")
    return tmp_path / "filled"


def test_a_made_bar_is_marked_and_a_csv_promises_nothing(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = take(filled, out)
    assert (done.filled, done.same) == (1, False)
    rows = out.read_text().splitlines()
    assert rows[0] == "ts,open,high,low,close,volume,filled"
    assert [at for at, row in enumerate(rows[1:]) if row.endswith(",1")] == [7]
    again = put(filled, out)
    assert again.dataset_id != done.dataset_id
    assert (again.rows, again.filled, again.source["extra_columns"]) == (42, 0, ["filled"])


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {"parquet": pd.read_parquet, "feather": pd.read_feather}


@pytest.mark.parametrize("kind", READERS)
def test_parquet_and_feather_keep_every_column(filled: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out.{kind}"
    assert take(filled, out).filled == 1
    frame = READERS[kind](out)
    bars = _bars(filled)
    assert frame["ts"].dtype == "datetime64[ms, UTC]"
    assert frame["ts"].astype("int64").to_numpy().tobytes() == bars.ts.tobytes()
    for name in (*VALUES, "filled"):
        assert frame[name].to_numpy().tobytes() == getattr(bars, name).tobytes()


def test_complete_bars_of_a_coarser_timeframe(root: Path, tmp_path: Path) -> None:
    done = take(root, tmp_path / "hours.csv", timeframe="1h", start="2024-01-01T06:00:00Z", end="2024-01-02")
    assert (done.rows, done.first, done.last) == (18, "2024-01-01T06:00:00Z", "2024-01-01T23:00:00Z")
    assert (done.same, done.options) == (False, ("--base-timeframe", "1h"))
    assert put(root, tmp_path / "hours.csv", base_timeframe="1h").rows == 18


def test_windows_that_miss_bars_are_counted(filled: Path, tmp_path: Path) -> None:
    done = take(filled, tmp_path / "out.csv", timeframe="15m")
    assert (done.rows, done.dropped, done.filled) == (2, 1, 0)


def test_standard_output_takes_a_csv(root: Path) -> None:
    written = io.BytesIO()
    done = take(root, "-", stdout=written.write)
    assert (done.out, done.format) == ("-", "csv")
    assert written.getvalue().count(b"\n") == 2_881


def test_the_format_is_given_or_read_off_the_name(root: Path, tmp_path: Path) -> None:
    assert take(root, tmp_path / "x.dat", format="parquet").format == "parquet"
    assert take(root, tmp_path / "X.CSV").format == "csv"


REFUSED = [
    ({"out": "x.txt"}, "format"),
    ({"out": "x"}, "format"),
    ({"out": "x.csv", "format": "xlsx"}, "format"),
    ({"out": "-", "format": "parquet"}, "out"),
    ({"out": "folder.csv"}, "out"),
    ({"out": "there.csv"}, "out"),
    ({"out": "x.csv", "timeframe": "7m"}, "timeframe"),
    ({"out": "x.csv", "start": "2030-01-01"}, "from"),
    ({"out": "x.csv", "end": "2020-01-01"}, "from"),
    ({"out": "x.csv", "start": "soon"}, "from"),
    ({"out": "x.csv", "end": "2024-01-01T00:00"}, "to"),
]


@pytest.mark.parametrize(("options", "field"), REFUSED, ids=lambda part: repr(part)[:50])
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RunConfigInvalid) as caught:
        take(root, **options)  # type: ignore[arg-type]
    assert caught.value.details["field"] == field
    assert caught.value.hint
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_finer_timeframe_than_the_base_is_refused(tmp_path: Path) -> None:
    lines(*(f"+{5 * n},{BAR}" for n in range(4)))(tmp_path / "in.csv")
    put(tmp_path / "root", tmp_path / "in.csv", base_timeframe="5m")
    with pytest.raises(RunConfigInvalid, match="cannot be made from 5m"):
        take(tmp_path / "root", tmp_path / "x.csv", timeframe="1m")


def test_a_file_is_replaced_only_by_force(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")
    assert take(root, out, force=True).rows == 2_880
    assert out.read_text().startswith("ts,")


def test_nobody_else_is_exported(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound):
        take(root, tmp_path / "x.csv", dataset="f" * 64)


def test_damaged_columns_are_not_handed_on(root: Path, tmp_path: Path) -> None:
    dataset = opened(root).datasets()[0].dataset_id
    path = root / FOLDER / dataset / "close.npy"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunDamaged):
        take(root, tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


class FailingDisk(RealDisk):
    """A disk on which one kind of call fails."""

    def __init__(self, what: str, error: BaseException) -> None:
        self.what, self.error = what, error

    def __getattribute__(self, name: str) -> Any:
        if name != "what" and name == object.__getattribute__(self, "what"):
            raise object.__getattribute__(self, "error")
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("what", ["create", "write", "sync", "rename"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [(OSError(28, "full"), StorageFull), (OSError(5, "broken"), ArtifactsWriteFailed), (KeyboardInterrupt(), None)],
    ids=["full", "broken", "stopped"],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_fails_leaves_the_file_that_was_there(
    root: Path, tmp_path: Path, what: str, error: BaseException, raised: type[BuffError] | None, force: bool
) -> None:
    out = tmp_path / "out.csv"
    if force:
        out.write_text("old")
    before = sorted(tmp_path.iterdir())
    store = Store(str(root), host=host(), settings=SETTINGS, disk=FailingDisk(what, error))
    with pytest.raises(raised or KeyboardInterrupt):
        extract(store, opened(root).datasets()[0].dataset_id, out=str(out), force=force, stdout=never)
    assert sorted(tmp_path.iterdir()) == before
    assert not force or out.read_text() == "old"


def test_a_file_that_appears_meanwhile_is_not_replaced(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    class Racing(RealDisk):
        def sync(self, handle: int) -> None:
            super().sync(handle)
            out.write_text("theirs")

    store = Store(str(root), host=host(), settings=SETTINGS, disk=Racing())
    with pytest.raises(RunConfigInvalid, match="exists already"):
        extract(store, opened(root).datasets()[0].dataset_id, out=str(out), stdout=never)
    assert out.read_text() == "theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "root"]
