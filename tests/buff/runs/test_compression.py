"""The compressed form of an artifact gives the same bytes from any place on, or says that it is damaged."""

import contextlib
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff.runs import compression
from buff.runs.compression import Compressed, NotRegular, compressed, frame_bytes, opened, opened_form, place, size_of
from pages import REPOSITORY

RECORDS = "decision_records.jsonl"
GOLDEN = REPOSITORY / "tests" / "golden"


@pytest.fixture(autouse=True)
def _small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FRAME_BYTES", 1_000)


def packed(data: bytes) -> bytes:
    return b"".join(compressed([data], len(data)))


def written(folder: Path, data: bytes) -> Path:
    path = folder / f"{RECORDS}.gz"
    path.write_bytes(data)
    return path.with_suffix("")


def lines(count: int = 150) -> bytes:
    return b"".join(b'{"action":"HOLD","price":%d.5,"seq":%d}\n' % (seq * 7 % 1009, seq) for seq in range(count))


def test_the_same_bytes_come_back_and_any_tool_can_bring_them(tmp_path: Path) -> None:
    data = lines()
    path = written(tmp_path, packed(data))
    with opened(str(path)) as file:
        assert (size_of(file), file.read()) == (len(data), data)
        assert file.seek(4_321) == 4_321
        assert file.read(10) == data[4_321:4_331]
    assert gzip.decompress(packed(data)) == data
    assert len(packed(data)) < len(data)


def test_what_was_compressed_by_the_first_version_is_read_for_ever() -> None:
    with opened(str(GOLDEN / "compressed_v1" / RECORDS)) as file:
        assert file.read() == (GOLDEN / "decisions" / RECORDS).read_bytes()


@settings(max_examples=25)
@given(
    text=st.binary(min_size=1, max_size=30),
    size=st.one_of(st.integers(0, 9_000), st.sampled_from([999, 1_000, 1_001, 2_000])),
    cut=st.integers(1, 1_500),
    reads=st.lists(st.tuples(st.integers(0, 9_010), st.integers(-1, 9_010)), max_size=4),
)
def test_a_compressed_file_reads_as_the_plain_one(
    text: bytes, size: int, cut: int, reads: list[tuple[int, int]], place_of_all: Path
) -> None:
    """Invariants checked: whatever is asked in whatever order, both forms answer alike; chunks make no difference."""
    plain = (text * size)[:size]
    packed_in_chunks = b"".join(compressed([plain[at : at + cut] for at in range(0, size, cut)], size))
    assert packed_in_chunks == packed(plain)
    with opened(str(written(place_of_all, packed_in_chunks))) as file, io.BytesIO(plain) as model:
        for at, length in reads:
            assert file.seek(at) == model.seek(at)
            assert (file.read(length), file.tell()) == (model.read(length), model.tell())
        assert file.seek(0, os.SEEK_END) == size == size_of(file)


@pytest.fixture(scope="module")
def place_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def read(path: Path) -> bytes:
    with opened(str(path)) as file:
        return file.read()


def test_no_byte_that_changed_gives_other_bytes(tmp_path: Path) -> None:
    """A bit of every byte of a file with three members is flipped: the plain bytes come, or an error."""
    data = lines(70)
    good, passed = packed(data), 0
    assert good.count(b"\x1f\x8b\x08") == 4
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        path = written(tmp_path, bytes(bad))
        with contextlib.suppress(OSError):
            assert read(path) == data
            passed += 1
    assert passed <= 3 * 6, "the time, the level and the system in a member's header mean nothing, and all else does"


def test_no_shorter_or_longer_file_passes(tmp_path: Path) -> None:
    good = packed(lines(70))
    for bad in (*(good[:at] for at in range(0, len(good), 7)), good[:-1], good + b"\0", good + good, b"\0" + good):
        with pytest.raises(OSError, match="its compressed form is damaged"):
            read(written(tmp_path, bad))


def test_a_member_that_is_too_large_is_not_held(tmp_path: Path) -> None:
    """The table of a bomb says that a member is small: no more than that of it is decompressed."""
    bomb = gzip.compress(bytes(10_000_000), mtime=0)
    path = written(tmp_path, bomb + compression._table([len(bomb)], 500, 1_000))
    with pytest.raises(OSError, match="member 0 is another"):
        read(path)


def test_either_form_is_found_and_the_plain_one_first(tmp_path: Path) -> None:
    plain = tmp_path / RECORDS
    with pytest.raises(FileNotFoundError):
        opened(str(plain))
    written(tmp_path, packed(b"compressed"))
    assert read(plain) == b"compressed"
    assert place(str(plain)) == f"{plain}.gz"
    plain.write_bytes(b"plain")
    assert read(plain) == b"plain"
    assert place(str(plain)) == str(plain)
    with opened_form(f"{plain}.gz") as file:
        assert file.read() == b"compressed"


def test_only_decision_records_have_another_form(tmp_path: Path) -> None:
    (tmp_path / "trades.jsonl.gz").write_bytes(packed(b"x"))
    with pytest.raises(FileNotFoundError):
        opened(str(tmp_path / "trades.jsonl"))
    assert place(str(tmp_path / "trades.jsonl")) == str(tmp_path / "trades.jsonl")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written(elsewhere, packed(b"x"))
    (tmp_path / f"{RECORDS}.gz").symlink_to(elsewhere / f"{RECORDS}.gz")
    with pytest.raises(NotRegular):
        opened(str(tmp_path / RECORDS))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_or_a_directory_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RECORDS)
    (tmp_path / "trades.jsonl").mkdir()
    for name in (RECORDS, "trades.jsonl"):
        with pytest.raises(NotRegular):
            opened(str(tmp_path / name))


def test_a_form_that_is_exchanged_at_this_moment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undone between the look for the plain form and the look for the compressed one."""
    path, real = tmp_path / RECORDS, compression.opened_form

    def slow(name: str) -> object:
        if name.endswith(".gz"):
            path.write_bytes(b"plain again")
        return real(name)

    monkeypatch.setattr(compression, "opened_form", slow)
    assert read(path) == b"plain again"


def test_a_long_file_has_no_more_members_than_its_table_holds() -> None:
    for size in (0, 1, 999_999, 16_000_000, 16_000_001, 1 << 40):
        frame = frame_bytes(size)
        assert size <= frame * compression.FRAMES_MAX
        assert frame == 1_000 or size > frame // 2 * compression.FRAMES_MAX
    assert 4 * compression.FRAMES_MAX + compression._SUM.size + 4 <= 65_535


def test_a_damaged_table_leaves_nothing_open(tmp_path: Path) -> None:
    path = written(tmp_path, b"no gzip at all")
    before = set(_handles())
    with pytest.raises(OSError, match="its end is missing"):
        Compressed(f"{path}.gz")
    assert set(_handles()) == before


def _handles() -> Iterator[str]:
    return iter(os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else [])
