"""Plans: proven by their hash, and which runs each of them names."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.canonical import digest, document
from buff.errors import RunDamaged, StorageUnreadable
from buff.files import RealDisk
from buff.plans import FOLDER, Plans, plan_path, read_plan


def inputs(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def plan_of(numbers: list[int]) -> bytes:
    refused = {"request": {"inputs_hash": inputs(-1)}, "error": {}}
    return document({"runs": [refused, *({"run_id": "run_1", "inputs_hash": inputs(each)} for each in numbers)]})


def written(root: Path, plan: bytes) -> str:
    (root / FOLDER).mkdir(exist_ok=True)
    Path(plan_path(str(root), digest(plan))).write_bytes(plan)
    return digest(plan)


def test_a_plan_names_the_runs_of_its_requests(tmp_path: Path) -> None:
    sha256 = written(tmp_path, plan_of([1, 2, 2]))
    plans = Plans(RealDisk(), str(tmp_path))
    assert plans.having("swp_1", sha256, [inputs(2), inputs(3), inputs(-1), inputs(1)]) == [True, False, False, True]
    assert plans.having("swp_1", sha256, []) == []
    Path(plan_path(str(tmp_path), sha256)).unlink()
    assert plans.having("swp_1", sha256, [inputs(1)]) == [True], "it was read once"


def test_a_plan_that_is_gone_or_changed_is_none_until_it_is_back(tmp_path: Path) -> None:
    plan = plan_of([1])
    sha256, plans = written(tmp_path, plan), Plans(RealDisk(), str(tmp_path))
    path = Path(plan_path(str(tmp_path), sha256))
    for change, error in ((lambda: path.write_bytes(plan + b" "), RunDamaged), (path.unlink, StorageUnreadable)):
        change()
        assert plans.having("swp_1", sha256, [inputs(1)]) is None
        with pytest.raises(error):
            read_plan(RealDisk(), str(tmp_path), "swp_1", sha256)
    path.write_bytes(plan)
    assert plans.having("swp_1", sha256, [inputs(1)]) == [True]


@given(st.lists(st.integers(0, 30), max_size=20), st.lists(st.integers(0, 30), max_size=20))
def test_what_is_named_is_what_stands_there(
    tmp_path_factory: pytest.TempPathFactory, there: list[int], asked: list[int]
) -> None:
    root = tmp_path_factory.mktemp("plans")
    found = Plans(RealDisk(), str(root)).having(
        "swp_1", written(root, plan_of(there)), [inputs(each) for each in asked]
    )
    assert found == [each in there for each in asked]
