"""Decision records (`dr.v1`): one line of canonical JSON per bar, in blocks, with an offset every 256 lines.

Bars, decisions and their outcome go in; chunks of bytes come out, in bounded memory, and after the last of them the
offsets that give random access. numpy prepares columns, msgspec encodes; a member that does not apply is absent. A
record says what was decided at its bar's close and what was filled at its bar's open, never anything later.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from buff.decisions.contract import Decisions
from buff.decisions.engine import (
    ACTIONS,
    ENTER_LONG,
    ENTER_SHORT,
    PERMISSIONS,
    RULES,
    STATES,
    Outcome,
    Trades,
    reason_names,
)
from buff.market.bars import Bars
from buff.market.timeframe import MINUTE_MS

RECORDS_PER_OFFSET = 256
RECORDS_PER_CHUNK = 32 * RECORDS_PER_OFFSET


class Fill(msgspec.Struct, frozen=True, gc=False):
    """What was executed at the record's open: `quantity` is signed (bought > 0), `fee` and `slippage` are money.

    The order of the members is that of their names: msgspec writes them as declared, which makes the line canonical.
    """

    after_gap: bool | UnsetType
    effect: str
    fee: float
    price: float
    quantity: float
    slippage: float
    trade: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One bar: what was decided at its close. Members in the order of their names, and made by position in it."""

    action: str
    budget: float | UnsetType
    filled: bool | UnsetType
    fills: list[Fill] | UnsetType
    gap_bars: int | UnsetType
    permission: str
    position: int
    price: float
    reason: str | UnsetType
    risk_state: str
    rule: str | UnsetType
    seq: int
    signal: int | UnsetType
    target: int
    ts: str


class Records:
    """The records of a run as chunks of bytes, about 8,192 lines each.

    `offsets` (int64) are the byte offsets of records 0, 256, 512, ... and the size of the whole, known once all chunks
    have been read.
    """

    def __init__(self, bars: Bars, decisions: Decisions, outcome: Outcome, reasons: Sequence[str]) -> None:
        """Keep what the records say; `reasons` are the strategy's reason codes."""
        self._bars, self._decisions, self._outcome = bars, decisions, outcome
        self._reasons = np.array(reason_names(reasons), object)
        self._sizes: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        encoder = msgspec.json.Encoder()
        self._sizes = []
        for begin in range(0, len(self._outcome), RECORDS_PER_CHUNK):
            records = self._records(begin, min(begin + RECORDS_PER_CHUNK, len(self._outcome)))
            parts = range(0, len(records), RECORDS_PER_OFFSET)
            blocks = [encoder.encode_lines(records[at : at + RECORDS_PER_OFFSET]) for at in parts]
            self._sizes += map(len, blocks)
            yield b"".join(blocks)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Byte offsets of records 0, 256, 512, ... and the size of the whole, int64."""
        assert len(self._sizes) == -(-len(self._outcome) // RECORDS_PER_OFFSET), "read every chunk first"
        return np.cumsum([0, *self._sizes], dtype=np.int64)

    def _records(self, begin: int, end: int) -> list[Record]:
        bars, outcome, part, count = self._bars, self._outcome, slice(begin, end), end - begin
        action, rule, reason = outcome.action[part], outcome.rule[part], outcome.reason[part]
        acted, ruled = np.flatnonzero(action), np.flatnonzero(rule)
        entered = np.flatnonzero((action == ENTER_LONG) | (action == ENTER_SHORT))
        missing = bars[max(begin - 1, 0) : end].missing[-count:]
        late = np.flatnonzero(missing)
        invented = np.flatnonzero(bars.filled[part])
        executed, fills = _fills(outcome.trades, begin, end, missing)
        columns = (
            _ACTIONS[action].tolist(),
            _sparse(count, entered.tolist(), outcome.budgets(entered + begin).tolist()),
            _sparse(count, invented.tolist(), [True] * len(invented)),
            _sparse(count, executed, fills),
            _sparse(count, late.tolist(), missing[late].tolist()),
            _PERMISSIONS[outcome.permission[part]].tolist(),
            outcome.position[part].tolist(),
            bars.close[part].tolist(),
            _sparse(count, acted.tolist(), self._reasons[reason[acted]].tolist()),
            _STATES[outcome.state[part]].tolist(),
            _sparse(count, ruled.tolist(), _RULES[rule[ruled]].tolist()),
            range(begin, end),
            _sparse(count, acted.tolist(), outcome.signal[part][acted].tolist()),
            self._decisions.target[part].tolist(),
            _stamps_again(bars.ts[part].tobytes()),
        )
        return list(map(Record, *columns))


_ACTIONS, _PERMISSIONS, _STATES, _RULES = (np.array(names, object) for names in (ACTIONS, PERMISSIONS, STATES, RULES))
_MINUTES = tuple(f"T{hour:02d}:{minute:02d}:00Z" for hour in range(24) for minute in range(60))


def stamps(ts: NDArray[np.int64]) -> list[str]:
    """Return the stamps of bars (epoch ms, whole minutes) as `YYYY-MM-DDTHH:MM:SSZ`."""
    days, minutes = np.divmod(ts // MINUTE_MS, len(_MINUTES))
    fresh = np.diff(days, prepend=days[:1] - 1) != 0  # stamps ascend, so each day is one stretch
    names = np.datetime_as_string(days[fresh].astype("datetime64[D]")).tolist()
    numbers = np.cumsum(fresh) - 1
    return [names[day] + _MINUTES[minute] for day, minute in zip(numbers.tolist(), minutes.tolist(), strict=True)]


@lru_cache(maxsize=8)
def _stamps_again(ts: bytes) -> list[str]:
    """Return the stamps of a chunk of bars by their bytes: the runs of a sweep have the same. 65,536 are some 5 MB."""
    return stamps(np.frombuffer(ts, np.int64))


def _sparse(count: int, at: Sequence[int], values: Iterable[Any]) -> Iterable[Any]:
    """Return a column with the values at those places and UNSET, which is not written, everywhere else."""
    if not at:
        return repeat(UNSET, count)
    column: list[Any] = [UNSET] * count
    for place, value in zip(at, values, strict=True):
        column[place] = value
    return column


def _fills(trades: Trades, begin: int, end: int, missing: NDArray[np.int64]) -> tuple[list[int], list[list[Fill]]]:
    """Return the bars of [begin, end), counted from `begin`, that have fills, and their fills: an exit goes first."""
    fills: dict[int, list[Fill]] = {}
    for effect, sign, bars, fee, price, slippage in (
        ("CLOSE", -1.0, trades.exit, trades.exit_fee, trades.exit_price, trades.exit_slippage),
        ("OPEN", 1.0, trades.entry, trades.entry_fee, trades.entry_price, trades.entry_slippage),
    ):
        first, last = np.searchsorted(bars, (begin, end)).tolist()
        part, at = slice(first, last), bars[first:last] - begin
        late = [True if gap else UNSET for gap in missing[at].tolist()]
        columns = (fee[part], price[part], sign * trades.quantity[part], slippage[part], np.arange(first, last))
        rows = zip(at.tolist(), late, *(column.tolist() for column in columns), strict=True)
        for bar, after_gap, *numbers in rows:
            fills.setdefault(bar, []).append(Fill(after_gap, effect, *numbers))
    return list(fills), list(fills.values())
