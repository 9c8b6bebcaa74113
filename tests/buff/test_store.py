"""One open root: the order of a commit, what a taken name means, and an index that is never trusted."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.builder import create
from buff.errors import BuffError, LimitExceeded, RunDamaged, RunNotFound
from buff.files import RealDisk
from buff.journal.events import (
    Event,
    OrphanQuarantined,
    RunAnnotated,
    RunArchived,
    RunCommitted,
    RunReclaimed,
    RunRejected,
    RunRestored,
)
from buff.journal.reader import read
from buff.registry import queries
from buff.registry.index import index_bytes
from buff.registry.queries import Query
from buff.registry.rows import Row
from buff.runs.manifest import content_sha256, manifest_bytes, manifest_sha256
from buff.store import Store
from histories import committed
from watched_disk import WatchedDisk
from whole import SETTINGS, arguments, events, host, make, names, opened, process, request

# The order of a commit (spec/store.md, section 12)


def watched(root: Path, values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return all changes on disk of creating a run, in order, the owner's name shortened."""
    trace: list[tuple[str, str]] = []
    disk = WatchedDisk(str(root), lambda what, path: trace.append((what, path)))
    with Store(str(root), host=host(), settings=SETTINGS, disk=disk) as store:
        owner = os.path.basename(store.owner.directory)
        create(values, root=store, host=store.host, settings=store.settings)
    return [(what, path.replace(owner, "ours")) for what, path in trace]


def test_a_commit_follows_the_order_of_the_specification(root: Path, minutes: Path) -> None:
    trace = watched(root, request(minutes, run_id="mine"))
    segment = "_journal/00000000000000000001.jsonl"
    renamed = trace.index(("rename", "_staging/ours/mine -> mine"))
    event = trace.index(("write", segment), renamed)
    order = [
        ("sync", "_staging/ours/mine/manifest.json"),
        ("sync_directory", "_staging/ours/mine/columns"),
        ("sync_directory", "_staging/ours/mine"),
        ("sync", "_staging/ours/mine.intent"),
        ("sync_directory", "_staging/ours"),
        ("rename", "_staging/ours/mine -> mine"),
        ("sync_directory", "."),
        ("write", segment),
        ("sync", segment),
        ("write_at", "_journal/HEAD"),
        ("sync", "_journal/HEAD"),
        ("unlink", "_staging/ours/mine.intent"),
        ("chmod", "mine"),
        ("sync", "_staging/ours/.index.tmp"),
        ("rename", "_staging/ours/.index.tmp -> index.json"),
    ]
    places = []
    for step in order:
        places.append(trace.index(step, places[-1] if places else 0))
    assert places == sorted(places)
    assert places[5:8] == [renamed, renamed + 1, event]
    assert ("unlink", "_staging/ours/mine.intent") not in trace[renamed:event]


def test_every_file_of_a_run_is_synced_before_it_is_published(root: Path, minutes: Path) -> None:
    trace = watched(root, request(minutes, run_id="mine"))
    published = trace.index(("rename", "_staging/ours/mine -> mine"))
    made = {path for what, path in trace[:published] if what == "create" and path.startswith("_staging/ours/mine/")}
    last_write = {path: max(at for at, step in enumerate(trace) if step == ("write", path)) for path in made}
    assert {Path(path).name for path in made} == {path.name for path in (root / "mine").rglob("*") if path.is_file()}
    for path in made:
        assert last_write[path] < trace.index(("sync", path)) < published


def test_a_run_that_exists_writes_nothing_into_the_run(root: Path, minutes: Path) -> None:
    run_id = opened(root).runs().items[0].run_id
    assert not [step for step in watched(root, request(minutes)) if run_id in step[1]]


def test_readers_see_nothing_before_the_event(root: Path, minutes: Path) -> None:
    seen: dict[str, int] = {}
    reader = opened(root)

    def look(what: str, path: str) -> None:
        if "mine" in path or path.endswith((".jsonl", "HEAD")):
            seen[f"{what} {path}"] = len(reader.runs().items)

    disk = WatchedDisk(str(root), look)
    with Store(str(root), host=host(), settings=SETTINGS, disk=disk) as store:
        create(request(minutes, run_id="mine"), root=store, host=store.host, settings=store.settings)
    assert seen[next(step for step in seen if step.startswith("rename") and step.endswith("-> mine"))] == 1
    assert seen["sync _journal/00000000000000000001.jsonl"] == 1
    assert seen["write_at _journal/HEAD"] == 1
    assert seen["chmod mine"] == 2


