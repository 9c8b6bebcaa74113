"""Uploads: whole, durable and named by their bytes, or not there at all."""

import gzip
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff import builds
from buff.builder import create
from buff.deposit import deposit
from buff.errors import (
    BuffError,
    DataInvalid,
    DataSourceNotFound,
    KillSwitchEngaged,
    LimitExceeded,
    RequestInvalid,
    RunConfigInvalid,
    UploadNotFound,
)
from buff.preview import preview
from buff.runs.request import check_file_name
from buff.space import free, plan
from buff.store import Store
from buff.uploads import Arrival, Upload, find
from whole import SETTINGS, events, host, make, opened, request


def upload(store: Store, data: bytes, *, pieces: int = 1 << 20, said: int | None = None) -> Upload:
    """Bring bytes in as a door does."""
    with Arrival(store, size_bytes=said) as arrival:
        for at in range(0, len(data), pieces):
            arrival.take(data[at : at + pieces])
        return arrival.finish()


def files(root: Path) -> list[str]:
    """Return what there is of uploads, whole ones and parts."""
    return sorted(path.name for path in root.rglob("*") if path.suffix == ".part" or path.parent.name == "_uploads")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    (tmp_path / "root").mkdir()
    with opened(tmp_path / "root") as found:
        yield found


def test_a_file_is_kept_by_the_hash_of_its_bytes(store: Store) -> None:
    found = upload(store, b"ts,open\n", pieces=3)
    sha256 = hashlib.sha256(b"ts,open\n").hexdigest()
    assert (found.sha256, found.size_bytes, found.existed) == (sha256, 8, False)
    assert files(Path(store.root)) == [f"{sha256}.csv"]
    assert (Path(store.root) / "_uploads" / f"{sha256}.csv").read_bytes() == b"ts,open\n"
    assert find(store.root, sha256) == found
    assert found.as_dict() == {"upload": sha256, "size_bytes": 8, "received": found.received}


def test_the_same_bytes_twice_are_one_file_that_is_new_again(store: Store) -> None:
    first = upload(store, b"some bytes")
    path = Path(store.root) / "_uploads" / f"{first.sha256}.csv"
    path.write_bytes(b"damaged!!!")
    again = upload(store, b"some bytes")
    assert (again.sha256, again.existed) == (first.sha256, True)
    assert path.read_bytes() == b"some bytes", "what came now is known to be whole"
    assert files(Path(store.root)) == [path.name]


def test_one_that_is_broken_off_leaves_nothing(store: Store) -> None:
    with Arrival(store, size_bytes=100) as arrival:
        arrival.take(b"half of it")
        assert len(files(Path(store.root))) == 1
    assert files(Path(store.root)) == []


def test_an_empty_one_is_refused(store: Store) -> None:
    with pytest.raises(RequestInvalid, match="empty"):
        upload(store, b"")
    assert files(Path(store.root)) == []


@pytest.mark.parametrize("said", [101, None])
def test_one_that_is_too_large_is_refused_by_what_is_said_and_by_what_comes(store: Store, said: int | None) -> None:
    store.settings = evolve(SETTINGS, upload_bytes_max=100)
    with pytest.raises(LimitExceeded) as refused:
        upload(store, b"x" * 101, pieces=10, said=said)
    assert refused.value.details == {"limit": 100, "setting": "BUFF_UPLOAD_BYTES_MAX"}
    assert files(Path(store.root)) == []
    assert upload(store, b"x" * 100, said=100).size_bytes == 100


