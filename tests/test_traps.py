"""What no file on the way to an artifact may do (spec: contract, Determinism), found in the syntax trees.

A reduction of floats cannot be told from one of integers by its text alone, so every place that reduces is listed here
with its reason; a new one fails until somebody has thought about it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "buff"
FILES = sorted(
    path.relative_to(SOURCE).as_posix()
    for folder in ("decisions", "market", "runs", "registry")
    for path in (SOURCE / folder).rglob("*.py")
)

# Called as a method or a function of numpy: their order of additions, or their last bit, is numpy's own affair.
FORBIDDEN = frozenset(
    ("mean", "std", "var", "average", "median", "percentile", "quantile", "nansum", "nanmean", "nanstd", "nanvar",
     "nanmedian", "cov", "corrcoef", "einsum", "dot", "vdot", "inner", "outer", "matmul", "tensordot", "convolve",
     "correlate", "trapezoid", "log", "log2", "log10", "log1p", "exp", "exp2", "expm1", "power",
     "float_power", "sin", "cos", "tan", "tanh", "cbrt", "logaddexp", "polyfit", "interp")
)  # fmt: skip
# Powers and logarithms of a few numbers, in `decimal`, which rounds correctly everywhere; it never sees numpy.
DECIMALS = "decisions/decimals.py"
REDUCTIONS = frozenset({"sum", "prod", "reduce", "reduceat"})
# file -> how many reductions stand in it, and why each is exact.
ALLOWED = {
    "decisions/metrics.py": (2, "least depths (a minimum has no order); bars held, int64"),
    "decisions/timeline.py": (1, "missing bars, int64"),
    "decisions/trades.py": (1, "closed trades, booleans"),
    "decisions/walk.py": (1, "extremes of closes (minimum or maximum)"),
    "market/ingest.py": (1, "missing bars, int64"),
    "market/plain.py": (2, "what divides steps, int64 (gcd)"),
    "market/quality.py": (2, "missing, repeated and filled bars, int64"),
    "market/resample.py": (2, "highs and lows (maximum, minimum)"),
    "market/volume.py": (2, "whole windows, booleans; volumes in int64 units of 10^-k"),
    "runs/drawing.py": (1, "bars held, int64"),
}
# Sums and products that run in index order are allowed; a difference of two of floats is not, so each is listed too.
RUNNING = frozenset({"cumsum", "cumprod"})
ALLOWED_RUNNING = {
    "decisions/indicators.py": (3, "floats of one block, never subtracted (two); int64 units of 10^-k"),
    "decisions/records.py": (2, "sizes of blocks, int64; booleans"),
    "decisions/signals.py": (1, "positions begun less those ended, int8"),
    "market/ingest.py": (1, "missing bars, int64"),
    "runs/compression.py": (1, "lengths of members, int64"),
}
MODULES = frozenset({"random", "secrets", "time", "threading", "asyncio", "multiprocessing", "locale"})


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield the last name of whatever is called, and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node


def tree_of(name: str) -> ast.Module:
    return ast.parse((SOURCE / name).read_text(encoding="utf-8"))


def test_the_files_are_found() -> None:
    assert "decisions/engine.py" in FILES
    assert len(FILES) > 20


@pytest.mark.parametrize("name", [name for name in FILES if name != DECIMALS])
def test_no_file_reduces_floats_in_an_order_of_numpys_own(name: str) -> None:
    assert [f"line {call.lineno}: {attr}" for attr, call in calls(tree_of(name)) if attr in FORBIDDEN] == []


def test_powers_are_those_of_decimal() -> None:
    imported = [node for node in ast.walk(tree_of(DECIMALS)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imported for alias in node.names}
    assert "numpy" not in names | {getattr(node, "module", "") for node in imported}


@pytest.mark.parametrize("name", FILES)
def test_every_reduction_is_known_and_exact(name: str) -> None:
    found = [call.lineno for attr, call in calls(tree_of(name)) if attr in REDUCTIONS]
    assert len(found) == ALLOWED.get(name, (0, ""))[0], f"{name}: lines {found}"


@pytest.mark.parametrize("name", FILES)
def test_every_running_sum_is_known(name: str) -> None:
    found = [call.lineno for attr, call in calls(tree_of(name)) if attr in RUNNING]
    assert len(found) == ALLOWED_RUNNING.get(name, (0, ""))[0], f"{name}: lines {found}"


@pytest.mark.parametrize("name", FILES)
def test_no_matrix_product_and_no_set_is_walked_in_its_own_order(name: str) -> None:
    for node in ast.walk(tree_of(name)):
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)), node.lineno
        if isinstance(node, ast.For | ast.comprehension):
            walked = node.iter
            assert not isinstance(walked, ast.Set | ast.SetComp), walked.lineno
            named = isinstance(walked, ast.Call) and isinstance(walked.func, ast.Name)
            assert not (named and walked.func.id in ("set", "frozenset")), walked.lineno  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FILES)
def test_no_chance_no_clock_and_no_threads(name: str) -> None:
    for node in ast.walk(tree_of(name)):
        modules = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        assert not {module.partition(".")[0] for module in modules} & MODULES, node.lineno  # type: ignore[attr-defined]


def test_lists_of_exceptions_hold_nothing_that_is_gone() -> None:
    assert set(ALLOWED) | set(ALLOWED_RUNNING) <= set(FILES)
