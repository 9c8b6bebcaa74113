"""The grammar of a sweep: `5..50..5` and `a,b,c` to values, values by name to combinations, and a sample of them.

Text goes in; texts come out, exact decimals where they are numbers, for whoever knows their types. Nothing here picks
what is good: a grid is all there is, and a sample is drawn by a seed, the same everywhere and for ever.
"""

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any

from buff.canonical import digest
from buff.errors import LimitExceeded, RunConfigInvalid

VALUES_MAX = 100_000  # of one name; more is a slip of the keyboard
COMBINATIONS_MAX = 1_000_000  # of which a sample can be drawn

_NUMBER = r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?")


def values(name: str, text: str) -> tuple[str, ...]:
    """Return the values a text stands for, each once and in its order: parts between commas, each a value or a range.

    A range is `first..last..step`, both ends in it where the step meets them; a step left out is 1. Raises
    RunConfigInvalid.
    """
    found = [each for part in text.split(",") for each in _part(name, part.strip())]
    if len(found) > VALUES_MAX:
        raise _wrong(name, text, f"{name} stands for more than {VALUES_MAX:,} values", "choose a longer step")
    return tuple(dict.fromkeys(found))


def _part(name: str, part: str) -> Iterator[str]:
    if not part:
        raise _wrong(name, part, f"{name} has an empty value", "write 5,10,20 or 5..50..5")
    match = _RANGE.fullmatch(part)
    if match is None:
        if ".." in part:
            raise _wrong(name, part, f"{name} has a range that cannot be read", "write first..last..step: 5..50..5")
        return iter((part,))
    first, last, step = (Decimal(text) for text in match.groups(default="1"))
    if step <= 0 or last < first:
        raise _wrong(name, part, f"{name} has a range without values", "a range goes up, by a step above 0")
    count = int((last - first) // step) + 1
    if count > VALUES_MAX:
        raise _wrong(name, part, f"{name} stands for more than {VALUES_MAX:,} values", "choose a longer step")
    return (_shown(first + step * number) for number in range(count))


def _shown(number: Decimal) -> str:
    """Return a decimal as the shortest text without an exponent: 5, 0.1, -2.5, and 0 whatever its sign."""
    text = f"{number:f}" if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(axes: Mapping[str, Sequence[Any]]) -> int:
    """Return how many combinations there are."""
    return prod(len(each) for each in axes.values())


def combinations(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of one value for each name; the last name changes fastest.

    Raises LimitExceeded when there are more than anybody could want.
    """
    if size(axes) > COMBINATIONS_MAX:
        raise LimitExceeded(
            f"the grid has {size(axes):,} combinations, {COMBINATIONS_MAX:,} can be looked at",
            hint="choose longer steps or fewer values",
            details={"combinations": size(axes), "limit": COMBINATIONS_MAX},
        )
    return (dict(zip(axes, each, strict=True)) for each in product(*axes.values()))


def sample(count: int, number: int, seed: int) -> tuple[int, ...]:
    """Return `number` of the indices below `count`, or all, in their order: those whose hash with the seed is least.

    It is the same choice on every machine and with every version of Python, and a larger sample holds the smaller.
    """
    chosen = heapq.nsmallest(number, range(count), key=lambda index: digest(b"%d:%d" % (seed, index)))
    return tuple(sorted(chosen))


def _wrong(name: str, text: str, message: str, hint: str) -> RunConfigInvalid:
    return RunConfigInvalid(f"{message}; got {text[:100]!r}", hint=hint, details={"field": name, "value": text[:100]})
