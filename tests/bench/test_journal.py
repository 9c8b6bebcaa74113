"""What the journal costs, beside the least it could cost, measured in the same run."""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from buff.files import RealDisk
from buff.journal.line import digest_of, form
from buff.journal.reader import judge
from buff.journal.survey import read_head
from journals import TIME, note, open_journal

APPENDS = 600
GROUPS = 60
EVENTS = 1_000_000
SEGMENT_EVENTS = 200_000  # 64 MB

pytestmark = pytest.mark.bench


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median time of each call, made one after the other so that a busy disk slows all alike."""
    times = [[seconds(call) for call in calls] for _ in range(rounds)]
    return [median(column) for column in zip(*times, strict=True)]


def test_a_synced_append_against_a_raw_write_and_sync(tmp_path: Path) -> None:
    """One event of 320 bytes, and a group of 100, against `write` + `fdatasync` of the same bytes."""
    disk, raw = RealDisk(), tmp_path / "raw"
    raw.write_bytes(b"")
    handle = disk.append(str(raw))
    journal = open_journal(None, str(tmp_path))

    def written(data: bytes) -> None:
        os.write(handle, data)
        disk.sync(handle)

    group = [note(f"run_{seq:07}") for seq in range(100)]
    journal.append(group)
    start = journal.position.offset
    journal.append(group[:1])
    size = journal.position.offset - start
    base, ours = in_turns(APPENDS, lambda: written(b"x" * size), lambda: journal.append(group[:1]))
    raw_group, grouped = in_turns(GROUPS, lambda: written(b"x" * 100 * size), lambda: journal.append(group))
    disk.close(handle)
    assert journal.position.seq == 1 + 101 + APPENDS + 100 * GROUPS
    print(
        f"\nappend, one event of {size} bytes: {ours * 1e6:.0f} us, raw write + sync {base * 1e6:.0f} us, "
        f"ratio {ours / base:.2f}; in groups of 100: {grouped * 1e4:.1f} us each, raw {raw_group * 1e4:.1f} us each"
    )


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


def test_full_verification(tmp_path: Path) -> None:
    """A million events of 320 bytes: hash, chain, batch, form and strict data of every one, in processor time."""
    open_journal(None, str(tmp_path)).close()
    segment = tmp_path / "_journal" / f"{1:020}.jsonl"
    last = segment.read_bytes()
    for seq in range(1, EVENTS, SEGMENT_EVENTS):
        with segment.open("ab") as file:
            for line in lines_from(seq, digest_of(last), min(SEGMENT_EVENTS, EVENTS - seq), opens=seq > 1):
                file.write(line)
        last = line
        segment = segment.with_name(f"{seq + 1 + SEGMENT_EVENTS:020}.jsonl")
    size = sum(path.stat().st_size for path in segment.parent.glob("*.jsonl"))
    start = time.process_time()
    verdict = judge(RealDisk(), str(tmp_path), head=read_head(RealDisk(), str(tmp_path)).current)
    spent = time.process_time() - start
    start = time.process_time()
    for _ in range(EVENTS):
        hashlib.sha256(last).hexdigest()
    hashing = time.process_time() - start
    assert verdict.findings.end.seq == EVENTS
    shutil.rmtree(segment.parent)  # a third of a gigabyte
    print(
        f"\nverified {EVENTS:,} events of {size // EVENTS} bytes in {spent:.2f} s of processor time, "
        f"{EVENTS / spent:,.0f} a second, {spent / hashing:.1f} times what hashing them takes"
    )
