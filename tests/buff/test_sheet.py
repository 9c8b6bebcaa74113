"""A sheet gives back what was put in, lies where a browser can map it, and nothing else passes for one."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.sheet import DTYPES, MAGIC, SheetInvalid, chunks, read


def whole(head: dict[str, Any], columns: dict[str, Any]) -> bytes:
    return b"".join(bytes(chunk) for chunk in chunks(head, columns))


def test_the_layout_as_the_page_tells_it() -> None:
    """Read by nothing but the layout: magic, length, JSON, then each column at its offset."""
    data = whole({"run_id": "a"}, {"ts": np.array([1.0, 2.0]), "side": np.array([-1, 0, 1], np.int8)})
    magic, length, zero = struct.unpack_from("<8sII", data)
    assert (magic, zero, (16 + length) % 8) == (MAGIC, 0, 0)
    head = json.loads(data[16 : 16 + length])
    assert head == {
        "run_id": "a",
        "columns": [
            {"name": "ts", "dtype": "<f8", "rows": 2, "offset": 0},
            {"name": "side", "dtype": "|i1", "rows": 3, "offset": 16},
        ],
    }
    assert struct.unpack_from("<2d", data, 16 + length) == (1.0, 2.0)
    assert struct.unpack_from("<3b", data, 16 + length + 16) == (-1, 0, 1)
    assert len(data) == 16 + length + 24


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.tuples(st.sampled_from(sorted(DTYPES)), st.integers(0, 20)),
        max_size=5,
    ),
    st.dictionaries(st.text(max_size=3).filter(lambda name: name != "columns"), st.text(max_size=9), max_size=3),
)
def test_what_goes_in_comes_out(columns: dict[str, tuple[str, int]], head: dict[str, str]) -> None:
    """Invariants checked: the same header and columns; every column aligned; views, not copies, and read-only."""
    given_columns = {name: np.arange(rows).astype(dtype) for name, (dtype, rows) in columns.items()}
    data = np.frombuffer(whole(head, given_columns), np.uint8)
    sheet = read(data)
    assert (sheet.head, list(sheet.columns)) == (head, list(given_columns))
    for name, values in given_columns.items():
        found = sheet.columns[name]
        assert (found.dtype, found.tolist(), found.flags.writeable) == (values.dtype, values.tolist(), False)
        assert len(values) == 0 or np.shares_memory(found, data)


DATA = whole({"a": 1}, {"ts": np.array([1.0, 2.0])})


@given(st.integers(0, len(DATA) - 1))
def test_a_part_of_a_sheet_is_none(size: int) -> None:
    with pytest.raises(SheetInvalid):
        read(DATA[:size])


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_read_and_never_breaks(at: int, by: int) -> None:
    """A sheet carries no hash: whoever keeps one adds it. But whatever the bytes are, no other error leaves."""
    data = bytearray(DATA)
    data[at] = (data[at] + by) % 256
    try:
        sheet = read(bytes(data))
    except SheetInvalid:
        return
    assert all(len(column) <= len(DATA) for column in sheet.columns.values())


@pytest.mark.parametrize(
    "columns",
    [
        "1",
        "[]x",
        '[{"name":"a","dtype":"<f8","rows":-1,"offset":0}]',
        '[{"name":"a","dtype":"|O8","rows":1,"offset":0}]',
        '[{"name":"a","dtype":"<f8","rows":1,"offset":4}]',
        '[{"name":"a","dtype":"<f8","rows":3,"offset":0}]',
        '[{"name":"a","dtype":"<f8","rows":1,"offset":-8}]',
    ],
)
def test_columns_that_cannot_be(columns: str) -> None:
    text = f'{{"columns":{columns}}}'.encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    with pytest.raises(SheetInvalid):
        read(MAGIC + len(text).to_bytes(4, "little") + bytes(4) + text + bytes(16))
