"""One value, one sequence of bytes."""

import hashlib
import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.canonical import digest, digest_of, document, encode, plain

# The golden table of floats: shortest digits that read back as the same double, in one notation everywhere.
FLOATS = [
    (0.0, b"0.0"),
    (-0.0, b"0.0"),
    (1.0, b"1.0"),
    (-1.5, b"-1.5"),
    (0.1, b"0.1"),
    (0.1 + 0.2, b"0.30000000000000004"),
    (1 / 3, b"0.3333333333333333"),
    (100.0, b"100.0"),
    (123456789.125, b"123456789.125"),
    (2.0**53, b"9007199254740992.0"),
    (1e15, b"1000000000000000.0"),
    (1e16, b"1e16"),
    (1e22, b"1e22"),
    (1.7976931348623157e308, b"1.7976931348623157e308"),
    (0.001, b"0.001"),
    (0.0001, b"0.0001"),
    (0.00001, b"0.00001"),
    (1e-7, b"1e-7"),
    (2.2250738585072014e-308, b"2.2250738585072014e-308"),
    (5e-324, b"5e-324"),
]


@pytest.mark.parametrize(("value", "written"), FLOATS, ids=lambda part: str(part))
def test_floats_are_written_as_the_golden_table_says(value: float, written: bytes) -> None:
    assert encode(value) == written
    assert float(written) == value


def test_names_are_sorted_at_every_depth_and_text_is_utf8() -> None:
    value = {"b": [{"z": 1, "a": (2, None)}], "a": "é\n", "A": True}
    assert encode(value) == '{"A":true,"a":"é\\n","b":[{"a":[2,null],"z":1}]}'.encode()
    assert document(value) == encode(value) + b"\n"
    assert digest_of(value) == digest(encode(value)) == hashlib.sha256(encode(value)).hexdigest()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, [1.0, {"a": math.nan}], {"a": (math.inf,)}])
def test_what_json_cannot_say_is_refused_and_never_null(bad: object) -> None:
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        encode(bad)


class Fraction(float):
    """A number that only derives from what JSON knows."""


@pytest.mark.parametrize("odd", [Fraction("nan"), np.float64("nan"), {"a": [np.float64(1.0)]}, {Fraction(1.0)}])
def test_what_only_derives_from_a_number_is_refused_and_never_null(odd: object) -> None:
    with pytest.raises(TypeError, match="unsupported"):
        encode(odd)


_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_any_value_reads_back_and_is_written_the_same_again(value: object) -> None:
    assert json.loads(encode(value)) == value
    assert encode(json.loads(encode(value))) == encode(value)


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=6))
def test_the_order_of_insertion_does_not_matter(value: dict[str, int]) -> None:
    assert encode(dict(reversed(value.items()))) == encode(value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, -0.05, -1e-300]), max_size=5))
def test_what_the_plain_encoder_writes_is_canonical_without_a_negative_zero(values: list[float]) -> None:
    """Invariants checked: what is said to be canonical is; of floats alone it is said whenever it is so."""
    data = msgspec.json.encode(values)
    assert plain(data) == (data == encode(values))
