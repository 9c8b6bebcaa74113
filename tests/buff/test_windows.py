"""Walk-forward windows: rolling, anchored, purged, and nothing of the future in what is looked at."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunConfigInvalid
from buff.times import epoch_ms, iso
from buff.windows import Walk, later, walk_from, windows

START, END = epoch_ms("2022-01-01T00:00:00Z"), epoch_ms("2023-01-01T00:00:00Z")
DAY = 86_400_000


def shown(walk: Walk, start: int = START, end: int = END) -> list[tuple[str, ...]]:
    return [tuple(text[:10] for text in window.as_dict().values()) for window in windows(walk, start, end)]


def test_windows_roll_by_the_length_of_the_test():
    found = shown(Walk(train="6M", test="2M"))
    assert found == [
        ("2022-01-01", "2022-07-01", "2022-07-01", "2022-09-01"),
        ("2022-03-01", "2022-09-01", "2022-09-01", "2022-11-01"),
        ("2022-05-01", "2022-11-01", "2022-11-01", "2023-01-01"),
    ]


def test_anchored_windows_grow_from_one_beginning():
    found = shown(Walk(train="6M", test="3M", anchored=True))
    assert found == [
        ("2022-01-01", "2022-07-01", "2022-07-01", "2022-10-01"),
        ("2022-01-01", "2022-10-01", "2022-10-01", "2023-01-01"),
    ]


def test_a_purged_stretch_belongs_to_neither():
    found = shown(Walk(train="180d", test="60d", step="90d", purge="5d"))
    assert found == [
        ("2022-01-01", "2022-06-30", "2022-07-05", "2022-09-03"),
        ("2022-04-01", "2022-09-28", "2022-10-03", "2022-12-02"),
    ]


@pytest.mark.parametrize("text", ["", "0d", "d", "5", "5m", "-1d", "1.5d", "5 d", "100000d"])
def test_a_length_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(RunConfigInvalid, match="no length of time"):
        Walk(train=text, test="1d")


def test_a_walk_that_goes_nowhere_or_on_for_ever_is_refused():
    with pytest.raises(RunConfigInvalid, match="no window"):
        windows(Walk(train="1Y", test="1d"), START, END)
    with pytest.raises(RunConfigInvalid, match="more than"):
        windows(Walk(train="1d", test="1h"), START, END)


def test_months_keep_their_day_or_take_the_last():
    assert iso(later(epoch_ms("2022-01-31T06:00:00Z"), "1M")) == "2022-02-28T06:00:00Z"
    assert iso(later(epoch_ms("2024-02-29T00:00:00Z"), "1Y")) == "2025-02-28T00:00:00Z"
    assert iso(later(epoch_ms("2022-01-31T00:00:00Z"), "1M", 2)) == "2022-03-31T00:00:00Z"


lengths = st.builds("{}{}".format, st.integers(1, 40), st.sampled_from("hdw"))


@given(train=lengths, test=lengths, step=st.none() | lengths, purge=st.none() | lengths, anchored=st.booleans())
def test_no_window_sees_what_it_is_judged_by(
    train: str, test: str, step: str | None, purge: str | None, anchored: bool
) -> None:
    """Invariants checked: all lie in the span, train ends before test begins, and every step goes on by the same."""
    walk = Walk(train=train, test=test, step=step, purge=purge, anchored=anchored)
    try:
        found = windows(walk, START, END)
    except RunConfigInvalid:
        return
    for window in found:
        assert START <= window.train_start < window.train_end <= window.test_start < window.test_end <= END
        assert later(window.train_end, purge) == window.test_start if purge else window.train_end == window.test_start
        assert later(window.test_start, test) == window.test_end
        assert window.train_start == START if anchored else later(window.train_start, train) == window.train_end
    for before, after in pairwise(found):
        assert later(before.train_end, step or test) == after.train_end
    assert later(found[-1].test_end, step or test) > END


def test_a_walk_is_made_of_plain_values():
    assert walk_from({"train": "1d", "test": "6h", "anchored": True}) == Walk(train="1d", test="6h", anchored=True)
    for wrong in ({"train": "1d"}, {"train": "1d", "test": "1d", "gap": "1d"}, {"train": 5, "test": "1d"}):
        with pytest.raises(RunConfigInvalid):
            walk_from(wrong)


def test_months_are_those_of_the_calendar():
    for months in range(1, 60):
        moment = datetime.fromtimestamp(later(START, f"{months}M") / 1000, UTC)
        assert (moment.year, moment.month, moment.day) == (2022 + months // 12, 1 + months % 12, 1)
