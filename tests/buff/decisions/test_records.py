"""Decision records: canonical bytes, equal to the slow way, in blocks that can be found again; and a golden file."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from buff import canonical
from buff.decisions import records
from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.records import RECORDS_PER_CHUNK, RECORDS_PER_OFFSET, Fill, Record, Records, stamps
from buff.market.timeframe import Timeframe
from buff.times import iso
from worlds import REASONS, bars_of, decisions_of, golden, record_lines, world

GOLDEN = Path(__file__).parents[2] / "golden" / "decisions"


def _simulated(args: dict[str, Any]) -> Outcome:
    return simulate(**{name: args[name] for name in ("bars", "decisions", "level", "costs", "initial_equity")})


def _written(args: dict[str, Any]) -> tuple[bytes, np.ndarray]:
    stream = Records(args["bars"], args["decisions"], _simulated(args), args.get("reasons", REASONS))
    return b"".join(stream), stream.offsets


def test_a_record_says_what_was_decided_and_what_was_filled() -> None:
    bars = bars_of(Timeframe.MINUTE_1, [100.0, 100.0, 101.0], [100.0, 102.0, 101.0], missing=[0, 2, 0])
    args = {
        "bars": bars,
        "decisions": decisions_of([1, 1, 0]),
        "level": 4,
        "costs": Costs(commission_bps=10, slippage_bps=0, min_fee=0),
        "initial_equity": 10_000.0,
    }
    first, second, third = _written(args)[0].decode().splitlines()
    assert first == (
        '{"action":"ENTER_LONG","budget":4000.0,"permission":"ALLOW","position":0,"price":100.0,"reason":"up",'
        '"risk_state":"GREEN","seq":0,"signal":0,"target":1,"ts":"2022-01-01T00:00:00Z"}'
    )
    assert second == (
        '{"action":"HOLD","fills":[{"after_gap":true,"effect":"OPEN","fee":4.0,"price":100.0,"quantity":40.0,'
        '"slippage":0.0,"trade":0}],"gap_bars":2,"permission":"ALLOW","position":1,"price":102.0,'
        '"risk_state":"GREEN","seq":1,"target":1,"ts":"2022-01-01T00:03:00Z"}'
    )
    assert '"reason":"down"' in third


def test_records_equal_the_slow_way_byte_for_byte() -> None:
    """Invariants checked: bytes equal those of the oracle's rows encoded one by one; each line is canonical."""
    for seed in range(400):
        args = world(seed)
        data, offsets = _written(args)
        assert data == record_lines(args), seed
        assert offsets[-1] == len(data)
        for line in data.splitlines():
            assert canonical.encode(msgspec.json.decode(line)) == line


def test_members_are_declared_in_the_order_of_their_names() -> None:
    for kind in (Record, Fill):
        assert list(kind.__struct_fields__) == sorted(kind.__struct_fields__)


@pytest.mark.parametrize("count", [1, 255, 256, 257, RECORDS_PER_CHUNK, RECORDS_PER_CHUNK + 300])
def test_offsets_point_at_every_256th_record_and_the_end(count: int) -> None:
    prices = [100.0 + bar % 7 for bar in range(count)]
    args = {
        "bars": bars_of(Timeframe.MINUTE_1, prices, prices),
        "decisions": decisions_of([bar // 5 % 2 for bar in range(count)]),
        "level": 1,
        "costs": Costs(commission_bps=0, slippage_bps=0),
        "initial_equity": 10_000.0,
    }
    data, offsets = _written(args)
    assert offsets.dtype == np.int64
    assert len(offsets) == -(-count // RECORDS_PER_OFFSET) + 1
    for number, offset in enumerate(offsets[:-1].tolist()):
        assert msgspec.json.decode(data[offset:].split(b"\n", 1)[0])["seq"] == number * RECORDS_PER_OFFSET
    assert data.count(b"\n") == count


def test_bytes_do_not_depend_on_how_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [_written(world(seed))[0] for seed in range(60)]
    monkeypatch.setattr(records, "RECORDS_PER_CHUNK", 7)
    monkeypatch.setattr(records, "RECORDS_PER_OFFSET", 7)
    assert [_written(world(seed))[0] for seed in range(60)] == whole


def test_offsets_are_known_only_after_the_last_chunk() -> None:
    args = world(5)
    stream = Records(args["bars"], args["decisions"], _simulated(args), REASONS)
    with pytest.raises(AssertionError, match="read every chunk first"):
        _ = stream.offsets


def test_stamps_are_those_of_the_calendar() -> None:
    ts = np.array([-60_000, 0, 1_640_995_140_000, 1_640_995_200_000, 4_102_444_799_000 // 60_000 * 60_000])
    assert stamps(ts) == [iso(each) for each in ts.tolist()]


def test_the_golden_records_are_written_again() -> None:
    data, offsets = _written(golden())
    assert data == (GOLDEN / "decision_records.jsonl").read_bytes()
    assert offsets.tolist() == [0, len(data)]