def test_a_committed_run_is_read_only(root: Path) -> None:
    run = root / names(root)["runs"][0]
    assert {path.stat().st_mode & 0o777 for path in (run, run / "columns")} == {0o555}
    assert {path.stat().st_mode & 0o777 for path in run.rglob("*") if path.is_file()} == {0o444}


def test_reading_takes_no_lock_and_writes_nothing(root: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    trace: list[tuple[str, str]] = []
    disk = WatchedDisk(str(root), lambda what, path: trace.append((what, path)))
    with Store(str(root), host=host(), disk=disk) as store:
        run = store.run(store.runs().items[0].run_id)
        assert len(run.records) == len(run.equity)
        assert store.datasets()
        assert store.as_of(1).seq == 1
    assert trace == []
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


# Names that are taken


def event_of(root: Path, run_id: str) -> RunCommitted:
    return next(event for event in events(root) if isinstance(event, RunCommitted) and event.run_id == run_id)


def stage(store: Store, root: Path, run_id: str, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Any:
    """Stage a copy of a committed run, its manifest changed, and return the event that would commit it."""
    event = event_of(root, run_id)
    staged = Path(shutil.copytree(root / run_id, store.owner.path(run_id)))
    for path in (staged, staged / "columns", staged / "manifest.json"):
        path.chmod(0o755)
    manifest = msgspec.json.decode((staged / "manifest.json").read_bytes())
    change(manifest)
    (staged / "manifest.json").write_bytes(manifest_bytes(manifest))
    return msgspec.structs.replace(
        event,
        inputs_hash=manifest["inputs_hash"],
        manifest_sha256=manifest_sha256(manifest),
        content_sha256=content_sha256(manifest),
    )


def test_the_same_inputs_and_bytes_are_success_and_ours_is_discarded(root: Path) -> None:
    run_id = names(root)["runs"][0]
    with opened(root) as store:
        entry, existed = store.commit(run_id, stage(store, root, run_id))
        assert existed
        assert entry.run_id == run_id
        assert store.disk.names(store.owner.directory) == ("lock",)
    assert sum(isinstance(event, RunCommitted) for event in events(root)) == 1


def test_another_source_of_the_same_data_is_the_same_run(root: Path) -> None:
    run_id = names(root)["runs"][0]
    with opened(root) as store:
        event = stage(store, root, run_id, lambda manifest: manifest["data"].update(source={"name": "a copy.csv"}))
        assert store.commit(run_id, event)[1]


def test_the_same_inputs_with_other_bytes_are_nondeterministic_and_told(root: Path) -> None:
    run_id = names(root)["runs"][0]
    before = (root / run_id / "manifest.json").read_bytes()
    with opened(root) as store:
        event = stage(store, root, run_id, lambda manifest: manifest["artifacts"][0].update(sha256="0" * 64))
        with pytest.raises(BuffError) as caught:
            store.commit(run_id, event)
    assert (caught.value.code, caught.value.exit_code) == ("NONDETERMINISTIC", 9)
    told = events(root)[-1]
    assert isinstance(told, RunRejected)
    assert (told.code, told.details["made"]) == ("NONDETERMINISTIC", event.content_sha256)
    assert (root / run_id / "manifest.json").read_bytes() == before


def test_other_inputs_of_a_taken_id_are_refused(root: Path) -> None:
    run_id = names(root)["runs"][0]
    with opened(root) as store:
        event = stage(store, root, run_id, lambda manifest: manifest.update(inputs_hash="1" * 64))
        with pytest.raises(BuffError) as caught:
            store.commit(run_id, event)
    assert (caught.value.code, caught.value.details["asked"]) == ("RUN_EXISTS", "1" * 64)


def test_the_guard_is_asked_last_and_may_refuse(root: Path, minutes: Path) -> None:
    run_id = names(root)["runs"][0]
    with opened(root) as store:
        event = msgspec.structs.replace(stage(store, root, run_id), run_id="mine")
        os.rename(store.owner.path(run_id), store.owner.path("mine"))

        def guard() -> None:
            assert not (root / "mine").exists()
            raise LimitExceeded("too many", hint="wait")

        with pytest.raises(LimitExceeded):
            store.commit("mine", event, guard=guard)
        assert "mine.intent" not in store.disk.names(store.owner.directory)
        store.owner.discard("mine")
    assert names(root)["runs"] == [run_id]
    assert names(root)["_staging"] == []


def at_once(store: Store, calls: list[Callable[[], object]], *, queued: int) -> list[object]:
    """Make the calls in threads while the journal is held, until so many are queued for it; return the answers."""
    answers: list[object] = [None] * len(calls)

    def run(at: int) -> None:
        try:
            answers[at] = calls[at]()
        except BuffError as error:
            answers[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    with store.journal().exclusive():
        for thread in threads:
            thread.start()
        while store.journal()._group._queue.qsize() < queued:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    return answers


def stage_as(store: Store, root: Path, run_id: str, other: str) -> RunCommitted:
    """Stage a copy of a committed run under another id and return the event that would commit it."""
    event = msgspec.structs.replace(stage(store, root, run_id), run_id=other)
    os.rename(store.owner.path(run_id), store.owner.path(other))
    return event


def test_runs_that_threads_commit_at_once_share_a_batch_and_fail_alone(root: Path) -> None:
    run_id = names(root)["runs"][0]
    ours = [f"run_{at}" for at in range(8)]

    def refuse() -> None:
        raise LimitExceeded("too many", hint="wait")

    with opened(root) as store:
        staged = [stage_as(store, root, run_id, name) for name in ours]
        calls = [partial(store.commit, event.run_id, event) for event in staged]
        calls[5] = partial(calls[5], guard=refuse)
        # One of them waits for the lock itself, and the writer's thread may hold another already.
        answers = at_once(store, calls, queued=len(calls) - 2)
        assert isinstance(answers[5], LimitExceeded)
        assert not (root / "run_5").exists()
        store.owner.discard("run_5")
    lines = {line.seq: line for line in read(RealDisk(), str(root), boot=store.host.boot).lines}
    kept = [answer for answer in answers if answer is not answers[5]]
    assert [entry.run_id for entry, existed in kept if not existed] == [name for name in ours if name != "run_5"]
    for entry, _ in kept:
        assert lines[entry.seq].key == f"run:{entry.run_id}"
        assert (root / entry.run_id / "manifest.json").is_file()
    assert len({lines[entry.seq].first for entry, _ in kept}) < len(kept)
    assert names(root)["_staging"] == []


def test_threads_that_commit_the_same_run_at_once_publish_one_of_them(root: Path) -> None:
    """Both would find the id free: the second waits for the first, and then its directory is not wanted."""
    run_id = names(root)["runs"][0]
    with opened(root) as store:
        event = stage_as(store, root, run_id, "twice")
        others = [stage_as(store, root, run_id, name) for name in ("a_run", "b_run", "c_run")]
        calls = [partial(store.commit, each.run_id, each) for each in [*others, event, event, event]]
        # Of the three that are the same one is queued at most: three others and this one, less the two as above.
        answers = at_once(store, calls, queued=2)
    assert sorted(existed for _, existed in answers[3:]) == [False, True, True]
    assert sum(isinstance(item, RunCommitted) and item.run_id == "twice" for item in events(root)) == 1
    assert names(root)["_orphans"] == []


# Directories without an event


def orphaned(root: Path, tmp_path: Path, minutes: Path, spoil: bool) -> str:
    """Put a directory with the name of a run to come into a root that knows nothing of it."""
    made = make(tmp_path / "elsewhere", minutes, risk_level=4).run
    target = root / made.id
    shutil.copytree(made.directory, target)
    if spoil:
        (target / "manifest.json").chmod(0o644)
        (target / "manifest.json").write_text("{}\n")
    return made.id


@pytest.mark.parametrize("spoil", [False, True], ids=["identical", "spoilt"])
def test_an_orphan_of_the_same_name_goes_aside_and_is_never_adopted(
    root: Path, tmp_path: Path, minutes: Path, spoil: bool
) -> None:
    run_id = orphaned(root, tmp_path, minutes, spoil)
    orphan = (root / run_id / "manifest.json").read_bytes()
    inode = (root / run_id).stat().st_ino
    assert run_id not in {entry.run_id for entry in opened(root).runs().items}
    created = make(root, minutes, risk_level=4)
    assert not created.existed
    assert (root / run_id).stat().st_ino != inode
    assert (root / "_orphans" / f"{run_id}.0" / "manifest.json").read_bytes() == orphan
    told = [event for event in events(root) if isinstance(event, OrphanQuarantined)]
    assert [(event.name, event.identical) for event in told] == [(f"{run_id}.0", not spoil)]
    assert opened(root).state.orphans == (f"{run_id}.0",)


def test_a_second_orphan_gets_the_next_number(root: Path, tmp_path: Path, minutes: Path) -> None:
    run_id = orphaned(root, tmp_path, minutes, True)
    (root / "_orphans").mkdir()
    (root / "_orphans" / f"{run_id}.0").mkdir()
    make(root, minutes, risk_level=4)
    assert names(root)["_orphans"] == [f"{run_id}.0", f"{run_id}.1"]
    assert sorted(opened(root).state.orphans) == [f"{run_id}.0", f"{run_id}.1"]


def test_directories_that_nothing_names_are_never_touched(root: Path, minutes: Path) -> None:
    (root / "run_ffffffffffffffff").mkdir()
    (root / "a user's own").mkdir()
    (root / "a user's own" / "file").write_text("mine")
    before = names(root)["runs"]
    make(root, minutes, run_id="mine")
    assert names(root)["runs"] == sorted([*before, "mine"])
    assert (root / "a user's own" / "file").read_text() == "mine"
    assert names(root)["_orphans"] == []


# The index


def index(root: Path) -> bytes:
    return (root / "index.json").read_bytes()


def replayed(root: Path) -> bytes:
    store = opened(root)
    return index_bytes(store.as_of(store.state.seq))


def test_the_index_is_a_replay_of_the_journal_byte_for_byte(root: Path, minutes: Path) -> None:
    assert index(root) == replayed(root)
    before = index(root)
    make(root, minutes, run_id="mine")
    assert index(root) == replayed(root) != before


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(os.urandom(1000)),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"BTCUSDT", b"ETHUSDT")),
    ],
    ids=["missing", "empty", "garbage", "torn", "changed"],
)
def test_an_index_that_is_not_whole_is_ignored_and_written_anew(
    root: Path, minutes: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(root / "index.json")
    assert [entry.symbol for entry in opened(root).runs().items] == ["BTCUSDT"]
    assert make(root, minutes).existed
    assert index(root) == replayed(root)


def test_an_index_of_another_history_is_ignored_and_written_anew(root: Path, tmp_path: Path, minutes: Path) -> None:
    make(tmp_path / "other", minutes, run_id="foreign")
    shutil.copy(tmp_path / "other" / "index.json", root / "index.json")
    assert "foreign" not in {entry.run_id for entry in opened(root).runs().items}
    make(root, minutes)
    assert index(root) == replayed(root)


def test_an_index_that_is_behind_is_caught_up_with(root: Path, minutes: Path) -> None:
    old = index(root)
    make(root, minutes, run_id="mine")
    (root / "index.json").write_bytes(old)
    assert {entry.run_id for entry in opened(root).runs().items} >= {"mine"}
    with opened(root) as store:
        assert store.write_index()
        assert not store.write_index()
    assert index(root) == replayed(root)


def test_a_list_as_of_a_past_event_is_what_was_true_then(root: Path, minutes: Path) -> None:
    first = opened(root).runs().items[0]
    make(root, minutes, run_id="mine")
    store = opened(root)
    assert [entry.run_id for entry in store.runs().items] == ["mine", first.run_id]
    assert [entry.run_id for entry in store.runs(as_of=first.seq).items] == [first.run_id]
    assert store.runs(as_of=first.seq - 1).items == ()
    assert store.as_of(store.state.seq) == store.state
    for beyond in (-1, store.state.seq + 1):
        with pytest.raises(BuffError, match="is not in the journal"):
            store.as_of(beyond)


# Reading what is there


def test_a_damaged_run_does_not_hide_the_others(root: Path, minutes: Path) -> None:
    first = opened(root).runs().items[0].run_id
    make(root, minutes, run_id="mine")
    manifest = root / "mine" / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes()[:-2] + b"x\n")
    store = opened(root)
    assert {entry.run_id for entry in store.runs().items} == {first, "mine"}
    assert len(store.run(first).records) == 48
    with pytest.raises(RunDamaged) as caught:
        store.run("mine")
    assert caught.value.details == {"run_id": "mine", "artifact": "manifest.json"}


