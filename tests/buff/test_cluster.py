"""Runs made by a Dask cluster: two worker processes, of which any are killed; nothing is lost, no byte is another, and
each worker that does not see the root is sent its columns once.
"""

import os
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from buff import recipe as recipes
from buff.audit import verify_all
from buff.crew import Here
from buff.sweeps import create_all
from whole import SETTINGS, files, host, names, opened, request

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its parts have to say when they are imported
    import distributed  # no test of Buff's runs without it

# What a cluster does in its own threads and event loops as it ends is its own business.
pytestmark = [
    pytest.mark.crash,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
RUNS = 40


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        mock.patch.dict(
            os.environ
        ),  # Dask sets what its workers are to inherit, and leaves it there for all that follow
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def processes(client: Any) -> list[int]:
    """Return the process ids of both workers, once those that a test killed have been replaced."""
    deadline = time.monotonic() + 120
    while len(found := client.run(os.getpid, on_error="ignore")) < 2:
        assert time.monotonic() < deadline, "there are no two workers"
        time.sleep(0.1)
    return list(found.values())


def requests(csv: Path) -> list[dict[str, Any]]:
    return [request(csv, params={"fast": 3, "slow": slow}) for slow in range(5, 5 + RUNS)]


def test_a_killed_worker_loses_nothing_and_changes_no_byte(client: Any, tmp_path: Path, minutes: Path) -> None:
    asked = requests(minutes)
    workers = processes(client)
    killed: list[int] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "building" and done and not killed:
            killed.append(workers[0])
            os.kill(killed[0], signal.SIGKILL)

    found = create_all(
        asked,
        root=str(tmp_path / "dask"),
        host=host(),
        settings=SETTINGS,
        executor=client.get_executor(),
        progress=progress,
    )
    assert killed
    assert [outcome.error for outcome in found if outcome.error] == []
    assert len(names(tmp_path / "dask")["runs"]) == RUNS
    create_all(asked, root=str(tmp_path / "here"), host=host(), settings=SETTINGS, executor=Here())
    create_all(asked, root=str(tmp_path / "pool"), host=host(), settings=SETTINGS)
    assert files(tmp_path / "dask") == files(tmp_path / "here") == files(tmp_path / "pool")
    with opened(tmp_path / "dask") as store:
        assert {verdict.outcome for verdict in verify_all(store, stored_bytes_only=True, record=False)} == {"whole"}


def forget() -> None:
    """Have a worker know no columns, where it is: `_KEPT.clear` itself would be sent there with a copy of ours."""
    recipes._KEPT.clear()


def fetched(dask_worker: Any) -> list[int]:
    """Return the sizes of what a worker was sent by another, read where it is."""
    return [transfer["total"] for transfer in dask_worker.transfer_incoming_log]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it needs a path that only this process can follow")
@pytest.mark.parametrize("killed", [0, 2])
def test_workers_that_do_not_see_the_root_are_sent_the_columns_once(
    client: Any, tmp_path: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch, killed: int
) -> None:
    """The root is known by a path that means nothing to others, as that of another machine would.

    All that may be under way at a time is asked for at once, and nobody has the columns. When every worker that was
    sent them is killed, Dask has them brought to the new ones.
    """
    sent: list[str] = []

    def counted(recipe: recipes.Recipe) -> dict[str, bytes]:
        sent.append(recipe.run_id)
        return shipment(recipe)

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "building" and done:
            while workers:
                os.kill(workers.pop(), signal.SIGKILL)

    shipment, recipe_of = recipes.shipment, recipes.Recipe
    root, asked = tmp_path / "hidden", requests(minutes)
    root.mkdir()
    own = os.open(root, os.O_RDONLY)
    monkeypatch.setattr("buff.crew.shipment", counted)
    monkeypatch.setattr(
        "buff.builder.Recipe", lambda **members: recipe_of(**{**members, "root": f"/proc/self/fd/{own}"})
    )
    workers = processes(client)[:killed]
    client.run(forget)
    before = client.run(fetched)
    try:
        found = create_all(
            asked, root=str(root), host=host(), settings=SETTINGS, executor=client.get_executor(), progress=progress
        )
    finally:
        os.close(own)
    assert [outcome.error for outcome in found if outcome.error] == []
    assert len(sent) == 1
    if not killed:
        copies = {name: len(sizes) - len(before[name]) for name, sizes in client.run(fetched).items()}
        assert sorted(copies.values()) in ([0, 0], [0, 1]), "the first has them from us, the other at most once from it"
    monkeypatch.undo()
    create_all(asked, root=str(tmp_path / "plain"), host=host(), settings=SETTINGS, executor=Here())
    assert files(root) == files(tmp_path / "plain")
