"""Columns on disk: the same bytes as numpy's own files, mapped and never parsed, damage found."""

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.columns import (
    BESIDE_BYTES,
    HEADER_BYTES,
    ColumnWriter,
    Committed,
    Proven,
    content_sha256,
    contents_sha256,
    header,
    read,
    whole,
)
from buff.errors import RunDamaged
from buff.files import RealDisk, write_file

DTYPES = [np.dtype("<i8"), np.dtype("<f8"), np.dtype("|i1"), np.dtype("|u1")]


def written(path: Path, values: Any) -> Path:
    write_file(RealDisk(), str(path), whole(values))
    return path


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_numpy_reads_what_we_write_and_we_what_numpy_writes(tmp_path: Path, dtype: np.dtype[Any], rows: int) -> None:
    values = np.arange(rows).astype(dtype)
    path = written(tmp_path / "ours.npy", values)
    assert np.array_equal(np.load(path), values)
    np.save(tmp_path / "theirs.npy", values)
    assert path.read_bytes() == (tmp_path / "theirs.npy").read_bytes()
    found = read(str(path), dtype)
    assert np.array_equal(found, values)
    assert found.dtype == dtype
    if rows:
        assert not found.flags.writeable


def test_the_header_is_the_one_of_the_golden_run() -> None:
    text = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (48,), }"
    assert header(np.dtype("<f8"), 48) == text.ljust(HEADER_BYTES - 1) + b"\n"


@given(st.lists(st.integers(0, 40), max_size=8))
def test_pieces_of_any_size_make_the_same_file(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    values = np.arange(sum(sizes), dtype=np.float64) / 3
    writer = ColumnWriter(RealDisk(), str(folder / "pieces.npy"), values.dtype)
    for piece in np.split(values, np.cumsum(sizes)[:-1]) if sizes else []:
        writer.write(piece)
    assert writer.finish() == content_sha256(values) == hashlib.sha256(values.tobytes()).hexdigest()
    assert (folder / "pieces.npy").read_bytes() == written(folder / "whole.npy", values).read_bytes()


@pytest.mark.parametrize("rows", [0, 7, BESIDE_BYTES // 8])
def test_columns_are_hashed_beside_one_another_as_each_alone(rows: int) -> None:
    held = {f"c{number}": np.arange(rows, dtype=np.float64) * number for number in (3, 1, 2)}
    found = contents_sha256(held)
    assert list(found) == ["c3", "c1", "c2"]
    assert found == {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in held.items()}


@pytest.mark.parametrize("rows", [7, BESIDE_BYTES // 8])
@pytest.mark.parametrize("begin", [0, HEADER_BYTES])
def test_a_file_is_read_again_only_when_it_is_another(
    tmp_path: Path, rows: int, begin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found to hold what was committed is believed until the system says that the file has changed."""
    read: list[str] = []

    def digested(file: BinaryIO, name: str) -> Any:
        read.append(file.name)
        return real(file, name)

    real = hashlib.file_digest
    monkeypatch.setattr("hashlib.file_digest", digested)
    held = {f"c{number}": np.arange(rows, dtype=np.float64) * number for number in (3, 1, 2)}
    paths = {name: written(tmp_path / f"{name}.npy", values) for name, values in held.items()}
    files = [
        Committed(name=name, path=str(path), sha256=hashlib.sha256(path.read_bytes()[begin:]).hexdigest(), begin=begin)
        for name, path in paths.items()
    ]
    for path in paths.values():
        os.utime(path, ns=(0, 0))  # or a change in the same tick of the clock would have the time of the file
    proven = Proven()
    assert proven.damaged(files) is proven.damaged(files) is None
    assert sorted(read) == sorted(map(str, paths.values()))
    data = paths["c1"].read_bytes()
    paths["c1"].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert proven.damaged(files) == proven.damaged(files) == files[1]
    paths["c1"].write_bytes(data)
    assert proven.damaged(files) is None
    paths["c2"].unlink()
    assert proven.damaged(files) == files[2]


def test_values_of_another_dtype_are_a_bug(tmp_path: Path) -> None:
    writer = ColumnWriter(RealDisk(), str(tmp_path / "x.npy"), np.dtype("<f8"))
    with pytest.raises(AssertionError, match="int64 written to a column of float64"):
        writer.write(np.arange(3))
    writer.close()
    writer.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a column",
        header(np.dtype("<f8"), 3),
        header(np.dtype("<f8"), 3) + bytes(23),
        header(np.dtype("<f8"), 3) + bytes(25),
        header(np.dtype("<i8"), 3) + bytes(24),
        header(np.dtype("<f8"), 3).replace(b"False", b"True ") + bytes(24),
        header(np.dtype("<f8"), 3).replace(b"(3,)", b"(3+0,)") + bytes(24),
        header(np.dtype("<f8"), 3).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x02") + bytes(24),
        b"\x93NUMPY\x01\x00v\x00" + b"[" * 118,
        b"\x93NUMPY\x01\x00v\x00" + b"{}".ljust(118),
        bytes(152),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_such_column_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(RunDamaged) as caught:
        read(str(path), np.dtype("<f8"))
    assert caught.value.details == {"file": "x.npy"}


def test_a_file_that_is_not_there_is_damage(tmp_path: Path) -> None:
    with pytest.raises(RunDamaged):
        read(str(tmp_path / "x.npy"), np.dtype("<f8"))
    with pytest.raises(RunDamaged):
        read(str(tmp_path), np.dtype("<f8"))
