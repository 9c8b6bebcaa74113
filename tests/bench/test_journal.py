"""What the journal costs, beside the least it could cost, measured in the same run."""

import hashlib
import os
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from buff.files import RealDisk
from buff.journal.line import parse, write
from buff.journal.reader import judge
from buff.journal.survey import read_head
from journals import TIME, note, open_journal

APPENDS = 300
EVENTS = 20_000

pytestmark = pytest.mark.bench


def seconds_each(call, rounds: int = APPENDS) -> float:
    """Return the median time of one call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def test_a_synced_append_against_a_raw_write_and_sync(tmp_path: Path) -> None:
    """One event, and a group of 100, against `write` + `fdatasync` of the same bytes."""
    disk, raw = RealDisk(), tmp_path / "raw"
    raw.write_bytes(b"")
    journal = open_journal(None, str(tmp_path))
    one, group = [note("x" * 60)], [note("x" * 60) for _ in range(100)]
    data = b"x" * 330
    handle = disk.append(str(raw))

    def raw_append() -> None:
        os.write(handle, data)
        disk.sync(handle)

    base, ours = [], []
    for _ in range(5):  # in turns, so that a busy disk slows both
        base.append(seconds_each(raw_append, APPENDS // 5))
        ours.append(seconds_each(lambda: journal.append(one), APPENDS // 5))
    grouped = seconds_each(lambda: journal.append(group), 40) / 100
    disk.close(handle)
    assert journal.position.seq == 1 + APPENDS + 4_000
    print(
        f"\nappend, one event: {median(ours) * 1e6:.0f} us, raw write + sync {median(base) * 1e6:.0f} us, "
        f"ratio {median(ours) / median(base):.2f}; in groups of 100: {grouped * 1e6:.1f} us each"
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


def test_full_verification(tmp_path: Path) -> None:
    """Events of 320 bytes: hash, chain, batch, form and strict data of every one, per second of processor time."""
    segment = tmp_path / "_journal" / f"{1:020}.jsonl"
    open_journal(None, str(tmp_path)).close()
    raw = segment.read_bytes()
    first = parse(raw)
    prev, lines = first.sha256, [raw]
    envelope = {"time": TIME, "type": "orphan_quarantined", "key": None}
    for seq in range(2, EVENTS + 1):
        data = b'{"identical":false,"name":"run_%07d","reason":"x"}' % seq
        line = write(seq=seq, prev=prev, first=seq, last=seq, data=data, **envelope)
        lines.append(line.raw)
        prev = line.sha256
    segment.write_bytes(b"".join(lines))
    start = time.process_time()
    verdict = judge(RealDisk(), str(tmp_path), head=read_head(RealDisk(), str(tmp_path)).current)
    spent = time.process_time() - start
    start = time.process_time()
    for raw in lines:
        hashlib.sha256(raw).hexdigest()
    hashing = time.process_time() - start
    assert verdict.findings.end.seq == EVENTS
    print(
        f"\nverified {EVENTS / spent:,.0f} events of {segment.stat().st_size // EVENTS} bytes per second of CPU: "
        f"1,000,000 in {spent * 1e6 / EVENTS:.2f} s, {spent / hashing:.1f} times what hashing them takes"
    )
