"""Profile `ccxt`: JSON arrays of candles."""

import pytest

from csv_files import bars_of, places, refused

FILE = (
    b"[[1704067140000, 42000.1, 42010.0, 41990.0, 42005.5, 1.25], [1704067200000, 42005.5, 42020, 42005.5, 42011, 0]]"
)
BARS = [
    ("2023-12-31T23:59:00Z", 42000.1, 42010.0, 41990.0, 42005.5, 1.25),
    ("2024-01-01T00:00:00Z", 42005.5, 42020.0, 42005.5, 42011.0, 0.0),
]


@pytest.mark.parametrize(
    "content",
    [
        FILE,
        FILE.replace(b" ", b""),
        FILE.replace(b", ", b",\n  ").replace(b"[[", b"\n[\n  [") + b"\n",
        b"\xef\xbb\xbf" + FILE,
        # Binance's own API and others write prices as texts.
        b'[[1704067140000,"42000.1","42010.0","41990.0","42005.5","1.25"],["1704067200000","42005.5","42020","42005.5",'
        b'"42011","0"]]',
    ],
)
def test_numbers_and_texts_in_any_layout_are_the_same_bars(content: bytes) -> None:
    for size in (1, 30, 1 << 20):
        assert bars_of(content, profile="ccxt", block_bytes=size) == BARS


@pytest.mark.parametrize(
    ("content", "rule", "line", "says"),
    [
        (FILE.replace(b"42010.0", b"null"), "CELL", 1, "'null' is not a plain decimal number"),
        (FILE.replace(b"1704067200000", b"1704067200"), "UNIT", 2, "an epoch in s"),
        (FILE.replace(b"1704067200000", b"1704067140000"), "DUPLICATE", 2, "is the time of the row before it"),
        (FILE.replace(b", 0]", b"]"), "RAGGED", 2, "the row has 5 cells, the first row has 6"),
        (FILE.replace(b", 0]", b"]").replace(b", 1.25]", b"]"), "COLUMNS", 1, "the first row has 5 cells"),
        (FILE[:-1], "ENCODING", 2, "not whole"),
        (FILE[:-20], "ENCODING", 2, "not whole"),
        (FILE + b"]", "ENCODING", 3, "something stands behind the end"),
        (b"[]", "EMPTY", 1, "the file is empty"),
        (b'{"1704067140000": [1, 2, 3, 4, 5]}', "ENCODING", 1, "JSON of another shape"),
        (b"1704067140000,1,1,1,1,1\n", "ENCODING", 1, "the file is CSV text; profile ccxt reads JSON"),
    ],
)
def test_what_is_no_array_of_candles_is_refused_at_its_row(content: bytes, rule: str, line: int, says: str) -> None:
    error = refused(content, profile="ccxt")
    assert places(error)[0] == (rule, line)
    assert says in error.message
