"""What a careful user of pandas would write to take in a CSV: checked, hashed, stored as columns, every file synced.

    python checked.py IN.csv NEW_DIRECTORY all|fewer

Those rules of the contract are checked that can still be seen after the parse of pandas: which rows the file had, how
its numbers were written and on which line an offence stands cannot. `all` also does the checks of the quality report:
decimals, spikes, stale runs, volume by day; counted only, never listed.
"""

import hashlib
import json
import os
import sys
from typing import Any

import numpy as np
import pandas as pd

NAMES = ["open", "high", "low", "close"]


def job(path: str, folder: str, *, everything: bool) -> None:
    """Take in the file."""
    os.mkdir(folder)
    with open(path, "rb") as file:
        facts: dict[str, Any] = {"source": hashlib.file_digest(file, "sha256").hexdigest()}
    frame = pd.read_csv(path, parse_dates=["timestamp"])
    assert list(frame.columns) == ["timestamp", *NAMES, "volume"]
    assert str(frame["timestamp"].dtype).endswith("UTC]")
    assert not frame.isna().any().any()
    ts = frame["timestamp"].dt.as_unit("ms").astype("int64")
    assert (ts.diff().iloc[1:] == 60_000).all()
    assert (ts % 60_000 == 0).all()
    assert (frame[NAMES] > 0).all().all()
    assert (frame["volume"] >= 0).all()
    assert (frame[[*NAMES, "volume"]] < float("inf")).all().all()
    assert (frame["high"] >= frame[NAMES].max(axis=1)).all()
    assert (frame["low"] <= frame[NAMES].min(axis=1)).all()
    frame["timestamp"] = ts
    if everything:
        facts |= report(frame)
    frame["filled"] = np.zeros(len(frame), np.uint8)
    for name in frame:
        values = np.ascontiguousarray(frame[name].to_numpy())
        facts[name] = hashlib.sha256(values.data).hexdigest()
        with open(os.path.join(folder, f"{name}.npy"), "wb") as file:
            np.save(file, values)
            synced(file)
    with open(os.path.join(folder, "facts.json"), "w", encoding="utf-8") as text:
        json.dump(facts, text)
        synced(text)
    if os.name == "posix":
        directory = os.open(folder, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def report(frame: Any) -> dict[str, Any]:
    """Return the facts of the quality report."""
    values = frame[[*NAMES, "volume"]]
    moves = (frame["close"] / frame["close"].shift() - 1.0).abs()
    median = float(moves.median())
    same = (values == values.shift()).all(axis=1) & (frame["volume"] > 0)
    runs = same.groupby((~same).cumsum()).sum() if same.any() else same
    days = frame["volume"].groupby(frame["timestamp"] // 86_400_000).median()
    days = days[days > 0]
    return {
        "decimals": {name: decimals(frame[name]) for name in values},
        "spikes": int((moves > 20 * median).sum()),
        "stale": int((runs >= 9).sum()),
        "zero_volume": int((frame["volume"] == 0).sum()),
        "volume_jumps": int(((days > days.shift() * 100) | (days * 100 < days.shift())).sum()),
    }


def decimals(column: Any) -> int | None:
    """Return the fewest decimals that all values of a column have room in."""
    return next((k for k in range(10) if ((column * 10**k).round() / 10**k == column).all()), None)


def synced(file: Any) -> None:
    """Make what was written to a file durable."""
    file.flush()
    os.fsync(file.fileno())


if __name__ == "__main__":
    job(sys.argv[1], sys.argv[2], everything=sys.argv[3] == "all")
