"""From the journal to the log: every event has its line, and a build's lines carry the id of its request."""

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.errors import DataInvalid
from buff.feed import Feed
from buff.journal import events as facts
from buff.journal.record import Recorded
from buff_web.trail import PAUSE_SECONDS, TABLE, Trail, follow
from whole import make, opened

# What a person wrote or a file held: no line shows it.
TOLD = {"message", "hint", "details", "why", "reason", "notes", "name", "tags", "files", "file", "options", "source"}
PATIENCE_SECONDS = 20


class Heard:
    """A logger that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: self.lines.append({"level": level, "event": event, **fields})


def test_every_event_has_a_line_of_fields_it_has() -> None:
    assert set(TABLE) == set(facts.EVENTS)
    for kind, shown in TABLE.items():
        assert set(shown.fields) <= set(kind.__struct_fields__), kind
        assert shown.category in ("create", "ingest", "registry", "safety")


def test_no_line_shows_what_people_wrote_or_files_held() -> None:
    for kind, shown in TABLE.items():
        safe = {"source"} if kind in (facts.KillSwitchEngaged, facts.KillSwitchReleased) else set()
        assert not set(shown.fields) & (TOLD - safe), kind


def test_the_page_says_what_each_line_shows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "service.md").read_text(encoding="utf-8")
    for kind, shown in TABLE.items():
        fields = ", ".join(f"`{name}`" for name in shown.fields)
        row = f"| `{kind.TYPE.partition('.')[0]}` | {shown.category} | {fields}{' ' if fields else ''}|"
        assert row in page


def _lines(root: Path, after: int = 0) -> list[dict[str, Any]]:
    store = opened(root)
    return [{"level": level, **fields} for level, fields in Trail(store).lines(store.events(after=after))]


def test_a_run_is_told_from_its_file_to_its_commit(root: Path) -> None:
    lines = _lines(root)
    assert [(line["category"], line["event"]) for line in lines] == [
        ("registry", "journal_opened"),
        ("ingest", "ingest_started"),
        ("ingest", "ingest_parsed"),
        ("ingest", "ingest_validated"),
        ("ingest", "dataset_stored"),
        ("create", "run_committed"),
    ]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all("milliseconds" in line for line in lines[2:5])
    assert lines[5]["run_id"].startswith("run_")
    assert "minutes.csv" not in str(lines)


def test_a_refusal_has_its_code_and_not_the_cell(tmp_path: Path) -> None:
    csv = tmp_path / "bad.csv"
    csv.write_text("timestamp,open,high,low,close,volume\n2026-01-01T00:00:00Z,hunter2,1,1,1,1\n")
    (tmp_path / "root").mkdir()
    with pytest.raises(DataInvalid, match="hunter2"):
        make(tmp_path / "root", csv)
    rejected = _lines(tmp_path / "root")[-1]
    assert (rejected["level"], rejected["event"], rejected["code"], rejected["rule"]) == (
        "warning", "ingest_rejected", "DATA_INVALID", "CELL",
    )  # fmt: skip
    assert "hunter2" not in str(_lines(tmp_path / "root"))


def _at(seconds: int, seq: int, event: facts.Fact) -> Recorded:
    return Recorded(seq=seq, time=f"2026-01-02T03:04:{seconds:02d}.000000Z", event=event, sha256="", key=None)


def test_one_id_goes_from_the_request_through_the_worker_to_the_commit(root: Path) -> None:
    """The lines of a build's own ingest are known by the folder of the process that does it."""
    job, worker, ingest = "bld_0123456789abcdef", "77-0123456789abcdef", "ing_0123456789abcdef"
    requested = facts.BuildRequested(
        job=job, kind="run", request={"symbol": "X"}, owner="1-a", request_id="req_7", retry_of=None, by="tester"
    )
    started = facts.BuildStarted(job=job, owner=worker)
    own = [item.event for item in opened(root).events() if hasattr(item.event, "ingest")]
    mine = [msgspec.structs.replace(event, ingest=ingest) for event in own]
    mine[0] = msgspec.structs.replace(mine[0], owner=worker)
    committed = msgspec.structs.replace(opened(root).events()[-1].event, job=job)
    finished = facts.BuildFinished(job=job, run_id=committed.run_id, dataset_id=committed.dataset_id, existed=False)
    with opened(root) as store:
        store.record(requested, started)
    store = opened(root)
    others = [_at(9, 90 + number, event) for number, event in enumerate(own)]
    items = [_at(0, 7, requested), _at(1, 8, started)]
    items += [_at(2, 9 + number, event) for number, event in enumerate(mine)]
    items += [_at(3, 20, committed), _at(4, 21, finished)]
    lines = [fields for _, fields in Trail(store).lines([*items, *others])]
    assert all(line["request_id"] == "req_7" and line["job"] == job for line in lines[: len(items)])
    assert not any("request_id" in line for line in lines[len(items) :])
    assert "milliseconds" in lines[1]
    assert "milliseconds" in lines[-1 - len(others)]


def _following(feed: Feed, heard: Heard, ended: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=follow, args=(feed, Trail(feed._store), heard, ended), daemon=True)
    thread.start()
    return thread


def test_what_others_record_is_logged_until_the_end_and_at_it(root: Path) -> None:
    heard, ended = Heard(), threading.Event()
    following = _following(Feed(opened(root)), heard, ended)
    with opened(root) as store:
        run_id = store.runs().items[0].run_id
        store.archive(run_id)
        _until(lambda: heard.lines)
        store.restore(run_id)
    ended.set()
    following.join(PATIENCE_SECONDS)
    assert not following.is_alive()
    assert [(line["event"], line["run_id"]) for line in heard.lines] == [
        ("run_archived", run_id), ("run_restored", run_id),
    ]  # fmt: skip


def test_damage_is_said_once_and_not_at_every_look(root: Path) -> None:
    feed = Feed(opened(root))
    with opened(root) as store:
        store.archive(store.runs().items[0].run_id)
    segment = next((root / "_journal").glob("0*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b'"run_archived"', b'"run_aRchived"'))
    heard, ended = Heard(), threading.Event()
    following = _following(feed, heard, ended)
    _until(lambda: heard.lines)
    time.sleep(3 * PAUSE_SECONDS)
    ended.set()
    following.join(PATIENCE_SECONDS)
    assert [(line["event"], line["code"]) for line in heard.lines] == [("journal_unreadable", "JOURNAL_CORRUPT")]


def _until(true: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
