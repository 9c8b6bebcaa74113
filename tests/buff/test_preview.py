"""A preview says what creating would come to, and writes nothing under the root."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bad_inputs import DATA, REQUESTS, Bad
from buff.errors import BuffError
from buff.preview import preview
from whole import SETTINGS, host, make, names, opened, request


def previewed(root: Path, values: dict[str, Any]) -> dict[str, Any]:
    return preview(values, root=str(root), host=host(), settings=SETTINGS)


def everything(root: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in root.rglob("*")}


def test_a_preview_says_what_creating_then_makes(tmp_path: Path, minutes: Path) -> None:
    root = tmp_path / "root"
    said = previewed(root, request(minutes))
    assert not root.exists()
    made = make(root, minutes).run
    assert (said["run_id"], said["inputs_hash"]) == (made.id, made.manifest["inputs_hash"])
    assert said["inputs"] == made.inputs
    assert (said["exists"], said["same_inputs"], said["bars"]) == (False, False, 48)


def test_a_preview_estimates_the_disk_a_run_takes(tmp_path: Path, minutes: Path) -> None:
    said = previewed(tmp_path / "root", request(minutes, timeframe="1m", params={"fast": 10, "slow": 20}))
    make(tmp_path / "root", minutes, timeframe="1m", params={"fast": 10, "slow": 20})
    size = sum(path.stat().st_size for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert 0.7 * size < said["bytes"] < 1.5 * size


def test_a_run_that_is_there_takes_nothing(root: Path, minutes: Path) -> None:
    said = previewed(root, request(minutes))
    assert (said["exists"], said["same_inputs"], said["bytes"]) == (True, True, 0)
    taken = previewed(root, request(minutes, run_id=names(root)["runs"][0], risk_level=5))
    assert (taken["exists"], taken["same_inputs"]) == (True, False)


def test_a_preview_of_a_stored_dataset_needs_no_file(root: Path) -> None:
    dataset = opened(root).datasets()[0].dataset_id
    said = previewed(root, request(dataset=dataset, symbol=None, risk_level=5))
    assert (said["inputs"]["symbol"], said["exists"]) == ("BTCUSDT", False)


def test_a_preview_writes_nothing_under_the_root(root: Path, minutes: Path) -> None:
    before = everything(root)
    previewed(root, request(minutes, risk_level=5))
    assert everything(root) == before


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.name) for bad in (*DATA, *REQUESTS)])
def test_a_preview_refuses_what_creating_refuses_and_tells_nobody(
    bad: Bad, root: Path, tmp_path: Path, minutes: Path
) -> None:
    path = minutes
    if bad.content is not None:
        path = tmp_path / "bad.csv"
        content: Callable[[Path], object] = bad.content
        content(path)
    before = everything(root)
    with pytest.raises(BuffError) as caught:
        previewed(root, request(path, **bad.changes))
    assert caught.value.code == bad.code
    assert everything(root) == before
