"""Walk-forward windows: a span of market time to pairs of windows, one to look at and one behind it to be judged by.

Bounds in epoch ms and lengths in words go in; pairs come out, rolling or anchored, with a purged stretch between the
two. They only say which requests there are: nothing is fitted, and nothing is selected.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import fields, frozen

from buff.errors import RunConfigInvalid
from buff.times import iso

WINDOWS_MAX = 1_000
_LENGTH = re.compile(r"([1-9][0-9]{0,4})([hdwMY])")
_MS = {"h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MONTHS = {"M": 1, "Y": 12}


@frozen(kw_only=True)
class Window:
    """One step of a walk: [train_start, train_end) to look at, [test_start, test_end) to judge by; epoch ms."""

    train_start: int
    train_end: int
    test_start: int
    test_end: int

    def as_dict(self) -> dict[str, str]:
        """Return it as ISO times."""
        return {
            "train_start": iso(self.train_start),
            "train_end": iso(self.train_end),
            "test_start": iso(self.test_start),
            "test_end": iso(self.test_end),
        }


@frozen(kw_only=True)
class Walk:
    """How to walk: lengths such as `180d`, `12w`, `6M`. `step` is how far one goes each time: the test's own length.

    `anchored`: every train window begins where the first does, and grows. `purge` is left out between train and test,
    so that what a rule still remembers of the one is not judged by the other.
    """

    train: str
    test: str
    step: str | None = None
    anchored: bool = False
    purge: str | None = None

    def __attrs_post_init__(self) -> None:
        """Raise RunConfigInvalid for a length that cannot be read."""
        for name in ("train", "test", "step", "purge"):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and _LENGTH.fullmatch(text)):
                raise RunConfigInvalid(
                    f"{name} is {str(text)[:40]!r}, which is no length of time",
                    hint="write 36h, 180d, 12w, 6M or 1Y",
                    details={"field": name, "value": str(text)[:40]},
                )

    def as_dict(self) -> dict[str, str | bool | None]:
        """Return it as plain values."""
        return {
            "train": self.train,
            "test": self.test,
            "step": self.step or self.test,
            "anchored": self.anchored,
            "purge": self.purge,
        }


def walk_from(values: Mapping[str, Any]) -> Walk:
    """Return the walk that plain values describe. Raises RunConfigInvalid."""
    known = [each.name for each in fields(Walk)]
    unknown = sorted(set(values) - set(known))
    if unknown or not {"train", "test"} <= set(values):
        says = f"a walk has no {unknown[0]!r}" if unknown else "a walk needs train and test"
        raise RunConfigInvalid(says, hint=f"it has: {', '.join(known)}", details={"field": "walk"})
    return Walk(**values)


def windows(walk: Walk, start: int, end: int) -> tuple[Window, ...]:
    """Return the windows of a walk that lie whole in [start, end), epoch ms, in order of time.

    Raises RunConfigInvalid when there is none, or more than a thousand.
    """
    found = tuple(window for window, _ in zip(_walked(walk, start, end), range(WINDOWS_MAX + 1), strict=False))
    if not found:
        raise RunConfigInvalid(
            f"no window of {walk.train} and {walk.test} lies in {iso(start)} to {iso(end)}",
            hint="choose shorter windows, or data that reach further",
            details={"field": "train", "start": iso(start), "end": iso(end)},
        )
    if len(found) > WINDOWS_MAX:
        raise RunConfigInvalid(
            f"there are more than {WINDOWS_MAX:,} windows", hint="choose a longer step", details={"field": "step"}
        )
    return found


def _walked(walk: Walk, start: int, end: int) -> Iterator[Window]:
    number = 0
    while True:
        begin = later(start, walk.step or walk.test, number)
        train_end = later(begin, walk.train)
        test_start = later(train_end, walk.purge) if walk.purge else train_end
        test_end = later(test_start, walk.test)
        if test_end > end:
            return
        yield Window(
            train_start=start if walk.anchored else begin,
            train_end=train_end,
            test_start=test_start,
            test_end=test_end,
        )
        number += 1


def later(ms: int, length: str, times: int = 1) -> int:
    """Return the instant so many lengths after another. Months keep the day of the month, or take the month's last."""
    match = _LENGTH.fullmatch(length)
    assert match is not None, f"{length} was checked"
    count, unit = int(match[1]) * times, match[2]
    if unit in _MS:
        return ms + count * _MS[unit]
    moment = np.datetime64(ms, "ms")
    month = moment.astype("datetime64[M]")
    into = moment - month.astype("datetime64[ms]")
    target = month + np.timedelta64(count * _MONTHS[unit], "M")
    longest = (target + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    day = min(target.astype("datetime64[D]") + into.astype("timedelta64[D]"), longest)
    return int((day.astype("datetime64[ms]") + into % np.timedelta64(1, "D")).astype(np.int64))