def test_the_disk_keeps_the_room_it_must_have(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.settings = evolve(SETTINGS, free_bytes_min=1_000)
    left = [1_500, 1_500, 1_400, 1_009]
    monkeypatch.setattr(store.disk, "free_bytes", lambda path: left.pop(0) if len(left) > 1 else left[0])
    with pytest.raises(LimitExceeded, match="are free"):
        upload(store, b"x" * 501, said=501)
    with pytest.raises(LimitExceeded, match="1,009 bytes are free on the disk of the runs root, 1,010 must be"):
        upload(store, b"x" * 30, pieces=10)
    assert files(Path(store.root)) == []


def test_what_a_dead_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    living, dead = opened(root), opened(root)
    with Arrival(living, size_bytes=None) as arrival:
        arrival.take(b"here")
        Arrival(dead, size_bytes=None).take(b"gone")
        assert len(files(root)) == 2
        dead.owner.let_go()  # as its end would
        with opened(root) as next_one:
            next_one.journal()
        assert len(files(root)) == 1
        assert arrival.finish().size_bytes == 4
    living.close()
    assert [name for name in files(root) if name.endswith(".part")] == []


@pytest.mark.parametrize("name", ["", "../etc", "0" * 63, "0" * 65, "G" * 64, "0" * 64, "a/b", "0" * 63 + "\n"])
def test_only_a_hash_names_one(store: Store, name: str) -> None:
    with pytest.raises(UploadNotFound):
        find(store.root, name)


def test_a_link_is_none(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (Path(store.root) / "_uploads").mkdir()
    (Path(store.root) / "_uploads" / f"{'0' * 64}.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(UploadNotFound):
        find(store.root, "0" * 64)


# What a request makes of one


def asked(store: Store, data: bytes, /, **changes: Any) -> dict[str, Any]:
    return request(**{"upload": upload(store, data).sha256, **changes})


def created(store: Store, values: dict[str, Any]) -> Any:
    return create(values, root=store, host=store.host, settings=store.settings)


def test_a_run_of_an_upload_is_the_run_of_the_file(store: Store, minutes: Path, tmp_path: Path) -> None:
    done = created(store, asked(store, minutes.read_bytes(), file_name="my candles.csv"))
    assert done.run.id == make(tmp_path / "other", minutes).run.id
    source = done.run.manifest["data"]["source"]
    assert (source["name"], source["path"]) == ("my candles.csv", None)
    assert source["sha256"] == hashlib.sha256(minutes.read_bytes()).hexdigest()
    assert "_uploads" not in str(done.run.manifest)


def test_without_a_name_it_is_called_by_its_hash(store: Store, minutes: Path) -> None:
    values = asked(store, minutes.read_bytes())
    assert created(store, values).run.manifest["data"]["source"]["name"] == f"{values['upload']}.csv"


def test_a_packed_one_is_unpacked_whatever_its_name_ends_in(store: Store, minutes: Path, tmp_path: Path) -> None:
    plain = created(store, asked(store, minutes.read_bytes()))
    assert created(store, asked(store, gzip.compress(minutes.read_bytes()))).run.id == plain.run.id
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(minutes, "wanted.csv")
        archive.writestr("other.csv", "x")
    packed = upload(store, (tmp_path / "two.zip").read_bytes())
    with pytest.raises(DataSourceNotFound) as refused:
        created(store, request(upload=packed.sha256, file_name="two.zip"))
    assert (refused.value.details, store.root in refused.value.message) == ({"name": "two.zip"}, False)
    assert refused.value.hint == f"write {packed.sha256}::MEMBER; it holds wanted.csv, other.csv"
    named = created(store, request(upload=f"{packed.sha256}::wanted.csv", file_name="two.zip"))
    assert (named.run.id, named.existed) == (plain.run.id, True)


def test_several_are_one_dataset(store: Store, minutes: Path) -> None:
    lines = minutes.read_bytes().splitlines(True)
    parts = [b"".join(lines[:1001]), b"".join([lines[0], *lines[1001:]])]
    ids = [upload(store, part).sha256 for part in parts]
    values = {"upload": ids, "file_name": ["a.csv", "b.csv"], "symbol": "BTCUSDT"}
    done = deposit(values, root=store, host=store.host, settings=store.settings)
    assert [each["name"] for each in done.source["files"]] == ["a.csv", "b.csv"]
    assert done.dataset_id == created(store, asked(store, minutes.read_bytes())).run.inputs["dataset_id"]


def test_a_refusal_names_the_file_as_its_user_does(store: Store, minutes: Path) -> None:
    broken = minutes.read_bytes().replace(b",", b",-", 40)
    with pytest.raises(DataInvalid) as refused:
        created(store, asked(store, broken, file_name="mine.csv"))
    assert store.root not in str(refused.value.as_dict())
    assert events(Path(store.root))[-1].files == ["mine.csv"]


def test_a_damaged_one_is_refused(store: Store, minutes: Path) -> None:
    values = asked(store, minutes.read_bytes(), file_name="mine.csv")
    path = Path(store.root) / "_uploads" / f"{values['upload']}.csv"
    path.write_bytes(minutes.read_bytes()[:-50].rpartition(b"\n")[0] + b"\n")
    with pytest.raises(DataSourceNotFound, match=r"mine\.csv is damaged"):
        created(store, values)
    assert store.state.datasets == {}


def test_a_preview_of_an_upload_writes_nothing(store: Store, minutes: Path) -> None:
    values = asked(store, minutes.read_bytes())
    before = sorted(Path(store.root).rglob("*"))
    told = preview(values, root=store.root, host=store.host, settings=store.settings)
    assert sorted(Path(store.root).rglob("*")) == before
    assert told["run_id"] == created(store, values).run.id


@pytest.mark.parametrize("door", [create, deposit, preview])
def test_one_that_is_not_there_is_not_found(store: Store, door: Any) -> None:
    for root in (store.root, f"{store.root}-none"):
        with pytest.raises(UploadNotFound):
            door(request(upload="0" * 64), root=root, host=host(), settings=SETTINGS)
    assert not Path(f"{store.root}-none").exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"upload": "x"}, "upload"),
        ({"upload": "0" * 64 + "::"}, "upload"),
        ({"upload": f"../{'0' * 64}"}, "upload"),
        ({"upload": 7}, "upload"),
        ({"upload": "0" * 64, "file_name": ["a", "b"]}, "file_name"),
        ({"upload": "0" * 64, "file_name": "../a"}, "file_name"),
        ({"file_name": "a", "csv": ["x"]}, "file_name"),
        ({"upload": "0" * 64, "csv": ["x"]}, "csv"),
        ({"upload": "0" * 64, "dataset": "0" * 64}, "csv"),
    ],
)
def test_a_request_that_says_it_wrong_is_refused(store: Store, values: dict[str, Any], field: str) -> None:
    with pytest.raises(RunConfigInvalid) as refused:
        created(store, request(**values))
    assert refused.value.details["field"] == field


