"""Bars: OHLCV columns that cannot be wrong.

Equal-length numpy columns go in; a frozen value with read-only, C-contiguous columns of fixed dtypes comes out.
Whoever holds a `Bars` may rely on: stamps strictly increasing, prices finite and positive, high and low bounding open
and close, volume finite and not negative. The rules are judged at ingest; here they are asserted.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.market.timeframe import Timeframe
from buff.times import iso

PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume")
COLUMNS = ("ts", *VALUES, "filled")  # the order on disk and in the dataset's identity
DTYPES: dict[str, np.dtype[Any]] = {
    "ts": np.dtype("<i8"),
    **{name: np.dtype("<f8") for name in VALUES},
    "filled": np.dtype("u1"),
}


def price_decimals(decimals: Mapping[str, int | None]) -> int | None:
    """Return the k of which every price is a whole number of 10^-k, from the k of each column; None where one has none.

    That is what `Bars.decimals` wants.
    """
    known = [each for each in (decimals[name] for name in PRICES) if each is not None]
    return max(known) if len(known) == len(PRICES) else None


def _read_only(column: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    own = np.ascontiguousarray(column, dtype)
    if own.flags.writeable:
        own = own.view()
        own.flags.writeable = False
    return own


def _stamps(column: NDArray[np.int64]) -> NDArray[np.int64]:
    return _read_only(column, DTYPES["ts"])


def _values(column: NDArray[np.float64]) -> NDArray[np.float64]:
    return _read_only(column, DTYPES["open"])


def _marks(column: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return _read_only(column, DTYPES["filled"])


@frozen(kw_only=True, eq=False)
class Bars:
    """OHLCV bars of one timeframe, open-stamped in UTC.

    ts: int64[n] epoch milliseconds, strictly increasing. open, high, low, close, volume: float64[n].
    filled: uint8[n], 1 where the bar (or, after a resample, its first base bar) was made by `gaps=fill`.
    decimals: the k such that every base price is a whole number of 10^-k, or None where there is no such k up to 9.
    """

    timeframe: Timeframe
    ts: NDArray[np.int64] = field(converter=_stamps)
    open: NDArray[np.float64] = field(converter=_values)
    high: NDArray[np.float64] = field(converter=_values)
    low: NDArray[np.float64] = field(converter=_values)
    close: NDArray[np.float64] = field(converter=_values)
    volume: NDArray[np.float64] = field(converter=_values)
    filled: NDArray[np.uint8] = field(converter=_marks)
    decimals: int | None = None

    def __attrs_post_init__(self) -> None:
        assert all(len(getattr(self, name)) == len(self.ts) for name in COLUMNS), "columns of different lengths"

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, part: slice) -> "Bars":
        """Return the bars of a slice, as views: no column is copied."""
        columns = {name: getattr(self, name)[part] for name in COLUMNS}
        return Bars(timeframe=self.timeframe, decimals=self.decimals, **columns)

    def __repr__(self) -> str:
        span = f"{iso(self.ts[0])} … {iso(self.ts[-1])}" if len(self) else "empty"
        return f"<Bars {self.timeframe.value} {len(self):,} {span}>"

    @property
    def close_ms(self) -> NDArray[np.int64]:
        """The end (exclusive, epoch ms) of each bar's window, int64[n]."""
        return self.timeframe.end(self.ts)

    @property
    def missing(self) -> NDArray[np.int64]:
        """How many windows have no bar between each bar and the one before it, int64[n]; 0 for the first."""
        number = self.timeframe.index(self.ts)
        return np.diff(number, prepend=number[:1] - 1) - 1
