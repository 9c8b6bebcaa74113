"""The package that `buff strategies new` writes: one honest strategy, its test, and what makes it installable.

An id goes in; the files of a package by their paths come out, and `write` puts them into a new directory, all of them
or none. What is there already is never touched.
"""

import keyword
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from buff.decisions.contract import is_name
from buff.decisions.strategy import known
from buff.errors import RunConfigInvalid, StrategyInvalid
from buff.files import Disk, not_written, remove_tree, write_file

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "The trading strategy {id}, for Buff."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["buff", "numpy>=2.0"]

[project.optional-dependencies]
test = ["pytest>=8"]

# The name is the strategy's id: what `buff run create --strategy` takes.
[project.entry-points."buff.strategies"]
{id} = "{id}:STRATEGY"

[tool.hatch.build.targets.wheel]
packages = ["src/{id}"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
"""

_MODULE = '''\
"""Long while the close is above the middle of its recent range.

Bars and parameters go in, a target and a reason per bar come out. It is a pure
function: no clock, no chance, no file, nothing kept from one call to the next. Every
file of this package is part of the identity of its runs, so that any change makes
other runs.
"""

import numpy as np
from buff import Bars, Decisions, Param, Params, Strategy
from numpy.typing import NDArray

ENTER, LEAVE = 1, 2  # places in the reasons below


def _warmup(params: Params) -> int:
    """Return how many bars come before the first that can be decided on."""
    return int(params["bars"]) - 1


def _middle(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return the middle of the highest high and the lowest low of the last bars.

    It is float64[n]; where there are not enough bars yet it is NaN. The lines of minima
    and maxima are exact, so that a longer history gives the same numbers.
    """
    width = int(params["bars"])
    middle = np.full(len(bars), np.nan)
    if len(bars) >= width:
        windows = np.lib.stride_tricks.sliding_window_view
        highest = windows(bars.high, width).max(axis=1)
        lowest = windows(bars.low, width).min(axis=1)
        middle[width - 1 :] = lowest + (highest - lowest) / 2.0
    return middle


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    """Return what is shown beside a decision when somebody asks for its reason."""
    return {"middle": _middle(bars, params)}


def _decide(bars: Bars, params: Params) -> Decisions:
    """Return the side wanted at each close, and a reason wherever it changes."""
    above = bars.close > _middle(bars, params)  # nothing is above NaN
    target = above.astype(np.int8)
    change = np.diff(target, prepend=np.int8(0))
    reason = np.zeros(len(bars), np.uint8)
    reason[change > 0] = ENTER
    reason[change < 0] = LEAVE
    return Decisions(target=target, reason=reason)


STRATEGY = Strategy(
    id="{id}",
    version="1",
    citation="The base line of Hosoda, Ichimoku Kinko Hyo (1969)",
    rule="Long while the close is above the middle of the range of the last bars.",
    params=(
        Param(
            name="bars",
            kind="int",
            default=26,
            low=2,
            high=500,
            says="bars of the range, the one decided on included",
        ),
    ),
    reasons=("", "above_middle", "below_middle"),
    sides=("long",),
    warmup=_warmup,
    decide=_decide,
    indicators=_indicators,
)
'''

_TEST = '''\
"""The strategy keeps Buff's contract, and does what its rule says."""

import pytest
from buff import testing

from {id} import STRATEGY


@pytest.mark.parametrize("case", testing.cases(STRATEGY), ids=str)
def test_it_keeps_the_contract(case: testing.Case) -> None:
    """No look ahead, the same answer twice, flat in the warm-up, and so on."""
    testing.check_case(STRATEGY, case)


def test_every_process_decides_the_same() -> None:
    """Nothing depends on the order of a set, or on what a process did before."""
    testing.check_processes(STRATEGY)


def test_it_is_long_while_the_close_is_above_the_middle() -> None:
    """Worked by hand: the middles of the last three ranges are 11, 11 and 11.25."""
    bars = testing.bars([10.0, 12.0, 11.5, 10.5, 11.5])
    decisions = testing.decide(STRATEGY, bars, {"bars": 3})
    assert decisions.target.tolist() == [0, 0, 1, 0, 1]
    reasons = [STRATEGY.reasons[code] for code in decisions.reason]
    assert reasons == ["", "", "above_middle", "below_middle", "above_middle"]
'''

_README = """\
# {id}

A trading strategy for Buff: long while the close is above the middle of the range of the last bars.

    pip install -e ".[test]"
    pytest
    buff strategies show {id}
    buff run create --csv candles.csv --symbol BTCUSDT --timeframe 1h --strategy {id} --risk 3

- `src/{id}/__init__.py` holds the rule, its parameters and its reasons. Change it into yours.
- `tests/test_{id}.py` tries it on bars made to break it, and on an example worked by hand.
- `pyproject.toml` registers it under its id in the entry-point group `buff.strategies`.

Buff hashes every file below `src/{id}/` into the id of each run: any change makes other runs.
Results are the same on every machine as long as the rule uses `+ - * /`, `sqrt`, comparisons, minima and maxima;
`np.exp`, `np.log`, `np.mean` and sums of floats may differ in their last bit from one processor to another.
"""
_FILES = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "src/{id}/__init__.py": _MODULE,
    "tests/test_{id}.py": _TEST,
}


def package(id: str) -> dict[str, str]:
    """Return the files of a package that registers a strategy of that id, by their paths with `/`.

    Raises StrategyInvalid when the id is none, is registered already, or is the name of another Python module.
    """
    if not is_name(id):
        raise _refused(id, "it must be of a-z, 0-9 and _, beginning with a letter, at most 64 of them")
    if id in known():
        raise _refused(id, "a strategy of that id is registered")
    if keyword.iskeyword(id) or id in sys.stdlib_module_names or find_spec(id) is not None:
        raise _refused(id, "Python has a word or a module of that name, and the package would be in its way")
    words = {"{id}": id, "{distribution}": id.replace("_", "-").rstrip("-")}
    return {_filled(path, words): _filled(text, words) for path, text in _FILES.items()}


def write(disk: Disk, folder: str, files: Mapping[str, str]) -> None:
    """Write files into a new directory: all of them or none. Raises RunConfigInvalid where something is there.

    Raises StorageError when the disk says no.
    """
    if disk.exists(folder):
        raise RunConfigInvalid(
            f"{folder} is there already, and is not overwritten",
            hint="give another name, or --dir another directory",
            details={"field": "dir"},
        )
    staged = f"{folder}.partial"
    try:
        if disk.exists(staged):
            remove_tree(disk, staged)  # what an attempt before this one left
        made = {""}
        disk.mkdir(staged)
        for path, text in files.items():
            *above, _ = path.split("/")
            for depth in range(1, len(above) + 1):
                if (part := "/".join(above[:depth])) not in made:
                    disk.mkdir(os.path.join(staged, part))
                    made.add(part)
            write_file(disk, os.path.join(staged, *path.split("/")), (text.encode(),))
        disk.rename(staged, folder)
    except OSError as error:
        raise not_written(error, "the package could not be written", hint="give --dir another directory") from error


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


def _refused(id: str, says: str) -> StrategyInvalid:
    return StrategyInvalid(
        f"{id!r} cannot be the id of a new strategy: {says}", hint="choose another name", details={"strategy": id}
    )
