"""Tables: what a column holds is read as it is or refused, whatever its type says."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve
from pyarrow import feather, parquet

from buff.errors import DataInvalid
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.profiles import PROFILES
from buff.market.source import Source

START_S = 1_577_836_800
BARS = {"open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 5.0}


def content(form: str = "parquet", **columns: Any) -> bytes:
    """Return three minutes as a file, with other columns in the place of those named."""
    minutes = pa.array([START_S, START_S + 60, START_S + 120], pa.int64()).view(pa.timestamp("s", "UTC"))
    table = pa.table({"ts": minutes, **{name: [value] * 3 for name, value in BARS.items()}, **columns})
    held = io.BytesIO()
    if form == "parquet":
        parquet.write_table(table, held)
    else:
        feather.write_feather(table, held, compression="uncompressed")
    return held.getvalue()


def read(data: bytes, *, reference: bool = False, **options: Any) -> dict[str, Any]:
    written: list[Any] = []
    ingest(
        [Source(name="bars", chunks=lambda: iter([data]))],
        CsvOptions(**options),
        write=written.append,
        rows_max=100,
        bytes_max=10**6,
        reference=reference,
    )
    return {name: np.concatenate([block[name] for block in written]).tolist() for name in written[0]}


def rule(data: bytes, **options: Any) -> str:
    found = set()
    for reference in (False, True):
        with pytest.raises(DataInvalid) as caught:
            read(data, reference=reference, **options)
        found.add(caught.value.rule)
    assert len(found) == 1
    return str(found.pop())


FORMS = pytest.mark.parametrize("form", ["parquet", "feather"])


@FORMS
@pytest.mark.parametrize("bit", [58, 61, 62])
def test_a_time_beyond_the_calendar_does_not_come_round_to_one_within(form: str, bit: int) -> None:
    """2**61 seconds are 2**64 eighths of them: their milliseconds would be those of the time itself."""
    raw = [START_S, START_S + 60 + 2**bit, START_S + 120]
    kind = pa.timestamp("s", "UTC") if form == "feather" else pa.timestamp("ms", "UTC")
    scaled = raw if form == "feather" else [START_S * 1000, -(2**63), START_S * 1000 + 120_000]
    assert rule(content(form, ts=pa.array(scaled, pa.int64()).view(kind))) == "CELL"


@pytest.mark.parametrize("value", [-(2**63), -(10**17), 2**63 - 1])
def test_a_local_time_beyond_the_calendar_is_refused(value: int) -> None:
    ts = pa.array([value, value, value], pa.int64()).view(pa.timestamp("ms"))
    assert rule(content(ts=ts), timezone="Europe/Berlin") == "CELL"


@FORMS
def test_days_are_naive_midnights(form: str) -> None:
    days = pa.array([18_262, 18_263, 18_264], pa.int32()).view(pa.date32())
    assert read(content(form, ts=days), timezone="UTC", base="1d")["ts"][0] == START_S * 1000
    assert rule(content(form, ts=pa.array([2**31 - 1] * 3, pa.int32()).view(pa.date32()))) == "CELL"


@FORMS
@pytest.mark.parametrize(
    "column",
    [pa.array([[2.0]] * 3), pa.array([{"a": 2.0}] * 3), pa.array([b"2"] * 3), pa.array([True] * 3), pa.nulls(3),
     pa.array([2**62] * 3, pa.duration("ns")), pa.array([1] * 3, pa.time64("ns"))],
)  # fmt: skip
def test_what_is_no_number_is_a_bad_cell(form: str, column: Any) -> None:
    assert rule(content(form, open=column)) == "CELL"


@FORMS
@pytest.mark.parametrize("reference", [False, True])
def test_numbers_of_other_types_are_read_exactly(form: str, reference: bool) -> None:
    texts = pa.array(["2.5", "2.5", "2.5"])
    for column in (texts, texts.cast(pa.decimal128(9, 4)), texts.cast(pa.float32()), texts.dictionary_encode()):
        assert read(content(form, open=column), reference=reference)["open"] == [2.5] * 3


@FORMS
def test_one_column_may_have_two_roles(form: str) -> None:
    close = dict.fromkeys(("open", "high", "low"), ("close",))
    found = read(
        content(form), profile=evolve(PROFILES["buff"], name="own", columns={**PROFILES["buff"].columns, **close})
    )
    assert found["open"] == found["high"] == found["low"] == found["close"] == [2.0] * 3


def test_texts_that_point_outside_their_file_are_refused() -> None:
    """The offsets of texts in a Feather file are taken as they stand: a damaged one would be read from anywhere."""
    whole = content("feather", open=["2.5", "2.5", "2.5"])
    offsets = np.array([0, 3, 6, 9], "<i4").tobytes()
    assert whole.count(offsets) == 1
    damaged = whole.replace(offsets, np.array([0, 3, 2**30, 9], "<i4").tobytes())
    assert rule(damaged) == "ENCODING"
