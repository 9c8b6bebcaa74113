"""What is said of a disk and a root: only what is so, with figures."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from buff.builder import create
from buff.cold import change, figures
from buff.diagnosis import NAMES_OF_RUN, SYNCS_OF_RUN, Load, _span, advice, expectations, load, outlook
from buff.probe import Medium, Speed, Spread
from buff.space import tree_bytes
from buff.store import Store
from watched_disk import WatchedDisk
from whole import SETTINGS, host, make, opened, request

MEDIUM = Medium(
    kind="ext4",
    options="rw",
    rotational=False,
    volatile_cache=True,
    free_bytes=1 << 40,
    total_bytes=1 << 41,
    free_names=None,
)
SPEED = Speed(
    sync=Spread(median=500, worst=900, count=20),
    create=Spread(median=1_000, worst=2_000, count=20),
    write=10**9,
    read=10**9,
    sample_bytes=1 << 25,
    hash=10**9,
)
LOAD = Load(
    opening_seconds=0.002,
    runs=10,
    bars=10**6,
    rows=10**7,
    run_bytes=2 * 10**9,
    archived_bytes=0,
    plain_bytes=0,
    compressible_bytes=0,
    dataset_bytes=10**9,
)


def advised(medium: Medium = MEDIUM, speed: Speed | None = SPEED, found: Load = LOAD, busy: float = 0.0) -> list[str]:
    return list(advice(medium, speed, found, busy=busy))


def test_nothing_is_advised_where_all_is_well() -> None:
    assert advised() == []


def test_what_to_expect_is_said_with_figures() -> None:
    ahead = outlook(SPEED, LOAD)
    assert (ahead.runs_per_second, ahead.events_per_second) == (1 / (500e-6 * SYNCS_OF_RUN), 2_000)
    assert ahead.stored_seconds == pytest.approx(6.0)
    assert ahead.verify_seconds == pytest.approx(6.0 + 0.9 + 0.9)
    said = list(expectations(MEDIUM, SPEED, LOAD))
    assert said[0] == (
        "a synced write takes 500 µs, at worst 900 µs of 20: the syncs allow about 100 runs a second one by one, "
        "or 2,000 events"
    )
    assert "opening this root took 2.0 ms; comparing the stored bytes of its 10 runs takes about 6.0 s" in said[1]
    assert "cannot be measured" in said[-1]
    assert any("too little room" in says for says in expectations(MEDIUM, evolve(SPEED, read=None, write=None), LOAD))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "nfs4"}, "nfs4 is a network file system"),
        ({"kind": "overlay"}, "may vanish with the container"),
        ({"kind": "tmpfs"}, "lives in memory"),
        ({"options": "rw,nobarrier"}, "ignores syncs"),
        ({"free_names": 1_500}, "room for 1,500 more names"),
        ({"free_bytes": 10**9}, "room for about 5 more runs"),
    ],
)
def test_a_doubtful_medium_is_named(changes: dict[str, Any], says: str) -> None:
    (line,) = advised(evolve(MEDIUM, **changes))
    assert says in line


@pytest.mark.parametrize(
    ("median", "worst", "turns", "says"),
    [
        (10, 15, False, "may say it is done before it is"),
        (10, 15, True, "may say it is done before it is"),
        (500, 900, True, "on a disk that turns"),
        (8_000, 9_000, True, "a root on a local SSD commits many times faster"),
        (900, 200_000, False, "one synced write took 200 ms"),
    ],
)
def test_a_doubtful_speed_is_named(median: int, worst: int, turns: bool, says: str) -> None:
    speed = evolve(SPEED, sync=Spread(median=median, worst=worst, count=20))
    (line,) = advised(evolve(MEDIUM, rotational=turns), speed)
    assert says in line
    assert not any(says in other for other in advised(evolve(MEDIUM, kind="tmpfs", rotational=turns), speed))


def test_a_busy_machine_is_named() -> None:
    (line,) = advised(busy=3.0)
    assert line.startswith("3.0 processes wanted each core of late")
    assert advised(speed=None, busy=3.0) == []


def test_what_would_free_much_is_named_and_what_would_free_little_is_not() -> None:
    much = evolve(LOAD, plain_bytes=3 << 30, compressible_bytes=2 << 30, archived_bytes=5 << 30)
    compress, collect = advised(found=much)
    assert "`buff store compress --apply --older-than 30d` frees up to about 2,147,483,648" in compress
    assert "`buff store gc --apply --archived-runs`" in collect
    little = evolve(LOAD, compressible_bytes=100 << 20, run_bytes=10**5)
    assert advised(found=little) == []
    assert "buff store compress" in advised(evolve(MEDIUM, free_bytes=500 << 20), found=little)[0]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 µs"),
        (5e-6, "5 µs"),
        (1.5e-3, "1.5 ms"),
        (0.2, "200 ms"),
        (3.0, "3.0 s"),
        (90.0, "1.5 min"),
        (7_200.0, "2.0 h"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert _span(seconds) == said


def test_a_small_root_is_counted_to_the_byte(root: Path, minutes: Path) -> None:
    make(root, minutes, timeframe="1m")
    store = opened(root)
    found = load(store, clock=host().monotonic)
    sizes = [tree_bytes(str(root / row.run_id)) for row in store.state.runs.rows()]
    assert (found.runs, found.run_bytes) == (2, sum(sizes))
    assert found.bars == sum(row.bars for row in store.state.runs.rows())
    assert found.rows == 2 * 2_880
    assert found.dataset_bytes == sum(tree_bytes(str(root / "_datasets" / name)) for name in store.state.datasets)
    assert found.plain_bytes == figures(store).plain_bytes
    with opened(root) as other:
        done = change(other)
    freed = done.before_bytes - done.after_bytes
    assert found.compressible_bytes == pytest.approx(freed, rel=0.1)
    again = load(opened(root), clock=host().monotonic)
    assert (again.plain_bytes, again.compressible_bytes) == (0, 0)


def test_an_empty_root_has_no_load(tmp_path: Path) -> None:
    found = load(opened(tmp_path), clock=lambda: 0.0)
    assert set(found.as_dict().values()) == {0}
    assert advised(found=found) == []
    assert len(list(expectations(MEDIUM, SPEED, found))) == 3


def test_a_large_root_is_looked_at_in_samples(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff.diagnosis.SAMPLES", 2)
    (known,) = (path for path in root.iterdir() if path.name.startswith("run_"))
    with opened(root) as store:
        dataset = store.datasets()[0].dataset_id
        for slow in range(9, 14):
            given = request(None, dataset=dataset, params={"fast": 3, "slow": slow})
            create(given, root=store, host=store.host, settings=store.settings)
    found = load(opened(root), clock=host().monotonic)
    assert found.runs == 6
    assert found.run_bytes == pytest.approx(6 * tree_bytes(str(known)), rel=0.1)


def test_a_run_takes_as_many_syncs_and_names_as_is_said(root: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with Store(
        str(root), host=host(), settings=SETTINGS, disk=WatchedDisk(str(root), lambda k, _: told.append(k))
    ) as store:
        given = request(None, dataset=store.datasets()[0].dataset_id, params={"fast": 4, "slow": 9})
        store.owner  # noqa: B018 - what the process does once
        told.clear()
        run = create(given, root=store, host=store.host, settings=store.settings).run
        syncs = [kind for kind in told if kind.startswith("sync")]
    assert len(syncs) == SYNCS_OF_RUN
    assert 1 + len(list(Path(run.directory).rglob("*"))) == NAMES_OF_RUN
