"""What the journal costs, beside the least it could cost, measured in the same run."""

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buff.bench.journal import subject
from buff.files import RealDisk
from buff.journal.line import digest_of, form
from buff.journal.reader import judge
from buff.journal.survey import read_head
from contests import asked, show
from journals import TIME, note, open_journal

EVENTS = 1_000_000
SEGMENT_EVENTS = 200_000  # 64 MB

pytestmark = pytest.mark.bench


def test_appends_and_proofs_beside_others(request: pytest.FixtureRequest) -> None:
    """One event and a group of a hundred, beside SQLite, eventsourcing and `write` + `fdatasync` of the same bytes."""
    show(request, subject)


@pytest.mark.parametrize("threads", [1, 4, 16, 64])
def test_group_commit(tmp_path: Path, threads: int) -> None:
    """Events per second when so many threads append one event at a time, each waiting for its receipt."""
    journal = open_journal(None, str(tmp_path), lock_timeout_seconds=60.0)
    each = 512 // threads

    def work() -> None:
        for _ in range(each):
            journal.append([note("x" * 60)])

    workers = [threading.Thread(target=work) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    spent = time.perf_counter() - start
    journal.close()
    assert journal.position.seq == 1 + threads * each
    print(f"\n{threads} threads: {threads * each / spent:,.0f} events a second, each synced before its receipt")


def lines_from(seq: int, prev: str, count: int, *, opens: bool) -> Iterator[bytes]:
    """Yield the lines behind event `seq`, each a batch of 320 bytes; with `opens` the first opens a segment."""
    for at in range(seq + 1, seq + 1 + count):
        data, kind = b'{"identical":false,"name":"%07d","reason":"x"}' % at, "orphan_quarantined"
        if opens and at == seq + 1:
            data, kind = b"{}", "segment_opened"
        raw = form(seq=at, prev=prev, first=at, last=at, time=TIME, type=kind, key=None, data=data)
        prev = digest_of(raw)
        yield raw


def test_full_verification(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A million events of 320 bytes: hash, chain, batch, form and strict data of every one, in processor time."""
    events, each = (EVENTS, SEGMENT_EVENTS) if asked(request) else (EVENTS // 40, SEGMENT_EVENTS // 40)
    open_journal(None, str(tmp_path)).close()
    segment = tmp_path / "_journal" / f"{1:020}.jsonl"
    last = segment.read_bytes()
    for seq in range(1, events, each):
        with segment.open("ab") as file:
            for line in lines_from(seq, digest_of(last), min(each, events - seq), opens=seq > 1):
                file.write(line)
        last = line
        segment = segment.with_name(f"{seq + 1 + each:020}.jsonl")
    size = sum(path.stat().st_size for path in segment.parent.glob("*.jsonl"))
    start = time.process_time()
    verdict = judge(RealDisk(), str(tmp_path), head=read_head(RealDisk(), str(tmp_path)).current)
    spent = time.process_time() - start
    start = time.process_time()
    for _ in range(events):
        hashlib.sha256(last).hexdigest()
    hashing = time.process_time() - start
    assert verdict.findings.end.seq == events
    shutil.rmtree(segment.parent)  # a third of a gigabyte
    print(
        f"\nverified {events:,} events of {size // events} bytes in {spent:.2f} s of processor time, "
        f"{events / spent:,.0f} a second, {spent / hashing:.1f} times what hashing them takes"
    )
