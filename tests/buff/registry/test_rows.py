"""Rows: an entry comes back as it was said, and a mapping that shares its parts is still a plain mapping."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.canonical import encode
from buff.journal.line import escape
from buff.registry.rows import CHANGED_MAX, STEPS_MAX, Detail, Row, Rows, RunEntry, committed
from histories import committed as commit

ENTRY = {
    **msgspec.structs.asdict(commit("run_a", tags=["x", "y"], name="première")),
    "seq": 7,
    "created": "2026-02-01T00:00:00.000000Z",
    "reclaimed": 2,
}


def row(run_id: str, seq: int, **members: object) -> Row:
    return committed(commit(run_id, **members), seq=seq, created=ENTRY["created"], reclaimed=0)


def test_an_entry_says_what_the_commit_said() -> None:
    made = committed(commit("run_a", tags=["x", "y"], name="première"), seq=7, created=ENTRY["created"], reclaimed=2)
    assert made.entry == RunEntry(**{name: ENTRY[name] for name in RunEntry.__struct_fields__ if name in ENTRY})
    assert made.metrics == made.entry.metrics


def test_every_member_of_an_entry_is_in_its_row_or_its_detail_and_none_in_both() -> None:
    """Or a fact would be lost on the way through index.json, or kept twice and change in one place only.

    The seq alone, which never changes, says in both whose they are.
    """
    members = [*Row.__struct_fields__[:-1], *Detail.__struct_fields__[1:]]
    assert sorted(members) == sorted(RunEntry.__struct_fields__)
    assert (Row.__struct_fields__[-1], Detail.__struct_fields__[0]) == ("told", "seq")


def test_rows_are_equal_where_the_same_is_known_of_the_same_run() -> None:
    """Wherever their details are; one that was made again is another."""
    made = row("run_a", 1, tags=["x"])
    assert made == row("run_a", 1, tags=["x"])
    assert hash(made) == hash(row("run_a", 1, tags=["x"]))
    assert made != row("run_a", 1)
    assert made != row("run_a", 2, tags=["x"])
    assert made != row("run_a", 1, tags=["x"], by="another"), "which stands in its detail"
    assert made != "run_a"


def test_what_is_not_decoded_is_canonical() -> None:
    """Negative zero is zero, names are in order, everything is ASCII: index.json takes it as it is."""
    made = row("run_a", 1, metrics={"sharpe": -0.0, "cagr": 1.0}, params={"名": [2, {"b": 1, "a": -0.0}]}, by="é\x7f")
    detail = made.detail
    assert detail.startswith(b'[1,{"cagr":1.0,"sharpe":0.0},{"\\u540d":[2,{"a":0.0,"b":1}]}')
    assert b'"\\u00e9\\u007f"' in detail
    assert escape(encode(msgspec.json.decode(detail))) == detail
    assert made.entry.params == {"名": [2, {"b": 1, "a": 0.0}]}


def test_a_run_that_is_not_there() -> None:
    rows = Rows([row("run_a", 1)])
    assert "run_b" not in rows
    assert rows.row("run_b") is rows.get("run_b") is None
    with pytest.raises(KeyError):
        rows["run_b"]
    assert rows != Rows()
    assert rows == {"run_a": row("run_a", 1).entry}


steps = st.lists(st.lists(st.tuples(st.sampled_from("cca"), st.integers(0, 30)), min_size=1, max_size=4), max_size=25)


@given(st.integers(0, 30), steps)
def test_rows_are_a_mapping_of_which_nothing_ever_changes(count: int, steps: list[list[tuple[str, int]]]) -> None:
    """Invariants checked: whatever is committed, committed again and changed, in whatever groups, looked at or not, a
    `Rows` is the dict that a plain model is, in order of seq; and every earlier one still says what it said.
    """
    seq = count
    model = {f"run_{at}": row(f"run_{at}", at + 1) for at in range(count)}
    rows = Rows(model.values())
    said = [(rows, dict(model))]
    for step in steps:  # fewer than are told of
        changed: dict[str, Row] = {}
        for what, number in step:
            run_id, seq = f"run_{number}", seq + 1
            known = model.pop(run_id, None) if what == "c" else model.get(run_id)
            if what == "c":
                changed.pop(run_id, None)
                made = row(run_id, seq)
            elif known is not None:
                made = msgspec.structs.replace(known, why=f"at {seq}")
            else:
                continue
            changed[run_id] = model[run_id] = made
        rows = rows.having(changed)
        said.append((rows, dict(model)))
        if seq % 3 == 0:
            assert list(rows) == list(model)
    for then, told in said:
        different = {run_id for run_id in {*told, *model} if told.get(run_id) is not model.get(run_id)}
        assert rows.since(then.mark) == {run_id: (told.get(run_id), model[run_id]) for run_id in different}
    for then, told in said:
        newest = [*reversed(told.values()), None]
        assert all(then.last(place) is each for place, each in enumerate(newest, 1))
        assert then.last(0) is newest[0]
        assert len(then) == len(told)
        assert all(then.row(run_id) is each for run_id, each in told.items())
        assert then.rows() == list(told.values()) == sorted(told.values(), key=lambda each: each.seq)
        assert then == Rows(told.values())
        assert dict(then) == {run_id: each.entry for run_id, each in told.items()}


def test_what_changed_is_told_of_rows_that_were_made_of_others() -> None:
    first = Rows([row("run_a", 1)])
    second = first.having({"run_b": row("run_b", 2)})
    other = first.having({"run_c": row("run_c", 2)})
    assert second.since(first.mark) == {"run_b": (None, second.row("run_b"))}
    assert second.since(second.mark) == {}
    assert first.having({}) is first
    assert second.since(other.mark) is None
    assert first.since(second.mark) is None
    assert Rows(second.rows()).since(second.mark) is None, "they are the same runs, and nobody said so"


def test_only_so_much_of_what_changed_is_told() -> None:
    """A registry that goes on for months keeps what a list can follow, and no more."""
    first = rows = Rows()
    kept = [rows]
    for seq in range(1, STEPS_MAX + 2):
        rows = rows.having({f"run_{seq}": row(f"run_{seq}", seq)})
        kept.append(rows)
    assert rows.since(first.mark) is None
    told = [then for then in kept if rows.since(then.mark) is not None]
    assert told == kept[-STEPS_MAX - 1 :]
    large = rows.having({f"more_{at}": row(f"more_{at}", 100 + at) for at in range(CHANGED_MAX + 1)})
    assert large.since(rows.mark) is None
    fits = rows.having({f"more_{at}": row(f"more_{at}", 100 + at) for at in range(CHANGED_MAX)})
    assert len(fits.since(rows.mark) or ()) == CHANGED_MAX
    assert fits.since(kept[-2].mark) is None
    last = large.having({"last": row("last", 5_000)})
    assert last.since(large.mark) == {"last": (None, last.row("last"))}


def test_equal_texts_of_rows_are_one_object() -> None:
    """In an index they are others in each row, which would take twice the memory and three times as long to compare."""
    made = row("run_a", 1, symbol="".join(("BTC", "USDT")))
    again = msgspec.json.decode(msgspec.json.encode(made, enc_hook=lambda _: None), type=Row)
    for name in ("state", "symbol", "timeframe", "strategy", "dataset_id", "start"):
        assert getattr(made, name) is getattr(again, name), name