@given(st.text(max_size=300))
def test_a_name_is_one_line_without_a_directory(name: str) -> None:
    """Invariants checked: what is accepted can stand in a line, in a header's text and as the name of a file."""
    try:
        check_file_name(name)
    except RunConfigInvalid:
        return
    assert 0 < len(name) <= 255
    assert not {"/", "\\", "\0", "\n", "\r"} & set(name)
    assert name.splitlines() == [name]
    name.encode()


def test_usual_names_are_accepted() -> None:
    for name in ("BTC-USD.csv", "Kerzen für 2024 (1).csv.gz", "截图.csv", "at 5.00\u202fPM.csv", "..csv", "-rf"):
        assert check_file_name(name) == name


# What frees them


def test_an_upload_goes_after_a_day_and_not_before(store: Store, minutes: Path) -> None:
    values = asked(store, minutes.read_bytes())
    assert [item.kind for item in plan(store, ["uploads"], ours=store.owner.name).items] == []
    later = Store(store.root, host=host(clock=lambda: "2999-01-01T00:00:00.000000Z"), settings=SETTINGS)
    store.close()
    with later:
        assert [item.name for item in free(later, ["uploads"]).items] == [f"{values['upload']}.csv"]
    with opened(Path(store.root)) as again, pytest.raises(BuffError) as refused:
        created(again, values)
    assert refused.value.code == "UPLOAD_NOT_FOUND"


def test_an_upload_stays_until_the_build_that_needs_it_has_ended(store: Store, minutes: Path) -> None:
    values = asked(store, minutes.read_bytes())
    job = builds.request(store, values).job
    later = Store(store.root, host=host(clock=lambda: "2999-01-01T00:00:00.000000Z"), settings=SETTINGS)
    assert free(later, ["uploads"]).items == ()
    builds.cancel(store, job)
    assert [item.name for item in free(later, ["uploads"]).items] == [f"{values['upload']}.csv"]
    later.close()


def test_the_kill_switch_stops_one_before_it_begins_and_while_it_comes(store: Store) -> None:
    switch = Path(store.root) / "_kill_switch"
    with Arrival(store, size_bytes=None) as arrival:
        arrival.take(b"before")
        switch.touch()
        with pytest.raises(KillSwitchEngaged):
            arrival.finish()
    with pytest.raises(KillSwitchEngaged):
        Arrival(store, size_bytes=None)
    assert files(Path(store.root)) == []
    switch.unlink()
    assert upload(store, b"after").size_bytes == 5
