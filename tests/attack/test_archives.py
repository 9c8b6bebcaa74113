"""Attacks on what files are packed in: gzip, zip and standard input.

Invariants checked: nothing but a `BuffError` is raised; what is accepted has the bars of the file inside; a bomb is
given up at the limit of bytes, in bounded memory.
"""

import bz2
import gzip
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buff.errors import BuffError, DataInvalid, LimitExceeded
from buff.inputs import opened
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from csv_files import HEADER
from odd_archives import CONTENT, NAMES, damaged, packed, zipped

SHARES = pytest.mark.parametrize("share", [1, pytest.param(10, marks=pytest.mark.nightly)])


def read(path: str | Path, bytes_max: int = 10**6) -> bytes:
    """Return the bars of a path as bytes. Raises what reading it raises."""
    written: list[Any] = []
    ingest(opened([str(path)]), CsvOptions(), write=written.append, rows_max=10**5, bytes_max=bytes_max)
    return b"".join(block[name].tobytes() for block in written for name in block)


def attack(kind: str, count: int, path: Path, content_of: Callable[[random.Random], bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    bare = path.with_suffix(".bare")
    bare.write_bytes(CONTENT)
    whole = read(bare)
    for seed in range(count):
        chance = random.Random(f"{kind} {seed}")
        path.write_bytes(content_of(chance))
        names = ("", "", "", "::bars.csv", "::" + chance.choice(NAMES).replace("\n", ""))
        try:
            found = read(f"{path}{chance.choice(names)}")
        except BuffError:
            counts["refused"] += 1
        except Exception as error:
            raise AssertionError(f"seed '{kind} {seed}'") from error
        else:
            assert found == whole, f"seed '{kind} {seed}'"
            counts["accepted"] += 1
    print(f"\n{kind}: {sum(counts.values()):,} cases, {counts['accepted']:,} accepted")
    return counts


@SHARES
def test_packed_files_have_the_bars_of_the_file_inside(share: int, tmp_path: Path) -> None:
    counts = attack("packed", 300 * share, tmp_path / "bars", packed)
    assert counts["accepted"] > 50 * share


@SHARES
def test_damaged_archives_are_refused_or_whole(share: int, tmp_path: Path) -> None:
    counts = attack(
        "damaged archives", 3_000 * share, tmp_path / "bars", lambda chance: damaged(packed(chance), chance)
    )
    assert min(counts["accepted"], counts["refused"]) > 50 * share


def test_what_a_member_is_packed_by_is_bounded(tmp_path: Path) -> None:
    """bzip2 and LZMA give all that a member holds at once; deflate64 is not known at all."""
    path = tmp_path / "bars.zip"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path.write_bytes(zipped({"bars.csv": CONTENT}, method))
        with pytest.raises(DataInvalid, match="unusual method"):
            read(path)
    content = bytearray(zipped({"bars.csv": CONTENT}))
    directory = content.index(b"PK\x01\x02")
    content[8:10] = content[directory + 10 : directory + 12] = struct.pack("<H", 9)
    path.write_bytes(content)
    with pytest.raises(DataInvalid, match="unusual method"):
        read(path)


def test_an_encrypted_archive_says_so(tmp_path: Path) -> None:
    content = bytearray(zipped({"bars.csv": CONTENT}))
    for at in (6, content.index(b"PK\x01\x02") + 8):
        content[at] |= 1
    path = tmp_path / "bars.zip"
    path.write_bytes(content)
    with pytest.raises(DataInvalid, match="encrypted"):
        read(path)


def gzip_bomb() -> bytes:
    return b"".join([gzip.compress(b"", mtime=0)] * 2_000) + gzip.compress(HEADER + b"0" * 60_000_000, mtime=0)


def lines_bomb() -> bytes:
    return gzip.compress(CONTENT + b"\n" * 100_000 + b"x" * 60_000_000, mtime=0)


def json_bomb() -> bytes:
    return gzip.compress(b"[[" + b"1" * 60_000_000, mtime=0)


def zip_bomb() -> bytes:
    return zipped({"bars.csv": HEADER + b"0" * 60_000_000})


@pytest.mark.parametrize("bomb", [gzip_bomb, lines_bomb, json_bomb, zip_bomb])
@pytest.mark.parametrize("bytes_max", [20_000_000, 10**9])
def test_a_bomb_is_given_up_in_bounded_memory(bomb: Callable[[], bytes], bytes_max: int, tmp_path: Path) -> None:
    path = tmp_path / "bars"
    path.write_bytes(bomb())
    options = CsvOptions(profile="ccxt" if bomb is json_bomb else "buff")
    tracemalloc.start()
    try:
        with pytest.raises((DataInvalid, LimitExceeded)):
            ingest(opened([str(path)]), options, write=lambda columns: None, rows_max=10**5, bytes_max=bytes_max)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32_000_000


PROGRAM = """
import sys
from buff.errors import BuffError
from buff.inputs import opened
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
try:
    done = ingest(opened(["-"]), CsvOptions(), write=lambda columns: None, rows_max=10**5, bytes_max=10**6)
except BuffError as error:
    print(error.code)
else:
    print(done.rows)
"""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (CONTENT, "20"), (gzip.compress(CONTENT), "20"), (b"", "DATA_INVALID"), (b"\x1f\x8b", "DATA_INVALID"),
        (b"\x1f", "DATA_INVALID"), (zipped({"bars.csv": CONTENT}), "DATA_INVALID"), (b"\0" * 99, "DATA_INVALID"),
        (CONTENT + b"\n" * 2_000_000, "LIMIT_EXCEEDED"), (bz2.compress(CONTENT), "DATA_INVALID"),
        (zlib.compress(CONTENT), "DATA_INVALID"),
    ],
)  # fmt: skip
def test_standard_input_is_read_or_refused(content: bytes, says: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=content, capture_output=True, check=False)
    assert (done.stdout.decode().strip(), done.stderr) == (says, b"")


def test_a_closed_standard_input_is_not_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=False, preexec_fn=lambda: os.close(0)
    )
    assert (done.stdout.decode().strip(), done.stderr) == ("DATA_SOURCE_NOT_FOUND", b"")