def test_a_manifest_replaced_by_another_valid_one_is_damage(root: Path, minutes: Path) -> None:
    run_id = names(root)["runs"][0]
    path = root / run_id / "manifest.json"
    changed = {**msgspec.json.decode(path.read_bytes()), "run_id": run_id, "engine_version": "2"}
    path.chmod(0o644)
    path.write_bytes(manifest_bytes(changed))
    with pytest.raises(RunDamaged, match="not the one that was committed"):
        opened(root).run(run_id)


def test_a_run_is_found_by_the_beginning_of_its_id(root: Path) -> None:
    run_id = names(root)["runs"][0]
    assert opened(root).run(run_id[:7]).id == run_id
    for unknown in ("", "run_ffff", run_id + "0"):
        with pytest.raises(RunNotFound):
            opened(root).run(unknown)


def test_a_store_follows_what_another_process_writes(root: Path, minutes: Path) -> None:
    with opened(root) as writer, opened(root) as reader:
        before = reader.state.seq
        writer.record(RunRejected(code="X", message="x", details={}, by="tester"))
        assert reader.state.seq == before + 1 == writer.state.seq
    assert "1 runs, 1 datasets" in repr(opened(root))


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_root_that_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "root").write_text("x")
    with pytest.raises(BuffError) as caught:
        opened(tmp_path / "root")
    assert (caught.value.code, bool(caught.value.hint)) == ("RUNS_ROOT_INVALID", True)


