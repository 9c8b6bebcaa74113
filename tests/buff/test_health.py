"""Health is tried, not assumed: each way in which a root can fail shows in its check, with the code of the error."""

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from buff import health
from buff.errors import CODES, JournalLockTimeout
from buff.files import RealDisk
from buff.health import LOOKS, OK, Health
from buff.store import Store
from whole import SETTINGS, host, opened

NAMES = ["root", "journal", "projection", "worker", "disk", "kill_switch"]
PATIENCE_SECONDS = 20


class _Full(RealDisk):
    """A disk without room."""

    def write(self, handle: int, data: bytes | memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def _failed(store: Store) -> dict[str, str]:
    """Return the codes of the checks that failed."""
    return {check.name: check.code for check in Health(store).checks() if not check.ok}


def test_a_sound_root_passes_every_check_and_keeps_nothing_of_it(root: Path) -> None:
    before = sorted(root.rglob("*"))
    checks = Health(opened(root)).checks()
    assert [check.name for check in checks] == NAMES == [each.name for each in LOOKS]
    assert {(check.ok, check.code) for check in checks} == {(True, OK)}
    assert all(check.message and check.time.endswith("Z") for check in checks)
    assert sorted(root.rglob("*")) == before
    assert checks[0].as_dict()["name"] == "root"


def test_an_empty_root_is_sound(tmp_path: Path) -> None:
    assert _failed(opened(tmp_path)) == {}


def test_a_full_disk(root: Path) -> None:
    before = sorted(root.rglob("*"))
    assert _failed(Store(str(root), host=host(), settings=SETTINGS, disk=_Full())) == {"root": "STORAGE_FULL"}
    assert sorted(root.rglob("*")) == before


def test_a_damaged_journal_is_nowhere_believed(root: Path) -> None:
    segment = next((root / "_journal").glob("0*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b'"run_committed.', b'"run_cOmmitted.'))
    assert _failed(opened(root)) == dict.fromkeys(("journal", "projection", "kill_switch"), "JOURNAL_CORRUPT")


def test_damage_that_comes_while_the_root_is_open_is_seen_too(root: Path) -> None:
    with opened(root) as store:
        run_id = store.runs().items[0].run_id
        store.archive(run_id)
        looking = Health(opened(root))
        assert all(check.ok for check in looking.checks())
        store.restore(run_id)
        segment = next((root / "_journal").glob("0*.jsonl"))
        segment.write_bytes(segment.read_bytes().replace(b'"run_restored"', b'"run_rEstored"'))
        time.sleep(health.KEPT_SECONDS)
        assert {check.name for check in looking.checks() if not check.ok} == {"journal", "projection", "kill_switch"}


def test_a_missing_head_is_told_and_no_failure(root: Path) -> None:
    (root / "_journal" / "HEAD").unlink()
    checks = {check.name: check for check in Health(opened(root)).checks()}
    assert checks["journal"].ok
    assert "HEAD is missing" in checks["journal"].message


def test_too_little_room(root: Path) -> None:
    store = Store(str(root), host=host(), settings=evolve(SETTINGS, free_bytes_min=1 << 60))
    assert _failed(store) == {"disk": "LIMIT_EXCEEDED"}


def test_a_kill_switch(root: Path) -> None:
    (root / "_kill_switch").touch()
    assert _failed(opened(root)) == {"kill_switch": "KILL_SWITCH_ENGAGED"}


def test_a_worker_that_cannot_begin(root: Path) -> None:
    """A Python that does not find its own library ends at once."""
    assert _failed(opened(root, environment={"PYTHONHOME": "/nowhere"})) == {"worker": "BUILD_LOST"}


def test_a_worker_that_does_not_get_ready_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SPAWN_SECONDS", 0.2)
    monkeypatch.setattr(health, "_PROOF", "import time; time.sleep(600)")
    began = time.monotonic()
    assert _failed(opened(root)) == {"worker": "BUILD_LOST"}
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_builds_that_nobody_can_look_after(root: Path) -> None:
    looking = Health(opened(root), builds=lambda: JournalLockTimeout("somebody holds it"))
    assert {check.name: check.code for check in looking.checks() if not check.ok} == {"builds": "JOURNAL_LOCK_TIMEOUT"}
    assert Health(opened(root), builds=lambda: None).checks()[-1].name == "builds"


def test_a_system_that_starts_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert _failed(opened(root)) == {"worker": "BUILD_LOST"}


def test_every_failure_says_what_to_do_in_a_code_of_the_table(root: Path) -> None:
    (root / "_kill_switch").touch()
    failed = [check for check in Health(opened(root)).checks() if not check.ok]
    assert {check.code for check in failed} <= set(CODES)
    assert "buff kill-switch off" in failed[0].message


# How often ---------------------------------------------------------------------------------------------------------


def _counted(monkeypatch: pytest.MonkeyPatch, look: Callable[[Store], str]) -> None:
    monkeypatch.setattr(health, "LOOKS", (health._Look(name="root", look=look),))


def test_what_was_just_looked_at_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [100.0], []
    _counted(monkeypatch, lambda _: looked.append(now[0]) or "fine")  # type: ignore[func-returns-value]
    looking = Health(opened(tmp_path, monotonic=lambda: now[0]))
    for at in (100.0, 100.5, 100.9, 101.1, 101.2, 102.2):
        now[0] = at
        looking.checks()
    assert looked == [100.0, 101.1, 102.2]


def test_who_asks_while_another_looks_is_not_kept_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that hangs, as on a disk that does not answer, holds one thread, not all of the server's."""
    go, hanging, calls = threading.Event(), threading.Event(), []

    def look(_: Any) -> str:
        calls.append(1)
        if len(calls) > 1:
            hanging.set()
            go.wait(PATIENCE_SECONDS)
        return f"look {len(calls)}"

    _counted(monkeypatch, look)
    now = [0.0]
    looking = Health(opened(tmp_path, monotonic=lambda: now[0]))
    assert looking.checks()[0].message == "look 1"
    now[0] = 10.0
    slow = threading.Thread(target=looking.checks)
    slow.start()
    assert hanging.wait(PATIENCE_SECONDS)
    assert looking.checks()[0].message == "look 1"
    go.set()
    slow.join(PATIENCE_SECONDS)
    assert looking.checks()[0].message == "look 2"
