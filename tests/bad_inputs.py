"""What bad input gets: one table of bad files and bad requests, with the code and the place of the refusal."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from buff.sample import START_MS
from whole import HEADER


@frozen(kw_only=True)
class Bad:
    """One bad input. `content` makes the CSV (None: sample minutes); `changes` those of the request."""

    name: str
    code: str
    content: Callable[[Path], object] | None = None
    changes: Mapping[str, Any] = {}
    rule: str | None = None
    line: int | None = None
    field: str | None = None
    says: str = ""


def lines(*cells: str, header: str = HEADER) -> Callable[[Path], object]:
    """Return what writes a header and rows; `+n` at the front of a row is its minute."""
    rows = [
        f"{stamp(int(row[1:].partition(',')[0]))},{row.partition(',')[2]}" if row[:1] == "+" else row for row in cells
    ]
    return lambda path: path.write_text(header + "".join(f"{row}\n" for row in rows))


def stamp(minute: int) -> str:
    return f"2024-01-01T{minute // 60:02d}:{minute % 60:02d}:00Z"


def raw(content: bytes) -> Callable[[Path], object]:
    """Return what writes these bytes."""
    return lambda path: path.write_bytes(content)


def data(name: str, rule: str, line: int, content: Callable[[Path], object] | None = None, **changes: Any) -> Bad:
    """Return a file that breaks a rule at a line, or sample minutes and a request they do not fit."""
    return Bad(name=name, code="DATA_INVALID", content=content, changes=changes, rule=rule, line=line)


BAR = "1,2,1,2,1"
ABSENT = "DATA_SOURCE_NOT_FOUND"
DATA = [
    Bad(name="missing", code=ABSENT, content=lambda path: None, says="is not there"),
    Bad(name="directory", code=ABSENT, content=lambda path: path.mkdir(), says="is a directory"),
    Bad(name="fifo", code=ABSENT, content=os.mkfifo, says="is not a file"),
    data("empty", "EMPTY", 1, raw(b"")),
    data("header only", "EMPTY", 1, lines()),
    data("binary", "ENCODING", 1, raw(bytes(range(256)) * 40)),
    data("zip", "ENCODING", 1, raw(b"PK\x03\x04" + b"\0" * 100)),
    data("utf-16", "ENCODING", 1, raw(HEADER.encode("utf-16"))),
    data("utf-16 without mark", "ENCODING", 1, raw(HEADER.encode("utf-16-le"))),
    data("semicolons", "DELIMITER", 1, lines(header=HEADER.replace(",", ";"))),
    data("no header", "HEADER", 1, lines(f"+0,{BAR}", header="")),
    data("column missing", "COLUMNS", 1, lines("+0,1", header="ts,open\n")),
    data("column twice", "HEADER", 1, lines(header="ts,open,open,high,low,close,volume\n")),
    data("short row", "RAGGED", 3, lines(f"+0,{BAR}", "+1,1,2,1,2")),
    data("long row", "RAGGED", 3, lines(f"+0,{BAR}", f"+1,{BAR},9")),
    data("nan", "CELL", 3, lines(f"+0,{BAR}", "+1,1,NaN,1,2,1")),
    data("inf", "CELL", 3, lines(f"+0,{BAR}", "+1,1,inf,1,2,1")),
    data("empty cell", "CELL", 3, lines(f"+0,{BAR}", "+1,1,,1,2,1")),
    data("negative price", "SIGN", 3, lines(f"+0,{BAR}", "+1,-1,2,-1,2,1")),
    data("zero price", "SIGN", 3, lines(f"+0,{BAR}", "+1,0,2,0,2,1")),
    data("negative volume", "SIGN", 3, lines(f"+0,{BAR}", "+1,1,2,1,2,-1")),
    data("high below low", "OHLC", 3, lines(f"+0,{BAR}", "+1,2,1,3,2,1")),
    data("duplicate", "DUPLICATE", 4, lines(f"+0,{BAR}", f"+1,{BAR}", f"+1,{BAR}")),
    data("descending", "ORDER", 3, lines(f"+2,{BAR}", f"+1,{BAR}", f"+0,{BAR}")),
    data("misaligned", "ALIGNMENT", 2, lines(f"2024-01-01T00:00:30Z,{BAR}", f"2024-01-01T00:01:30Z,{BAR}")),
    data("naive", "TIMEZONE", 2, lines(f"2024-01-01 00:00:00,{BAR}")),
    data("mixed units", "UNIT", 3, lines(f"{START_MS},{BAR}", f"{START_MS // 1000 + 60},{BAR}")),
    data("mixed forms", "UNIT", 3, lines(f"+0,{BAR}", f"{START_MS + 60_000},{BAR}")),
    data("gap", "GAP", 4, lines(f"+0,{BAR}", f"+1,{BAR}", f"+5,{BAR}", f"+6,{BAR}")),
    data("spacing", "SPACING", 3, lines(*(f"+{5 * n},{BAR}" for n in range(9)))),
    data("two zones", "TIMEZONE", 2, timezone="Europe/Berlin"),
]
CONFIG, STRATEGY = "RUN_CONFIG_INVALID", "STRATEGY_INVALID"
REQUESTS = [
    Bad(name="no symbol", code=CONFIG, changes={"symbol": None}, field="symbol"),
    Bad(name="bad symbol", code=CONFIG, changes={"symbol": "B T C"}, field="symbol"),
    Bad(name="no timeframe", code=CONFIG, changes={"timeframe": None}, field="timeframe"),
    Bad(name="unknown timeframe", code=CONFIG, changes={"timeframe": "7m"}, field="timeframe"),
    Bad(
        name="finer than the data", code=CONFIG, changes={"timeframe": "30m", "base_timeframe": "1h"}, field="timeframe"
    ),
    Bad(
        name="no complete window",
        code=CONFIG,
        changes={"timeframe": "1w"},
        field="timeframe",
        says="no complete 1w window",
    ),
    Bad(name="empty window", code=CONFIG, changes={"start": "2024-01-02", "end": "2024-01-02"}, field="end"),
    Bad(name="unknown strategy", code=STRATEGY, changes={"strategy": "moonshot", "params": None}, says="moonshot"),
    Bad(name="unknown parameter", code=STRATEGY, changes={"params": {"quick": 3}}, says="quick"),
    Bad(name="parameter too large", code=STRATEGY, changes={"params": {"fast": 3, "slow": 100_000}}, says="slow"),
    Bad(name="parameter zero", code=STRATEGY, changes={"params": {"fast": 0, "slow": 8}}, says="fast"),
    Bad(name="parameter of text", code=STRATEGY, changes={"params": {"fast": "three", "slow": 8}}, says="fast"),
    Bad(name="parameter of a fraction", code=STRATEGY, changes={"params": {"fast": 2.5, "slow": 8}}, says="fast"),
    Bad(name="fast equals slow", code=STRATEGY, changes={"params": {"fast": 8, "slow": 8}}, says="fast"),
    Bad(name="fast above slow", code=STRATEGY, changes={"params": {"fast": 9, "slow": 8}}, says="fast"),
    Bad(name="no risk", code=CONFIG, changes={"risk_level": None}, field="risk_level"),
    *(
        Bad(name=f"risk {level}", code="RISK_INVALID", changes={"risk_level": level}, field="risk_level")
        for level in (0, 6, 2.5, True, -1)
    ),
    *(
        Bad(name=f"run id {run_id!r}", code="RUN_ID_INVALID", changes={"run_id": run_id}, field="run_id")
        for run_id in ("A", "../up", "new", "con", "_cache", "x" * 65)
    ),
    Bad(name="unknown profile", code="PROFILE_INVALID", changes={"profile": "nobody"}),
    Bad(name="unknown zone", code=CONFIG, changes={"timezone": "Mars/Olympus"}, field="timezone"),
    Bad(name="unknown gaps", code=CONFIG, changes={"gaps": "drop"}, field="gaps"),
    Bad(name="unknown base", code=CONFIG, changes={"base_timeframe": "3m"}, field="base_timeframe"),
    Bad(name="naive start", code=CONFIG, changes={"start": "2024-01-01T00:00:00"}, field="start"),
    Bad(name="negative fee", code=CONFIG, changes={"min_fee": -1.0}, field="min_fee"),
    Bad(name="no equity", code=CONFIG, changes={"initial_equity": 0.0}, field="initial_equity"),
    Bad(name="infinite equity", code=CONFIG, changes={"initial_equity": float("inf")}, field="initial_equity"),
    Bad(name="bad tag", code=CONFIG, changes={"tags": ["a b"]}, field="tags"),
    Bad(name="long name", code=CONFIG, changes={"name": "x" * 201}, field="name"),
    Bad(name="absent dataset", code="DATASET_NOT_FOUND", changes={"csv": None, "dataset": "0" * 64}, says="0" * 64),
    Bad(name="bad dataset", code=CONFIG, changes={"csv": None, "dataset": "abc"}, field="dataset"),
    Bad(name="no data", code=CONFIG, changes={"csv": None}, field="csv"),
]
