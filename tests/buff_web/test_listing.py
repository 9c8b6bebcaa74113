"""The list: damage is seen at once and looked for cheaply, and legacy runs stand behind the others."""

import os
from pathlib import Path
from typing import Any

import pytest

from buff_web.listing import Listing
from old_runs import every_layout
from whole import opened


def listing(root: Path, artifacts_root: Path | None = None) -> Listing:
    return Listing(opened(root), None if artifacts_root is None else str(artifacts_root))


def states(found: Listing, **filters: Any) -> dict[str, str]:
    return {row.entry.run_id: row.state for row in found.rows(found.page(filters))}


def test_a_manifest_is_read_once_and_again_when_its_file_changes(
    several: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = listing(several)
    read: list[str] = []
    known = found._read
    monkeypatch.setattr(found, "_read", lambda entry: (read.append(entry.run_id), known(entry))[1])
    assert set(states(found).values()) == {"committed"}
    assert len(read) == 3
    states(found)
    assert len(read) == 3
    run_id = read[0]
    manifest = several / run_id / "manifest.json"
    data = manifest.read_bytes()
    manifest.parent.chmod(0o755)
    manifest.chmod(0o644)
    manifest.write_bytes(data[:-2] + b" \n")  # the same size
    assert states(found)[run_id] == "damaged"
    manifest.write_bytes(data)
    os.utime(manifest, (0, 0))
    assert states(found)[run_id] == "committed"
    manifest.unlink()
    assert states(found)[run_id] == "damaged"
    assert len(read) == 6
    (row,) = [row for row in found.rows(found.page({})) if row.entry.run_id == run_id]
    assert (row.fault and row.fault.code, row.document["code"]) == ("RUN_DAMAGED", "RUN_DAMAGED")


def test_only_some_are_remembered(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff_web.listing.KEPT", 2)
    found = listing(several)
    states(found)
    assert len(found._looked) == 2


def test_legacy_runs_stand_behind_the_others(several: Path, tmp_path: Path) -> None:
    every_layout(tmp_path / "old")
    found = listing(several, tmp_path / "old")
    page = found.page({})
    known = [entry.run_id for entry in found.legacy()]
    assert len(known) > 2
    assert [row.state for row in found.rows(page)] == ["committed"] * 3 + ["legacy"] * len(known)
    assert page.total == 3 + len(known)
    assert set(states(found, state="legacy")) == set(known)
    assert set(states(found, state="committed").values()) == {"committed"}
    assert states(found, text=known[0].rpartition("/")[2]) != {}


def test_legacy_runs_are_read_again_when_they_change(several: Path, tmp_path: Path) -> None:
    every_layout(tmp_path / "old")
    found = listing(several, tmp_path / "old")
    first = found.legacy()
    assert found.legacy() is first
    run = next(entry.run_id for entry in first if "/" not in entry.run_id)
    (tmp_path / "old" / run / "trades.jsonl").write_text('{"side": "long"}\n')
    again = found.legacy()
    assert again is not first
    assert len(again) == len(first)


@pytest.mark.parametrize("place", [None, "nothing/there"])
def test_without_a_directory_there_are_no_legacy_runs(several: Path, tmp_path: Path, place: str | None) -> None:
    found = listing(several, None if place is None else tmp_path / place)
    assert (found.legacy(), found.legacy_run("phase1_demo")) == ((), None)
    assert found.page({}).total == 3