def test_a_root_without_a_journal_is_empty(tmp_path: Path) -> None:
    assert opened(tmp_path).runs().items == ()
    assert list(tmp_path.iterdir()) == []


AS_ANOTHER_USER = """
import os, sys
from buff.cli.main import run

root, warm, *words = sys.argv[1:]
create = ["run", "create", *words, "--runs-root"]
assert run([*create, warm]) == run(["run", "list", "--runs-root", warm]) == 0  # imports all it needs while it may
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
assert run(["run", "list", "--json", "--runs-root", root]) == 0
sys.exit(run([*create, root]))
"""


def test_a_root_that_cannot_be_written_can_be_read_and_refuses_writers(
    root: Path, minutes: Path, tmp_path: Path
) -> None:
    """As another user where this one is root, whom no permission stops."""
    with tempfile.TemporaryDirectory(prefix="buff-open-") as place:
        closed = Path(shutil.copytree(root, Path(place, "root")))
        csv = shutil.copy(minutes, place)
        Path(place).chmod(0o755)
        closed.chmod(0o555)
        before = names(closed)
        words = arguments(request(Path(csv), run_id="mine"))
        done = process(["-c", AS_ANOTHER_USER, str(closed), str(tmp_path / "warm"), *words])
        closed.chmod(0o755)
        assert names(closed) == before
    assert done.returncode == 8, done.stderr
    assert done.stderr.startswith("RUNS_ROOT_INVALID: ")
    assert "What to do: " in done.stderr
    assert len(msgspec.json.decode(done.stdout.splitlines()[-1])["items"]) == 1


