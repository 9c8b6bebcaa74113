"""Many runs at once: an outcome for each request in its order, the same bytes by every executor, nothing half-made."""

import errno
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import buff
from buff import batch
from buff.audit import verify_all
from buff.batch import Outcome
from buff.crew import Here
from buff.errors import KillSwitchEngaged, LimitExceeded, RunExists, RunsRootUnset, StorageFull
from buff.journal.events import RunCommitted
from buff.safety import engage
from buff.sweeps import create_all
from whole import SETTINGS, environment, events, files, host, make, names, opened, request

SLOW = range(5, 17)


def requests(csv: Path, **changes: Any) -> list[dict[str, Any]]:
    return [request(csv, params={"fast": 3, "slow": slow}, **changes) for slow in SLOW]


def created(root: Path, asked: list[dict[str, Any]], executor: Executor | None = None) -> tuple[Outcome, ...]:
    return create_all(asked, root=str(root), host=host(), settings=SETTINGS, executor=executor or Here())


def test_many_requests_become_runs_in_their_order(tmp_path: Path, minutes: Path) -> None:
    found = created(tmp_path / "many", requests(minutes))
    assert [outcome.entry.params["slow"] for outcome in found if outcome.entry] == list(SLOW)
    assert [outcome.request["params"]["slow"] for outcome in found] == list(SLOW)
    assert not any(outcome.existed or outcome.error for outcome in found)
    for asked in requests(minutes):
        make(tmp_path / "one", **{**asked, "csv": [str(minutes)]})
    assert files(tmp_path / "many") == files(tmp_path / "one")
    with opened(tmp_path / "many") as store:
        assert {verdict.outcome for verdict in verify_all(store, record=False)} == {"identical"}
        assert len(store.datasets()) == 1


def test_executors_make_the_same_bytes(tmp_path: Path, minutes: Path) -> None:
    created(tmp_path / "here", requests(minutes))
    with ThreadPoolExecutor(3) as threads:
        created(tmp_path / "threads", requests(minutes), threads)
    create_all(requests(minutes), root=tmp_path / "pool", host=host(), settings=SETTINGS)
    assert files(tmp_path / "here") == files(tmp_path / "threads") == files(tmp_path / "pool")


def test_what_exists_is_not_made_again(tmp_path: Path, minutes: Path) -> None:
    asked = requests(minutes)
    first = created(tmp_path, asked[:5])
    again = created(tmp_path, [*asked, asked[0], asked[7]])
    assert [outcome.existed for outcome in again] == [True] * 5 + [False] * 7 + [True, True]
    assert [outcome.run_id for outcome in again[:5]] == [outcome.run_id for outcome in first]
    assert again[12].run_id == again[0].run_id
    assert len([event for event in events(tmp_path) if isinstance(event, RunCommitted)]) == len(SLOW)


def test_one_request_that_is_wrong_fails_alone(tmp_path: Path, minutes: Path) -> None:
    right = requests(minutes)[:2]
    wrong = [
        {**right[0], "params": {"fast": 9, "slow": 3}},
        {**right[0], "risk_level": 6},
        {**right[0], "csv": [str(tmp_path / "none.csv")]},
        {**right[0], "csv": None, "dataset": "f" * 64},
        {**right[0], "end": "1970-01-02"},
    ]
    found = created(tmp_path / "root", [right[0], *wrong, right[1]])
    codes = [outcome.error.code if outcome.error else "" for outcome in found]
    wanted = ["STRATEGY_INVALID", "RISK_INVALID", "DATA_SOURCE_NOT_FOUND", "DATASET_NOT_FOUND", "RUN_CONFIG_INVALID"]
    assert codes == ["", *wanted, ""]
    assert [outcome.ok for outcome in found] == [True, *[False] * 5, True]
    assert len(names(tmp_path / "root")["runs"]) == 2


def test_an_id_that_is_taken_by_other_inputs_fails_alone(tmp_path: Path, minutes: Path) -> None:
    one, other = requests(minutes)[:2]
    found = created(tmp_path, [{**one, "run_id": "mine"}, {**other, "run_id": "mine"}, other])
    assert [outcome.ok for outcome in found] == [True, False, True]
    assert isinstance(found[1].error, RunExists)
    assert [type(outcome.error) for outcome in created(tmp_path, [{**other, "run_id": "mine"}])] == [RunExists]


def test_many_runs_share_one_lock_hold_and_one_batch(tmp_path: Path, minutes: Path) -> None:
    created(tmp_path, requests(minutes))
    lines = (tmp_path / "_journal" / f"{1:020d}.jsonl").read_text().splitlines()
    batches = {line.split('"b":')[1].split("]")[0] for line in lines if '"type":"run_committed.v2"' in line}
    assert len(batches) < len(SLOW)


