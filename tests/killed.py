"""What the processes do that `attack/test_kills.py` kills. They write down each answer whole, after they got it."""

import os

from buff.journal.events import RunRejected
from buff.store import Store
from journals import note, open_journal
from ledgers import SETTINGS, host, stage


def commit_for_ever(root: str, number: int, answers: str) -> None:
    """Commit runs and notes without end."""
    told = _open(answers)
    store = Store(root, host=host(process=number + 1), settings=SETTINGS)
    count = 0
    while True:
        run_id = f"run_{number}_{count}"
        _, event = stage(store, store.owner.path(run_id), run_id, "")
        store.commit(run_id, event)
        os.write(told, b"run %b\n" % run_id.encode())
        (receipt,) = store.record(RunRejected(code="X", message="no", details={}, by="tester"))
        os.write(told, b"seq %d %b\n" % (receipt.seq, receipt.sha256.encode()))
        count += 1


def append(root: str, number: int, count: int, answers: str) -> None:
    """Append events, each in a batch of its own, beside others who do the same."""
    told = _open(answers)
    journal = open_journal(None, root, lock_timeout_seconds=60.0)
    for at in range(count):
        (receipt,) = journal.append([note(f"{number}.{at}")])
        os.write(told, b"seq %d %b\n" % (receipt.seq, receipt.sha256.encode()))
    journal.close()


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