def test_the_disk_is_the_real_one_unless_another_is_given(root: Path) -> None:
    assert isinstance(opened(root).disk, RealDisk)


# Lists that are kept


ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"sort": "-sharpe"},
    {"sort": "sharpe", "text": "9"},
    {"sort": "symbol", "tag": "x"},
    {"state": "any", "text": "beta run_1"},
    {"state": "archived"},
    {"symbol": "ETH"},
)


def test_lists_follow_what_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was asked before, asked again it is what a store says that is opened now; and none is sorted anew."""
    anew: list[Query] = []

    def ordered(rows: Sequence[Row], query: Query, really: Any = queries.ordered) -> tuple[Row, ...]:
        anew.append(query)
        return tuple(really(rows, query))

    monkeypatch.setattr(queries, "ordered", ordered)

    def commit(number: int) -> RunCommitted:
        symbol, tags = ("BTC", "ETH")[number % 2], ["x"] * (number % 3 == 0)
        metrics = {"sharpe": None if number % 5 == 0 else number % 7 / 2}
        dataset = "de"[number % 2] * 64
        return committed(f"run_{number}", symbol=symbol, tags=tags, metrics=metrics, dataset_id=dataset)

    def said(store: Store) -> list[Any]:
        told = [(page.items, page.total) for page in (store.runs(**asked) for asked in ASKED)]
        facets = [store.facets(**asked) for asked in ASKED]
        return [told, facets, [store.runs_of(letter * 64) for letter in "de"]]

    with opened(tmp_path) as store:
        store.record(*(commit(number) for number in range(40)))
        said(store)
        assert len(anew) == len({queries.listing(Query(**asked)) for asked in ASKED}) + 3, "and what these narrow"
        batches: list[list[Event]] = [
            [commit(40)],
            [commit(number) for number in (41, 42, 43)],
            [RunAnnotated(run_id="run_19", by="me", name="Beta", tags=["x"])],
            [RunArchived(run_id=f"run_{number}", why=None, by="me") for number in (3, 40, 11)],
            [RunRestored(run_id="run_40", by="me"), commit(3)],
            [RunReclaimed(run_id="run_3", size_bytes=1, by="me")],
        ]
        for batch in batches:
            store.record(*batch)
            anew.clear()
            found = said(store)
            assert not anew
            assert found == said(opened(tmp_path))
        assert {run.run_id for letter in "de" for run in store.runs_of(letter * 64)} == set(store.state.runs) - {
            "run_3"
        }
