"""A run id is its inputs: one canonical object, one hash, sixteen hex digits."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunIdInvalid
from buff.runs.identity import check_run_id, inputs_hash, inputs_of, is_run_id, run_id_of

INPUTS = inputs_of(
    dataset_id="d" * 64,
    base_timeframe="1m",
    symbol="BTCUSDT",
    timeframe="1h",
    start="2024-01-01T00:00:00Z",
    end="2024-01-03T00:00:00Z",
    gaps="none",
    strategy={"id": "ma_cross", "version": "1", "params": {"slow": 20, "fast": 10}, "source_sha256": "5" * 64},
    risk={"policy": "risk.v1", "level": 3},
    costs={"slippage_bps": 5.0, "min_fee": 0.0, "commission_bps": 10.0},
    initial_equity=10_000.0,
)
# Written by hand from spec/contract.md, Identity: names sorted, no space, floats in their shortest form.
CANONICAL = (
    '{"base_timeframe":"1m",'
    '"costs":{"commission_bps":10.0,"min_fee":0.0,"slippage_bps":5.0},'
    f'"dataset_id":"{"d" * 64}",'
    '"end":"2024-01-03T00:00:00Z",'
    '"engine_version":"1",'
    '"gaps":"none",'
    '"initial_equity":10000.0,'
    '"risk":{"level":3,"policy":"risk.v1"},'
    '"schema_version":"inputs.v1",'
    '"start":"2024-01-01T00:00:00Z",'
    f'"strategy":{{"id":"ma_cross","params":{{"fast":10,"slow":20}},"source_sha256":"{"5" * 64}","version":"1"}},'
    '"symbol":"BTCUSDT",'
    '"timeframe":"1h"}'
)
HASH = "fe65bc1bc08e60e1ec9a8c6e03b6fd12b0e9199a27f20f0b01a947a570e5c252"


def test_the_hash_is_that_of_the_canonical_json_worked_by_hand() -> None:
    assert inputs_hash(INPUTS) == hashlib.sha256(CANONICAL.encode()).hexdigest() == HASH


def test_the_id_is_run_and_the_first_sixteen_digits() -> None:
    assert run_id_of(HASH) == f"run_{HASH[:16]}"
    assert is_run_id(run_id_of(HASH))


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_every_member_is_part_of_the_identity(name: str) -> None:
    assert inputs_hash({**INPUTS, name: "something else"}) != HASH


def test_a_negative_zero_is_a_zero() -> None:
    zero = {**INPUTS, "costs": {**INPUTS["costs"], "min_fee": -0.0}}
    assert inputs_hash(zero) == HASH


@pytest.mark.parametrize("name", ["abc", "run_0123456789abcdef", "0-1", "a_b-c", "com10", "x" * 64])
def test_names_that_may_be_a_run_directory(name: str) -> None:
    assert check_run_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "x" * 65,
        "Abc",
        "_abc",
        "-abc",
        "a.b",
        "a b",
        "a/b",
        "../x",
        "abc\n",
        "äbc",
        "new",
        "con",
        "nul",
        "com1",
    ],
)
def test_names_that_may_not(name: str) -> None:
    assert not is_run_id(name)
    with pytest.raises(RunIdInvalid) as caught:
        check_run_id(name)
    assert caught.value.details == {"field": "run_id", "value": name}
    assert caught.value.hint


@given(st.text(max_size=70))
def test_an_id_is_always_one_safe_path_part(name: str) -> None:
    if is_run_id(name):
        assert name.isascii()
        assert not {"/", "\\", ".", ":", "\0", " "} & set(name)
        assert not name.startswith("_")