class Interrupting(Here):
    """An executor during whose work somebody presses Ctrl-C."""

    def __init__(self, after: int) -> None:
        self.left = after

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize("after", [0, 1, 5, 11])
def test_an_interruption_leaves_what_was_committed_and_nothing_half_made(
    tmp_path: Path, minutes: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "TOGETHER", 2)
    with pytest.raises(KeyboardInterrupt):
        created(tmp_path, requests(minutes), Interrupting(after))
    with opened(tmp_path) as store:
        assert sorted(store.state.runs) == names(tmp_path).get("runs", [])
        assert len(store.state.runs) <= after
    assert names(tmp_path)["_staging"] == []
    found = created(tmp_path, requests(minutes))
    assert all(outcome.ok for outcome in found)
    assert names(tmp_path).get("_orphans", []) == []


def test_the_kill_switch_stops_what_is_left(tmp_path: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "TOGETHER", 1)
    monkeypatch.setattr("buff.safety.ASKED_SECONDS", 0.0)
    with opened(tmp_path) as other:
        other.journal()

        def progress(stage: str, done: int, total: int) -> None:
            if stage == "building" and done >= 3 and not other.state.switch:
                engage(other, "a test")

        with pytest.raises(KillSwitchEngaged):
            create_all(
                requests(minutes),
                root=str(tmp_path),
                host=host(),
                settings=SETTINGS,
                executor=Here(),
                progress=progress,
            )
    assert 3 <= len(names(tmp_path)["runs"]) < len(SLOW)
    with pytest.raises(KillSwitchEngaged):
        created(tmp_path, requests(minutes))


def test_a_disk_that_becomes_full_keeps_what_was_committed_and_says_so(
    tmp_path: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "TOGETHER", 1)

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "building" and done >= 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFull) as full:
        create_all(
            requests(minutes), root=str(tmp_path), host=host(), settings=SETTINGS, executor=Here(), progress=progress
        )
    assert "nothing was committed" not in full.value.hint
    assert "what was committed stays" in full.value.hint
    there = len(names(tmp_path)["runs"])
    assert 3 <= there < len(SLOW)
    assert sum(outcome.existed for outcome in created(tmp_path, requests(minutes))) == there


def test_a_disk_that_is_nearly_full_stops_all(tmp_path: Path, minutes: Path) -> None:
    settings = evolve(SETTINGS, free_bytes_min=1 << 60)
    with pytest.raises(LimitExceeded):
        create_all(requests(minutes), root=str(tmp_path), host=host(), settings=settings)


def test_many_take_one_place(tmp_path: Path, minutes: Path) -> None:
    settings = evolve(SETTINGS, builds_max=1)
    assert all(o.ok for o in create_all(requests(minutes), root=str(tmp_path), host=host(), settings=settings))


def test_no_requests_are_no_runs(tmp_path: Path) -> None:
    assert created(tmp_path, []) == ()


def test_the_python_api_takes_any_iterable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFF_FREE_BYTES_MIN", "0")
    dataset = buff.open(root).datasets()[0].dataset_id
    asked = ({"dataset": dataset, "timeframe": "1h", "strategy": "hold", "risk_level": level} for level in (1, 2, 3))
    found = buff.create_runs(asked, runs_root=root)
    assert [outcome.entry.risk_level for outcome in found if outcome.entry] == [1, 2, 3]
    asked = [{"dataset": dataset, "timeframe": "1h", "strategy": "hold", "risk_level": 1}]
    walked = buff.create_runs(asked, runs_root=root, walk={"train": "24h", "test": "12h"})
    starts = [outcome.request["start"][5:13] for outcome in walked]
    assert starts == ["01-01T00", "01-02T00", "01-01T12", "01-02T12"]
    monkeypatch.delenv("RUNS_ROOT", raising=False)
    with pytest.raises(RunsRootUnset):
        buff.create_runs([])


def test_a_script_without_a_guard_makes_nothing_twice_and_says_what_it_lacks(tmp_path: Path, minutes: Path) -> None:
    """Each process of ours imports the script that asked, which asks again there."""
    script, asked = tmp_path / "script.py", requests(minutes)
    script.write_text(f"import buff\nprint('made', len(buff.create_runs({asked!r}, runs_root={str(tmp_path)!r})))\n")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment(BUFF_FREE_BYTES_MIN="0", BUFF_BUILDS_MAX="2"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "", "not one of them came to the end"
    assert done.stderr.rstrip().splitlines()[-1].startswith("buff.errors.BuildLost: no process that")
    assert names(tmp_path).get("runs", []) == []
    assert "this script makes runs again in each of the processes" in done.stderr
